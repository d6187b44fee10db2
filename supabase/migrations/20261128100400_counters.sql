-- The stats: one row per user, so that reading them costs the same for 10 products as for 10 million.
--
-- The numbers are exact because they change in the same transaction as the data. Triggers collect the products that a
-- statement may have affected. counting.settle reads the current state of each, compares it with the state that was counted
-- last, and adds the difference. It does not add up events: one query may change a table several times (writable CTE, MERGE,
-- ON CONFLICT, cascade), all its triggers fire at the end, and each sees only a part of the change. The counted state is
-- stored per product. Settling a product twice, or in any order, therefore has the same result as settling it once.

create table counting.asin_stats (
    user_id uuid primary key references auth.users (id) on delete cascade,
    asin_found bigint not null default 0,
    needs_selection bigint not null default 0,
    needs_asin bigint not null default 0,
    manual_entry bigint not null default 0
    -- Free space in each page, so that updates need no new index entries (heap-only tuples).
) with (fillfactor = 50);

-- The counted products and the status under which each was counted. No foreign key: the triggers delete the rows, and a
-- check per row would cost time and find nothing.
create table counting.products (
    user_id uuid not null,
    product_id uuid not null,
    asin_status text not null,
    primary key (user_id, product_id)
);

revoke all on counting.asin_stats, counting.products from public, anon, authenticated, service_role;

-- Lock the changes of the caller before the first row is touched, also when a table is written without a function.
-- Otherwise two transactions could wait for each other: one holds rows and waits for the lock, the other holds the lock
-- and waits for the rows. Callers without a user id (service role, operators) may change rows of any user; the affected
-- users are known only after the statement.
create function counting.take_turn() returns trigger
    language plpgsql set search_path = ''
as $$
begin
    if auth.uid() is not null then
        perform pg_advisory_xact_lock(private.user_lock(auth.uid()));
    end if;
    return null;
end
$$;

-- Lock the changes of these users in the order of their ids, so that two statements over several users cannot deadlock.
-- Users who are being deleted need no lock: the deletion locks their row, which each new row of theirs would have to
-- reference.
create function counting.lock_users(p_user_ids uuid[]) returns void
    language plpgsql set search_path = ''
as $$
declare
    v_user_ids constant uuid[] := array(select u.id from auth.users u where u.id = any (p_user_ids) order by u.id);
    v_user_id uuid;
begin
    if cardinality(v_user_ids) > 1000 then
        -- Each lock takes shared memory that is not endless. Everybody else's settling waits for this one instead.
        lock table counting.asin_stats in exclusive mode;
    else
        foreach v_user_id in array v_user_ids loop
            perform pg_advisory_xact_lock(private.user_lock(v_user_id));
        end loop;
    end if;
end
$$;

-- Add to the numbers of a user. Does nothing for a user who is being deleted: the foreign key deletes the row.
create function counting.add(
    p_user_id uuid, p_asin_found bigint, p_needs_selection bigint, p_needs_asin bigint, p_manual_entry bigint
) returns void
    language plpgsql set search_path = ''
as $$
begin
    insert into counting.asin_stats as s (user_id, asin_found, needs_selection, needs_asin, manual_entry)
    select u.id, p_asin_found, p_needs_selection, p_needs_asin, p_manual_entry from auth.users u where u.id = p_user_id
    on conflict (user_id) do update set
        asin_found = s.asin_found + excluded.asin_found,
        needs_selection = s.needs_selection + excluded.needs_selection,
        needs_asin = s.needs_asin + excluded.needs_asin,
        manual_entry = s.manual_entry + excluded.manual_entry;
end
$$;

-- Do the work of settle for one product, the usual case. Takes a third less time than settle_many.
create function counting.settle_one(p_user_id uuid, p_product_id uuid) returns void
    language plpgsql set search_path = ''
as $$
declare
    v_old text;
    v_new text;
begin
    select
        (select c.asin_status from counting.products c where c.user_id = p_user_id and c.product_id = p_product_id),
        (select p.asin_status from public.products p
         where p.id = p_product_id and p.user_id = p_user_id
           and exists (select from public.deals d where d.product_id = p.id and d.active))
    into v_old, v_new;
    if v_new is null then
        delete from counting.products c where c.user_id = p_user_id and c.product_id = p_product_id;
    elsif v_old is null then
        insert into counting.products values (p_user_id, p_product_id, v_new)
        on conflict do nothing; -- as in settle_many
    elsif v_new <> v_old then
        update counting.products c set asin_status = v_new
        where c.user_id = p_user_id and c.product_id = p_product_id;
    end if;
    perform counting.add(
        p_user_id,
        (v_new is not distinct from 'asin_found')::int - (v_old is not distinct from 'asin_found')::int,
        (v_new is not distinct from 'needs_selection')::int - (v_old is not distinct from 'needs_selection')::int,
        (v_new is not distinct from 'needs_asin')::int - (v_old is not distinct from 'needs_asin')::int,
        (v_new is not distinct from 'manual_entry')::int - (v_old is not distinct from 'manual_entry')::int
    );
