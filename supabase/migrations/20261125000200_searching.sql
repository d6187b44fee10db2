-- Lists that cost the same at ten deals and at ten million: each filter with each sort walks an index from the first row
-- of the page to the last, and a search reads an index of three-character pieces.

-- 1. Everything a list filters or sorts by, in one table: no index spans two. The owner of these two columns is the
-- trigger below; no grant lets anybody write them.
alter table public.deals
    add column asin_status text not null default 'manual_entry',
    add column title_key text not null default '';

-- No change slips in between filling them and the triggers that keep them.
lock table public.products, public.deals in share row exclusive mode;

-- A change that changes nothing is none: repeating a bulk action leaves updated_at alone, and so does what the database
-- itself keeps in a deal.
drop trigger deals_touch on public.deals;
update public.deals d set asin_status = p.asin_status, title_key = lower(p.title)
from public.products p where p.id = d.product_id;
create trigger deals_touch before update on public.deals
    for each row when (
        (old.user_id, old.product_id, old.supplier, old.buy_cost, old.moq, old.stage, old.favorite, old.notes,
         old.active, old.deleted_at, old.created_at)
        is distinct from
        (new.user_id, new.product_id, new.supplier, new.buy_cost, new.moq, new.stage, new.favorite, new.notes,
         new.active, new.deleted_at, new.created_at)
    )
    execute function private.touch_updated_at();

-- Copies from the product, whatever the writer put there. Between a user's own changes stands the user's lock (taking it
-- again is cheap); for anybody else's FOR SHARE, at eight times the price, so that a change of the product waits for this
-- deal and then finds it, or is waited for. Definer, as RLS has no say in what is only copied; where the product is
-- another user's nothing is, and the foreign key refuses the deal.
create function private.copy_product() returns trigger
    language plpgsql security definer set search_path = ''
as $$
begin
    if new.user_id = auth.uid() then
        perform pg_advisory_xact_lock(private.user_lock(new.user_id));
        select p.asin_status, lower(p.title) into new.asin_status, new.title_key
        from public.products p
        where p.id = new.product_id and p.user_id = new.user_id;
    else
        select p.asin_status, lower(p.title) into new.asin_status, new.title_key
        from public.products p
        where p.id = new.product_id and p.user_id = new.user_id
        for share;
    end if;
    if not found then
        new.asin_status := 'manual_entry';
        new.title_key := '';
    end if;
    return new;
end
$$;

-- A new deal may come with its copies: import_deals makes them for a whole batch at once, under the user's lock. Users
-- may not write these columns.
create trigger deals_copy_product_to_new before insert on public.deals
    for each row when (new.title_key = '') execute function private.copy_product();
create trigger deals_copy_product before update of product_id, asin_status, title_key on public.deals
    for each row execute function private.copy_product();

-- One statement for all deals of all products that a statement changed, under the locks of their users; of more than a
-- thousand users (each lock takes shared memory) under that of the table. Definer: nobody may write these columns.
create function private.pass_product_on() returns trigger
    language plpgsql security definer set search_path = ''
as $$
declare
    v_products uuid[];
    v_users uuid[];
    v_user_id uuid;
begin
    select array_agg(a.id), array_agg(distinct a.user_id) into v_products, v_users
    from removed r join added a on a.id = r.id
    where a.asin_status <> r.asin_status or lower(a.title) <> lower(r.title);
    if v_products is null then
        return null;
    end if;
    if cardinality(v_users) > 1000 then
        lock table public.deals in share row exclusive mode;
    else
        for v_user_id in select u.id from unnest(v_users) as u (id) order by u.id loop
            perform pg_advisory_xact_lock(private.user_lock(v_user_id));
        end loop;
    end if;
    update public.deals d set asin_status = d.asin_status -- naming the column makes deals_copy_product copy again
    where d.product_id = any (v_products);
    return null;
end
$$;

create trigger products_pass_on after update on public.products
    referencing old table as removed new table as added
    for each statement execute function private.pass_product_on();

-- 2. What the filters ask for, as one small number: each combination of a status, a stage and a favorite mark or none
-- is a slice. The stages stand in one place; a new one goes to the end, as the numbers of the others are stored.
create function private.deal_stages() returns text[]
    language sql immutable
    return array['new', 'researching', 'contacted', 'ordered', 'received', 'rejected'];

alter table public.deals drop constraint deals_stage_check;
alter table public.deals add constraint deals_stage_check check (stage = any (private.deal_stages()));

create function private.deal_slice(p_asin_status text, p_stage text, p_favorite boolean) returns smallint
    language sql immutable
    return (
        8 * array_position(private.deal_stages(), p_stage)
        + 2 * array_position(array['asin_found', 'needs_selection', 'needs_asin', 'manual_entry'], p_asin_status)
        + p_favorite::integer - 2
    )::smallint;

