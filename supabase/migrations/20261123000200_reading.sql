-- What the application asks: the stats, lists, one product, and who is an operator.
-- They run as their caller, under RLS, unless they say why not. Errors are PTxyz SQLSTATEs, which PostgREST turns
-- into the HTTP status xyz.

-- Who is calling; a PT401 when nobody is. Every function that answers about "the caller's" rows starts here.
create function private.require_user() returns uuid
    language plpgsql stable set search_path = ''
as $$
begin
    if auth.uid() is null then
        raise sqlstate 'PT401' using
            message = 'This needs a signed-in user.',
            hint = 'Send the access token of a user, not only the publishable key.';
    end if;
    return auth.uid();
end
$$;

-- The JSON of one product. No user_id: the reader is the owner.
create function private.product_json(p_product public.products) returns jsonb
    language sql stable
    return jsonb_build_object(
        'id', p_product.id, 'asin', p_product.asin, 'upc', p_product.upc, 'title', p_product.title,
        'brand', p_product.brand, 'multiple_asins', p_product.multiple_asins, 'asin_status', p_product.asin_status,
        'created_at', p_product.created_at, 'updated_at', p_product.updated_at
    );

-- The JSON of one deal without its product. Money is text ("12.50"): a JSON number would be read as a float.
create function private.deal_json(p_deal public.deals) returns jsonb
    language sql stable
    return jsonb_build_object(
        'id', p_deal.id, 'product_id', p_deal.product_id, 'supplier', p_deal.supplier,
        'buy_cost', p_deal.buy_cost::text, 'moq', p_deal.moq, 'stage', p_deal.stage, 'favorite', p_deal.favorite,
        'notes', p_deal.notes, 'active', p_deal.active, 'deleted_at', p_deal.deleted_at,
        'created_at', p_deal.created_at, 'updated_at', p_deal.updated_at
    );

-- One entry of a list: the deal with its product inside.
create function private.deal_item(p_deal public.deals, p_product public.products) returns jsonb
    language sql stable
    return private.deal_json(p_deal) || jsonb_build_object('product', private.product_json(p_product));

-- The list entry of one deal of this user, or null.
create function private.deal_item_of(p_user_id uuid, p_deal_id uuid) returns jsonb
    language sql stable
    return (
        select private.deal_item(d, p)
        from public.deals d
        join public.products p on p.id = d.product_id
        where d.id = p_deal_id and d.user_id = p_user_id
    );

-- How a p_sort of list_deals is carried out: the key expression (exactly that of the index made for it), its
-- type, the direction, and the two comparisons that mean "after" and "not before" in that direction.
create type private.deal_sorting as (key text, type text, direction text, after text, not_before text);

create function private.deal_sort(p_sort text) returns private.deal_sorting
    language plpgsql immutable set search_path = ''
as $$
declare
    v_down constant boolean := p_sort like '-%';
    v_sort private.deal_sorting;
begin
    v_sort.key := case regexp_replace(p_sort, '^-', '')
        when 'created_at' then 'd.created_at'
        when 'title' then 'lower(p.title)'
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
        when 'lower(p.title)' then 'text' when 'lower(d.supplier)' then 'text' else 'numeric' end;
    v_sort.direction := case when v_down then 'desc' else 'asc' end;
    v_sort.after := case when v_down then '<' else '>' end;
    v_sort.not_before := v_sort.after || '=';
    return v_sort;
end
$$;

