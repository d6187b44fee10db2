-- A product that was merged into another one keeps the identifiers that the other one did not take over. Lookups with
-- them find the other product.

-- Return the product into which this one was merged, or the product itself if it was not merged.
create function private.merge_target(p_product public.products) returns public.products
    language plpgsql stable set search_path = ''
as $$
declare
    v_target public.products;
begin
    if p_product.merged_into is null then
        return p_product;
    end if;
    select * into v_target from public.products p
    where p.id = p_product.merged_into and p.user_id = p_product.user_id;
    return v_target;
end
$$;

-- Return the product of the user with this ASIN, else the one with this UPC, else a row of nulls. A product that was
-- merged stands for the one into which it was merged. Raises PT409 if the two contradict each other.
create or replace function private.find_product(p_user_id uuid, p_asin text, p_upc text) returns public.products
    language plpgsql stable set search_path = ''
as $$
declare
    v_by_asin public.products;
    v_by_upc public.products;
begin
    select * into v_by_asin from public.products p
    where p.user_id = p_user_id and p.asin = p_asin and p.asin_status = 'asin_found';
    select * into v_by_upc from public.products p
    where p.user_id = p_user_id and p.upc = p_upc;
    v_by_asin := private.merge_target(v_by_asin);
    v_by_upc := private.merge_target(v_by_upc);
    if v_by_asin.id <> v_by_upc.id then
        raise sqlstate 'PT409' using
            message = 'The ASIN and the UPC belong to two different products of yours.',
            detail = jsonb_build_array(v_by_asin.id, v_by_upc.id)::text;
    end if;
    if v_by_asin.id is null and v_by_upc.asin_status = 'asin_found' and private.is_asin(p_asin) then
        raise sqlstate 'PT409' using
            message = format('Your product with this UPC has another ASIN, %s.', v_by_upc.asin),
            detail = jsonb_build_array(v_by_upc.id)::text;
    end if;
    if v_by_asin.id is null then
        return v_by_upc;
    end if;
    return v_by_asin;
end
$$;

-- Return the oldest product of the caller with this title and brand that has no UPC, preferably one without an ASIN. A
-- product that has got its ASIN since the last import is therefore found again. A product that was merged stands for
-- the one into which it was merged. The import uses the same rule. Security definer: under row level security the
-- comparison with lower(…) could not use an index, because it is not leakproof. The query therefore contains the id of
-- the caller. `offset 0` makes the planner look up the title first.
create or replace function private.find_by_title(p_title text, p_brand text) returns uuid
    language sql stable security definer set search_path = ''
as $$
    select coalesce(p.merged_into, p.id)
    from (
        select p.* from public.products p
        where p.user_id = (select auth.uid()) and lower(p.title) = lower(p_title) offset 0
    ) p
    where lower(p.brand) = lower(coalesce(p_brand, '')) and p.upc is null
    order by p.asin_status = 'asin_found', p.created_at, p.id limit 1
$$;

-- Delete a deal so that it can be restored, or remove it permanently with p_hard. Deleting a deleted deal again changes
-- nothing. Permanent removal includes the product if it has no other deal and was not merged into another one: the
-- identifiers of a merged product still find the other one. Answer: false if the caller has no such deal, else true.
-- Raises PT422 if the deal violates a constraint.
create or replace function public.delete_deal(p_deal_id uuid, p_hard boolean default false) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_deal public.deals;
    v_constraint text;
begin
    select * into v_deal from public.deals d where d.id = p_deal_id and d.user_id = v_user_id;
    if v_deal.id is null then
        return private.with_stats(v_user_id, 'false');
    end if;
    if p_hard then
        delete from public.deals d where d.id = v_deal.id;
        delete from public.products p
        where p.id = v_deal.product_id and p.merged_into is null
          and not exists (select from public.deals d where d.product_id = p.id);
    else
        update public.deals d set active = false, deleted_at = now() where d.id = v_deal.id and d.active;
    end if;
    return private.with_stats(v_user_id, 'true');
exception
    when integrity_constraint_violation then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

-- Permanently remove deals that were deleted more than p_days ago: at most p_limit, oldest first. Products that lose
-- their last deal are removed too, except those that were merged into another one. Returns {"deals", "products":
-- numbers of removed rows}. Server-side jobs (service_role) repeat the call until no deal is left. The stats do not
-- change, because deleted deals are not counted.
create or replace function public.purge_deals(p_days integer, p_limit integer default 1000) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_before constant timestamptz := now() - p_days * interval '1 day';
    v_old uuid[];
    v_product_ids uuid[];
    v_products bigint;
begin
    if p_days is null or p_days not between 30 and 36500 or p_limit is null or p_limit not between 1 and 10000 then
        raise sqlstate 'PT422' using
            message = 'p_days must be 30 to 36500 and p_limit 1 to 10000.';
    end if;
    v_old := array(
        select d.id from public.deals d where not d.active and d.deleted_at < v_before
        order by d.deleted_at limit p_limit
    );
    -- No deadlock: a change holds only one of these locks at a time, and all purges take them in the same order.
    perform pg_advisory_xact_lock(private.user_lock(u.user_id))
    from (select distinct d.user_id from public.deals d where d.id = any (v_old) order by d.user_id) u;
    with gone as (
        delete from public.deals d
        where d.id = any (v_old) and not d.active and d.deleted_at < v_before  -- it may have been restored
        returning d.product_id
    )
    select coalesce(array_agg(g.product_id), '{}') into v_product_ids from gone g;
    delete from public.products p
    where p.id = any (v_product_ids) and p.merged_into is null
      and not exists (select from public.deals d where d.product_id = p.id);
    get diagnostics v_products = row_count;
    return jsonb_build_object('deals', cardinality(v_product_ids), 'products', v_products);
end
$$;

comment on function private.find_by_title is
    'Return the oldest product of the caller with this title and brand that has no UPC, preferably one without an '
    'ASIN.';
comment on function private.merge_target is
    'Return the product into which this one was merged, or the product itself if it was not merged.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed. Replaced functions keep their rights.
revoke execute on function private.merge_target from public, anon, authenticated, service_role;
grant execute on function private.merge_target to authenticated, service_role;
