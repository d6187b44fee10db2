-- Replace the candidates of one product.

-- Return the refusal of a change because of a conflict with these products, for private.refuse_change.
create function private.conflict(p_kind text, p_reason text, variadic p_product_ids uuid[]) returns jsonb
    language sql immutable
    return jsonb_build_object(
        'code', 'PT409', 'reason', p_reason, 'conflict', p_kind, 'product_ids', to_jsonb(p_product_ids)
    );

-- Raise the error of a refusal. The form is {"code": SQLSTATE, "reason": message, "conflict", "product_ids"}. The last
-- two are the detail of the error. They are missing if there is no conflict.
create function private.refuse_change(p_refusal jsonb) returns void
    language plpgsql immutable set search_path = ''
as $$
begin
    raise exception using
        errcode = p_refusal ->> 'code', message = p_refusal ->> 'reason',
        detail = coalesce(nullif((p_refusal - array['code', 'reason'])::text, '{}'), '');
end
$$;

-- Return the id of the product of the user that has this ASIN, or null.
create function private.product_with_asin(p_user_id uuid, p_asin text) returns uuid
    language plpgsql stable set search_path = ''
as $$
begin
    return (
        select p.id from public.products p
        where p.user_id = p_user_id and p.asin_status = 'asin_found' and p.asin = p_asin
    );
end
$$;

-- Return the ASIN that the user always wants for this identifier, or null.
create function private.matched_asin(p_user_id uuid, p_upc text) returns text
    language plpgsql stable set search_path = ''
as $$
begin
    return (
        select m.asin from public.matches m
        where m.user_id = p_user_id and m.gtin = private.gtin(p_upc) and m.verdict = 'always'
    );
end
$$;

-- Validate the form of a list of candidates. Raises PT422.
create function private.require_candidates(p_candidates jsonb) returns void
    language plpgsql immutable set search_path = ''
as $$
begin
    if jsonb_typeof(p_candidates) is distinct from 'array' or jsonb_array_length(p_candidates) > 50 then
        raise sqlstate 'PT422' using message = 'An array of at most 50 candidates is needed.';
    end if;
    perform private.require_keys(
        c, 'asin', 'title', 'brand', 'image_url', 'category', 'package_quantity', 'sales_rank', 'source'
    )
    from jsonb_array_elements(p_candidates) c;
    if exists (select from jsonb_array_elements(p_candidates) c where private.is_asin(c ->> 'asin') is not true) then
        raise sqlstate 'PT422' using message = 'Each candidate needs a valid ASIN.';
    end if;
    if exists (select from jsonb_array_elements(p_candidates) c group by c ->> 'asin' having count(*) > 1) then
        raise sqlstate 'PT422' using message = 'Each ASIN may be given only once.';
    end if;
end
$$;

-- Replace the candidates of a product by p_given, in this order. A dismissed candidate stays dismissed. It is kept if
-- it is not in p_given, as long as the product has at most 50 candidates.
create function private.replace_candidates(p_product_id uuid, p_given jsonb) returns void
    language plpgsql set search_path = ''
as $$
declare
    v_asins constant text[] := array(select c ->> 'asin' from jsonb_array_elements(p_given) c);
begin
    delete from public.candidates c
    where c.product_id = p_product_id and c.asin <> all (v_asins) and c.asin not in (
        select k.asin from public.candidates k
        where k.product_id = p_product_id and k.dismissed and k.asin <> all (v_asins)
        order by k.position, k.asin limit 50 - cardinality(v_asins)
    );
    insert into public.candidates as c
        (product_id, asin, title, brand, image_url, category, package_quantity, sales_rank, source, position)
    select p_product_id, r.asin, coalesce(r.title, ''), coalesce(r.brand, ''), coalesce(r.image_url, ''),
           coalesce(r.category, ''), r.package_quantity, r.sales_rank, coalesce(r.source, ''), g.place - 1
    from jsonb_array_elements(p_given) with ordinality as g (value, place)
    cross join lateral jsonb_to_record(g.value) as r (
        asin text, title text, brand text, image_url text, category text, package_quantity integer, sales_rank integer,
        source text)
    on conflict (product_id, asin) do update set
        title = excluded.title, brand = excluded.brand, image_url = excluded.image_url, category = excluded.category,
        package_quantity = excluded.package_quantity, sales_rank = excluded.sales_rank, source = excluded.source,
        position = excluded.position
    where (c.title, c.brand, c.image_url, c.category, c.package_quantity, c.sales_rank, c.source, c.position)
        is distinct from
        (excluded.title, excluded.brand, excluded.image_url, excluded.category, excluded.package_quantity,
         excluded.sales_rank, excluded.source, excluded.position);
