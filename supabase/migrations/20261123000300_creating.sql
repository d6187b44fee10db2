-- What every change starts and ends with, and the first of them: taking a product and its deal in.
-- Each public function is one transaction: all of it happens or none. All run as their caller, under RLS, and refuse
-- with PTxyz SQLSTATEs, which PostgREST turns into the HTTP status xyz.

-- The first statement of every change: who is calling, and that user's changes one after the other from here to the
-- end of the transaction. Look-ups that decide an insert stay true, and all changes take locks in one order.
create function private.begin_change() returns uuid
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.require_user();
begin
    perform pg_advisory_xact_lock(hashtextextended('asin-desk:' || v_user_id, 0));
    return v_user_id;
end
$$;

-- Refuse changes that name anything but these keys: a misspelt field must not be dropped silently.
create function private.require_keys(p_object jsonb, variadic p_keys text[]) returns void
    language plpgsql immutable set search_path = ''
as $$
begin
    if jsonb_typeof(p_object) is distinct from 'object' then
        raise sqlstate 'PT422' using message = 'A JSON object is needed.';
    end if;
    if p_object - p_keys <> '{}' then
        raise sqlstate 'PT422' using
            message = 'There are unknown fields.',
            detail = (p_object - p_keys)::text,
            hint = 'Known fields: ' || array_to_string(p_keys, ', ') || '.';
    end if;
end
$$;

-- Turn a constraint's refusal into one a person can act on: a taken identifier is PT409, any other bad value PT422.
create function private.refuse(p_constraint text, p_message text) returns void
    language plpgsql immutable set search_path = ''
as $$
declare
    v_taken constant text := case p_constraint
        when 'products_user_asin_key' then 'Another of your products has this ASIN.'
        when 'products_user_upc_key' then 'Another of your products has this UPC.'
        when 'deals_product_supplier_key' then 'This product already has a deal with this supplier.'
    end;
begin
    if v_taken is not null then
        raise sqlstate 'PT409' using message = v_taken, detail = p_constraint;
    end if;
    raise sqlstate 'PT422' using
        message = 'A value is missing, of the wrong type, or outside its limits.',
        detail = coalesce(nullif(p_constraint, ''), p_message);
end
$$;

-- The user's product with this ASIN, else with this UPC, else a row of nulls. PT409 when the two contradict each other.
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

-- The product a new deal belongs to: the existing one with what it lacked filled in, else a new one. What the user
-- already wrote is kept. An ASIN can carry several UPCs, so another UPC than the stored one is no contradiction.
create function private.take_product(p_user_id uuid, p_product jsonb) returns public.products
    language plpgsql set search_path = ''
as $$
declare
    v_given constant public.products := jsonb_populate_record(
        null::public.products, '{"brand": "", "multiple_asins": false}' || p_product
    );
    v_product public.products := private.find_product(p_user_id, v_given.asin, v_given.upc);
begin
    if v_product.id is null then
        insert into public.products (asin, upc, title, brand, multiple_asins)
        values (v_given.asin, v_given.upc, v_given.title, v_given.brand, v_given.multiple_asins)
        returning * into v_product;
    else
        update public.products p
        set asin = case when p.asin_status = 'asin_found' then p.asin else coalesce(v_given.asin, p.asin) end,
            upc = coalesce(p.upc, v_given.upc),
            brand = coalesce(nullif(p.brand, ''), v_given.brand)
        where p.id = v_product.id
        returning * into v_product;
    end if;
    return v_product;
end
$$;

-- Write p_given over this deal and bring it back if it was deleted.
create function private.revive_deal(p_deal public.deals, p_given jsonb) returns void
    language plpgsql set search_path = ''
as $$
declare
    v_new constant public.deals := jsonb_populate_record(p_deal, p_given);
begin
    update public.deals d
    set supplier = v_new.supplier, buy_cost = v_new.buy_cost, moq = v_new.moq, stage = v_new.stage,
        favorite = v_new.favorite, notes = v_new.notes, active = true, deleted_at = null
    where d.id = p_deal.id;
end
$$;

-- The deal of this product and supplier (in any letter case): a new one, or the existing one with the given fields
-- written over it and restored. {"created": whether it is new, "deal": list entry}.
create function private.put_deal(p_user_id uuid, p_product_id uuid, p_given jsonb) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_new public.deals := jsonb_populate_record(
        null::public.deals, '{"supplier": "", "stage": "new", "favorite": false, "notes": ""}' || p_given
    );
    v_old public.deals;
begin
    select * into v_old from public.deals d
    where d.product_id = p_product_id and lower(d.supplier) = lower(v_new.supplier);
    if v_old.id is null then
        insert into public.deals (product_id, supplier, buy_cost, moq, stage, favorite, notes)
        values (p_product_id, v_new.supplier, v_new.buy_cost, v_new.moq, v_new.stage, v_new.favorite, v_new.notes)
        returning * into v_new;
    else
        v_new := jsonb_populate_record(v_old, p_given);
        update public.deals d
        set supplier = v_new.supplier, buy_cost = v_new.buy_cost, moq = v_new.moq, stage = v_new.stage,
            favorite = v_new.favorite, notes = v_new.notes, active = true, deleted_at = null
        where d.id = v_old.id;
    end if;
    return jsonb_build_object('created', v_old.id is null, 'deal', private.deal_item_of(p_user_id, v_new.id));
end
$$;

-- A deal and, when the user has none with this ASIN or UPC, its product.
-- {"created": whether the deal is new, "deal": list entry}.
create function public.create_product(p_product jsonb, p_deal jsonb) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_product public.products;
    v_constraint text;
begin
    perform private.require_keys(p_product, 'asin', 'upc', 'title', 'brand', 'multiple_asins');
    perform private.require_keys(p_deal, 'supplier', 'buy_cost', 'moq', 'stage', 'favorite', 'notes');
    v_product := private.take_product(v_user_id, p_product);
    return private.put_deal(v_user_id, v_product.id, p_deal);
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

-- As in the migration before: no function is anybody's by default.
revoke execute on all functions in schema private from public, anon;
grant execute on all functions in schema private to authenticated, service_role;
revoke execute on function public.create_product
    from public, anon, authenticated;
grant execute on function public.create_product
    to authenticated;
