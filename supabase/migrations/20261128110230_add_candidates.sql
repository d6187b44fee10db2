-- The second part of the feed of candidates: add_candidates carries out the plan.
-- Each call is one transaction. The number of statements does not depend on the number of rows.

-- Validate the form of the rows. Raises PT422.
create function private.require_candidate_rows(p_rows jsonb) returns void
    language plpgsql immutable set search_path = ''
as $$
begin
    if jsonb_typeof(p_rows) is distinct from 'array' or jsonb_array_length(p_rows) > 5000 then
        raise sqlstate 'PT422' using message = 'An array of at most 5000 rows is needed.';
    end if;
    if exists (
        select from jsonb_array_elements(p_rows) r
        where case when jsonb_typeof(r) <> 'object' then true
              else r ->> 'line' is null or r -
                  '{line,product_id,upc,asin,title,brand,image_url,category,package_quantity,sales_rank,source}'::text[]
                  <> '{}' end
    ) then
        raise sqlstate 'PT422' using message = 'Each row must be an object with a line number and known fields only.';
    end if;
end
$$;

-- Insert the new candidates of the plan, and update those whose values change.
create function private.write_candidates(p_user_id uuid, p_plan private.candidate_row[]) returns void
    language plpgsql set search_path = ''
as $$
begin
    insert into public.candidates
        (user_id, product_id, asin, title, brand, image_url, category, package_quantity, sales_rank, source, position)
    select p_user_id, r.product_id, r.asin, r.title, r.brand, r.image_url, r.category, r.package_quantity,
           r.sales_rank, r.source, r.position
    from unnest(p_plan) r
    where r.outcome = 'stored'
    order by r.product_id, r.asin
    on conflict (product_id, asin) do update set
        title = excluded.title, brand = excluded.brand, image_url = excluded.image_url, category = excluded.category,
        package_quantity = excluded.package_quantity, sales_rank = excluded.sales_rank, source = excluded.source;
end
$$;

-- Give the products of the plan that have no ASIN the one that their match names. If a product has no match,
-- p_accept_single gives it the ASIN of its only open candidate. An ASIN is not given if another product has it, or if
-- it never matches the identifier of the product: a candidate can be older than this match. Of several products in the
-- plan, the one with the first row gets it. Returns the number of products that got an ASIN.
-- The settings leave the planner only index lookups, because sessions keep their plans.
create function private.accept_candidates(
    p_user_id uuid, p_plan private.candidate_row[], p_accept_single boolean
) returns bigint
    language plpgsql
    set search_path = '' set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_decided bigint;
begin
    with named as materialized (
        select r.product_id, min(r.line) as line,
               (array_agg(r.always order by r.line) filter (where r.always is not null))[1] as always
        from unnest(p_plan) r
        where r.product_id is not null
        group by r.product_id
    ), wanted as materialized (
        select n.product_id, n.line, p.gtin, coalesce(n.always, s.asin) as asin
        from named n
        cross join lateral (
            select private.gtin(p.upc) as gtin
            from public.products p where p.id = n.product_id and p.asin_status <> 'asin_found' limit 1
        ) p
        left join lateral (
            select min(c.asin) as asin from public.candidates c
            where n.always is null and p_accept_single and c.product_id = n.product_id and not c.dismissed
            having count(*) = 1
        ) s on true
    ), chosen as materialized (
        select distinct on (w.asin) w.product_id, w.asin
        from wanted w
        where w.asin is not null and private.product_with_asin(p_user_id, w.asin) is null and not exists (
            select from public.matches m
            where m.user_id = p_user_id and m.gtin = w.gtin and m.asin = w.asin and m.verdict = 'never'
        )
        order by w.asin, w.line
    )
    update public.products p set asin = c.asin from chosen c where p.id = c.product_id;
    get diagnostics v_decided = row_count;
    return v_decided;
end
$$;

-- Store the result of a look-up: candidates of existing products. The form of p_rows is [{"line", "product_id" or
-- "upc", and any of "asin", "title", "brand", "image_url", "category", "package_quantity", "sales_rank", "source"}].
-- Candidates are added or updated, never removed; a missing or null value keeps what is stored. ASINs that never match
-- the identifier of the product are left out. A product without an ASIN gets the one that always matches its
-- identifier. If there is no such match, p_accept_single gives it the ASIN of its only open candidate. If another
-- product has this ASIN, the candidate stays a proposal. Repeating the call changes nothing. Answer: {"stored",
-- "unchanged", "never", "empty" (without an ASIN), "unknown" (no such product): numbers of rows, "decided": number of
-- products that got an ASIN, "refused": [{"line", "column", "reason"}]}, in the envelope of private.with_stats. Each
-- row is counted once, except in "decided".
-- Security definer, so that the service role and users run the same plans, like import_deals. All statements therefore
-- contain the user id.
create function public.add_candidates(
    p_rows jsonb, p_accept_single boolean default false, p_user_id uuid default null
) returns jsonb
    language plpgsql security definer set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_import(p_user_id);
    v_plan private.candidate_row[];
    v_decided bigint;
    v_constraint text;
begin
    perform private.require_candidate_rows(p_rows);
    v_plan := array(select r from private.plan_candidates(v_user_id, p_rows) r);
    perform private.write_candidates(v_user_id, v_plan);
    v_decided := private.accept_candidates(v_user_id, v_plan, p_accept_single);
    return private.with_stats(v_user_id, (
        select jsonb_build_object(
            'stored', count(*) filter (where r.outcome = 'stored'),
            'unchanged', count(*) filter (where r.outcome = 'unchanged'),
            'never', count(*) filter (where r.outcome = 'never'),
            'empty', count(*) filter (where r.outcome = 'empty'),
            'unknown', count(*) filter (where r.outcome = 'unknown'),
            'decided', v_decided,
            'refused', coalesce(jsonb_agg(jsonb_build_object('line', r.line, 'column', r.problem, 'reason', r.reason)
                                          order by r.line) filter (where r.outcome = 'refused'), '[]')
        )
        from unnest(v_plan) r
    ));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

comment on function private.require_candidate_rows is 'Validate the form of the rows.';
comment on function private.write_candidates is
    'Insert the new candidates of the plan, and update those whose values change.';
comment on function private.accept_candidates is
    'Give the products of the plan that have no ASIN the one that their match names.';
comment on function public.add_candidates is 'Store the result of a look-up: candidates of existing products.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.require_candidate_rows, private.write_candidates, private.accept_candidates,
    public.add_candidates
    from public, anon, authenticated, service_role;
grant execute on function public.add_candidates
    to authenticated, service_role;