end
$$;

-- Give a product without an ASIN the one that its match names. If it has no match, p_accept_single gives it the ASIN of
-- its only open candidate. An ASIN of another product is not given: PT409 if it would come from the candidate. A
-- product that was merged into another one gets none.
create function private.accept_candidate(p_product public.products, p_accept_single boolean) returns void
    language plpgsql set search_path = ''
as $$
declare
    v_asin text := private.matched_asin(p_product.user_id, p_product.upc);
    v_matched constant boolean := v_asin is not null;
    v_other uuid;
begin
    if p_product.asin_status = 'asin_found' or p_product.merged_into is not null
        or not v_matched and p_accept_single is not true
    then
        return;
    end if;
    if not v_matched then
        select min(c.asin) into v_asin from public.candidates c
        where c.product_id = p_product.id and not c.dismissed having count(*) = 1;
    end if;
    v_other := private.product_with_asin(p_product.user_id, v_asin);
    if v_other is not null and not v_matched then
        perform private.refuse_change(private.conflict('asin', 'Another of your products has this ASIN.', v_other));
    end if;
    update public.products p set asin = v_asin where p.id = p_product.id and v_asin is not null and v_other is null;
end
$$;

-- Replace the list of candidates of a product. The order of the array is the order of the list. Candidates that were
-- dismissed stay dismissed. ASINs that never match the identifier of the product are left out. A product without an
-- ASIN gets the one that always matches its identifier. If there is no such match, p_accept_single gives it the ASIN of
-- its only open candidate. Answer: the product in the form of get_product, or null if the caller has no such product.
-- Raises PT409 (conflict "asin") if another product has the ASIN of the only candidate.
create function public.put_candidates(
    p_product_id uuid, p_candidates jsonb, p_accept_single boolean default false
) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_product public.products;
    v_constraint text;
begin
    perform private.require_candidates(p_candidates);
    select * into v_product from public.products p where p.id = p_product_id and p.user_id = v_user_id;
    if v_product.id is null then
        return private.with_stats(v_user_id, null);
    end if;
    perform private.replace_candidates(v_product.id, (
        select coalesce(jsonb_agg(c.value order by c.place), '[]')
        from jsonb_array_elements(p_candidates) with ordinality as c (value, place)
        where not exists (
            select from public.matches m
            where m.user_id = v_user_id and m.gtin = private.gtin(v_product.upc) and m.asin = c.value ->> 'asin'
              and m.verdict = 'never'
        )
    ));
    perform private.accept_candidate(v_product, p_accept_single);
    return private.with_stats(v_user_id, public.get_product(v_product.id));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

comment on function private.conflict is
    'Return the refusal of a change because of a conflict with these products, for private.refuse_change.';
comment on function private.refuse_change is 'Raise the error of a refusal.';
comment on function private.product_with_asin is
    'Return the id of the product of the user that has this ASIN, or null.';
comment on function private.matched_asin is
    'Return the ASIN that the user always wants for this identifier, or null.';
comment on function private.require_candidates is 'Validate the form of a list of candidates.';
comment on function private.replace_candidates is
    'Replace the candidates of a product by p_given, in this order.';
comment on function private.accept_candidate is
    'Give a product without an ASIN the one that its match names.';
comment on function public.put_candidates is 'Replace the list of candidates of a product.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.conflict, private.refuse_change, private.product_with_asin,
    private.matched_asin, private.require_candidates, private.replace_candidates, private.accept_candidate,
    public.put_candidates
    from public, anon, authenticated, service_role;
grant execute on function private.conflict, private.refuse_change, private.product_with_asin,
    private.matched_asin, private.require_candidates, private.replace_candidates, private.accept_candidate,
    public.put_candidates
    to authenticated, service_role;
