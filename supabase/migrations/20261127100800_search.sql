-- Search: an index of three-character pieces of the texts of products and suppliers.
-- A piece is a run of three characters in lower case. In the index, the last eight characters of the user id precede
-- it. pg_trgm is similar, but it cannot search for two characters or for "%%", and its index does not separate users.
-- Here every two characters of a text are the beginning of a piece, because a line break is added at the end of the
-- text. The end of the user id is used because the beginning of a UUIDv7 is a timestamp that many users share. If two
-- users have the same eight characters, a search also reads the index entries of the other user, but it never returns
-- their rows.

-- Return the text in lower case, with each character \x01 replaced by a space. The function private.pieces separates
-- the pieces with this character.
create function private.searchable(p_text text) returns text
    language sql immutable parallel safe
    return translate(lower(p_text), e'\x01', ' ');

-- Return all pieces of a text. Because of the high cost, the planner does not compute pieces that the index already
-- contains.
create function private.pieces(p_user_id uuid, p_text text) returns tsvector
    language plpgsql immutable strict parallel safe cost 2000 set search_path = ''
as $$
declare
    v_text constant text := private.searchable(p_text) || e'\n';
    v_piece constant text := right(p_user_id::text, 8) || '\&' || e'\x01';
    v_pieces text := '';
begin
    -- Each round makes every third piece. Three rounds take half the time of a loop over the characters.
    for start in 1 .. 3 loop
        v_pieces := v_pieces
            || regexp_replace(substr(v_text, start, (length(v_text) - start + 1) / 3 * 3), '...', v_piece, 'g');
    end loop;
    return array_to_tsvector(string_to_array(rtrim(v_pieces, e'\x01'), e'\x01'));
end
$$;

-- Return the searchable text of a product. A piece may contain characters of two fields. This is harmless, because each
-- match is compared with the fields themselves.
create function private.product_text(p_title text, p_brand text, p_asin text, p_upc text) returns text
    language sql immutable parallel safe
    return p_title || e'\n' || p_brand || e'\n' || coalesce(p_asin, '') || e'\n' || coalesce(p_upc, '');

-- Return the query for the pieces of a search. The text p_search is in lower case and has at least two characters. Only
-- the first 24 pieces are used; they are selective enough.
create function private.pieces_query(p_user_id uuid, p_search text) returns tsquery
    language sql immutable strict set search_path = ''
as $$
    select string_agg(
        ''''
            || replace(
                replace(right(p_user_id::text, 8) || substr(private.searchable(p_search), place, 3), '\', '\\'),
                '''', ''''''
            )
            || ''''
            || case when length(p_search) = 2 then ':*' else '' end,
        ' & '
    )::tsquery
    from generate_series(1, greatest(1, least(24, length(p_search) - 2))) as place
$$;

-- Return whether a field of the product contains p_search, which is in lower case. No character has a special meaning.
create function private.contains(p_product public.products, p_search text) returns boolean
    language sql immutable
    return coalesce(
        strpos(lower(p_product.title), p_search) > 0 or strpos(lower(p_product.brand), p_search) > 0
        or strpos(lower(p_product.asin), p_search) > 0 or strpos(p_product.upc, p_search) > 0,
        false
    );

create index products_pieces_idx on public.products
    using gin (private.pieces(user_id, private.product_text(title, brand, asin, upc)));
-- No statistics: ANALYZE would compute the pieces of thousands of titles, and no plan would change.
alter index public.products_pieces_idx alter column 1 set statistics 0;

-- All suppliers that a user has entered so far, in lower case. Each name is stored once, so most changes of deals do
-- not change the index of pieces. A name stays when its last deal is deleted; a search for it then finds no deals.
create table searching.suppliers (
    user_id uuid not null references auth.users (id) on delete cascade,
    name text not null,
    primary key (user_id, name)
);
revoke all on searching.suppliers from public, anon, authenticated, service_role;
create index suppliers_pieces_idx on searching.suppliers using gin (private.pieces(user_id, name));
alter index searching.suppliers_pieces_idx alter column 1 set statistics 0;

-- Store the suppliers of new deals. Security definer, because no role may use the table.
create function searching.store_suppliers() returns trigger
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

-- Store the supplier of a changed deal. Security definer, because no role may use the table.
create function searching.store_supplier() returns trigger
    language plpgsql security definer set search_path = ''
as $$
begin
    insert into searching.suppliers (user_id, name) values (new.user_id, lower(new.supplier)) on conflict do nothing;
    return null;
end
$$;

create trigger deals_store_suppliers after insert on public.deals
    referencing new table as added
    for each statement execute function searching.store_suppliers();
create trigger deals_store_supplier after update of supplier, user_id on public.deals
    for each row when (new.supplier <> '' and (old.supplier, old.user_id) is distinct from (new.supplier, new.user_id))
    execute function searching.store_supplier();

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.searchable, private.pieces, private.product_text, private.pieces_query,
    private.contains, searching.store_suppliers, searching.store_supplier
    from public, anon, authenticated, service_role;
grant execute on function private.searchable, private.pieces, private.product_text, private.pieces_query,
    private.contains
    to authenticated, service_role;
