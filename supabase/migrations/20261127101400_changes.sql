-- Create, change and delete one product or deal.
-- Each public function is one transaction, and returns its answer in the envelope of private.with_stats. The functions
-- run with the rights of their caller, under row level security.

-- Raise PT422 if the object has other keys than these. A misspelt field must not be ignored silently.
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

-- Raise an error that a user can act on, for a violated constraint. The error is PT409 for a duplicate identifier, and
-- PT422 for any other invalid value.
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

-- Return the product of a new deal: the existing product, with missing values filled in, or a new one. Existing values
-- are kept. A product without ASIN and UPC is identified by title and brand, as in imported files. An ASIN can have
-- several UPCs, so a different UPC is not a contradiction.
create function private.find_or_create_product(p_user_id uuid, p_product jsonb) returns public.products
    language plpgsql set search_path = ''
as $$
declare
    v_given constant public.products := jsonb_populate_record(
        null::public.products, '{"brand": "", "multiple_asins": false}' || p_product
    );
    v_product public.products := private.find_product(p_user_id, v_given.asin, v_given.upc);
begin
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
        set asin = case when p.asin_status = 'asin_found' then p.asin else coalesce(v_given.asin, p.asin) end,
            upc = coalesce(p.upc, v_given.upc),
            brand = coalesce(nullif(p.brand, ''), v_given.brand)
        where p.id = v_product.id
        returning * into v_product;
    end if;
    return v_product;
end
$$;

-- Create the deal of this product and supplier, or overwrite the existing one with the given fields and restore it. The
-- letter case of the supplier does not matter. Returns {"created": whether the deal is new, "deal": list entry}.
create function private.create_or_overwrite_deal(p_user_id uuid, p_product_id uuid, p_given jsonb) returns jsonb
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

-- Create a deal and, if the user has no product with this ASIN or UPC, its product. Answer: {"created": whether the
-- deal is new, "deal": list entry}.
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
    v_product := private.find_or_create_product(v_user_id, p_product);
    return private.with_stats(v_user_id, private.create_or_overwrite_deal(v_user_id, v_product.id, p_deal));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

-- Change the given fields of a product. An explicit null clears asin or upc. Answer: the product in the form of
-- get_product, or null if the caller has no such product.
create function public.update_product(p_product_id uuid, p_changes jsonb) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_product public.products;
    v_constraint text;
begin
    perform private.require_keys(p_changes, 'asin', 'upc', 'title', 'brand', 'multiple_asins');
    select * into v_product from public.products p where p.id = p_product_id and p.user_id = v_user_id;
    if v_product.id is null then
        return private.with_stats(v_user_id, null);
    end if;
    v_product := jsonb_populate_record(v_product, p_changes);
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

-- Change the given fields of a deal. An explicit null clears buy_cost or moq. Answer: the list entry, or null if the
-- caller has no such deal. Raises PT410 for a deleted deal, which has to be restored first.
create function public.update_deal(p_deal_id uuid, p_changes jsonb) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_deal public.deals;
    v_constraint text;
begin
    perform private.require_keys(p_changes, 'supplier', 'buy_cost', 'moq', 'stage', 'favorite', 'notes');
    select * into v_deal from public.deals d where d.id = p_deal_id and d.user_id = v_user_id;
    if v_deal.id is null then
        return private.with_stats(v_user_id, null);
    end if;
    if not v_deal.active then
        raise sqlstate 'PT410' using
            message = 'This deal has been deleted; nothing was changed.', detail = jsonb_build_array(v_deal.id)::text;
    end if;
    v_deal := jsonb_populate_record(v_deal, p_changes);
    update public.deals d
    set supplier = v_deal.supplier, buy_cost = v_deal.buy_cost, moq = v_deal.moq, stage = v_deal.stage,
        favorite = v_deal.favorite, notes = v_deal.notes
    where d.id = v_deal.id;
    return private.with_stats(v_user_id, private.deal_item_of(v_user_id, v_deal.id));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

-- Delete a deal so that it can be restored, or remove it permanently with p_hard. Deleting a deleted deal again changes
-- nothing. Permanent removal includes the product if it has no other deal. Answer: false if the caller has no such
-- deal, else true. Raises PT422 if the deal violates a constraint.
create function public.delete_deal(p_deal_id uuid, p_hard boolean default false) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_deal public.deals;
    v_constraint text;
begin
    select * into v_deal from public.deals d where d.id = p_deal_id and d.user_id = v_user_id;
    if v_deal.id is null then
        return private.with_stats(v_user_id, 'false');
    end if;
    if p_hard then
        delete from public.deals d where d.id = v_deal.id;
        delete from public.products p
        where p.id = v_deal.product_id
          and not exists (select from public.deals d where d.product_id = p.id);
    else
        update public.deals d set active = false, deleted_at = now() where d.id = v_deal.id and d.active;
    end if;
    return private.with_stats(v_user_id, 'true');
exception
    when integrity_constraint_violation then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.require_keys, private.refuse, private.find_or_create_product,
    private.create_or_overwrite_deal, public.create_product, public.update_product, public.update_deal,
    public.delete_deal
    from public, anon, authenticated, service_role;
grant execute on function private.require_keys, private.refuse, private.find_or_create_product,
    private.create_or_overwrite_deal, public.create_product, public.update_product, public.update_deal,
    public.delete_deal
    to authenticated, service_role;
