-- The document of a product with the history of what was decided.

-- Return a product of the caller with its candidates, the match that gives it its ASIN, the history of decisions, all
-- its deals, including deleted ones, oldest first, and its entity tag, or null if the caller has no such product.
create or replace function public.get_product(p_product_id uuid) returns jsonb
    language sql stable set search_path = ''
    return (
        select private.with_etag(private.product_json(p) || jsonb_build_object(
            'candidates', private.candidates_json(p.id),
            'match', (
                select private.match_json(m) from public.matches m
                where m.user_id = p.user_id and m.gtin = private.gtin(p.upc) and m.verdict = 'always'
            ),
            'history', private.history_of(p.id),
            'deals', (
                select coalesce(jsonb_agg(private.deal_json(d) order by d.created_at, d.id), '[]')
                from public.deals d
                where d.product_id = p.id
            )
        ))
        from public.products p
        where p.id = p_product_id and p.user_id = auth.uid()
    );

comment on function public.get_product is
    'Return a product of the caller with its candidates, the match that gives it its ASIN, the history of decisions, '
    'all its deals, including deleted ones, oldest first, and its entity tag, or null if the caller has no such '
    'product.';