alter table public.deals add column slice smallint
    generated always as (private.deal_slice(asin_status, stage, favorite)) stored;

-- One index per sort, in which each slice is one stretch; several slices are merged. The whole list is all slices:
-- only the usual order and that by supplier, which a search needs too, have an index without slices as well. Each index
-- is paid for by every change of a deal.
drop index public.deals_user_stage_idx, public.deals_user_favorite_idx,
    public.deals_user_cost_up_idx, public.deals_user_cost_down_idx;
create index deals_slice_created_idx on public.deals (user_id, active, slice, created_at, id);
create index deals_slice_title_idx on public.deals (user_id, active, slice, title_key, id);
create index deals_slice_supplier_idx on public.deals (user_id, active, slice, lower(supplier), id);
create index deals_slice_cost_up_idx on public.deals (user_id, active, slice, coalesce(buy_cost, 'Infinity'), id);
create index deals_slice_cost_down_idx on public.deals (user_id, active, slice, coalesce(buy_cost, -1), id);

-- 3. The pieces of a text: all runs of three characters, in lower case, each behind eight characters of the user's id.
-- Like pg_trgm, whose index would do for searches of letters and digits from three characters on; but it has no piece
-- for two characters or for "%%", keeps no user apart from another, and here any two characters are the beginning of a
-- piece, because the text is followed by a line break. The cost keeps planners from making pieces of text that is in
-- the index already. The last eight characters of the id: the first ones of
-- a UUIDv7 are the time and common to many users. Two users who share them share only the work.

-- The characters the pieces are made of: \x01 stands between them on their way into the index, so it is none.
create function private.searchable(p_text text) returns text
    language sql immutable parallel safe
    return translate(lower(p_text), e'\x01', ' ');

create function private.pieces(p_user_id uuid, p_text text) returns tsvector
    language plpgsql immutable strict parallel safe cost 2000 set search_path = ''
as $$
declare
    v_text constant text := private.searchable(p_text) || e'\n';
    v_piece constant text := right(p_user_id::text, 8) || '\&' || e'\x01';
    v_pieces text := '';
begin
    -- Every third piece at once, three times: half the time of a loop over the characters.
    for start in 1 .. 3 loop
        v_pieces := v_pieces
            || regexp_replace(substr(v_text, start, (length(v_text) - start + 1) / 3 * 3), '...', v_piece, 'g');
    end loop;
    return array_to_tsvector(string_to_array(rtrim(v_pieces, e'\x01'), e'\x01'));
end
$$;

-- The text a product is searched by. A piece across two fields is only one more: what is found is always compared.
create function private.product_text(p_title text, p_brand text, p_asin text, p_upc text) returns text
    language sql immutable parallel safe
    return p_title || e'\n' || p_brand || e'\n' || coalesce(p_asin, '') || e'\n' || coalesce(p_upc, '');

-- What pieces() of a text must hold for it to contain p_search (in lower case, at least two characters). The first 24
-- pieces are selective enough.
create function private.pieces_query(p_user_id uuid, p_search text) returns tsquery
    language sql immutable strict set search_path = ''
as $$
    select string_agg(
        '''' || replace(replace(right(p_user_id::text, 8) || substr(private.searchable(p_search), place, 3), '\', '\\'), '''', '''''') || ''''
            || case when length(p_search) = 2 then ':*' else '' end,
        ' & '
    )::tsquery
    from generate_series(1, greatest(1, least(24, length(p_search) - 2))) as place
$$;

create index products_pieces_idx on public.products
    using gin (private.pieces(user_id, private.product_text(title, brand, asin, upc)));
-- Statistics of pieces would make ANALYZE cut thousands of titles up, and change no plan of ours.
alter index public.products_pieces_idx alter column 1 set statistics 0;

-- The suppliers a user has ever named, in lower case: few, beside their deals, so a bulk action on deals leaves the
-- pieces alone. In a schema that nobody may use. A name stays when its last deal goes: then it finds nothing.
create schema searching;
revoke all on schema searching from public;
create table searching.suppliers (
    user_id uuid not null references auth.users (id) on delete cascade,
    name text not null,
    primary key (user_id, name)
);
revoke all on searching.suppliers from public, anon, authenticated, service_role;
create index suppliers_pieces_idx on searching.suppliers using gin (private.pieces(user_id, name));
alter index searching.suppliers_pieces_idx alter column 1 set statistics 0;
insert into searching.suppliers (user_id, name)
select distinct d.user_id, lower(d.supplier) from public.deals d where d.supplier <> '';

-- Definer, because nobody may use the table.
create function searching.learn_suppliers() returns trigger
    language plpgsql security definer set search_path = ''