end
$$;

-- Do the work of settle for several products.
create function counting.settle_many(p_user_ids uuid[], p_product_ids uuid[]) returns void
    language plpgsql set search_path = ''
as $$
declare
    v_change record;
begin
    for v_change in
        with touched as materialized (
            select t.user_id, t.product_id,
                (select c.asin_status from counting.products c
                 where c.user_id = t.user_id and c.product_id = t.product_id) as old,
                (select p.asin_status from public.products p
                 where p.id = t.product_id and p.user_id = t.user_id
                   and exists (select from public.deals d where d.product_id = p.id and d.active)) as new
            from unnest(p_user_ids, p_product_ids) as t (user_id, product_id)
        ), uncounted as (
            delete from counting.products c using touched t
            where t.new is null and t.old is not null and c.user_id = t.user_id and c.product_id = t.product_id
        ), recounted as (
            update counting.products c set asin_status = t.new from touched t
            where t.new <> t.old and c.user_id = t.user_id and c.product_id = t.product_id
        ), counted as (
            insert into counting.products (user_id, product_id, asin_status)
            select t.user_id, t.product_id, t.new from touched t where t.old is null and t.new is not null
            on conflict do nothing -- never under the lock; a transaction with an older snapshot gets its 40001 here
        )
        select t.user_id,
            count(*) filter (where t.new = 'asin_found') - count(*) filter (where t.old = 'asin_found') as asin_found,
            count(*) filter (where t.new = 'needs_selection') - count(*) filter (where t.old = 'needs_selection')
                as needs_selection,
            count(*) filter (where t.new = 'needs_asin') - count(*) filter (where t.old = 'needs_asin') as needs_asin,
            count(*) filter (where t.new = 'manual_entry') - count(*) filter (where t.old = 'manual_entry')
                as manual_entry
        from touched t
        group by t.user_id
    loop
        perform counting.add(v_change.user_id, v_change.asin_found, v_change.needs_selection, v_change.needs_asin,
            v_change.manual_entry);
    end loop;
end
$$;

-- Count the current state of these products (the pairs of both arrays, each once).
-- The lock is taken in its own statement, so that the next statement sees what the previous holder committed. The row
-- of each user is written even if nothing changes: a transaction with an older snapshot (REPEATABLE READ) then fails
-- with 40001 instead of counting an outdated state.
-- Sessions keep their plans. Only index lookups are allowed, because a plan for a small table would be slow when the
-- table has grown. One generic plan serves all arrays, because planning costs more than settling one product.
create function counting.settle(p_user_ids uuid[], p_product_ids uuid[]) returns void
    language plpgsql security definer set search_path = ''
    set plan_cache_mode = force_generic_plan
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
    if (p_user_ids <@ array[auth.uid()]) is not true then -- else take_turn has locked
        perform counting.lock_users(p_user_ids);
    end if;
    if cardinality(p_product_ids) = 1 then
        perform counting.settle_one(p_user_ids[1], p_product_ids[1]);
    else
        perform counting.settle_many(p_user_ids, p_product_ids);
    end if;
end
$$;

-- Settle the products that gained or lost active deals in this statement. Security definer, because no role may call
-- settle.
create function counting.deals_changed() returns trigger
    language plpgsql security definer set search_path = ''
as $$
declare
    v_user_ids uuid[];
    v_product_ids uuid[];
begin
    if tg_op = 'INSERT' then
        select array_agg(t.user_id), array_agg(t.product_id) into v_user_ids, v_product_ids
        from (select distinct a.user_id, a.product_id from added a where a.active) t;
    elsif tg_op = 'DELETE' then
        select array_agg(t.user_id), array_agg(t.product_id) into v_user_ids, v_product_ids
        from (select distinct r.user_id, r.product_id from removed r where r.active) t;
    else
        select array_agg(t.user_id), array_agg(t.product_id) into v_user_ids, v_product_ids
        from (
            select c.user_id, c.product_id
            from (
                select a.user_id, a.product_id, 1 as active from added a where a.active
                union all
                select r.user_id, r.product_id, -1 from removed r where r.active
            ) c
            group by c.user_id, c.product_id
            having sum(c.active) <> 0
        ) t;
    end if;
    if v_user_ids is not null then
        perform counting.settle(v_user_ids, v_product_ids);
    end if;
    return null;
