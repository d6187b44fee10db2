-- The number of deals that a search finds.

drop function public.count_deals(text, text, boolean, boolean);

-- Return the total of a list: {"total", "is_exact"}. The total is at most p_most; it is exact if p_found is not larger.
create function private.deal_total(p_found bigint, p_most integer) returns jsonb
    language sql immutable parallel safe
    return jsonb_build_object('total', least(p_found, p_most), 'is_exact', p_found <= p_most);

-- Count the deals that contain the search among the first p_budget deals that the query p_walk returns. The total is
-- exact if the query returns no more deals.
create function private.count_searching(p_walk text, p_budget integer, p_request private.deal_request) returns jsonb
    language plpgsql stable
    set search_path = '' set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
    set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_total jsonb;
begin
    execute format(
        'select jsonb_build_object('
        '''total'', count(*) filter (where private.contains(p, $6) or strpos(lower(d.supplier), $6) > 0), '
        '''is_exact'', not exists (%1$s offset %2$s limit 1)'
        ') from (%1$s limit %2$s) as w join public.deals d on d.id = w.id'
        ' join public.products p on p.id = d.product_id',
        p_walk, p_budget
    ) into v_total using p_request.user_id, p_request.active, p_request.after_value, p_request.after_id,
        p_request.most, p_request.search;
    return v_total;
end
$$;

-- Count the deals that the query p_matches returns. It finds all deals that contain the search with the index of
-- pieces.
create function private.count_matches(p_matches text, p_most integer, p_request private.deal_request) returns jsonb
    language plpgsql stable
    set search_path = '' set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_found bigint;
begin
    execute format('select count(*) from (%s limit %s) as matches', p_matches, p_most + 1) into v_found
        using p_request.user_id, p_request.active, p_request.after_value, p_request.after_id, p_request.most,
            p_request.search, p_request.pieces;
    return private.deal_total(v_found, p_most);
end
$$;

-- Return how many deals of the caller list_deals finds with these arguments: {"total", "is_exact"}. The time is bounded:
-- without a search at most 10,000 deals are counted; then "is_exact" is false if there are more. A frequent search is
-- counted among the newest 4,000 deals; then "is_exact" is false if the caller has more. A rare search is counted to its
-- end. Raises PT401 without a user and PT422 for a search of one character. Security definer, like list_deals, so that
-- the indexes are used.
create function public.count_deals(
    p_asin_status text default null,
    p_stage text default null,
    p_favorite boolean default null,
    p_active boolean default true,
    p_search text default null
) returns jsonb
    language plpgsql stable security definer set search_path = ''
as $$
declare
    v_user_id constant uuid := private.require_user();
    v_most constant integer := 10000;
    v_budget constant integer := 4000;
    v_slices constant smallint[] := case when num_nonnulls(p_asin_status, p_stage, p_favorite) > 0
        then private.deal_slices(p_asin_status, p_stage, p_favorite) end;
    v_sort constant private.deal_sorting := private.deal_sort('-created_at');
    v_search constant text := lower(p_search);
    v_request constant private.deal_request := row(
        v_user_id, p_active, null, null, v_most, v_search, private.pieces_query(v_user_id, v_search)
    );
    v_found bigint;
begin
    perform private.require_list(1, p_active, null, null, p_search);
    if p_search is not null then
        return case when private.is_rare(v_request)
            then private.count_matches(private.deal_matches(v_sort, v_slices), v_most, v_request)
            else private.count_searching(private.deal_walk(v_sort, v_slices), v_budget, v_request)
        end;
    end if;
    if v_slices is null then
        select count(*) into v_found from (
            select from public.deals d where d.user_id = v_user_id and d.active = p_active limit v_most + 1
        ) as counted;
    else
        select count(*) into v_found from (
            select from public.deals d
            where d.user_id = v_user_id and d.active = p_active and d.slice = any (v_slices) limit v_most + 1
        ) as counted;
    end if;
    return private.deal_total(v_found, v_most);
end
$$;
comment on function private.deal_total is 'Return the total of a list: {"total", "is_exact"}.';
comment on function private.count_searching is
    'Count the deals that contain the search among the first p_budget deals that the query p_walk returns.';
comment on function private.count_matches is 'Count the deals that the query p_matches returns.';
comment on function public.count_deals is
    'Return how many deals of the caller list_deals finds with these arguments: {"total", "is_exact"}.';

revoke execute on function private.deal_total, private.count_searching, private.count_matches, public.count_deals
    from public, anon, authenticated, service_role;
grant execute on function public.count_deals to authenticated, service_role;
