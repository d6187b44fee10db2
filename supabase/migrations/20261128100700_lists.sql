-- Lists and single products. Each filter with each sort reads an index from the first row of the page to the last, so a
-- page costs the same for 10 deals as for 10 million.

-- For looking up products by title and, in imports, by ASIN. A planner without statistics would prefer an index on
-- (user_id, asin_status) alone to the unique index on (user_id, asin), and read the whole catalogue of the user.
create index products_user_title_idx on public.products (user_id, lower(title));
create index products_user_status_idx on public.products (user_id, asin_status, asin);

-- The whole list without slices: by date, and by supplier, which a search needs too. Every change of a deal has to update
-- each index. The id breaks ties and is part of the cursor.
create index deals_user_created_idx on public.deals (user_id, active, created_at, id);
create index deals_user_supplier_idx on public.deals (user_id, active, lower(supplier), id);

-- One index per sort with slices. Each slice is one range of the index; several slices are merged. An unknown cost sorts
-- last in both directions, which takes two indexes; see private.deal_sort.
create index deals_slice_created_idx on public.deals (user_id, active, slice, created_at, id);
create index deals_slice_title_idx on public.deals (user_id, active, slice, title_key, id);
create index deals_slice_supplier_idx on public.deals (user_id, active, slice, lower(supplier), id);
create index deals_slice_cost_up_idx on public.deals (user_id, active, slice, coalesce(buy_cost, 'Infinity'), id);
create index deals_slice_cost_down_idx on public.deals (user_id, active, slice, coalesce(buy_cost, -1), id);

-- Return the JSON of a product. It has no user_id, because the reader is the owner.
create function private.product_json(p_product public.products) returns jsonb
    language sql stable
    return jsonb_build_object(
        'id', p_product.id, 'asin', p_product.asin, 'upc', p_product.upc, 'title', p_product.title,
        'brand', p_product.brand, 'multiple_asins', p_product.multiple_asins, 'asin_status', p_product.asin_status,
        'created_at', p_product.created_at, 'updated_at', p_product.updated_at
    );

-- Return the JSON of a deal without its product. Money is text ("12.50"), because clients read a JSON number as a
-- float.
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

-- How list_deals carries out a sort: the key expression (exactly that of its index), its type, the direction, the comparison
-- that means "after" in that direction, and whether the whole list has an index in this order.
create type private.deal_sorting as (key text, type text, direction text, after text, has_index boolean);

-- Return how to carry out a p_sort of list_deals. Raises PT400 for an unknown sort.
create function private.deal_sort(p_sort text) returns private.deal_sorting
    language plpgsql immutable set search_path = ''
as $$
declare
    v_down constant boolean := p_sort like '-%';
    v_sort private.deal_sorting;
begin
    v_sort.key := case regexp_replace(p_sort, '^-', '')
        when 'created_at' then 'd.created_at'
        when 'title' then 'd.title_key'
        when 'supplier' then 'lower(d.supplier)'
        -- Unknown costs come last both ways, and no cursor holds a null: above any cost going up, below any going down.
        when 'buy_cost' then
            case when v_down then 'coalesce(d.buy_cost, -1)' else 'coalesce(d.buy_cost, ''Infinity'')' end
    end;
    if v_sort.key is null then
        raise sqlstate 'PT400' using
            message = 'Unknown sort.',
            detail = coalesce(p_sort, 'null'),
            hint = 'One of created_at, title, buy_cost, supplier, each also with a leading minus.';
    end if;
    v_sort.type := case v_sort.key when 'd.created_at' then 'timestamptz'
        when 'd.title_key' then 'text' when 'lower(d.supplier)' then 'text' else 'numeric' end;
    v_sort.direction := case when v_down then 'desc' else 'asc' end;
    v_sort.after := case when v_down then '<' else '>' end;
    v_sort.has_index := v_sort.key in ('d.created_at', 'lower(d.supplier)');
    return v_sort;
