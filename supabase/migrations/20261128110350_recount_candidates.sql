-- The recount also corrects the numbers of open candidates.

-- Correct the numbers of open candidates of the products of a user, and return how many were wrong. The triggers on
-- products then count the products whose status changes. The settings allow only index lookups, whatever the statistics
-- say: one lookup per product.
create function counting.repair_candidates(p_user_id uuid) returns bigint
    language plpgsql set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_repaired bigint;
begin
    update public.products p
    set open_candidates = (
        select count(*) from public.candidates c where c.product_id = p.id and not c.dismissed
    )
    where p.user_id = p_user_id and p.open_candidates <> (
        select count(*) from public.candidates c where c.product_id = p.id and not c.dismissed
    );
    get diagnostics v_repaired = row_count;
    return v_repaired;
end
$$;

-- Count the products of a user from scratch, and correct wrong counters, wrong numbers of open candidates and wrong
-- copies in deals. Returns {"before", "after": stats in the form of get_asin_stats, "repaired": number of products that
-- were counted wrongly or had a wrong number of open candidates, "copies": number of deals with wrong copies}. Users may
-- call it for themselves, because it blocks only their own changes and can only make their numbers correct. The service
-- role may call it for any user. Security definer, because no role may write the counters.
create or replace function public.recount_asin_stats(p_user_id uuid) returns jsonb
    language plpgsql security definer set search_path = ''
    -- Without statistics for this user, the planner expects one row and would choose a nested loop, which reads all
    -- products again for each row.
    set enable_nestloop = off
as $$
declare
    v_before jsonb;
    v_open bigint;
    v_repaired bigint;
    v_removed bigint;
    v_copies bigint;
begin
    perform counting.require_self(p_user_id);
    perform pg_advisory_xact_lock(private.user_lock(p_user_id));
    v_before := counting.breakdown(p_user_id) -> 'stats';
    v_open := counting.repair_candidates(p_user_id);
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
        needs_asin = excluded.needs_asin, manual_entry = excluded.manual_entry, version = s.version + 1;
    update public.deals d set asin_status = d.asin_status
    from public.products p
    where d.user_id = p_user_id and p.user_id = p_user_id and p.id = d.product_id
      and (d.asin_status <> p.asin_status or d.title_key <> lower(p.title));
    get diagnostics v_copies = row_count;
    return jsonb_build_object(
        'before', v_before, 'after', counting.breakdown(p_user_id) -> 'stats',
        'repaired', v_open + v_repaired + v_removed, 'copies', v_copies
    );
end
$$;

comment on function counting.repair_candidates is
    'Correct the numbers of open candidates of the products of a user, and return how many were wrong.';
comment on function public.recount_asin_stats is
    'Count the products of a user from scratch, and correct wrong counters, wrong numbers of open candidates and wrong '
    'copies in deals.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed. Replaced functions keep their rights.
revoke execute on function counting.repair_candidates from public, anon, authenticated, service_role;
