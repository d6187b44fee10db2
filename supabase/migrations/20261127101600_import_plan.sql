-- The first part of an import: decide what the rows of a file would change. Nothing is written here.

-- One row of a file, and what the import does with it.
create type private.import_row as (
    line integer,
    product_id uuid,        -- the existing product of the user, or the id of the new one
    deal_id uuid,           -- the existing deal of the user, null for a new one
    asin text, upc text, title text, brand text, multiple_asins boolean,  -- combined from all rows of the product
    supplier text, buy_cost numeric, moq integer, stage text, favorite boolean, notes text,
    problem text,           -- the invalid column, null if the row is valid
    reason text,
    last boolean,           -- no later row is for the same deal
    new_product boolean,
    product_changes boolean,
    deal_changes boolean
);

-- One row of a file, and the products of the user that its identifiers find.
create type private.import_found as (
    line integer, asin text, upc text, title text, brand text, multiple_asins boolean,
    supplier text, buy_cost numeric, moq integer, stage text, favorite boolean, notes text,
    by_asin uuid, by_upc uuid, by_other uuid, asin_of_upc text
);

-- Find the products that match the identifiers of each row. An ASIN or a UPC identifies one product. A row without both
-- matches a product without both: the one with the given id, else the oldest one with this title and brand. `limit 1`
-- is used even where at most one row exists: it makes each lookup an index lookup, and prevents a join with the whole
-- catalogue, whatever the statistics say.
create function private.find_import(p_user_id uuid, p_rows jsonb) returns setof private.import_found
    language sql stable set search_path = ''
as $$
    select r.line, r.asin, r.upc, r.title, r.brand, r.multiple_asins,
           r.supplier, r.buy_cost, r.moq, r.stage, r.favorite, r.notes,
           a.id, u.id, coalesce(i.id, t.id), case when u.asin_status = 'asin_found' then u.asin end
    from jsonb_to_recordset(p_rows) as r (
        line integer, product_id uuid, asin text, upc text, title text, brand text, multiple_asins boolean,
        supplier text, buy_cost numeric, moq integer, stage text, favorite boolean, notes text)
    left join lateral (
        select p.id from public.products p
        where p.user_id = p_user_id and p.asin_status = 'asin_found' and p.asin = r.asin limit 1
    ) a on true
    left join lateral (
        select p.* from public.products p where p.user_id = p_user_id and p.upc = r.upc limit 1
    ) u on true
    left join lateral (
        select p.id from public.products p
        where r.asin is null and r.upc is null and p.id = r.product_id
          and p.user_id = p_user_id and p.asin_status <> 'asin_found' and p.upc is null limit 1
    ) i on true
    left join lateral (
        -- `offset 0` makes the planner look up the title first, and not all products without a UPC.
        select p.id
        from (
            select p.* from public.products p
            where r.asin is null and r.upc is null and i.id is null
              and p.user_id = p_user_id and lower(p.title) = lower(r.title) offset 0
        ) p
        where lower(p.brand) = lower(coalesce(r.brand, '')) and p.asin_status <> 'asin_found' and p.upc is null
        order by p.created_at, p.id limit 1
    ) t on true
$$;

-- Decide for each row which product it belongs to and whether it is valid. The result is the same as if the rows were
-- processed in order. A UPC belongs to the ASIN of the product that has this UPC, else to the first ASIN that a row
-- gives together with it. An ASIN without a product is assigned to the first product that its rows find by UPC.
-- The steps: looked finds contradictions to existing products. claimed finds the ASIN that each UPC belongs to. named
-- adds that ASIN to rows without one. by_asin and by_upc find the existing product of each ASIN and UPC. placed gives
-- all rows of one product the same handle. settled finds the ASIN of each handle. judged completes the errors. gathered
-- combines the values of all rows of a product.
create function private.resolve_import(p_user_id uuid, p_rows jsonb) returns setof private.import_row
    language sql volatile set search_path = ''
