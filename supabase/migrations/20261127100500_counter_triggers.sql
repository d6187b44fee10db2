-- The triggers that keep the counters. Each finds the products that a statement may have affected, and counts them.

-- Count the products that gained or lost active deals in this statement. Security definer, because no role may call
-- count_products.
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
        perform counting.count_products(v_user_ids, v_product_ids);
    end if;
    return null;
end
$$;

-- Count the products whose status changed in this statement. A new product is counted together with its first deal. If
-- a product is deleted or assigned to another user, the foreign key changes its deals too, and deals_changed counts the
-- product. Security definer, because no role may call count_products.
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
        perform counting.count_products(v_user_ids, v_product_ids);
    end if;
    return null;
end
$$;

-- Reset all counters. Products need no such trigger, because they cannot be truncated without the deals.
create function counting.deals_truncated() returns trigger
    language plpgsql security definer set search_path = ''
as $$
begin
    truncate counting.products;
    update counting.asin_stats s
    set asin_found = 0, needs_selection = 0, needs_asin = 0, manual_entry = 0, version = s.version + 1;
    return null;
end
$$;

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

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function counting.deals_changed, counting.products_changed, counting.deals_truncated
    from public, anon, authenticated, service_role;