end
$$;

-- Return the slices that match these filters; an empty array for an unknown status or stage.
create function private.deal_slices(p_asin_status text, p_stage text, p_favorite boolean) returns smallint[]
    language sql immutable set search_path = ''
as $$
    select array(
        select private.deal_slice(asin_status, stage, favorite)
        from unnest(array['asin_found', 'needs_selection', 'needs_asin', 'manual_entry']) as asin_status,
            unnest(private.deal_stages()) as stage,
            unnest(array[false, true]) as favorite
        where asin_status = coalesce(p_asin_status, asin_status) and stage = coalesce(p_stage, stage)
          and favorite = coalesce(p_favorite, favorite)
    )
$$;

-- Return the query of the sort keys and ids after the cursor, in order. Each slice is read in the order of its index
-- and the slices are merged, so only rows of the page are read. A null p_slices means the whole list. $1 is the user,
-- $2 active, $3 and $4 the cursor.
create function private.deal_walk(p_sort private.deal_sorting, p_slices smallint[]) returns text
    language sql immutable set search_path = ''
as $$
    select format(
        'select u.key, u.id from (%s) as u order by u.key %2$s, u.id %2$s',
        string_agg(format(
            '(select %1$s as key, d.id from public.deals d where d.user_id = $1 and d.active = $2 and %2$s'
            ' and ($3 is null or (%1$s, d.id) %3$s ($3::%4$s, $4)) order by %1$s %5$s, d.id %5$s)',
            (p_sort).key, condition, (p_sort).after, (p_sort).type, (p_sort).direction
        ), ' union all '),
        (p_sort).direction
    )
    from (
        select format('d.slice = %s', slice) as condition
        from unnest(coalesce(p_slices, private.deal_slices(null, null, null))) as slice
        where p_slices is not null or not (p_sort).has_index
        union all
        select 'true' where p_slices is null and (p_sort).has_index
        union all
        select 'false' where p_slices = '{}'
    ) as conditions
$$;

-- Return the same query for all deals that contain $6, with its pieces in $7: the deals of matching products and of
-- matching suppliers. The cost depends on the number of such deals, active or not. `is true` keeps the planner from
-- reading an index of everything that the user has.
create function private.deal_matches(p_sort private.deal_sorting, p_slices smallint[]) returns text
    language sql immutable set search_path = ''
as $$
    select format(
        $query$
        with products as materialized (
            select p.id from public.products p
            where private.pieces(p.user_id, private.product_text(p.title, p.brand, p.asin, p.upc)) @@ $7
              and (p.user_id = $1) is true and private.contains(p, $6)
        ), suppliers as materialized (
            select s.name from searching.suppliers s
            where private.pieces(s.user_id, s.name) @@ $7 and (s.user_id = $1) is true and strpos(s.name, $6) > 0
        )
        select u.key, u.id from (
            select %1$s as key, d.id from products join public.deals d on d.product_id = products.id
            where (d.user_id = $1) is true and %2$s
            union
            select %1$s as key, d.id from suppliers join public.deals d on lower(d.supplier) = suppliers.name
            where d.user_id = $1 and %2$s
        ) as u
        order by u.key %3$s, u.id %3$s
        $query$,
        (p_sort).key,
        format('d.active = $2 and %s and ($3 is null or (%s, d.id) %s ($3::%s, $4))',
            case when p_slices is null then 'true' else format('d.slice = any (%L)', p_slices) end, (p_sort).key, (p_sort).after, (p_sort).type),
        (p_sort).direction
    )
$$;

-- The validated arguments of list_deals.
create type private.deal_request as (
    user_id uuid, active boolean, after_value text, after_id uuid, most integer, search text, pieces tsquery
);

-- Return one page of the keys and ids of p_source, in the form of list_deals.
create function private.deal_page(p_source text, p_request private.deal_request) returns jsonb
    language plpgsql stable set search_path = ''
