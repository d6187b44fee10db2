-- A row without ASIN and UPC finds its product also after the product has got a UPC, for example from another row of
-- the same file. Importing the same file again therefore creates nothing.

-- Return the oldest product of the caller with this title and brand, preferably one without ASIN and UPC. A product with
-- an ASIN or a UPC is also found without its brand, because an import fills in a missing brand. A product that was
-- merged stands for the one into which it was merged. The import uses the same rule. Security definer: under row level
-- security the comparison with lower(…) could not use an index, because it is not leakproof. The query therefore
-- contains the id of the caller. `offset 0` makes the planner look up the title first.
create or replace function private.find_by_title(p_title text, p_brand text) returns uuid
    language sql stable security definer set search_path = ''
as $$
    select coalesce(p.merged_into, p.id)
    from (
        select p.*, p.asin_status = 'asin_found' or p.upc is not null as is_identified
        from public.products p
        where p.user_id = (select auth.uid()) and lower(p.title) = lower(p_title) offset 0
    ) p
    where lower(p.brand) = lower(coalesce(p_brand, '')) or p.is_identified and coalesce(p_brand, '') = ''
    order by p.is_identified, p.created_at, p.id limit 1
$$;

comment on function private.find_by_title is
    'Return the oldest product of the caller with this title and brand, preferably one without ASIN and UPC.';

-- Find the products that match the identifiers of each row. An ASIN or a UPC identifies one product. A row without both
-- matches the product with the given id, else the one of private.find_by_title. A product that was merged stands for
-- the one into which it was merged. `limit 1` is used even where at most one row exists: it makes each lookup an index
-- lookup, and prevents a join with the whole catalogue, whatever the statistics say.
-- A row without ASIN gets the one that always matches its UPC, as in private.applicable_asin. It gets none if its
-- product has an ASIN, if another product has the matching one, if another product of these rows gets it first, or if
-- another row gives its UPC an ASIN.
create or replace function private.find_import(p_user_id uuid, p_rows jsonb) returns setof private.import_found
    language sql stable set search_path = ''
as $$
    with found as (
        select r.*, a.id as by_asin, coalesce(v.id, u.id) as by_upc, coalesce(i.id, t.id) as by_other,
               case when v.id is null then u.asin_of_upc when v.asin_status = 'asin_found' then v.asin end
                   as asin_of_upc,
               m.asin as match, n.id as by_match
        from jsonb_to_recordset(p_rows) as r (
            line integer, product_id uuid, asin text, upc text, title text, brand text, multiple_asins boolean,
            supplier text, buy_cost numeric, moq integer, stage text, favorite boolean, notes text)
        left join lateral (
            select coalesce(p.merged_into, p.id) as id from public.products p
            where p.user_id = p_user_id and p.asin_status = 'asin_found' and p.asin = r.asin limit 1
        ) a on true
        left join lateral (
            select p.id, p.merged_into, case when p.asin_status = 'asin_found' then p.asin end as asin_of_upc
            from public.products p where p.user_id = p_user_id and p.upc = r.upc limit 1
        ) u on true
        left join lateral (
            select p.* from public.products p where p.id = u.merged_into limit 1
        ) v on true
        left join lateral (
            select m.asin from public.matches m
            where r.asin is null and m.user_id = p_user_id and m.gtin = private.gtin(r.upc) and m.verdict = 'always'
            limit 1
        ) m on true
        left join lateral (
            select coalesce(p.merged_into, p.id) as id from public.products p
            where p.user_id = p_user_id and p.asin_status = 'asin_found' and p.asin = m.asin limit 1
        ) n on true
        left join lateral (
            select coalesce(p.merged_into, p.id) as id from public.products p
            where r.asin is null and r.upc is null and p.id = r.product_id and p.user_id = p_user_id limit 1
        ) i on true
        left join lateral (
            select coalesce(p.merged_into, p.id) as id
            from (
                select p.*, p.asin_status = 'asin_found' or p.upc is not null as is_identified
                from public.products p
                where r.asin is null and r.upc is null and i.id is null
                  and p.user_id = p_user_id and lower(p.title) = lower(r.title) offset 0
            ) p
            where lower(p.brand) = lower(coalesce(r.brand, '')) or p.is_identified and coalesce(r.brand, '') = ''
            order by p.is_identified, p.created_at, p.id limit 1
        ) t on true
    ), matched as (
        select f.*, coalesce(f.asin, case
                   when not bool_or(f.asin is not null) over (partition by f.upc)
                       and (f.by_upc is null or f.asin_of_upc is null and f.by_match is null) then f.match
               end) as wanted
        from found f
    ), claimed as (
        select m.*, first_value(m.by_upc) over (
                   partition by m.wanted
                   order by m.by_upc is null or m.asin_of_upc is not null, m.asin is null, m.line) as claimant
        from matched m
    ), settled as (
        select c.*, case when c.asin is not null or c.by_upc is null or c.by_upc = c.claimant then c.wanted end as given
        from claimed c
    )
    select s.line, s.given, s.upc, s.title, s.brand, s.multiple_asins,
           s.supplier, s.buy_cost, s.moq, s.stage, s.favorite, s.notes,
           case when s.given is not null then coalesce(s.by_asin, s.by_match) end, s.by_upc, s.by_other, s.asin_of_upc
    from settled s
$$;
