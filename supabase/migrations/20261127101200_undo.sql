-- Undo: a deleted deal can be restored for 30 days. After that, it can be removed permanently.

-- The purge reads this index, which contains the deleted deals of all users.
create index deals_deleted_idx on public.deals (deleted_at) where not active;

-- Return how long a deleted deal can be restored.
create function private.undo_window() returns interval
    language sql immutable
    return interval '30 days';

-- Permanently remove deals that were deleted more than p_days ago: at most p_limit, oldest first. Products that lose
-- their last deal are removed too. Returns {"deals", "products": numbers of removed rows}. Server-side jobs
-- (service_role) repeat the call until no deal is left. The stats do not change, because deleted deals are not counted.
create function public.purge_deals(p_days integer, p_limit integer default 1000) returns jsonb
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
    where p.id = any (v_product_ids) and not exists (select from public.deals d where d.product_id = p.id);
    get diagnostics v_products = row_count;
    return jsonb_build_object('deals', cardinality(v_product_ids), 'products', v_products);
end
$$;

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.undo_window, public.purge_deals
    from public, anon, authenticated, service_role;
grant execute on function private.undo_window
    to authenticated, service_role;
grant execute on function public.purge_deals
    to service_role;
