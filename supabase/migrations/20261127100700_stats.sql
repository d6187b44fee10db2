-- Functions that return the counters and correct them.

-- Return the five numbers of a user and their version. The form is {"stats": {"all", …}, "version"}. Without a row of
-- counters, the numbers are zeros. In PL/pgSQL, because sessions do not keep the plan of a function in SQL: planning takes ten times
-- as long as reading the row.
create function counting.breakdown(p_user_id uuid) returns jsonb
    language plpgsql stable set search_path = ''
as $$
declare
    v_row counting.asin_stats;
begin
    select * into v_row from counting.asin_stats s where s.user_id = p_user_id;
    return jsonb_build_object(
        'stats', jsonb_build_object(
            'all', coalesce(v_row.asin_found + v_row.needs_selection + v_row.needs_asin + v_row.manual_entry, 0),
            'asin_found', coalesce(v_row.asin_found, 0),
            'needs_selection', coalesce(v_row.needs_selection, 0),
            'needs_asin', coalesce(v_row.needs_asin, 0),
            'manual_entry', coalesce(v_row.manual_entry, 0)
        ),
        'version', coalesce(v_row.version, 1)
    );
end
$$;

-- Raise PT403 if the id is not that of the caller. The service role may use any id. Inside a security definer function,
-- the setting "role" contains the role that PostgREST chose, and current_user is the owner of the function.
create function counting.require_self(p_user_id uuid) returns void
    language plpgsql stable set search_path = ''
as $$
begin
    if p_user_id is distinct from auth.uid() and current_setting('role') <> 'service_role' then
        raise sqlstate 'PT403' using
            message = 'These stats belong to another user.',
            hint = 'p_user_id must be the id of the user whose token is sent.';
    end if;
end
$$;

-- Return the number of products with at least one active deal, in total and per status. Reads one row. The user id is
-- an argument, because the arguments are the whole key in the application's cache. Raises PT403 for the id of another
-- user. Security definer, because no role may read the counters.
create function public.get_asin_stats(p_user_id uuid) returns jsonb
    language plpgsql stable security definer set search_path = ''
as $$
begin
    perform counting.require_self(p_user_id);
    return counting.breakdown(p_user_id) -> 'stats';
end
$$;

-- Return the result of a change in an envelope, with the stats and their version. The form is {"answer", "stats",
-- "version"}; breakdown returns the last two.
-- Every function that changes rows of a user calls this last, under the lock of the user. The numbers are therefore
-- those that its transaction leaves, and the caller needs no second query. Raises PT403 for the id of another user.
-- Security definer, because no role may read the counters. Volatile, because a stable function would not see changes
-- that were made while p_answer was computed.
create function private.with_stats(p_user_id uuid, p_answer jsonb) returns jsonb
    language plpgsql security definer set search_path = ''
as $$
begin
    perform counting.require_self(p_user_id);
    return jsonb_build_object('answer', p_answer) || counting.breakdown(p_user_id);
end
$$;

-- Count the products of a user from scratch, and correct wrong counters and wrong copies in deals. Returns {"before",
-- "after": stats in the form of get_asin_stats, "repaired": number of products that were counted wrongly, "copies":
-- number of deals with wrong copies}. Users may call it for themselves, because it blocks only their own changes and
-- can only make their numbers correct. The service role may call it for any user. Security definer, because no role may
-- write the counters.
create function public.recount_asin_stats(p_user_id uuid) returns jsonb
    language plpgsql security definer set search_path = ''
    -- Without statistics for this user, the planner expects one row and would choose a nested loop, which reads all
    -- products again for each row.
    set enable_nestloop = off
as $$
declare
    v_before jsonb;
    v_repaired bigint;
    v_removed bigint;
    v_copies bigint;
begin
    perform counting.require_self(p_user_id);
    perform pg_advisory_xact_lock(private.user_lock(p_user_id));
    v_before := counting.breakdown(p_user_id) -> 'stats';
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
        'repaired', v_repaired + v_removed, 'copies', v_copies
    );
end
$$;

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function counting.breakdown, counting.require_self, private.with_stats, public.get_asin_stats,
    public.recount_asin_stats
    from public, anon, authenticated, service_role;
grant execute on function private.with_stats, public.get_asin_stats, public.recount_asin_stats
    to authenticated, service_role;
