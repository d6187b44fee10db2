-- Products and deals as JSON, in the form that all functions return.

-- Return the JSON of a product. It contains no user_id, because users read only their own products.
create function private.product_json(p_product public.products) returns jsonb
    language sql stable
    return jsonb_build_object(
        'id', p_product.id, 'asin', p_product.asin, 'upc', p_product.upc, 'title', p_product.title,
        'brand', p_product.brand, 'multiple_asins', p_product.multiple_asins, 'asin_status', p_product.asin_status,
        'created_at', p_product.created_at, 'updated_at', p_product.updated_at
    );

-- Return the JSON of a deal without its product. The cost is text ("12.50"), because many clients parse a JSON number
-- as a floating-point number.
create function private.deal_json(p_deal public.deals) returns jsonb
    language sql stable
    return jsonb_build_object(
        'id', p_deal.id, 'product_id', p_deal.product_id, 'supplier', p_deal.supplier,
        'buy_cost', p_deal.buy_cost::text, 'moq', p_deal.moq, 'stage', p_deal.stage, 'favorite', p_deal.favorite,
        'notes', p_deal.notes, 'active', p_deal.active, 'deleted_at', p_deal.deleted_at,
        'created_at', p_deal.created_at, 'updated_at', p_deal.updated_at
    );

-- Return one entry of a list: the deal with its product inside.
create function private.deal_item(p_deal public.deals, p_product public.products) returns jsonb
    language sql stable
    return private.deal_json(p_deal) || jsonb_build_object('product', private.product_json(p_product));

-- Return the list entry of a deal of this user, or null.
create function private.deal_item_of(p_user_id uuid, p_deal_id uuid) returns jsonb
    language sql stable
    return (
        select private.deal_item(d, p)
        from public.deals d
        join public.products p on p.id = d.product_id
        where d.id = p_deal_id and d.user_id = p_user_id
    );

-- Return a product of the caller with all its deals, including deleted ones, oldest first, or null if the caller has no
-- such product.
create function public.get_product(p_product_id uuid) returns jsonb
    language sql stable set search_path = ''
    return (
        select private.product_json(p) || jsonb_build_object('deals', (
            select coalesce(jsonb_agg(private.deal_json(d) order by d.created_at, d.id), '[]')
            from public.deals d
            where d.product_id = p.id
        ))
        from public.products p
        where p.id = p_product_id and p.user_id = auth.uid()
    );

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.product_json, private.deal_json, private.deal_item, private.deal_item_of,
    public.get_product
    from public, anon, authenticated, service_role;
grant execute on function private.product_json, private.deal_json, private.deal_item, private.deal_item_of,
    public.get_product
    to authenticated, service_role;
