-- What a user decided for an identifier is applied to products that are created or changed later.

-- Return the ASIN if no product of the user has it. Returns null if one has it; a placeholder can be used many times.
create function private.free_asin(p_user_id uuid, p_asin text) returns text
    language plpgsql stable set search_path = ''
as $$
begin
    return case when private.product_with_asin(p_user_id, p_asin) is null then p_asin end;
end
$$;

-- Return the UPC if no product of the user has it, else null. A product that was merged still has its UPC.
create function private.free_upc(p_user_id uuid, p_upc text) returns text
    language plpgsql stable set search_path = ''
as $$
begin
    if exists (select from public.products p where p.user_id = p_user_id and p.upc = p_upc) then
        return null;
    end if;
    return p_upc;
end
$$;

-- Return the ASIN that a match gives to a new row with this UPC, or null. It is not given to an existing product that
-- has an ASIN, and not if another product has it. If no product has the UPC, the row is for the product with the ASIN.
create function private.applicable_asin(p_user_id uuid, p_upc text) returns text
    language plpgsql stable set search_path = ''
as $$
declare
    v_asin constant text := private.matched_asin(p_user_id, p_upc);
    v_product public.products;
begin
    if v_asin is null then
        return null;
    end if;
    select * into v_product from public.products p where p.user_id = p_user_id and p.upc = p_upc;
    v_product := private.merge_target(v_product);
    if v_product.id is null then
        return v_asin;
    end if;
    return case when v_product.asin_status <> 'asin_found' then private.free_asin(p_user_id, v_asin) end;
end
$$;

-- Return the product of a new deal: the existing product, with missing values filled in, or a new one. Existing values
-- are kept. A product without ASIN and UPC is identified by title and brand, as in imported files. An ASIN can have
-- several UPCs, so a different UPC is not a contradiction. Without an ASIN, the one that always matches the UPC counts.
create or replace function private.find_or_create_product(p_user_id uuid, p_product jsonb) returns public.products
    language plpgsql set search_path = ''
as $$
declare
    v_given public.products := jsonb_populate_record(
        null::public.products, '{"brand": "", "multiple_asins": false}' || p_product
    );
    v_product public.products;
begin
    if private.is_asin(v_given.asin) is not true then
        v_given.asin := coalesce(private.applicable_asin(p_user_id, v_given.upc), v_given.asin);
    end if;
    v_product := private.find_product(p_user_id, v_given.asin, v_given.upc);
    if v_given.upc is null and private.is_asin(v_given.asin) is not true then
        select * into v_product from public.products p
        where p.id = private.find_by_title(v_given.title, v_given.brand);
    end if;
    if v_product.id is null then
        insert into public.products (asin, upc, title, brand, multiple_asins)
        values (v_given.asin, v_given.upc, v_given.title, v_given.brand, v_given.multiple_asins)
        returning * into v_product;
    else
        update public.products p
        set asin = case when p.asin_status = 'asin_found' then p.asin
                else coalesce(private.free_asin(p_user_id, v_given.asin), p.asin) end,
            upc = coalesce(p.upc, private.free_upc(p_user_id, v_given.upc)),
            brand = coalesce(nullif(p.brand, ''), v_given.brand)
        where p.id = v_product.id
        returning * into v_product;
    end if;
    return v_product;
end
$$;

-- Change the given fields of a product. An explicit null clears asin or upc. A new UPC gives a product without an ASIN
-- the one that always matches it, unless another product has this ASIN, or the product was merged into another one.
-- Answer: the product in the form of get_product, or null if the caller has no such product.
create or replace function public.update_product(p_product_id uuid, p_changes jsonb) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_product public.products;
    v_old_upc text;
    v_constraint text;
begin
    perform private.require_keys(p_changes, 'asin', 'upc', 'title', 'brand', 'multiple_asins');
    select * into v_product from public.products p where p.id = p_product_id and p.user_id = v_user_id;
    if v_product.id is null then
        return private.with_stats(v_user_id, null);
    end if;
    v_old_upc := v_product.upc;
    v_product := jsonb_populate_record(v_product, p_changes);
    if v_product.upc is distinct from v_old_upc and v_product.merged_into is null
        and private.is_asin(v_product.asin) is not true
    then
        v_product.asin := coalesce(
            private.free_asin(v_user_id, private.matched_asin(v_user_id, v_product.upc)), v_product.asin
        );
    end if;
    update public.products p
    set asin = v_product.asin, upc = v_product.upc, title = v_product.title, brand = v_product.brand,
        multiple_asins = v_product.multiple_asins
    where p.id = v_product.id;
    return private.with_stats(v_user_id, public.get_product(v_product.id));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

comment on function private.free_asin is 'Return the ASIN if no product of the user has it.';
comment on function private.free_upc is 'Return the UPC if no product of the user has it, else null.';
comment on function private.applicable_asin is
    'Return the ASIN that a match gives to a new row with this UPC, or null.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed. Replaced functions keep their rights.
revoke execute on function private.free_asin, private.free_upc, private.applicable_asin
    from public, anon, authenticated, service_role;
grant execute on function private.free_asin, private.free_upc, private.applicable_asin
    to authenticated, service_role;
