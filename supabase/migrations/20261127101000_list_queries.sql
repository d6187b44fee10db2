-- The indexes of the list of deals, and the SQL text of the queries that read them.
-- For each filter and sort, a query reads an index from the first row of the page to the last row. A page therefore
-- takes the same time for 10 deals as for 10 million.

-- Indexes of the whole list, without slices: by date and by supplier. A search uses the second one too. There are no
-- others, because each change of a deal has to update each index. The id makes the order unique and is part of the
-- cursor.
create index deals_user_created_idx on public.deals (user_id, active, created_at, id);
create index deals_user_supplier_idx on public.deals (user_id, active, lower(supplier), id);

-- Indexes for lists with slices, one per sort. Each slice is one range of the index, and several ranges are merged. An
-- unknown cost sorts last in both directions, so this sort needs two indexes; see private.deal_sort.
create index deals_slice_created_idx on public.deals (user_id, active, slice, created_at, id);
create index deals_slice_title_idx on public.deals (user_id, active, slice, title_key, id);
create index deals_slice_supplier_idx on public.deals (user_id, active, slice, lower(supplier), id);
create index deals_slice_cost_up_idx on public.deals (user_id, active, slice, coalesce(buy_cost, 'Infinity'), id);
create index deals_slice_cost_down_idx on public.deals (user_id, active, slice, coalesce(buy_cost, -1), id);

-- How list_deals sorts: the key expression (the same as in the index), the type of the key, the direction, the operator
-- for "after the cursor" in this direction, and whether the whole list has an index in this order.
create type private.deal_sorting as (key text, type text, direction text, after text, has_index boolean);

-- Return how to sort for the value p_sort of list_deals. Raises PT400 for an unknown sort.
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
        -- Unknown costs come last in both directions, and no cursor contains a null. The substitute is greater than
        -- each cost if the order is ascending, and less if it is descending.
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

-- Return the slices that match these filters. Returns an empty array for an unknown status or stage.
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

-- Return the SQL text of the query for the sort keys and ids after the cursor, in order. Each slice is read in the
-- order of its index, and the slices are merged, so only rows of the page are read. If p_slices is null, the query
-- reads the whole list. The parameters of the query: $1 is the user, $2 is active, $3 and $4 are the cursor.
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

-- Return the SQL text of the query for the sort keys and ids of all deals that contain the search. These are the deals
-- of matching products and of matching suppliers. The parameters of the query: $1 to $4 as in deal_walk, $6 is the
-- search, and $7 is the query for its pieces. The time depends on the number of matching deals, active or not. `is
-- true` keeps the planner from reading an index of all rows of the user.
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
            case when p_slices is null then 'true' else format('d.slice = any (%L)', p_slices) end,
            (p_sort).key, (p_sort).after, (p_sort).type),
        (p_sort).direction
    )
$$;

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.deal_sort, private.deal_slices, private.deal_walk, private.deal_matches
    from public, anon, authenticated, service_role;
grant execute on function private.deal_sort, private.deal_slices, private.deal_walk, private.deal_matches
    to authenticated, service_role;
