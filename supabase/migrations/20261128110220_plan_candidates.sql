-- The first part of the feed of candidates: decide what each row of a look-up result would change. Nothing is written
-- here.

-- One row of a look-up result, and what add_candidates does with it.
create type private.candidate_row as (
    line integer,
    product_id uuid,        -- the product of the user, or null
    asin text, title text, brand text, image_url text, category text, package_quantity integer, sales_rank integer,
    source text,            -- the stored values combined with those of all rows for this product and ASIN
    position integer,
    always text,            -- the ASIN that a match gives the product, or null
    outcome text,           -- stored, unchanged, never, empty, unknown or refused
    problem text,           -- the invalid column, null unless the row is refused
    reason text
);

-- One row of a look-up result, the product that it finds, and the stored candidate of this product with the ASIN.
create type private.candidate_found as (
    line integer, is_named boolean, asin text, title text, brand text, image_url text, category text,
    package_quantity integer, sales_rank integer, source text,
    product_id uuid, is_never boolean, always text,
    is_new boolean, old_title text, old_brand text, old_image_url text, old_category text, old_package_quantity integer,
    old_sales_rank integer, old_source text, old_position integer,
    total integer, last_position integer     -- of all candidates of the product
);

-- Find the product of each row, its stored candidate with this ASIN, and the matches. A product is found by its id,
-- else by its identifier: the one with exactly this UPC comes first. A product that was merged stands for the one into
-- which it was merged. A match counts for the identifier of the row and for the one of the product. `limit 1` and
-- `offset 0` make each lookup an index lookup, whatever the statistics say.
create function private.find_candidates(p_user_id uuid, p_rows jsonb) returns setof private.candidate_found
    language sql stable set search_path = ''
as $$
    select r.line, num_nonnulls(r.product_id, r.upc) > 0, r.asin, nullif(r.title, ''), nullif(r.brand, ''),
           nullif(r.image_url, ''), nullif(r.category, ''), r.package_quantity, r.sales_rank, nullif(r.source, ''),
           t.id, n.asin is not null, a.asin,
           c.asin is null, c.title, c.brand, c.image_url, c.category, c.package_quantity, c.sales_rank, c.source,
           c.position, coalesce(l.total, 0)::integer, coalesce(l.last_position, -1)
    from jsonb_to_recordset(p_rows) as r (
        line integer, product_id uuid, upc text, asin text, title text, brand text, image_url text, category text,
        package_quantity integer, sales_rank integer, source text)
    left join lateral (
        select coalesce(p.merged_into, p.id) as id
        from public.products p where p.id = r.product_id and p.user_id = p_user_id limit 1
    ) i on true
    left join lateral (
        select coalesce(p.merged_into, p.id) as id
        from (
            select p.* from public.products p
            where r.product_id is null and length(r.upc) <= 14
              and p.user_id = p_user_id and private.gtin(p.upc) = private.gtin(r.upc) offset 0
        ) p
        order by p.upc <> r.upc, p.merged_into is not null, p.created_at, p.id limit 1
    ) u on true
    left join lateral (
        select p.id, array_remove(array[private.gtin(r.upc), private.gtin(p.upc)], null) as gtins
        from public.products p where p.id = coalesce(i.id, u.id) and p.user_id = p_user_id limit 1
    ) t on true
    left join lateral (
        select m.asin from unnest(t.gtins) as g (gtin)
        cross join lateral (
            select m.* from public.matches m
            where m.user_id = p_user_id and m.gtin = g.gtin and m.asin = r.asin and m.verdict = 'never' limit 1
        ) m limit 1
    ) n on true
    left join lateral (
        select m.asin from unnest(t.gtins) with ordinality as g (gtin, place)
        cross join lateral (
            select m.* from public.matches m
            where m.user_id = p_user_id and m.gtin = g.gtin and m.verdict = 'always' limit 1
        ) m order by g.place limit 1
    ) a on true
    left join lateral (
        select c.* from public.candidates c where c.product_id = t.id and c.asin = r.asin limit 1
    ) c on true
    left join lateral (
        select count(*) as total, max(k.position) as last_position
        from (select k.* from public.candidates k where k.product_id = t.id offset 0) k
    ) l on true
