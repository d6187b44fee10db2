-- Decide the ASINs of many products in one transaction.

-- Validate the form of the rows of decide_many. Raises PT422.
create function private.require_decisions(p_rows jsonb) returns void
    language plpgsql immutable set search_path = ''
as $$
declare
    v_row jsonb;
begin
    if jsonb_typeof(p_rows) is distinct from 'array' or jsonb_array_length(p_rows) not between 1 and 1000 then
        raise sqlstate 'PT422' using message = 'Between 1 and 1000 rows are needed.';
    end if;
    for v_row in select jsonb_array_elements(p_rows) loop
        perform private.require_keys(v_row, 'product_id', 'upc', 'asin');
        if num_nonnulls(v_row ->> 'product_id', v_row ->> 'upc') <> 1 then
            raise sqlstate 'PT422' using message = 'Each row needs either product_id or upc.', detail = v_row::text;
        end if;
    end loop;
end
$$;

-- Return the product of the user with this id, or with this identifier, or a row of nulls. Of several products with one
-- GTIN-14, the one with exactly this UPC comes first. A product that was merged stands for the one into which it was
-- merged.
create function private.product_of(p_user_id uuid, p_product_id uuid, p_upc text) returns public.products
    language plpgsql stable set search_path = ''
as $$
declare
    v_id uuid;
    v_product public.products;
begin
    if p_product_id is not null then
        select coalesce(p.merged_into, p.id) into v_id
        from public.products p where p.id = p_product_id and p.user_id = p_user_id;
    elsif p_upc ~ '^[0-9]{8,14}$' then
        select coalesce(p.merged_into, p.id) into v_id
        from (
            select p.* from public.products p
            where p.user_id = p_user_id and private.gtin(p.upc) = private.gtin(p_upc) offset 0
        ) p
        order by p.upc <> p_upc, p.merged_into is not null, p.created_at, p.id limit 1;
    end if;
    select * into v_product from public.products p where p.id = v_id and p.user_id = p_user_id;
    return v_product;
end
$$;

-- Judge each row as if the rows before it had been written. Returns the results of decide_many.
create function private.judge_rows(p_user_id uuid, p_rows jsonb, p_remember boolean) returns jsonb
    language plpgsql stable set search_path = ''
as $$
declare
    v_results jsonb[] := '{}';
    v_given jsonb := '{}'; -- product: the ASIN that a row before gives it
    v_taken jsonb := '{}'; -- ASIN: the product that gets it by a row before
    v_product public.products;
    v_refusal jsonb;
    v_outcome text;
    v_row record;
begin
    for v_row in
        select r.place, r.product_id, r.upc, coalesce(r.asin, '') as asin
        from rows from (jsonb_to_recordset(p_rows) as (product_id uuid, upc text, asin text))
            with ordinality as r (product_id, upc, asin, place)
        order by r.place
    loop
        v_product := private.product_of(p_user_id, v_row.product_id, v_row.upc);
        if v_given ? v_product.id::text then
            v_product.asin := v_given ->> v_product.id::text;
            v_product.asin_status := 'asin_found';
        end if;
        v_refusal := case when v_product.id is not null then private.judge_decision(
            v_product, v_row.asin, p_remember, (v_taken ->> v_row.asin)::uuid
        ) end;
        v_outcome := case when v_product.id is null then 'unknown' when v_refusal is not null then 'refused'
            when v_product.asin_status = 'asin_found' then 'unchanged' else 'set' end;
        if v_outcome = 'set' then
            v_given := v_given || jsonb_build_object(v_product.id, v_row.asin);
            v_taken := v_taken || jsonb_build_object(v_row.asin, v_product.id);
        end if;
        v_results := v_results || jsonb_build_object(
            'row', v_row.place - 1, 'outcome', v_outcome, 'product_id', v_product.id,
            'conflict', v_refusal -> 'conflict', 'reason', v_refusal -> 'reason',
            'conflict_product_id', v_refusal -> 'product_ids' -> 0
        );
    end loop;
    return to_jsonb(v_results);
end
$$;

-- Give many products their ASINs. p_rows is an array of 1 to 1000 objects {"product_id" or "upc", "asin"}. All rows are
-- judged in their order, and the valid ones are written. With p_remember, each of these decisions is also stored as
-- `always` for the identifier of its product. Answer: {"results": […]} with one object per row:
--   row                  its place in p_rows; the first one is 0
--   outcome              set, unchanged (the product has this ASIN already), unknown (no such product) or refused
--   product_id           the product, or null
--   conflict             the kind of the conflict as in decide_asin, or null
--   reason               why the row was refused, or null
--   conflict_product_id  the product with which there is a conflict, or null
-- Each decision can be undone by itself. Raises PT422 if the form of a row is wrong; nothing is changed then.
-- Security definer, because no role may write the decisions. All statements therefore contain the id of the caller. The
-- settings allow only index lookups; see counting.count_products.
create function public.decide_many(p_rows jsonb, p_remember boolean default false) returns jsonb
    language plpgsql security definer set search_path = ''
    set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_remember constant boolean := coalesce(p_remember, false);
    v_results jsonb;
    v_product_ids uuid[];
    v_asins text[];
    v_constraint text;
begin
    perform private.require_decisions(p_rows);
    v_results := private.judge_rows(v_user_id, p_rows, v_remember);
    select array_agg(d.product_id), array_agg(d.asin) into v_product_ids, v_asins
    from (
        select distinct (r ->> 'product_id')::uuid as product_id, p_rows -> (r -> 'row')::integer ->> 'asin' as asin
        from jsonb_array_elements(v_results) as r
        where r ->> 'outcome' = 'set' or r ->> 'outcome' = 'unchanged' and v_remember
    ) d;
    if v_product_ids is not null then
        perform private.make_decisions(v_user_id, v_product_ids, v_asins, v_remember);
    end if;
    return private.with_stats(v_user_id, jsonb_build_object('results', v_results));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

comment on function private.require_decisions is 'Validate the form of the rows of decide_many.';
comment on function private.product_of is
    'Return the product of the user with this id, or with this identifier, or a row of nulls.';
comment on function private.judge_rows is 'Judge each row as if the rows before it had been written.';
comment on function public.decide_many is 'Give many products their ASINs.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.require_decisions, private.product_of, private.judge_rows, public.decide_many
    from public, anon, authenticated, service_role;
grant execute on function public.decide_many
    to authenticated, service_role;