as $$
    with looked as (
        select f.*, coalesce(f.asin, f.asin_of_upc) as known_asin,
               case
                   when f.asin <> f.asin_of_upc then
                       format('Your product with this UPC has another ASIN, %s', f.asin_of_upc)
                   when f.by_upc <> f.by_asin then 'The ASIN and the UPC belong to two different products of yours'
               end as look_fault
        from private.find_import(p_user_id, p_rows) f
    ), claimed as (
        select l.*, coalesce(l.by_asin, l.by_upc, l.by_other) as own,
               case when l.upc is not null then
                   first_value(case when l.look_fault is null then l.known_asin end) over claims end as claim,
               first_value(l.line) over claims as claim_line
        from looked l
        window claims as (partition by l.upc order by l.known_asin is null or l.look_fault is not null, l.line)
    ), named as (
        select c.*, coalesce(c.known_asin, case when c.by_upc is null then c.claim end) as full_asin,
               coalesce(c.look_fault, case when c.known_asin <> c.claim then
                   format('Line %s gives this UPC to another ASIN, %s', c.claim_line, c.claim) end) as name_fault
        from claimed c
    ), by_asin as (
        select n.*,
               case when n.full_asin is not null then
                   coalesce(n.by_asin, first_value(case when n.name_fault is null then n.own end) over (
                       partition by n.full_asin
                       order by n.own is null or n.name_fault is not null, n.by_asin is null, n.line)) end as asins
        from named n
    ), by_upc as (
        select b.*,
               case when b.upc is not null then
                   coalesce(b.by_upc, first_value(case when b.name_fault is null then b.asins end) over (
                       partition by b.upc order by b.asins is null or b.name_fault is not null, b.line)) end as upcs
        from by_asin b
    ), placed as (
        select u.*,
               coalesce('id ' || coalesce(u.asins, u.upcs, u.own), 'asin ' || u.full_asin, 'upc ' || u.upc,
                        'title ' || lower(u.title) || e'\n' || lower(coalesce(u.brand, '')), 'line ' || u.line)
                   as handle,
               coalesce(u.name_fault, case when u.own <> u.asins or u.own <> u.upcs or u.asins <> u.upcs then
                   'Another row gives this ASIN or UPC to another product of yours' end) as place_fault
        from by_upc u
    ), settled as (
        select p.*,
               first_value(case when p.place_fault is null then p.full_asin end) over (
                   partition by p.handle order by p.full_asin is null or p.place_fault is not null, p.line) as one_asin
        from placed p
    ), judged as (
        -- The id is generated here, because a window function would generate one for each row that it reads.
        select s.*, gen_random_uuid() as new_id, coalesce(s.place_fault, case when s.full_asin <> s.one_asin then
                   format('Another row gives this product another ASIN, %s', s.one_asin) end) as fault
        from settled s
    ), gathered as (
        -- For each field of a product, the first row with a value counts.
        select j.*,
               (array_agg(j.full_asin) filter (where j.fault is null and j.full_asin is not null) over rows)[1]
                   as p_asin,
               (array_agg(j.upc) filter (where j.fault is null and j.upc is not null) over rows)[1] as p_upc,
               (array_agg(j.title) filter (where j.fault is null and j.title is not null) over rows)[1] as p_title,
               (array_agg(j.brand) filter (where j.fault is null and j.brand <> '') over rows)[1] as p_brand,
               (array_agg(j.multiple_asins) filter (where j.fault is null) over rows)[1] as p_several,
               first_value(coalesce(j.asins, j.upcs, j.own, j.new_id)) over rows as p_id,
               coalesce(j.asins, j.upcs, j.own) is null as is_new
        from judged j
        window rows as (partition by j.handle order by j.line rows between unbounded preceding and unbounded following)
    )
    select g.line, g.p_id, null::uuid, g.p_asin, g.p_upc, g.p_title, g.p_brand, g.p_several,
           g.supplier, g.buy_cost, g.moq, g.stage, g.favorite, g.notes,
           case when g.fault is not null then 'asin' when g.is_new and g.p_title is null then 'title' end,
           coalesce(g.fault, case when g.is_new and g.p_title is null then 'A new product needs a title' end),
           g.fault is null and (g.p_title is not null or not g.is_new) and row_number() over (
               partition by g.handle, lower(coalesce(g.supplier, '')), g.fault is null order by g.line desc) = 1,
           g.is_new, false, false
    from gathered g
$$;

-- Return what the rows would change. Compares the rows of resolve_import with the existing products and deals.
create function private.plan_import(p_user_id uuid, p_rows jsonb) returns setof private.import_row
    language sql volatile set search_path = ''
as $$
    select s.line, s.product_id, d.id, s.asin, s.upc, s.title, s.brand, s.multiple_asins,
           s.supplier, s.buy_cost, s.moq, s.stage, s.favorite, s.notes, s.problem, s.reason, s.last, s.new_product,
           -- Title and brand identify a product without ASIN and UPC, so its brand is not filled in.
           coalesce(p.asin_status <> 'asin_found' and s.asin is not null or p.upc is null and s.upc is not null
                    or p.brand = '' and s.brand is not null and (p.asin_status = 'asin_found' or p.upc is not null),
                    false) and not s.new_product,
           d.id is null or not d.active or d.supplier <> coalesce(s.supplier, '')
               or (d.buy_cost, d.moq, d.stage, d.favorite, d.notes) is distinct from
                  (coalesce(s.buy_cost, d.buy_cost), coalesce(s.moq, d.moq), coalesce(s.stage, d.stage),
                   coalesce(s.favorite, d.favorite), coalesce(s.notes, d.notes))
    from private.resolve_import(p_user_id, p_rows) s
    left join lateral (
        select p.* from public.products p where not s.new_product and p.id = s.product_id limit 1
    ) p on true
    left join lateral (
        select d.* from public.deals d
        where not s.new_product and d.product_id = s.product_id
          and lower(d.supplier) = lower(coalesce(s.supplier, '')) limit 1
    ) d on true
$$;

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.find_import, private.resolve_import, private.plan_import
    from public, anon, authenticated, service_role;
