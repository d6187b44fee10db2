-- The copies of product data in deals: asin_status and title_key, and slice, which is generated from
-- asin_status, stage and favorite.
-- All columns that a list filters or sorts by are in one table, because one index cannot cover two tables. The copies
-- are correct at the end of each statement. A writable CTE may insert a deal before its product. New copies are
-- therefore compared again after the statement, when all products are visible.

-- Copy the status and the title from the product, and ignore the values that the client sent. The lock of the user puts
-- the changes of one user in sequence, and taking it a second time is cheap. Other writers use FOR SHARE, which takes
-- eight times as long. A concurrent change of the product then waits for this deal, or this deal waits for that change.
-- Security definer, so that row level security does not hide the product. If the product belongs to another user,
-- nothing is copied, and the foreign key refuses the deal.
create function private.copy_product() returns trigger
    language plpgsql security definer set search_path = ''
as $$
begin
    if new.user_id = auth.uid() then
        perform pg_advisory_xact_lock(private.user_lock(new.user_id));
        select p.asin_status, lower(p.title) into new.asin_status, new.title_key
        from public.products p
        where p.id = new.product_id and p.user_id = new.user_id;
    else
        select p.asin_status, lower(p.title) into new.asin_status, new.title_key
        from public.products p
        where p.id = new.product_id and p.user_id = new.user_id
        for share;
    end if;
    if not found then
        new.asin_status := 'manual_entry';
        new.title_key := '';
    end if;
    return new;
end
$$;

-- An insert may already contain the copies: import_deals computes them for a whole batch, under the lock of the user.
-- Users may not write these columns.
create trigger deals_copy_product_to_new before insert on public.deals
    for each row when (new.title_key = '') execute function private.copy_product();
create trigger deals_copy_product before update of product_id, asin_status, title_key on public.deals
    for each row execute function private.copy_product();

-- Update the copies in the deals of all products that a statement changed. This is a single update, under the locks of
-- the users. For more than 1000 users, the table is locked instead, because each advisory lock takes shared memory. A
-- transaction with an older snapshot (REPEATABLE READ) fails with 40001 if a deal was added since then: this function
-- writes the row of counters, which each new active deal also writes. Security definer, because users may not write
-- these columns.
create function private.update_copies() returns trigger
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
    update public.deals d set asin_status = d.asin_status -- assigning the column fires deals_copy_product
    where d.product_id = any (v_products);
    return null;
end
$$;

create trigger products_update_copies after update on public.products
    referencing old table as removed new table as added
    for each statement execute function private.update_copies();

-- Compare the copies of new deals with their products, and copy again where they differ. This takes one index lookup
-- per new deal. Sessions keep their plans, so the settings allow only index plans, and `offset 0` prevents a join. A
-- transaction with an older snapshot (REPEATABLE READ) must not copy from it: FOR SHARE fails with 40001 if the product
-- was changed since then. Security definer, because users may not write these columns.
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
        update public.deals d set asin_status = d.asin_status -- assigning the column fires deals_copy_product
        where d.id = any (v_wrong);
    end if;
    return null;
end
$$;

create trigger deals_check_copies after insert on public.deals
    referencing new table as added
    for each statement execute function private.check_copies();

-- Copy again after an update of a deal whose product was not found before. An empty title_key marks this case, because
-- no title is empty. If the user still has no such product, the foreign key refuses the deal. Security definer, because
-- users may not write these columns.
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

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.copy_product, private.update_copies, private.check_copies, private.copy_again
    from public, anon, authenticated, service_role;
grant execute on function private.copy_product, private.update_copies
    to authenticated, service_role;
