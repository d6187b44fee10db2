-- Changing and deleting what exists, one at a time or many at once; same rules as the migration before.

-- Change the named fields of a product (an explicit null clears asin or upc). The product as get_product gives it,
-- or null when it is not the caller's.
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
        return null;
    end if;
    v_product := jsonb_populate_record(v_product, p_changes);
    update public.products p
    set asin = v_product.asin, upc = v_product.upc, title = v_product.title, brand = v_product.brand,
        multiple_asins = v_product.multiple_asins
    where p.id = v_product.id;
    return public.get_product(v_product.id);
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

-- Change the named fields of a deal (an explicit null clears buy_cost or moq). The list entry, or null when it is
-- not the caller's.
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
        return null;
    end if;
    v_deal := jsonb_populate_record(v_deal, p_changes);
    update public.deals d
    set supplier = v_deal.supplier, buy_cost = v_deal.buy_cost, moq = v_deal.moq, stage = v_deal.stage,
        favorite = v_deal.favorite, notes = v_deal.notes
    where d.id = v_deal.id;
    return private.deal_item_of(v_user_id, v_deal.id);
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

-- Delete a deal: softly (it can be restored; doing it again changes nothing), or for good together with the product
-- that has no other deal. False when the deal is not the caller's.
create function public.delete_deal(p_deal_id uuid, p_hard boolean default false) returns boolean
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_deal public.deals;
begin
    select * into v_deal from public.deals d where d.id = p_deal_id and d.user_id = v_user_id;
    if v_deal.id is null then
        return false;
    end if;
    if p_hard then
        delete from public.deals d where d.id = v_deal.id;
        delete from public.products p
        where p.id = v_deal.product_id
          and not exists (select from public.deals d where d.product_id = p.id);
    else
        update public.deals d set active = false, deleted_at = now() where d.id = v_deal.id and d.active;
    end if;
    return true;
end
$$;

-- Refuse a bulk action that makes no sense, before anything is touched.
create function private.require_bulk(p_action text, p_deal_ids uuid[], p_stage text) returns void
    language plpgsql immutable set search_path = ''
as $$
begin
    if p_action is null or p_action not in ('delete', 'restore', 'move', 'favorite', 'unfavorite') then
        raise sqlstate 'PT422' using
            message = 'Unknown action.', hint = 'One of delete, restore, move, favorite, unfavorite.';
    end if;
    if coalesce(cardinality(p_deal_ids), 0) not between 1 and 1000 or array_position(p_deal_ids, null) is not null then
        raise sqlstate 'PT422' using message = 'Between 1 and 1000 deal ids are needed.';
    end if;
    if (p_action = 'move') <> (p_stage is not null) then
        raise sqlstate 'PT422' using message = 'A stage is needed by the action move, and by no other.';
    end if;
end
$$;

-- Do one thing to many deals: all of them or, when an id is not the caller's, none (PT404; detail is the JSON array
-- of those ids). {"changed": the number of different ids}.
create function public.bulk_deals(p_action text, p_deal_ids uuid[], p_stage text default null) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_changed uuid[];
    v_missing jsonb;
    v_constraint text;
begin
    perform private.require_bulk(p_action, p_deal_ids, p_stage);
    with changed as (
        update public.deals d
        set active = case p_action when 'delete' then false when 'restore' then true else d.active end,
            deleted_at = case p_action when 'delete' then coalesce(d.deleted_at, now())
                when 'restore' then null else d.deleted_at end,
            stage = case p_action when 'move' then p_stage else d.stage end,
            favorite = case p_action when 'favorite' then true when 'unfavorite' then false else d.favorite end
        where d.user_id = v_user_id and d.id = any (p_deal_ids)
        returning d.id
    )
    select coalesce(array_agg(c.id), '{}') into v_changed from changed c;
    select jsonb_agg(missing.id) into v_missing
    from (select unnest(p_deal_ids) except select unnest(v_changed)) as missing (id);
    if v_missing is not null then
        -- Raising undoes the update above: finding out and changing are one statement, so nothing slips in between.
        raise sqlstate 'PT404' using
            message = 'Some of these deals do not exist; nothing was changed.', detail = v_missing::text;
    end if;
    return jsonb_build_object('changed', cardinality(v_changed));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

-- As in the migration before: no function is anybody's by default.
revoke execute on all functions in schema private from public, anon;
grant execute on all functions in schema private to authenticated, service_role;
revoke execute on function public.update_product, public.update_deal, public.delete_deal, public.bulk_deals
    from public, anon, authenticated;
grant execute on function public.update_product, public.update_deal, public.delete_deal, public.bulk_deals
    to authenticated;