$$;

-- Decide the outcome of each row. The result is the same as if the rows were processed in order. All rows for one
-- product and ASIN are one candidate: for each value, the last row that has it counts. The last row stands for the
-- candidate, and the others are unchanged. The steps: judged finds the rows without a candidate. numbered numbers the
-- new candidates of each product. gathered combines the values.
-- The settings leave the planner only index lookups, because sessions keep their plans.
create function private.plan_candidates(p_user_id uuid, p_rows jsonb) returns setof private.candidate_row
    language sql stable
    set search_path = '' set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
    with judged as (
        select f.*,
               case when not f.is_named or not private.is_asin(f.asin) then 'refused'
                    when f.product_id is null then 'unknown'
                    when f.asin is null then 'empty'
                    when f.is_never then 'never'
                    else 'stored' end as outcome
        from private.find_candidates(p_user_id, p_rows) f
    ), placed as (
        select j.*, min(j.line) over (partition by j.product_id, j.asin, j.outcome) as first_line
        from judged j
    ), numbered as (
        select p.*,
               dense_rank() over (partition by p.product_id, p.outcome, p.is_new order by p.first_line, p.asin) as rank
        from placed p
    ), gathered as (
        select n.*, n.outcome = 'stored' and n.is_new and n.total + n.rank > 50 as is_beyond,
               row_number() over rows = count(*) over rows as is_last,
               (array_agg(n.title) filter (where n.title is not null) over rows) as titles,
               (array_agg(n.brand) filter (where n.brand is not null) over rows) as brands,
               (array_agg(n.image_url) filter (where n.image_url is not null) over rows) as image_urls,
               (array_agg(n.category) filter (where n.category is not null) over rows) as categories,
               (array_agg(n.package_quantity) filter (where n.package_quantity is not null) over rows) as quantities,
               (array_agg(n.sales_rank) filter (where n.sales_rank is not null) over rows) as ranks,
               (array_agg(n.source) filter (where n.source is not null) over rows) as sources
        from numbered n
        window rows as (partition by n.product_id, n.asin, n.outcome order by n.line
                        rows between unbounded preceding and unbounded following)
    ), combined as (
        select g.*,
               coalesce(g.titles[cardinality(g.titles)], g.old_title, '') as new_title,
               coalesce(g.brands[cardinality(g.brands)], g.old_brand, '') as new_brand,
               coalesce(g.image_urls[cardinality(g.image_urls)], g.old_image_url, '') as new_image_url,
               coalesce(g.categories[cardinality(g.categories)], g.old_category, '') as new_category,
               coalesce(g.quantities[cardinality(g.quantities)], g.old_package_quantity) as new_quantity,
               coalesce(g.ranks[cardinality(g.ranks)], g.old_sales_rank) as new_rank,
               coalesce(g.sources[cardinality(g.sources)], g.old_source, '') as new_source
        from gathered g
    )
    select c.line, c.product_id, c.asin, c.new_title, c.new_brand, c.new_image_url, c.new_category, c.new_quantity,
           c.new_rank, c.new_source,
           coalesce(c.old_position, (c.last_position + c.rank)::integer), c.always,
           case when c.is_beyond then 'refused'
                when c.outcome = 'stored' and (not c.is_last or not c.is_new and (
                    (c.new_title, c.new_brand, c.new_image_url, c.new_category, c.new_quantity, c.new_rank,
                     c.new_source)
                    is not distinct from
                    (c.old_title, c.old_brand, c.old_image_url, c.old_category,
                     c.old_package_quantity, c.old_sales_rank, c.old_source)
                )) then 'unchanged'
                else c.outcome end,
           case when not c.is_named then 'upc' when c.is_beyond or c.outcome = 'refused' then 'asin' end,
           case when not c.is_named then 'A row needs a product id or a UPC'
                when c.is_beyond then 'This product already has 50 candidates'
                when c.outcome = 'refused' then 'This is not an ASIN' end
    from combined c
$$;

comment on function private.find_candidates is
    'Find the product of each row, its stored candidate with this ASIN, and the matches.';
comment on function private.plan_candidates is 'Decide the outcome of each row.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.find_candidates, private.plan_candidates
    from public, anon, authenticated, service_role;
