-- Search: an index of three-character pieces of the texts of products and suppliers.
-- Each piece is three characters in lower case, prefixed with the last eight characters of the user id. pg_trgm is
-- similar, but it has no piece for two characters or for "%%", and it does not separate users. Here any two characters
-- are the beginning of a piece, because a line break follows the text. The prefix uses the end of the id because the
-- beginning of a UUIDv7 is a timestamp that many users share. Users with the same prefix share only the work, never
-- results.

-- Return the text in lower case without the character \x01, which separates pieces on their way into the index.
create function private.searchable(p_text text) returns text
    language sql immutable parallel safe
    return translate(lower(p_text), e'\x01', ' ');

-- Return all pieces of a text. The high cost keeps the planner from computing pieces that the index already contains.
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

-- Return the searchable text of a product. A piece across two fields does no harm, because each match is compared with
-- the real fields.
create function private.product_text(p_title text, p_brand text, p_asin text, p_upc text) returns text
    language sql immutable parallel safe
    return p_title || e'\n' || p_brand || e'\n' || coalesce(p_asin, '') || e'\n' || coalesce(p_upc, '');

-- Return the query for the pieces of p_search (in lower case, at least two characters). Uses at most 24 pieces, which
-- are selective enough.
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

-- Return whether a field of the product contains p_search (in lower case). Every character is literal.
create function private.contains(p_product public.products, p_search text) returns boolean
    language sql immutable
    return coalesce(
        strpos(lower(p_product.title), p_search) > 0 or strpos(lower(p_product.brand), p_search) > 0
        or strpos(lower(p_product.asin), p_search) > 0 or strpos(p_product.upc, p_search) > 0,
        false
    );

create index products_pieces_idx on public.products
    using gin (private.pieces(user_id, private.product_text(title, brand, asin, upc)));
-- ANALYZE would compute pieces of thousands of titles for statistics that change no plan.
alter index public.products_pieces_idx alter column 1 set statistics 0;

-- All suppliers that a user has ever named, in lower case. There are few of them, so changes of deals do not touch the index
-- of pieces. A name stays when its last deal is deleted; it then finds nothing.
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
