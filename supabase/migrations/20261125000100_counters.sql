-- The stats in one row per user, so that they cost the same at ten products and at ten million.
--
-- Exact, because they are kept in the transaction of the change itself: triggers name the products a statement may
-- have counted in or out, counting.settle looks at each of them as it is now, compares with what was counted last, and
-- adds the difference. It never adds up events: one query may change a table several times (a writable CTE, MERGE, ON
-- CONFLICT, a cascade), all its triggers fire when all of it has been done, and each sees only a part of it. So what
-- was counted is remembered per product: settling a product twice, or in any order, is the same as settling it once.

-- A schema of its own that nobody may use and that holds no row level security: only the definer functions below get
-- in.
create schema counting;
revoke all on schema counting from public;

create table counting.asin_stats (
    user_id uuid primary key references auth.users (id) on delete cascade,
    asin_found bigint not null default 0,
    needs_selection bigint not null default 0,
    needs_asin bigint not null default 0,
    manual_entry bigint not null default 0
    -- Room in each page, so that counting makes no new index entries (heap-only tuples).
) with (fillfactor = 50);

-- The products that are counted, and as what. No foreign key: the triggers keep it, and checking each row once more
-- would cost without finding anything.
create table counting.products (
    user_id uuid not null,
    product_id uuid not null,
    asin_status text not null,
    primary key (user_id, product_id)
);

revoke all on counting.asin_stats, counting.products from public, anon, authenticated, service_role;

-- The lock under which a user's changes happen one after the other.
create function private.user_lock(p_user_id uuid) returns bigint
    language sql immutable
    return hashtextextended('asin-desk:' || p_user_id::text, 0);

-- As before, with the key from its one place.
create or replace function private.begin_change() returns uuid
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.require_user();
begin
    perform pg_advisory_xact_lock(private.user_lock(v_user_id));
    return v_user_id;
end
$$;

-- The user's lock before the first row is touched, also when a table is written without a function: whoever holds
-- rows and waits for the lock, while its holder waits for the rows, waits forever. Who has no user id (service
-- role, operators) may touch anybody's rows; whose, is known only afterwards.
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

-- Lock these users in one order, so that two statements over several users cannot wait for each other. Users who are
-- being deleted need no lock: their deletion holds their row, which every new row of theirs would have to reference.
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

-- Add to a user's numbers. Nothing happens to a user who is being deleted: the row goes by its foreign key.
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

-- What settle does, for one product, which is what most statements touch: a third less time than settle_many.
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

-- Count these products (the pairs of both arrays, each once) as they are now.
-- The lock comes in a statement of its own, so that the next one sees what its previous holder committed. Each user's
-- row is written even when nothing changes in it: a transaction with an older snapshot (REPEATABLE READ) then fails
-- with 40001 instead of counting what is no longer so.
-- Plans are kept for as long as a session lives: index look-ups only, as one made for a small table would not do for
-- the large one it becomes; and one plan for all arrays, as making it costs more than what it does for one product.
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

-- Settle the products that gained or lost active deals by this statement. Definer, because nobody may call settle.
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

-- Settle the products whose status this statement changed. A new product is counted with its first deal; one that is
-- removed or given to another user is so together with its deals, as the foreign key wants it: changes of deals.
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

-- Without deals nothing is counted. (Products cannot be truncated without their deals.)
create function counting.deals_truncated() returns trigger
    language plpgsql security definer set search_path = ''
as $$
begin
    truncate counting.products;
    update counting.asin_stats set asin_found = 0, needs_selection = 0, needs_asin = 0, manual_entry = 0;
    return null;
end
$$;

-- No change slips in between the triggers and the first count.
lock table public.products, public.deals in share row exclusive mode;

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

insert into counting.products (user_id, product_id, asin_status)
select p.user_id, p.id, p.asin_status
from public.products p
where exists (select from public.deals d where d.product_id = p.id and d.active);

insert into counting.asin_stats (user_id, asin_found, needs_selection, needs_asin, manual_entry)
select c.user_id,
    count(*) filter (where c.asin_status = 'asin_found'),
    count(*) filter (where c.asin_status = 'needs_selection'),
    count(*) filter (where c.asin_status = 'needs_asin'),
    count(*) filter (where c.asin_status = 'manual_entry')
from counting.products c
group by c.user_id;

-- The five numbers as they stand in a user's row; zeros when there is none.
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

-- Refuse who asks about another user. The service role may: PostgREST has set it as the role, which a definer
-- function sees there only, not in current_user.
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

-- How many of a user's products with at least one active deal are in each status, and in all: one row.
-- The id is an argument because it is the whole key of the application's cache; a mismatch is an error, never other
-- numbers. Definer, because nobody else may read the counters.
create or replace function public.get_asin_stats(p_user_id uuid) returns jsonb
    language plpgsql stable security definer set search_path = ''
as $$
begin
    perform counting.require_self(p_user_id);
    return counting.breakdown(p_user_id);
end
$$;

-- Count a user's products from scratch and repair what was wrong: {"before", "after": as get_asin_stats says it,
-- "repaired": the number of products that were counted wrongly}. Users may ask for themselves, as it costs and locks
-- nobody but them and can only make their own numbers right; the service role may for anybody.
create function public.recount_asin_stats(p_user_id uuid) returns jsonb
    language plpgsql security definer set search_path = ''
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
    where p.user_id = p_user_id and exists (select from public.deals d where d.product_id = p.id and d.active)
    on conflict (user_id, product_id) do update set asin_status = excluded.asin_status
        where c.asin_status <> excluded.asin_status;
    get diagnostics v_repaired = row_count;
    delete from counting.products c
    where c.user_id = p_user_id
      and not exists (
          select from public.products p
          where p.id = c.product_id and p.user_id = p_user_id
            and exists (select from public.deals d where d.product_id = p.id and d.active)
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

-- No function is anybody's by default. Trigger functions need no grant; the rest of `counting` is for definers only.
revoke execute on all functions in schema counting from public, anon, authenticated, service_role;
revoke execute on all functions in schema private from public, anon;
grant execute on all functions in schema private to authenticated, service_role;
revoke execute on function public.recount_asin_stats from public, anon, authenticated;
grant execute on function public.recount_asin_stats to authenticated, service_role;
