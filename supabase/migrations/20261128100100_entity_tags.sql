-- Entity tags. Each product and each deal contains a hash of itself, so that a client can change it only if it has not
-- changed since the client read it.

-- Return the document with a member "etag", which is the hash of the other members. Documents with the same members
-- have the same tag. The tag of a deal also covers its product, and the tag of a product also covers its deals.
-- In PL/pgSQL, because sessions do not keep the plan of a function in SQL, and a list calls this for each of its rows.
create function private.with_etag(p_document jsonb) returns jsonb
    language plpgsql immutable set search_path = ''
as $$
begin
    return p_document || jsonb_build_object('etag', md5(p_document::text));
end
$$;

-- Return one entry of a list: the deal with its product inside, and its entity tag.
create or replace function private.deal_item(p_deal public.deals, p_product public.products) returns jsonb
    language sql stable
    return private.with_etag(
        private.deal_json(p_deal) || jsonb_build_object('product', private.product_json(p_product))
    );

-- Return a product of the caller with all its deals, including deleted ones, oldest first, and its entity tag, or null
-- if the caller has no such product.
create or replace function public.get_product(p_product_id uuid) returns jsonb
    language sql stable set search_path = ''
    return (
        select private.with_etag(private.product_json(p) || jsonb_build_object('deals', (
            select coalesce(jsonb_agg(private.deal_json(d) order by d.created_at, d.id), '[]')
            from public.deals d
            where d.product_id = p.id
        )))
        from public.products p
        where p.id = p_product_id and p.user_id = auth.uid()
    );

-- Return a deal of the caller in the form of a list entry, also if it is deleted, or null if the caller has no such
-- deal.
create function public.get_deal(p_deal_id uuid) returns jsonb
    language sql stable set search_path = ''
    return private.deal_item_of(auth.uid(), p_deal_id);

comment on function private.with_etag is
    'Return the document with a member "etag", which is the hash of the other members.';
comment on function private.deal_item is
    'Return one entry of a list: the deal with its product inside, and its entity tag.';
comment on function public.get_product is
    'Return a product of the caller with all its deals, including deleted ones, oldest first, and its entity tag, or '
    'null if the caller has no such product.';
comment on function public.get_deal is
    'Return a deal of the caller in the form of a list entry, also if it is deleted, or null if the caller has no such '
    'deal.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed. Replaced functions keep their rights.
revoke execute on function private.with_etag, public.get_deal from public, anon, authenticated, service_role;
grant execute on function private.with_etag, public.get_deal to authenticated, service_role;