end
$$;

-- Settle the products whose status changed in this statement. A new product is counted with its first deal. Deleting a
-- product or giving it to another user also changes its deals, through the foreign key.
create function counting.products_changed() returns trigger
    language plpgsql security definer set search_path = ''
as $$
declare
    v_user_ids uuid[];
    v_product_ids uuid[];
begin
    select array_agg(c.user_id), array_agg(c.id) into v_user_ids, v_product_ids
    from (
        select a.user_id, a.id, a.asin_status from added a
        except
        select r.user_id, r.id, r.asin_status from removed r
    ) c;
    if v_user_ids is not null then
        perform counting.settle(v_user_ids, v_product_ids);
    end if;
    return null;
end
$$;

-- Reset all counters. Products cannot be truncated without their deals.
create function counting.deals_truncated() returns trigger
    language plpgsql security definer set search_path = ''
as $$
begin
    truncate counting.products;
    update counting.asin_stats set asin_found = 0, needs_selection = 0, needs_asin = 0, manual_entry = 0;
    return null;
end
$$;

create trigger products_turn before insert or update or delete on public.products
    for each statement execute function counting.take_turn();
create trigger deals_turn before insert or update or delete on public.deals
    for each statement execute function counting.take_turn();

create trigger products_count after update on public.products
    referencing old table as removed new table as added
    for each statement execute function counting.products_changed();
create trigger deals_count_insert after insert on public.deals
    referencing new table as added
    for each statement execute function counting.deals_changed();
create trigger deals_count_update after update on public.deals
    referencing old table as removed new table as added
    for each statement execute function counting.deals_changed();
create trigger deals_count_delete after delete on public.deals
    referencing old table as removed
    for each statement execute function counting.deals_changed();
create trigger deals_count_truncate after truncate on public.deals
    for each statement execute function counting.deals_truncated();

-- Return the five numbers of a user; zeros if the user has no row.
create function counting.breakdown(p_user_id uuid) returns jsonb
    language sql stable
    return (
        select jsonb_build_object(
            'all', coalesce(sum(s.asin_found + s.needs_selection + s.needs_asin + s.manual_entry), 0),
            'asin_found', coalesce(sum(s.asin_found), 0),
            'needs_selection', coalesce(sum(s.needs_selection), 0),
            'needs_asin', coalesce(sum(s.needs_asin), 0),
            'manual_entry', coalesce(sum(s.manual_entry), 0)
        )
        from counting.asin_stats s
        where s.user_id = p_user_id
    );

-- Raise PT403 if the caller asks about another user. The service role may do that. Inside a security definer function
-- PostgREST's role is in the setting "role", not in current_user.
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

-- Return the number of products with at least one active deal, in total and per status. Reads one row. The id is an
-- argument because it is the whole key of the application's cache. Raises PT403 for the id of another user. Security
-- definer, because no role may read the counters.
create function public.get_asin_stats(p_user_id uuid) returns jsonb
    language plpgsql stable security definer set search_path = ''
as $$
begin
    perform counting.require_self(p_user_id);
    return counting.breakdown(p_user_id);
end
$$;

-- Count the products of a user from scratch and repair wrong counters and wrong copies in deals. Returns {"before",
-- "after": as get_asin_stats returns it, "repaired": number of wrongly counted products, "copies": number of deals with
-- wrong copies}. Users may call it for themselves, because it locks only them and can only correct their numbers. The
-- service role may call it for any user.
create function public.recount_asin_stats(p_user_id uuid) returns jsonb
    language plpgsql security definer set search_path = ''
    -- Without statistics of this user the planner expects one row, and would look through all products for each of them.
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
    update public.deals d set asin_status = d.asin_status
    from public.products p
    where d.user_id = p_user_id and p.user_id = p_user_id and p.id = d.product_id
      and (d.asin_status <> p.asin_status or d.title_key <> lower(p.title));
    get diagnostics v_copies = row_count;
    return jsonb_build_object(
        'before', v_before, 'after', counting.breakdown(p_user_id), 'repaired', v_repaired + v_removed,
        'copies', v_copies
    );
end
$$;

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in public to
-- its roles. Revoke all of that, then grant what is needed.
revoke execute on function counting.take_turn, counting.lock_users, counting.add, counting.settle_one,
    counting.settle_many, counting.settle, counting.deals_changed, counting.products_changed,
    counting.deals_truncated, counting.breakdown, counting.require_self, public.get_asin_stats,
    public.recount_asin_stats
    from public, anon, authenticated, service_role;
grant execute on function public.get_asin_stats, public.recount_asin_stats
    to authenticated, service_role;
