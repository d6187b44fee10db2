-- Undo, and its end: a deleted deal can be restored for 30 days, and after that be removed for good.

-- What the purge walks, over all users.
create index deals_deleted_idx on public.deals (deleted_at) where not active;

-- How long a deleted deal can be restored.
create function private.undo_window() returns interval
    language sql immutable
    return interval '30 days';

-- Do one thing to many deals: all of them or none. {"changed": the number of different ids}. Deals that are that way
-- already stay untouched, so doing it again changes nothing. PT404 when an id is not the caller's; PT410 when a deal
-- was deleted too long ago to be restored; detail is the JSON array of those ids.
create or replace function public.bulk_deals(p_action text, p_deal_ids uuid[], p_stage text default null) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_found uuid[];
    v_gone jsonb;
    v_constraint text;
begin
    perform private.require_bulk(p_action, p_deal_ids, p_stage);
    -- What is found here is still there below: begin_change holds the user's other changes off.
    select coalesce(array_agg(d.id), '{}'),
           jsonb_agg(d.id order by d.id) filter (where d.deleted_at < now() - private.undo_window())
    into v_found, v_gone
    from public.deals d where d.user_id = v_user_id and d.id = any (p_deal_ids);
    perform private.require_all(p_deal_ids, v_found);
    if p_action = 'restore' and v_gone is not null then
        raise sqlstate 'PT410' using
            message = 'Some of these deals were deleted too long ago to be restored; nothing was changed.',
            detail = v_gone::text;
    end if;
    update public.deals d
    set active = case p_action when 'delete' then false when 'restore' then true else d.active end,
        deleted_at = case p_action when 'delete' then coalesce(d.deleted_at, now())
            when 'restore' then null else d.deleted_at end,
        stage = case p_action when 'move' then p_stage else d.stage end,
        favorite = case p_action when 'favorite' then true when 'unfavorite' then false else d.favorite end
    where d.id = any (v_found)
      and case p_action when 'delete' then d.active when 'restore' then not d.active
              when 'move' then d.stage <> p_stage when 'favorite' then not d.favorite else d.favorite end;
    return jsonb_build_object('changed', cardinality(v_found));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

-- Refuse with PT404 and the JSON array of the ids that were not found.
create function private.require_all(p_wanted uuid[], p_found uuid[]) returns void
    language plpgsql immutable set search_path = ''
as $$
declare
    v_missing jsonb;
begin
    select jsonb_agg(missing.id) into v_missing
    from (select unnest(p_wanted) except select unnest(p_found)) as missing (id);
    if v_missing is not null then
        raise sqlstate 'PT404' using
            message = 'Some of these deals do not exist; nothing was changed.', detail = v_missing::text;
    end if;
end
$$;

-- Remove for good the p_limit deals that were deleted longest ago, all more than p_days, and the products that lose
-- their last deal by it. {"deals", "products": how many}. For server-side jobs (service_role), which call it until there
-- are no more. No number of anybody's changes: deleted deals count in none.
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
            message = 'Deals can be restored for 30 days, so only older ones are removed for good.';
    end if;
    v_old := array(
        select d.id from public.deals d where not d.active and d.deleted_at < v_before
        order by d.deleted_at limit p_limit
    );
    -- Changes hold one of these locks at a time, and purges take theirs in one order: nobody waits in a circle.
    perform pg_advisory_xact_lock(private.user_lock(u.user_id))
    from (select distinct d.user_id from public.deals d where d.id = any (v_old) order by d.user_id) u;
    with gone as (
        delete from public.deals d
        where d.id = any (v_old) and not d.active and d.deleted_at < v_before  -- still: nobody has brought it back
        returning d.product_id
    )
    select coalesce(array_agg(g.product_id), '{}') into v_product_ids from gone g;
    delete from public.products p
    where p.id = any (v_product_ids) and not exists (select from public.deals d where d.product_id = p.id);
    get diagnostics v_products = row_count;
    return jsonb_build_object('deals', cardinality(v_product_ids), 'products', v_products);
end
$$;

-- The id of the user with this e-mail address: {"id"}, or null. For server-side jobs (service_role). A definer
-- function, because no role of the interface can read auth.users.
create function public.find_user(p_email text) returns jsonb
    language sql stable security definer set search_path = ''
    return (select jsonb_build_object('id', u.id) from auth.users u where u.email = lower(btrim(p_email)) limit 1);

-- As in the migrations before: no function is anybody's by default. The parts of import_deals (the migration before)
-- stay nobody's.
revoke execute on function private.undo_window, private.require_all from public, anon;
grant execute on function private.undo_window, private.require_all to authenticated, service_role;
revoke execute on function public.purge_deals, public.find_user from public, anon, authenticated;
grant execute on function public.purge_deals, public.find_user to service_role;
