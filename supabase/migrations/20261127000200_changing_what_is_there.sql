-- Changes that find nothing to change, or not what they expected: no trace, no twin, and no success that was none.

-- A change of a product that changes nothing leaves updated_at alone, as one of a deal does.
drop trigger products_touch on public.products;
create trigger products_touch before update on public.products
    for each row when (
        (old.user_id, old.asin, old.upc, old.title, old.brand, old.multiple_asins, old.created_at)
        is distinct from
        (new.user_id, new.asin, new.upc, new.title, new.brand, new.multiple_asins, new.created_at)
    )
    execute function private.touch_updated_at();

-- The caller's product that has neither ASIN nor UPC and this title and brand: the oldest, as import_deals takes it.
-- A definer function: under RLS the comparison with lower(…), which is not leakproof, could use no index. Hence it
-- asks for the caller's own products only. `offset 0` as in find_import.
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

-- As before, but a product without ASIN and UPC is known by its title and brand: one rule for a form and for a file.
create or replace function private.take_product(p_user_id uuid, p_product jsonb) returns public.products
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

-- As before, but a deal that is deleted cannot be changed: PT410. It can be restored first.
create or replace function public.update_deal(p_deal_id uuid, p_changes jsonb) returns jsonb
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
    if not v_deal.active then
        raise sqlstate 'PT410' using
            message = 'This deal has been deleted; nothing was changed.', detail = jsonb_build_array(v_deal.id)::text;
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

-- As before, but deleted deals can only be deleted (again) or restored. PT404 when an id is not the caller's; PT410 when a
-- deal is deleted and was to be moved or marked, or was deleted too long ago to be restored; detail is the JSON array of
-- those ids.
create or replace function public.bulk_deals(p_action text, p_deal_ids uuid[], p_stage text default null) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_found uuid[];
    v_gone jsonb;
    v_constraint text;
begin
    perform private.require_bulk(p_action, p_deal_ids, p_stage);
    -- What is found here is still there below: begin_change holds the user's other changes off.
    select coalesce(array_agg(d.id), '{}'),
           jsonb_agg(d.id order by d.id) filter (
               where case p_action
                   when 'delete' then false
                   when 'restore' then d.deleted_at < now() - private.undo_window()
                   else not d.active end
           )
    into v_found, v_gone
    from public.deals d where d.user_id = v_user_id and d.id = any (p_deal_ids);
    perform private.require_all(p_deal_ids, v_found);
    if v_gone is not null then
        raise sqlstate 'PT410' using
            message = case p_action
                when 'restore' then 'Some of these deals were deleted too long ago to be restored; nothing was changed.'
                else 'Some of these deals have been deleted; nothing was changed.' end,
            detail = v_gone::text;
    end if;
    update public.deals d
    set active = case p_action when 'delete' then false when 'restore' then true else d.active end,
        deleted_at = case p_action when 'delete' then coalesce(d.deleted_at, now())
            when 'restore' then null else d.deleted_at end,
        stage = case p_action when 'move' then p_stage else d.stage end,
        favorite = case p_action when 'favorite' then true when 'unfavorite' then false else d.favorite end
    where d.id = any (v_found)
      and case p_action when 'delete' then d.active when 'restore' then not d.active
              when 'move' then d.stage <> p_stage when 'favorite' then not d.favorite else d.favorite end;
    return jsonb_build_object('changed', cardinality(v_found));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

-- As in the migrations before: no function is anybody's by default.
revoke execute on function private.find_by_title from public, anon;
grant execute on function private.find_by_title to authenticated, service_role;