as $$
declare
    v_page jsonb;
begin
    execute format(
        $query$
        with found as materialized (
            %s limit $5 + 1
        ), page as materialized (
            select row_number() over () as place, key::text as value, id from found
        )
        select jsonb_build_object(
            'items', (
                select coalesce(jsonb_agg(private.deal_item(d, p) order by page.place), '[]')
                from page
                join public.deals d on d.id = page.id
                join public.products p on p.id = d.product_id
                where page.place <= $5
            ),
            'next', (
                select jsonb_build_object('value', page.value, 'id', page.id) from page
                where page.place = $5 and exists (select from page as more where more.place > $5)
            )
        )
        $query$,
        p_source
    ) into v_page using p_request.user_id, p_request.active, p_request.after_value, p_request.after_id,
        p_request.most, p_request.search, p_request.pieces;
    return v_page;
end
$$;

-- Return the page of the deals that p_walk reads. The settings leave the planner only the plan that stops at the end of
-- the page, even without statistics.
create function private.walk_deals(p_walk text, p_request private.deal_request) returns jsonb
    language sql stable
    set search_path = '' set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
    set enable_hashjoin = off set enable_mergejoin = off
as $$
    select private.deal_page(p_walk, p_request)
$$;

-- Return the page of the deals that contain the search among the next p_budget deals of p_walk. Returns null if the
-- page is not full and there are more deals.
create function private.walk_deals_searching(p_walk text, p_budget integer, p_request private.deal_request)
    returns jsonb
    language plpgsql stable
    set search_path = '' set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
    set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_direction constant text := substring(p_walk from '(asc|desc)$');
    v_page jsonb;
    v_unfinished boolean;
begin
    v_page := private.deal_page(format(
        'select w.key, w.id from (%1$s limit %2$s) as w join public.deals d on d.id = w.id'
        ' join public.products p on p.id = d.product_id'
        ' where private.contains(p, $6) or strpos(lower(d.supplier), $6) > 0'
        ' order by w.key %3$s, w.id %3$s',
        p_walk, p_budget, v_direction
    ), p_request);
    if jsonb_typeof(v_page -> 'next') = 'null' then
        execute format('select exists (%s offset %s limit 1)', p_walk, p_budget) into v_unfinished
            using p_request.user_id, p_request.active, p_request.after_value, p_request.after_id;
    end if;
    return case when v_unfinished then null else v_page end;
end
$$;

-- Return whether the index of pieces contains so few matches that reading all of them is cheaper. Stops counting at the
-- limit.
create function private.is_rare(p_request private.deal_request) returns boolean
    language plpgsql stable
    set search_path = '' set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_rare boolean;
begin
    execute $query$
        select (
            select count(*) from (
                select from public.products p
                where private.pieces(p.user_id, private.product_text(p.title, p.brand, p.asin, p.upc)) @@ $3
                  and (p.user_id = $1) is true
                limit 500
            ) as few
        ) < 500 and (
            select count(*) from (
                select from searching.suppliers s
                join public.deals d on d.user_id = $1 and d.active = $2 and lower(d.supplier) = s.name
                where private.pieces(s.user_id, s.name) @@ $3 and (s.user_id = $1) is true
                limit 2000
            ) as few
        ) < 2000
    $query$ into v_rare using p_request.user_id, p_request.active, p_request.pieces;
    return v_rare;
end
$$;

-- Return the page of all deals that contain the search, from the index of pieces.
create function private.match_deals(p_matches text, p_request private.deal_request) returns jsonb
    language sql stable
    set search_path = '' set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
    select private.deal_page(p_matches, p_request)
$$;

-- Validate the arguments of list_deals. Raises PT400 or PT422.
create function private.require_list(p_limit integer, p_active boolean, p_after_value text, p_after_id uuid, p_search text)
    returns void
    language plpgsql immutable set search_path = ''
