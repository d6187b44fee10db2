-- Find the product of a user by ASIN, by UPC, or by title and brand.

-- Indexes for finding products by title and, in imports, by ASIN. The second index ends with the ASIN for planners
-- without statistics: they prefer an index on (user_id, asin_status) to the unique index on (user_id, asin). Without
-- the ASIN in it, they would read the whole catalogue of the user.
create index products_user_title_idx on public.products (user_id, lower(title));
create index products_user_status_idx on public.products (user_id, asin_status, asin);

-- Return the product of the user with this ASIN, else the one with this UPC, else a row of nulls. Raises PT409 if the
-- two contradict each other.
create function private.find_product(p_user_id uuid, p_asin text, p_upc text) returns public.products
    language plpgsql stable set search_path = ''
as $$
declare
    v_by_asin public.products;
    v_by_upc public.products;
begin
    select * into v_by_asin from public.products p
    where p.user_id = p_user_id and p.asin = p_asin and p.asin_status = 'asin_found';
    select * into v_by_upc from public.products p
    where p.user_id = p_user_id and p.upc = p_upc;
    if v_by_asin.id <> v_by_upc.id then
        raise sqlstate 'PT409' using
            message = 'The ASIN and the UPC belong to two different products of yours.',
            detail = jsonb_build_array(v_by_asin.id, v_by_upc.id)::text;
    end if;
    if v_by_asin.id is null and v_by_upc.asin_status = 'asin_found' and private.is_asin(p_asin) then
        raise sqlstate 'PT409' using
            message = format('Your product with this UPC has another ASIN, %s.', v_by_upc.asin),
            detail = jsonb_build_array(v_by_upc.id)::text;
    end if;
    if v_by_asin.id is null then
        return v_by_upc;
    end if;
    return v_by_asin;
end
$$;

-- Return the oldest product of the caller with this title and brand that has neither ASIN nor UPC. The import uses the
-- same rule. Security definer: under row level security the comparison with lower(…) could not use an index, because it
-- is not leakproof. The query therefore contains the id of the caller. `offset 0` makes the planner look up the title
-- first.
create function private.find_by_title(p_title text, p_brand text) returns uuid
    language sql stable security definer set search_path = ''
as $$
    select p.id
    from (
        select p.* from public.products p
        where p.user_id = (select auth.uid()) and lower(p.title) = lower(p_title) offset 0
    ) p
    where lower(p.brand) = lower(coalesce(p_brand, '')) and p.asin_status <> 'asin_found' and p.upc is null
    order by p.created_at, p.id limit 1
$$;

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.find_product, private.find_by_title
    from public, anon, authenticated, service_role;
grant execute on function private.find_product, private.find_by_title
    to authenticated, service_role;
