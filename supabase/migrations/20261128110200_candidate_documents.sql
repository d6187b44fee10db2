-- The JSON of candidates and matches, and of products with their new fields.

-- Return the JSON of a product. It contains no user_id, because users read only their own products.
create or replace function private.product_json(p_product public.products) returns jsonb
    language sql stable
    return jsonb_build_object(
        'id', p_product.id, 'asin', p_product.asin, 'upc', p_product.upc, 'title', p_product.title,
        'brand', p_product.brand, 'multiple_asins', p_product.multiple_asins, 'asin_status', p_product.asin_status,
        'open_candidates', p_product.open_candidates, 'merged_into', p_product.merged_into,
        'upc_is_valid', p_product.upc_is_valid,
        'created_at', p_product.created_at, 'updated_at', p_product.updated_at
    );

-- Return the JSON of a candidate, without its product.
create function private.candidate_json(p_candidate public.candidates) returns jsonb
    language sql stable
    return jsonb_build_object(
        'asin', p_candidate.asin, 'title', p_candidate.title, 'brand', p_candidate.brand,
        'image_url', p_candidate.image_url, 'category', p_candidate.category,
        'package_quantity', p_candidate.package_quantity, 'sales_rank', p_candidate.sales_rank,
        'source', p_candidate.source, 'position', p_candidate.position, 'dismissed', p_candidate.dismissed,
        'created_at', p_candidate.created_at
    );

-- Return the candidates of a product as a JSON array in the order of their positions, dismissed ones last.
create function private.candidates_json(p_product_id uuid) returns jsonb
    language sql stable
    return (
        select coalesce(
            jsonb_agg(private.candidate_json(c) order by c.dismissed, c.position, c.asin), '[]'
        )
        from public.candidates c
        where c.product_id = p_product_id
    );

-- Return the JSON of a match.
create function private.match_json(p_match public.matches) returns jsonb
    language sql stable
    return jsonb_build_object(
        'gtin', p_match.gtin, 'asin', p_match.asin, 'verdict', p_match.verdict, 'created_at', p_match.created_at
    );

-- Return a product of the caller with its candidates, the match that gives it its ASIN, all its deals, including
-- deleted ones, oldest first, and its entity tag, or null if the caller has no such product.
create or replace function public.get_product(p_product_id uuid) returns jsonb
    language sql stable set search_path = ''
    return (
        select private.with_etag(private.product_json(p) || jsonb_build_object(
            'candidates', private.candidates_json(p.id),
            'match', (
                select private.match_json(m) from public.matches m
                where m.user_id = p.user_id and m.gtin = private.gtin(p.upc) and m.verdict = 'always'
            ),
            'deals', (
                select coalesce(jsonb_agg(private.deal_json(d) order by d.created_at, d.id), '[]')
                from public.deals d
                where d.product_id = p.id
            )
        ))
        from public.products p
        where p.id = p_product_id and p.user_id = auth.uid()
    );

comment on function private.candidate_json is 'Return the JSON of a candidate, without its product.';
comment on function private.candidates_json is
    'Return the candidates of a product as a JSON array in the order of their positions, dismissed ones last.';
comment on function private.match_json is 'Return the JSON of a match.';
comment on function public.get_product is
    'Return a product of the caller with its candidates, the match that gives it its ASIN, all its deals, including '
    'deleted ones, oldest first, and its entity tag, or null if the caller has no such product.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed. Replaced functions keep their rights.
revoke execute on function private.candidate_json, private.candidates_json, private.match_json
    from public, anon, authenticated, service_role;
grant execute on function private.candidate_json, private.candidates_json, private.match_json
    to authenticated, service_role;
