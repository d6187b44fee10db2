-- recount_asin_stats as before, in one pass whatever the planner knows of the user: a catalogue without statistics made it
-- look through all products for each of them.
create or replace function public.recount_asin_stats(p_user_id uuid) returns jsonb
    language plpgsql security definer set search_path = ''
    -- Without statistics of this user the planner expects one row, and would look through all products for each of them.
    set enable_nestloop = off
as $$
declare
    v_before jsonb;
    v_repaired bigint;
    v_removed bigint;
begin
    perform counting.require_self(p_user_id);
    perform pg_advisory_xact_lock(private.user_lock(p_user_id));
    v_before := counting.breakdown(p_user_id);
    insert into counting.products as c (user_id, product_id, asin_status)
    select p.user_id, p.id, p.asin_status
    from public.products p
    where p.user_id = p_user_id and exists (
        select from public.deals d where d.user_id = p_user_id and d.product_id = p.id and d.active
    )
    on conflict (user_id, product_id) do update set asin_status = excluded.asin_status
        where c.asin_status <> excluded.asin_status;
    get diagnostics v_repaired = row_count;
    delete from counting.products c
    where c.user_id = p_user_id
      and not exists (
          select from public.products p
          where p.id = c.product_id and p.user_id = p_user_id
            and exists (
                select from public.deals d where d.user_id = p_user_id and d.product_id = p.id and d.active
            )
      );
    get diagnostics v_removed = row_count;
    insert into counting.asin_stats as s (user_id, asin_found, needs_selection, needs_asin, manual_entry)
    select u.id,
        count(*) filter (where c.asin_status = 'asin_found'),
        count(*) filter (where c.asin_status = 'needs_selection'),
        count(*) filter (where c.asin_status = 'needs_asin'),
        count(*) filter (where c.asin_status = 'manual_entry')
    from auth.users u left join counting.products c on c.user_id = u.id
    where u.id = p_user_id
    group by u.id
    on conflict (user_id) do update set
        asin_found = excluded.asin_found, needs_selection = excluded.needs_selection,
        needs_asin = excluded.needs_asin, manual_entry = excluded.manual_entry;
    return jsonb_build_object(
        'before', v_before, 'after', counting.breakdown(p_user_id), 'repaired', v_repaired + v_removed
    );
end
$$;
