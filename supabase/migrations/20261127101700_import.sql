-- The second part of an import: import_deals carries out the plan, or only reports it.
-- Each call is one transaction. The number of statements does not depend on the number of rows.

-- Return the id of the user to import for, and lock the changes of this user. Server-side jobs (service_role) pass the
-- id of an existing user. Other callers may import only for themselves (PT403).
create function private.begin_import(p_user_id uuid) returns uuid
    language plpgsql set search_path = ''
as $$
begin
    if p_user_id is null or p_user_id = auth.uid() then
        return private.begin_change();
    end if;
    -- current_user cannot be used: inside a security definer function, it is the owner of the function.
    if current_setting('role', true) is distinct from 'service_role' then
        raise sqlstate 'PT403' using message = 'You can import rows only for yourself.';
    end if;
    perform pg_advisory_xact_lock(private.user_lock(p_user_id));
    if not exists (select from auth.users u where u.id = p_user_id) then
        raise sqlstate 'PT404' using message = 'There is no such user.';
    end if;
    return p_user_id;
end
$$;

-- Validate the form of the rows. Raises PT422.
create function private.require_import(p_rows jsonb) returns void
    language plpgsql immutable set search_path = ''
as $$
begin
    if jsonb_typeof(p_rows) is distinct from 'array' or jsonb_array_length(p_rows) > 5000 then
        raise sqlstate 'PT422' using message = 'An array of at most 5000 rows is needed.';
    end if;
    if exists (
        select from jsonb_array_elements(p_rows) r
        where case when jsonb_typeof(r) <> 'object' then true
              else r ->> 'line' is null or not private.is_asin(r ->> 'asin')
                  or r -
                  '{line,product_id,asin,upc,title,brand,multiple_asins,supplier,buy_cost,moq,stage,favorite,notes}'
                      ::text[] <> '{}' end
    ) then
        raise sqlstate 'PT422' using
            message = 'Each row must be an object with a line number, known fields only, and a valid ASIN or none.';
    end if;
end
$$;

-- Insert the new products, and fill in missing values of existing ones. Existing values are kept.
create function private.write_products(p_user_id uuid, p_plan private.import_row[]) returns void
    language plpgsql set search_path = ''
as $$
begin
    insert into public.products (id, user_id, asin, upc, title, brand, multiple_asins)
    select distinct on (r.product_id) r.product_id, p_user_id, r.asin, r.upc, r.title, coalesce(r.brand, ''),
           coalesce(r.multiple_asins, false)
    from unnest(p_plan) r
    where r.problem is null and r.new_product;
    update public.products p
    set asin = case when p.asin_status = 'asin_found' then p.asin else coalesce(r.asin, p.asin) end,
        upc = coalesce(p.upc, r.upc),
        brand = coalesce(nullif(p.brand, ''), r.brand, '')
    from (select distinct on (r.product_id) r.* from unnest(p_plan) r
          where r.problem is null and r.product_changes) r
    where p.id = r.product_id;
end
$$;

-- Insert new deals, change existing ones, and restore deleted ones. A null keeps the existing value.
create function private.write_deals(p_user_id uuid, p_plan private.import_row[]) returns void
    language plpgsql set search_path = ''
as $$
begin
    insert into public.deals
        (user_id, product_id, supplier, buy_cost, moq, stage, favorite, notes, asin_status, title_key)
    select p_user_id, r.product_id, coalesce(r.supplier, ''), r.buy_cost, r.moq,
           coalesce(r.stage, 'new'), coalesce(r.favorite, false), coalesce(r.notes, ''), p.asin_status, lower(p.title)
    from unnest(p_plan) r
    -- `offset 0` makes this one index lookup per row.
    cross join lateral (select p.* from public.products p where p.id = r.product_id offset 0) p
    where r.last and r.deal_id is null
    order by r.line;
    update public.deals d
    set supplier = coalesce(r.supplier, d.supplier), buy_cost = coalesce(r.buy_cost, d.buy_cost),
        moq = coalesce(r.moq, d.moq), stage = coalesce(r.stage, d.stage),
        favorite = coalesce(r.favorite, d.favorite), notes = coalesce(r.notes, d.notes),
        active = true, deleted_at = null
    from unnest(p_plan) r
    where r.last and r.deal_changes and d.id = r.deal_id;
end
$$;

-- Import rows of a file in one transaction, or only report what they would change. The form of p_rows is [{"line", and
-- any of "product_id", "asin", "upc", "title", "brand", "multiple_asins", "supplier", "buy_cost", "moq", "stage",
-- "favorite", "notes"}]. A missing or null value keeps what is stored. If several rows are for one deal, the last one
-- counts. A row that contradicts existing data is refused, and the other rows are imported. With p_dry_run, the result
-- is the same and nothing is written. Answer: {"created", "updated", "unchanged", "repeated": numbers of rows,
-- "refused": [{"line", "column", "reason"}]}, in the envelope of private.with_stats.
-- Security definer: under row level security, the comparisons with lower(…) could not use an index, because they are
-- not leakproof, and the time of a batch would grow with the catalogue. All statements therefore contain the user id.
create function public.import_deals(p_rows jsonb, p_dry_run boolean default false, p_user_id uuid default null)
    returns jsonb
    language plpgsql security definer set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_import(p_user_id);
    v_plan private.import_row[];
    v_constraint text;
begin
    perform private.require_import(p_rows);
    v_plan := array(select r from private.plan_import(v_user_id, p_rows) r);
    if p_dry_run is not true then
        perform private.write_products(v_user_id, v_plan);
        perform private.write_deals(v_user_id, v_plan);
    end if;
    return private.with_stats(v_user_id, (
        select jsonb_build_object(
            'created', count(*) filter (where r.last and r.deal_id is null),
            'updated', count(*) filter (where r.last and r.deal_id is not null
                                          and (r.deal_changes or r.product_changes)),
            'unchanged', count(*) filter (where r.last and r.deal_id is not null
                                            and not r.deal_changes and not r.product_changes),
            'repeated', count(*) filter (where r.problem is null and not r.last),
            'refused', coalesce(jsonb_agg(jsonb_build_object('line', r.line, 'column', r.problem, 'reason', r.reason)
                                          order by r.line) filter (where r.problem is not null), '[]')
        )
        from unnest(v_plan) r
    ));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.begin_import, private.require_import, private.write_products, private.write_deals,
    public.import_deals
    from public, anon, authenticated, service_role;
grant execute on function public.import_deals
    to authenticated, service_role;
