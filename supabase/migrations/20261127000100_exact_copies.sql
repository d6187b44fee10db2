-- The copies in deals (asin_status, title_key, and the slice made of them) are true at the end of every statement.
--
-- They were made when a deal was written. In one query that writes products as well, that may be too early: PostgreSQL
-- runs a writable CTE that nothing refers to last, so a deal can come before its product. And copies that came with a
-- new deal were believed, whoever sent them. So they are compared once more after the statement: all parts of a query
-- are done when its AFTER triggers run, and every product can be seen.

-- Compare the copies of new deals with their products, and copy again where they differ. One look-up per new deal; plans
-- are kept for as long as a session lives, so only those by index are allowed, and `offset 0` keeps it to look-ups.
-- A transaction that sees the past (REPEATABLE READ) must not copy from it: the lock fails with 40001 when somebody has
-- changed the product since. Definer, as users may not write these columns.
create function private.check_copies() returns trigger
    language plpgsql security definer set search_path = ''
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_wrong uuid[];
begin
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform from public.products p where p.id in (select a.product_id from added a) for share;
    end if;
    select array_agg(a.id) into v_wrong
    from added a
    cross join lateral (
        select p.asin_status, lower(p.title) as title_key from public.products p where p.id = a.product_id offset 0
    ) p
    where a.asin_status <> p.asin_status or a.title_key <> p.title_key;
    if v_wrong is not null then
        update public.deals d set asin_status = d.asin_status -- naming the column makes deals_copy_product copy again
        where d.id = any (v_wrong);
    end if;
    return null;
end
$$;

create trigger deals_check_copies after insert on public.deals
    referencing new table as added
    for each statement execute function private.check_copies();

-- An update that names a copy or another product makes deals_copy_product copy. Only when it found no product yet, the
-- deal needs another look; no title is empty, so an empty key says so. Where there is still no product of this user the
-- foreign key refuses the deal.
create function private.copy_again() returns trigger
    language plpgsql security definer set search_path = ''
as $$
begin
    update public.deals d set asin_status = d.asin_status
    where d.id = new.id
      and exists (select from public.products p where p.id = d.product_id and p.user_id = d.user_id);
    return null;
end
$$;

create trigger deals_copy_again after update on public.deals
    for each row when (new.title_key = '') execute function private.copy_again();

-- As before, but a transaction that sees the past fails with 40001 when a deal has come since, which it would leave with
-- the old title: it writes the row of numbers that every new active deal writes.
create or replace function private.pass_product_on() returns trigger
    language plpgsql security definer set search_path = ''
as $$
declare
    v_products uuid[];
    v_users uuid[];
    v_user_id uuid;
begin
    select array_agg(a.id), array_agg(distinct a.user_id) into v_products, v_users
    from removed r join added a on a.id = r.id
    where a.asin_status <> r.asin_status or lower(a.title) <> lower(r.title);
    if v_products is null then
        return null;
    end if;
    if cardinality(v_users) > 1000 then
        lock table public.deals in share row exclusive mode;
    else
        for v_user_id in select u.id from unnest(v_users) as u (id) order by u.id loop
            perform pg_advisory_xact_lock(private.user_lock(v_user_id));
        end loop;
    end if;
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform counting.add(u.id, 0, 0, 0, 0) from unnest(v_users) as u (id);
    end if;
    update public.deals d set asin_status = d.asin_status -- naming the column makes deals_copy_product copy again
    where d.product_id = any (v_products);
    return null;
end
$$;

-- Repair what is wrong already: the demo of a local stack was loaded by such a query.
lock table public.products, public.deals in share row exclusive mode;
update public.deals d set asin_status = d.asin_status
from public.products p
where p.id = d.product_id and (d.asin_status <> p.asin_status or d.title_key <> lower(p.title));

-- recount_asin_stats as before, and the copies of the user's deals with it: "copies" is the number of deals whose copies
-- were wrong. {"before", "after": as get_asin_stats says it, "repaired": products that were counted wrongly, "copies"}
create or replace function public.recount_asin_stats(p_user_id uuid) returns jsonb
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

-- As in the migrations before: no function is anybody's by default, and trigger functions need no grant.
revoke execute on function private.check_copies, private.copy_again from public, anon, authenticated, service_role;
