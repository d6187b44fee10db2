-- Merge a product into another one. The deals of the first, the source, become deals of the other one, the target.

-- Return why the source must not be merged into the target, or null if it may. The form is that of
-- private.refuse_change.
create function private.judge_merge(p_source public.products, p_target public.products) returns jsonb
    language sql immutable
    return case
        when p_source.id = p_target.id then
            '{"code": "PT422", "reason": "A product cannot be merged into itself."}'::jsonb
        when p_source.merged_into is not null then
            private.conflict('merged', 'The product was merged into another one before.', p_source.merged_into)
        when p_target.merged_into is not null then
            private.conflict('merged', 'The other product was merged into another one before.', p_target.merged_into)
        when p_source.asin_status = 'asin_found' and p_target.asin_status = 'asin_found' then private.conflict(
            'two-asins', 'Both products have an ASIN, so they are different products.', p_source.id, p_target.id
        )
    end;

-- Return the columns of a product that a merge may change.
create function private.merged_columns(p_product public.products) returns jsonb
    language sql immutable
    return jsonb_build_object(
        'asin', p_product.asin, 'upc', p_product.upc, 'brand', p_product.brand, 'merged_into', p_product.merged_into
    );

-- Fill the gaps of the target with ASIN, UPC and brand of the source, and mark the source as merged. The source gives
-- up the ASIN or UPC that the target takes over, because no two products have the same one. A UPC with a wrong check
-- digit stays where it is. Products that were merged into the source before are now merged into the target. Returns
-- {"id", "old", "new"} for each changed product, the target first.
create function private.merge_values(p_source public.products, p_target public.products) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_takes_asin constant boolean := p_source.asin_status = 'asin_found';
    v_takes_upc constant boolean := p_target.upc is null and coalesce(p_source.upc_is_valid, false);
    v_source public.products;
    v_target public.products;
    v_repointed jsonb;
begin
    update public.products p
    set asin = case when v_takes_asin then null else p.asin end, upc = case when v_takes_upc then null else p.upc end,
        merged_into = p_target.id
    where p.id = p_source.id and p.user_id = p_source.user_id
    returning * into v_source;
    update public.products p
    set asin = case when v_takes_asin then p_source.asin else p.asin end,
        upc = case when v_takes_upc then p_source.upc else p.upc end,
        brand = coalesce(nullif(p.brand, ''), p_source.brand)
    where p.id = p_target.id and p.user_id = p_source.user_id
    returning * into v_target;
    with repointed as (
        update public.products p set merged_into = p_target.id
        where p.merged_into = p_source.id and (p.user_id = p_source.user_id) is true
        returning p.id
    )
    select jsonb_agg(jsonb_build_object(
        'id', r.id, 'old', jsonb_build_object('merged_into', p_source.id),
        'new', jsonb_build_object('merged_into', p_target.id)
    )) into v_repointed
    from repointed r;
    return jsonb_build_array(
        private.changed_row(p_target.id, private.merged_columns(p_target), private.merged_columns(v_target)),
        private.changed_row(p_source.id, private.merged_columns(p_source), private.merged_columns(v_source))
    ) || coalesce(v_repointed, '[]');
end
$$;

-- Merge the product p_product_id, the source, into the product p_into, the target. No deal is lost. A deal that both
-- have with one supplier is combined, and the deal of the source is deleted, so that it can be restored; the others
-- move. See private.combine_deals, private.merge_values and private.unite_candidates for the rules. Answer: the target
-- in the form of get_product, or null if the caller does not have both products.
-- Raises PT409 if both have an ASIN (two-asins), or if one was merged before (merged; the detail names the product into
-- which it was merged). Raises PT422 for the same product twice.
-- Security definer, because users may write neither the decisions nor the product of a deal. All statements therefore
-- contain the id of the caller. The settings allow only index lookups; see counting.count_products.
create function public.merge_products(p_product_id uuid, p_into uuid) returns jsonb
    language plpgsql security definer set search_path = ''
    set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_source public.products;
    v_target public.products;
    v_refusal jsonb;
    v_before jsonb := '{}';
    v_constraint text;
begin
    select * into v_source from public.products p where p.id = p_product_id and p.user_id = v_user_id;
    select * into v_target from public.products p where p.id = p_into and p.user_id = v_user_id;
    if v_source.id is null or v_target.id is null then
        return private.with_stats(v_user_id, null);
    end if;
    v_refusal := private.judge_merge(v_source, v_target);
    if v_refusal is not null then
        perform private.refuse_change(v_refusal);
    end if;
    v_before := v_before || jsonb_build_object('deals', private.combine_deals(v_source, v_target));
    v_before := v_before || jsonb_build_object('moved', private.move_deals(v_source, v_target));
    v_before := v_before || private.unite_candidates(v_source, v_target);
    v_before := v_before || jsonb_build_object('products', private.merge_values(v_source, v_target));
    perform private.record_decision(
        v_user_id, v_target.id, 'merge', case when v_source.asin_status = 'asin_found' then v_source.asin end,
        v_source.id, false, v_before
    );
    return private.with_stats(v_user_id, public.get_product(v_target.id));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

comment on function private.judge_merge is
    'Return why the source must not be merged into the target, or null if it may.';
comment on function private.merged_columns is 'Return the columns of a product that a merge may change.';
comment on function private.merge_values is
    'Fill the gaps of the target with ASIN, UPC and brand of the source, and mark the source as merged.';
comment on function public.merge_products is
    'Merge the product p_product_id, the source, into the product p_into, the target.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.judge_merge, private.merged_columns, private.merge_values, public.merge_products
    from public, anon, authenticated, service_role;
grant execute on function public.merge_products
    to authenticated, service_role;