-- One page of the caller's deals: {"items": […], "next": {"value", "id"} | null}. `next` goes into p_after_value and
-- p_after_id of the following call with the same sort; walking so meets every deal exactly once. A null filter
-- filters nothing, but deleted deals are never mixed with active ones (every index of a sort starts with `active`).
--
-- A definer function: under RLS the comparisons with lower(…) and numeric, which are not leakproof, could not use an
-- index, and a deep page would cost as much as all pages before it. Hence the explicit user_id on both tables.
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
    v_page jsonb;
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
    -- EXECUTE, because the sort decides the index; it plans with the actual parameters, so a null filter disappears.
    -- Only fragments of private.deal_sort are pasted in; what the caller sent travels as parameters.
    -- The comparison by itself ahead of the row comparison lets the title index skip earlier pages too: a row
    -- comparison over two tables cannot use an index. strpos: every character of a search is literal.
    execute format(
        $query$
        with page as materialized (
            select row_number() over (order by %1$s %2$s, d.id %2$s) as place, (%1$s)::text as value, d, p
            from public.deals d
            join public.products p on p.id = d.product_id
            where d.user_id = $1 and p.user_id = $1 and d.active = $5
              and ($2 is null or p.asin_status = $2)
              and ($3 is null or d.stage = $3)
              and ($4 is null or d.favorite = $4)
              and ($6 is null or strpos(lower(p.title), $6) > 0 or strpos(lower(p.brand), $6) > 0
                   or strpos(lower(p.asin), $6) > 0 or strpos(p.upc, $6) > 0 or strpos(lower(d.supplier), $6) > 0)
              and ($7 is null or (%1$s %5$s $7::%3$s and (%1$s, d.id) %4$s ($7::%3$s, $8)))
            order by %1$s %2$s, d.id %2$s
            limit $9 + 1
        )
        select jsonb_build_object(
            'items', coalesce(jsonb_agg(private.deal_item(d, p) order by place) filter (where place <= $9), '[]'),
            'next', (
                select jsonb_build_object('value', last.value, 'id', (last.d).id)
                from page as last
                where last.place = $9 and exists (select from page as more where more.place > $9)
            )
        )
        from page
        $query$,
        v_sort.key, v_sort.direction, v_sort.type, v_sort.after, v_sort.not_before
    ) into v_page using v_user_id, p_asin_status, p_stage, p_favorite, p_active, lower(p_search),
        p_after_value, p_after_id, p_limit;
    return v_page;
exception
    -- The only value that is read as another type is the cursor's.
    when data_exception then
        raise sqlstate 'PT400' using
            message = 'The cursor does not belong to this sort.',
            hint = 'Start again from the first page.';
end
$$;

-- One product of the caller with all its deals, deleted ones too, oldest first; null when it is not the caller's.
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

-- How many of a user's products with at least one active deal are in each status, and in all.
-- The id is an argument because it is the whole key of the application's cache; a mismatch is an error, never other
-- numbers.
create function public.get_asin_stats(p_user_id uuid) returns jsonb
    language plpgsql stable set search_path = ''
as $$
begin
    if p_user_id is distinct from auth.uid() and current_user <> 'service_role' then
        raise sqlstate 'PT403' using
            message = 'These stats belong to another user.',
            hint = 'p_user_id must be the id of the user whose token is sent.';
    end if;
    return (
        select jsonb_build_object(
            'all', count(*),
            'asin_found', count(*) filter (where p.asin_status = 'asin_found'),
            'needs_selection', count(*) filter (where p.asin_status = 'needs_selection'),
            'needs_asin', count(*) filter (where p.asin_status = 'needs_asin'),
            'manual_entry', count(*) filter (where p.asin_status = 'manual_entry')
        )
        from public.products p
        where p.user_id = p_user_id
          and exists (select from public.deals d where d.product_id = p.id and d.active)
    );
end
$$;

-- Whether the caller is an operator. A definer function, because users cannot read auth.users, and because not every
-- issuer puts app_metadata into its tokens. raw_app_meta_data is writable by administrators only.
create function public.is_operator() returns boolean
    language sql stable security definer set search_path = ''
    return exists (
        select from auth.users u
        where u.id = auth.uid() and u.raw_app_meta_data ->> 'role' = 'operator'
    );

-- Proves that the database answers; touches no table, tells nothing.
create function public.health() returns text
    language sql stable set search_path = ''
    return 'ok';

-- Hosted Supabase grants execution of new public functions to everybody, PostgreSQL itself to PUBLIC: take both back.
revoke execute on all functions in schema private from public, anon;
grant execute on all functions in schema private to authenticated, service_role;
revoke execute on function public.list_deals, public.get_product, public.get_asin_stats, public.is_operator,
    public.health from public, anon, authenticated;
grant execute on function public.list_deals, public.get_product, public.get_asin_stats, public.is_operator
    to authenticated;
grant execute on function public.get_asin_stats to service_role;
grant execute on function public.health to anon, authenticated, service_role;
