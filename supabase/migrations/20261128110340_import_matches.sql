-- The import applies what the user decided for identifiers, and follows merged products.

-- Find the products that match the identifiers of each row. An ASIN or a UPC identifies one product. A row without both
-- matches a product without UPC: the one with the given id, else the one of private.find_by_title. A product that was
-- merged stands for the one into which it was merged. `limit 1` is used even where at most one row exists: it makes
-- each lookup an index lookup, and prevents a join with the whole catalogue, whatever the statistics say.
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
            where r.asin is null and r.upc is null and p.id = r.product_id
              and p.user_id = p_user_id and p.upc is null limit 1
        ) i on true
        left join lateral (
            -- `offset 0` makes the planner look up the title first, and not all products without a UPC.
            select coalesce(p.merged_into, p.id) as id
            from (
                select p.* from public.products p
                where r.asin is null and r.upc is null and i.id is null
                  and p.user_id = p_user_id and lower(p.title) = lower(r.title) offset 0
            ) p
            where lower(p.brand) = lower(coalesce(r.brand, '')) and p.upc is null
            order by p.asin_status = 'asin_found', p.created_at, p.id limit 1
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

-- Return what the rows would change. Compares the rows of resolve_import with the existing products and deals.
create or replace function private.plan_import(p_user_id uuid, p_rows jsonb) returns setof private.import_row
    language sql volatile set search_path = ''
as $$
    select s.line, s.product_id, d.id, s.asin, s.upc, s.title, s.brand, s.multiple_asins,
           s.supplier, s.buy_cost, s.moq, s.stage, s.favorite, s.notes, s.problem, s.reason, s.last, s.new_product,
           -- Title and brand identify a product without ASIN and UPC, so its brand is not filled in.
           coalesce(p.asin_status <> 'asin_found' and private.free_asin(p_user_id, s.asin) is not null
                    or p.upc is null and private.free_upc(p_user_id, s.upc) is not null
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

-- Insert the new products, and fill in missing values of existing ones. Existing values are kept.
create or replace function private.write_products(p_user_id uuid, p_plan private.import_row[]) returns void
    language plpgsql set search_path = ''
as $$
begin
    insert into public.products (id, user_id, asin, upc, title, brand, multiple_asins)
    select distinct on (r.product_id) r.product_id, p_user_id, r.asin, r.upc, r.title, coalesce(r.brand, ''),
           coalesce(r.multiple_asins, false)
    from unnest(p_plan) r
    where r.problem is null and r.new_product;
    update public.products p
    set asin = case when p.asin_status = 'asin_found' then p.asin
            else coalesce(private.free_asin(p_user_id, r.asin), p.asin) end,
        upc = coalesce(p.upc, private.free_upc(p_user_id, r.upc)),
        brand = coalesce(nullif(p.brand, ''), r.brand, '')
    from (select distinct on (r.product_id) r.* from unnest(p_plan) r
          where r.problem is null and r.product_changes) r
    where p.id = r.product_id;
end
$$;
