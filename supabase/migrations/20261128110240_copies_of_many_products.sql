-- The copies in deals after a statement that changed many products: its time does not depend on the plan of a join.

-- Update the copies in the deals of all products that a statement changed. This is a single update, under the locks of
-- the users. For more than 1000 users, the table is locked instead, because each advisory lock takes shared memory. A
-- transaction with an older snapshot (REPEATABLE READ) fails with 40001 if a deal was added since then: this function
-- writes the row of counters, which each new active deal also writes. Security definer, because users may not write
-- these columns. The rows before and after the statement are compared with `except`, as in counting.products_changed:
-- sessions keep the plan of a join, and one that was made for a single product takes 40 s for 10,000.
create or replace function private.update_copies() returns trigger
    language plpgsql security definer set search_path = ''
as $$
declare
    v_products uuid[];
    v_users uuid[];
    v_user_id uuid;
begin
    select array_agg(c.id), array_agg(distinct c.user_id) into v_products, v_users
    from (
        select a.id, a.user_id, a.asin_status, lower(a.title) from added a
        except
        select r.id, r.user_id, r.asin_status, lower(r.title) from removed r
    ) c;
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