as $$
begin
    insert into searching.suppliers (user_id, name)
    select distinct a.user_id, lower(a.supplier) from added a where a.supplier <> ''
    order by 1, 2
    on conflict do nothing;
    return null;
end
$$;

create function searching.learn_supplier() returns trigger
    language plpgsql security definer set search_path = ''
as $$
begin
    insert into searching.suppliers (user_id, name) values (new.user_id, lower(new.supplier)) on conflict do nothing;
    return null;
end
$$;
revoke execute on function searching.learn_suppliers, searching.learn_supplier from public, anon, authenticated;

create trigger deals_learn_suppliers after insert on public.deals
    referencing new table as added
    for each statement execute function searching.learn_suppliers();
create trigger deals_learn_supplier after update of supplier, user_id on public.deals
    for each row when (new.supplier <> '' and (old.supplier, old.user_id) is distinct from (new.supplier, new.user_id))
    execute function searching.learn_supplier();

-- 4. The list.

-- As before, but every sort is a column of deals, so that no cursor needs a second comparison; and it says whether the whole
-- list has an index in this order.
alter type private.deal_sorting drop attribute not_before;
alter type private.deal_sorting add attribute has_index boolean;
create or replace function private.deal_sort(p_sort text) returns private.deal_sorting
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

-- The slices that together are what these filters ask for: none for an unknown status or stage.
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

-- The query of the sort keys and ids from the cursor on, in order: each slice is read in the order of its index, and
-- the slices are merged, so nothing is read that is not shown. Null is the whole list. $1 user, $2 active, $3 and $4 cursor.
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

-- The same for all deals that contain $6, $7 being its pieces: those of the products that do, and those of the
-- suppliers that do. Costs as much as there are such deals, in whatever state. `is true`, because what is found is
-- the user's already: an index of everything the user has must not be read instead, or as well.
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

-- Whether a field of the product contains p_search (in lower case); every character is literal.
create function private.contains(p_product public.products, p_search text) returns boolean
    language sql immutable
    return coalesce(
        strpos(lower(p_product.title), p_search) > 0 or strpos(lower(p_product.brand), p_search) > 0
        or strpos(lower(p_product.asin), p_search) > 0 or strpos(p_product.upc, p_search) > 0,
        false
    );

-- What list_deals was asked for, checked.
create type private.deal_request as (
    user_id uuid, active boolean, after_value text, after_id uuid, most integer, search text, pieces tsquery
);

-- One page of the keys and ids that p_source gives, as list_deals returns it.
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

-- The page of what p_walk meets. The settings leave the planner the one plan that stops at the end of the page, also
-- when it knows nothing of the tables (never analyzed) or too little of this user.
create function private.walk_deals(p_walk text, p_request private.deal_request) returns jsonb
    language sql stable
    set search_path = '' set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
    set enable_hashjoin = off set enable_mergejoin = off
as $$
    select private.deal_page(p_walk, p_request)
$$;

-- The page of what contains the search, among the next p_budget deals that p_walk meets; null when it does not fill in
-- these and there are more of them.
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

-- Whether the index of pieces knows so few deals for the search that it is best asked for them at once. Counts no further.
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

-- The page of all that contains the search, from the index of pieces.
create function private.match_deals(p_matches text, p_request private.deal_request) returns jsonb
    language sql stable
    set search_path = '' set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
    select private.deal_page(p_matches, p_request)
$$;

-- Refuse what makes no sense as a list.
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

-- One page of the caller's deals: {"items": […], "next": {"value", "id"} | null}. `next` goes into p_after_value and
-- p_after_id of the following call with the same sort; walking so meets every deal exactly once. A null filter
-- filters nothing, but deleted deals are never mixed with active ones (every index of a sort starts with `active`).
-- A search is for a part of title, brand, ASIN, UPC or supplier, of at least two characters, all of them literal, in any
-- case. A rare one asks the index for all it finds, and sorts that. A frequent one fills its page while the next deals of
-- the order are read; only if these are not enough is the index asked as well. So a search costs at most what it finds,
-- and never the catalogue.
--
-- A definer function: under RLS the comparisons with lower(…) and numeric, which are not leakproof, could not use an
-- index, and a deep page would cost as much as all pages before it. Hence the explicit user_id everywhere.
create or replace function public.list_deals(
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

-- As in the migrations before: no function is anybody's by default. Writers need private.pieces and the others that
-- indexes and checks are made of; the parts of list_deals run SQL they are given, so nobody else gets them.
revoke execute on all functions in schema private from public, anon;
grant execute on all functions in schema private to authenticated, service_role;
revoke execute on function private.deal_page, private.walk_deals, private.walk_deals_searching, private.is_rare,
    private.match_deals
    from authenticated, service_role;