as $$
begin
    if p_limit is null or p_limit not between 1 and 1000 then
        raise sqlstate 'PT400' using message = 'The limit must be between 1 and 1000.';
    end if;
    if p_active is null then
        raise sqlstate 'PT400' using message = 'A list is of the active or of the deleted deals: p_active is needed.';
    end if;
    if (p_after_value is null) <> (p_after_id is null) then
        raise sqlstate 'PT400' using message = 'A cursor is a value and an id; only one was given.';
    end if;
    if length(p_search) < 2 then
        raise sqlstate 'PT422' using message = 'A search needs at least two characters.';
    end if;
end
$$;

-- Return one page of the deals of the caller: {"items": […], "next": {"value", "id"} | null}. Pass "next" as
-- p_after_value and p_after_id of the next call with the same sort; each deal is then returned exactly once. A null
-- filter does not filter, but deleted deals are never mixed with active ones (every index of a sort starts with
-- `active`).
-- A search finds a part of title, brand, ASIN, UPC or supplier in any case, of at least two literal characters. A rare
-- search reads all its matches from the index and sorts them. A frequent one fills the page while it reads the next
-- deals in order, and uses the index only if they are not enough. So a search costs at most what it finds, never the
-- whole catalogue.
-- Security definer: under row level security, comparisons with lower(…) and numeric, which are not leakproof, could not
-- use an index. A deep page would cost as much as all pages before it. Hence the explicit user_id everywhere.
create function public.list_deals(
    p_asin_status text default null,
    p_stage text default null,
    p_favorite boolean default null,
    p_search text default null,
    p_sort text default '-created_at',
    p_limit integer default 50,
    p_after_value text default null,
    p_after_id uuid default null,
    p_active boolean default true
) returns jsonb
    language plpgsql stable security definer set search_path = ''
as $$
declare
    v_user_id constant uuid := private.require_user();
    v_sort constant private.deal_sorting := private.deal_sort(p_sort);
    v_slices constant smallint[] := case when num_nonnulls(p_asin_status, p_stage, p_favorite) > 0
        then private.deal_slices(p_asin_status, p_stage, p_favorite) end;
    -- EXECUTE, because sort and filters decide the index. Only fragments of the functions above are pasted in; what the
    -- caller sent travels as parameters.
    v_walk constant text := private.deal_walk(v_sort, v_slices);
    v_search constant text := lower(p_search);
    v_request constant private.deal_request := row(
        v_user_id, p_active, p_after_value, p_after_id, p_limit, v_search, private.pieces_query(v_user_id, v_search)
    );
    v_page jsonb;
begin
    perform private.require_list(p_limit, p_active, p_after_value, p_after_id, p_search);
    if p_search is null then
        return private.walk_deals(v_walk, v_request);
    end if;
    if not private.is_rare(v_request) then
        v_page := private.walk_deals_searching(v_walk, 40 * p_limit, v_request);
    end if;
    return coalesce(v_page, private.match_deals(private.deal_matches(v_sort, v_slices), v_request));
exception
    -- The only value that is read as another type is the cursor's.
    when data_exception then
        raise sqlstate 'PT400' using
            message = 'The cursor does not belong to this sort.',
            hint = 'Start again from the first page.';
end
$$;

-- Return a product of the caller with all its deals, deleted ones too, oldest first; null if the caller has no such
-- product.
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

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in public to
-- its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.product_json, private.deal_json, private.deal_item, private.deal_item_of,
    private.deal_sort, private.deal_slices, private.deal_walk, private.deal_matches, private.deal_page,
    private.walk_deals, private.walk_deals_searching, private.is_rare, private.match_deals, private.require_list,
    public.list_deals, public.get_product
    from public, anon, authenticated, service_role;
grant execute on function private.product_json, private.deal_json, private.deal_item, private.deal_item_of,
    private.deal_sort, private.deal_slices, private.deal_walk, private.deal_matches, private.require_list,
    public.list_deals, public.get_product
    to authenticated, service_role;
