-- The function list_deals, and the functions that run its queries.

-- The validated arguments of list_deals.
create type private.deal_request as (
    user_id uuid, active boolean, after_value text, after_id uuid, most integer, search text, pieces tsquery
);

-- Run the query p_source, which returns sort keys and ids in order, and return its first page in the form of
-- list_deals.
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

-- Return one page of the deals that the query p_walk returns. The settings leave the planner only the plan that stops
-- at the end of the page, even without statistics.
create function private.walk_deals(p_walk text, p_request private.deal_request) returns jsonb
    language sql stable
    set search_path = '' set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
    set enable_hashjoin = off set enable_mergejoin = off
as $$
    select private.deal_page(p_walk, p_request)
$$;

-- Return one page of the deals that contain the search, from the first p_budget deals that the query p_walk returns.
-- Returns null if the page is not full and there are more deals.
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

-- Return whether the index of pieces contains so few matches that reading all of them is faster. Stops counting at 500
-- products or 2000 deals.
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

-- Return one page of the deals that the query p_matches returns. It finds all deals that contain the search with the
-- index of pieces.
create function private.match_deals(p_matches text, p_request private.deal_request) returns jsonb
    language sql stable
    set search_path = '' set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
    select private.deal_page(p_matches, p_request)
$$;

-- Validate the arguments of list_deals. Raises PT400 or PT422.
create function private.require_list(
    p_limit integer, p_active boolean, p_after_value text, p_after_id uuid, p_search text
) returns void
    language plpgsql immutable set search_path = ''
as $$
begin
    if p_limit is null or p_limit not between 1 and 1000 then
        raise sqlstate 'PT400' using message = 'The limit must be between 1 and 1000.';
    end if;
    if p_active is null then
        raise sqlstate 'PT400' using message = 'p_active must be true or false.';
    end if;
    if (p_after_value is null) <> (p_after_id is null) then
        raise sqlstate 'PT400' using message = 'p_after_value and p_after_id must be given together.';
    end if;
    if length(p_search) < 2 then
        raise sqlstate 'PT422' using message = 'A search needs at least two characters.';
    end if;
end
$$;

-- Return one page of the deals of the caller: {"items": […], "next": {"value", "id"} | null}. Pass "next" as
-- p_after_value and p_after_id of the next call with the same sort; each deal is then returned exactly once. A null
-- filter matches every deal, but a list contains either active or deleted deals, because the index of each sort starts
-- with `active`.
-- A search finds deals whose title, brand, ASIN, UPC or supplier contains the text, in any letter case. The text has at
-- least two characters, and none has a special meaning. For a rare text, all matches are read from the index of pieces
-- and sorted. For a frequent text, the next deals are read in order until the page is full; only if they do not fill
-- the page, the index of pieces is used. The time of a search therefore depends on the number of matches, never on the
-- size of the catalogue.
-- Security definer: under row level security, comparisons with lower(…) and numeric could not use an index, because
-- they are not leakproof. A page far down the list would take as much time as all pages before it. All queries
-- therefore contain the user id.
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
    -- The query is built as text, because sort and filters decide which index it reads. The text contains only
    -- fragments of private.deal_sort and slice numbers. Values from the caller are passed as parameters.
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
    -- Only the value of the cursor is converted to another type.
    when data_exception then
        raise sqlstate 'PT400' using
            message = 'The cursor does not belong to this sort.',
            hint = 'Start again from the first page.';
end
$$;

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.deal_page, private.walk_deals, private.walk_deals_searching, private.is_rare,
    private.match_deals, private.require_list, public.list_deals
    from public, anon, authenticated, service_role;
grant execute on function private.require_list, public.list_deals
    to authenticated, service_role;
