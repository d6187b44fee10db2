-- The counters: one row per user, so that reading the stats takes the same time for 10 products as for 10 million.
-- The counters are exact because they change in the same transaction as the data. Triggers collect the products that a
-- statement may have affected. counting.count_products reads the current state of each of them, compares it with the
-- state that was counted last, and adds the difference. The counted state is stored for each product. Counting a
-- product twice, or in any order, therefore has the same result as counting it once.
-- The triggers do not add up the changes themselves. One query may change a table several times (writable CTE, MERGE,
-- ON CONFLICT, cascade). All its triggers run after the whole query, and each of them sees only its own part of the
-- change.

create table counting.asin_stats (
    user_id uuid primary key references auth.users (id) on delete cascade,
    asin_found bigint not null default 0,
    needs_selection bigint not null default 0,
    needs_asin bigint not null default 0,
    manual_entry bigint not null default 0,
    -- Every write of the row raises the version, and keeps the row locked until the transaction ends. Therefore the
    -- versions of a user are in commit order, and equal versions have equal numbers. Without a row, the version is 1.
    version bigint not null default 2
    -- Half of each page is left free, so that updates need no new index entries (heap-only tuples).
) with (fillfactor = 50);

-- The counted products, and the status under which each was counted. There is no foreign key: triggers delete the rows,
-- so a check for each row would only take time.
create table counting.products (
    user_id uuid not null,
    product_id uuid not null,
    asin_status text not null,
    primary key (user_id, product_id)
);

revoke all on counting.asin_stats, counting.products from public, anon, authenticated, service_role;

-- Lock the changes of the caller before a statement locks its first row. This also covers statements that do not come
-- from a function. Otherwise two transactions could deadlock: one holds rows and waits for the lock, the other holds
-- the lock and waits for the rows. Callers without a user id (service role, operators) may change rows of any user, and
-- these users are known only after the statement.
create function counting.lock_caller() returns trigger
    language plpgsql set search_path = ''
as $$
begin
    if auth.uid() is not null then
        perform pg_advisory_xact_lock(private.user_lock(auth.uid()));
    end if;
    return null;
end
$$;

create trigger products_lock before insert or update or delete on public.products
    for each statement execute function counting.lock_caller();
create trigger deals_lock before insert or update or delete on public.deals
    for each statement execute function counting.lock_caller();

-- Lock the changes of these users in the order of their ids, so that two statements that change several users cannot
-- deadlock. Users who are being deleted need no lock: the deletion locks their row in auth.users, and each new row of
-- theirs would have to reference it.
create function counting.lock_users(p_user_ids uuid[]) returns void
    language plpgsql set search_path = ''
as $$
declare
    v_user_ids constant uuid[] := array(select u.id from auth.users u where u.id = any (p_user_ids) order by u.id);
    v_user_id uuid;
begin
    if cardinality(v_user_ids) > 1000 then
        -- Each advisory lock takes shared memory, which is limited. With this table lock, all other counting waits.
        lock table counting.asin_stats in exclusive mode;
    else
        foreach v_user_id in array v_user_ids loop
            perform pg_advisory_xact_lock(private.user_lock(v_user_id));
        end loop;
    end if;
end
$$;

-- Add these numbers to the counters of a user, and raise their version. Does nothing for a user who is being deleted:
-- the foreign key deletes the row of counters.
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
        manual_entry = s.manual_entry + excluded.manual_entry,
        version = s.version + 1;
end
$$;

-- Count the current state of one product. This is the usual case, and takes a third less time than count_many.
create function counting.count_one(p_user_id uuid, p_product_id uuid) returns void
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
        on conflict do nothing; -- as in count_many
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

-- Count the current state of several products.
create function counting.count_many(p_user_ids uuid[], p_product_ids uuid[]) returns void
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
            on conflict do nothing -- no conflict under the lock; with an older snapshot, this raises 40001
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

-- Count the current state of these products. The arrays contain the two halves of pairs (user, product), each pair
-- once.
-- The lock is taken in a statement of its own, so that the next statement sees what the previous holder of the lock
-- committed. The row of counters of each user is written even if no number changes. A transaction with an older
-- snapshot (REPEATABLE READ) then fails with 40001 instead of counting an outdated state.
-- Sessions keep their plans, and a plan that was made for a small table would be slow when the table has grown. The
-- settings therefore allow only index lookups. One generic plan serves all arrays, because planning takes longer than
-- counting one product.
create function counting.count_products(p_user_ids uuid[], p_product_ids uuid[]) returns void
    language plpgsql security definer set search_path = ''
    set plan_cache_mode = force_generic_plan
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
    if (p_user_ids <@ array[auth.uid()]) is not true then -- otherwise lock_caller has taken the lock
        perform counting.lock_users(p_user_ids);
    end if;
    if cardinality(p_product_ids) = 1 then
        perform counting.count_one(p_user_ids[1], p_product_ids[1]);
    else
        perform counting.count_many(p_user_ids, p_product_ids);
    end if;
end
$$;

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function counting.lock_caller, counting.lock_users, counting.add, counting.count_one,
    counting.count_many, counting.count_products
    from public, anon, authenticated, service_role;
