-- Decide the ASIN of a product.

-- Return why the product must not get this ASIN, or null if it may. The form is that of private.refuse_change. A null
-- ASIN means that none of the candidates is right. A product that was merged can only get an ASIN if it has active
-- deals. Otherwise a product that no list shows would keep other products from getting this ASIN. p_other_id is a
-- product that gets the ASIN in the same call, or null.
create function private.judge_decision(
    p_product public.products, p_asin text, p_remember boolean, p_other_id uuid default null
) returns jsonb
    language plpgsql stable set search_path = ''
as $$
declare
    v_other_id uuid := p_other_id;
begin
    if not private.is_asin(p_asin) then
        return '{"code": "PT422", "reason": "An ASIN has 10 characters: digits and capital letters A to Z."}';
    end if;
    if p_remember and p_product.upc is null then
        return '{"code": "PT422", "reason": "The product has no UPC for which the decision could be remembered."}';
    end if;
    if p_product.asin_status = 'asin_found' then
        return case when p_asin is distinct from p_product.asin then private.conflict(
            'decided', format('The product already has the ASIN %s.', p_product.asin), p_product.id
        ) end;
    end if;
    if p_product.merged_into is not null
        and not exists (select from public.deals d where d.product_id = p_product.id and d.active)
    then
        return private.conflict('merged', 'The product was merged into another one.', p_product.merged_into);
    end if;
    if v_other_id is null then
        select p.id into v_other_id from public.products p
        where p.user_id = p_product.user_id and p.asin = p_asin and p.asin_status = 'asin_found';
    end if;
    return case when v_other_id is not null then
        private.conflict('asin', 'Another of your products has this ASIN.', v_other_id) end;
end
$$;

-- Store what the user decided for the identifier of a product: `always` for this ASIN, or `never` for each candidate if
-- the ASIN is null. An identifier always belongs to one ASIN, so a new `always` replaces the old one. A verdict that is
-- stored already keeps its time.
create function private.remember(p_user_id uuid, p_product_id uuid, p_asin text) returns void
    language plpgsql set search_path = ''
as $$
declare
    v_gtin text;
begin
    select private.gtin(p.upc) into v_gtin from public.products p where p.id = p_product_id and p.user_id = p_user_id;
    delete from public.matches m
    where m.user_id = p_user_id and m.gtin = v_gtin and m.verdict = 'always' and m.asin <> p_asin;
    insert into public.matches as m (user_id, gtin, asin, verdict)
    select p_user_id, v_gtin, p_asin, 'always' where p_asin is not null
    union all
    select p_user_id, v_gtin, c.asin, 'never' from public.candidates c
    where p_asin is null and c.product_id = p_product_id and c.user_id = p_user_id
    on conflict (user_id, gtin, asin) do update set verdict = excluded.verdict, created_at = excluded.created_at
        where m.verdict <> excluded.verdict;
end
$$;

-- Give each of these products its ASIN, or dismiss all candidates of a product whose ASIN is null. A candidate with the
-- ASIN is not dismissed any more. A product that has an ASIN stays as it is. With p_remember, each decision is stored
-- for the identifier of its product. p_asins contains the ASIN for each of p_product_ids, in the same order; each
-- product occurs once. `= any` and `is true` keep the planner from reading all products: sessions keep their plans,
-- also those that were made for a small table.
create function private.write_decisions(
    p_user_id uuid, p_product_ids uuid[], p_asins text[], p_remember boolean
) returns void
    language plpgsql set search_path = ''
as $$
begin
    update public.candidates c
    set dismissed = r.asin is null
    from unnest(p_product_ids, p_asins) as r (product_id, asin)
    join public.products p on p.id = r.product_id
    where (p.user_id = p_user_id) is true and p.asin_status <> 'asin_found'
      and c.product_id = p.id and c.product_id = any (p_product_ids)
      and c.asin = coalesce(r.asin, c.asin) and c.dismissed <> (r.asin is null);
    update public.products p
    set asin = coalesce(r.asin, p.asin), multiple_asins = r.asin is not null and p.multiple_asins
    from unnest(p_product_ids, p_asins) as r (product_id, asin)
    where p.id = r.product_id and p.id = any (p_product_ids) and (p.user_id = p_user_id) is true
      and p.asin_status <> 'asin_found';
    if p_remember then
        perform private.remember(p_user_id, r.product_id, r.asin)
        from unnest(p_product_ids, p_asins) as r (product_id, asin);
    end if;
end
$$;

-- Return {product id: private.decision_state} of these products.
create function private.decision_states(p_user_id uuid, p_product_ids uuid[]) returns jsonb
    language plpgsql stable set search_path = ''
as $$
begin
    return (
        select jsonb_object_agg(p.id, private.decision_state(p_user_id, p.id, private.gtin(p.upc)))
        from public.products p where p.id = any (p_product_ids) and (p.user_id = p_user_id) is true
    );
end
$$;

-- Make decisions that private.judge_decision permits, and record them; see write_decisions. A decision that changes
-- neither the product nor a candidate is not recorded.
create function private.make_decisions(
    p_user_id uuid, p_product_ids uuid[], p_asins text[], p_remember boolean
) returns void
    language plpgsql set search_path = ''
as $$
declare
    v_old constant jsonb := private.decision_states(p_user_id, p_product_ids);
    v_new jsonb;
begin
    perform private.write_decisions(p_user_id, p_product_ids, p_asins, p_remember);
    v_new := private.decision_states(p_user_id, p_product_ids);
    perform private.record_decision(
        p_user_id, p.id, case when r.asin is null then 'none' else 'asin' end, r.asin, null, p_remember,
        jsonb_build_object(
            'gtin', private.gtin(p.upc),
            -- These two are always compared, so that a later change of the product prevents an undo.
            'old', changed.old || jsonb_build_object('asin', o -> 'asin', 'multiple_asins', o -> 'multiple_asins'),
            'new', changed.new || jsonb_build_object('asin', n -> 'asin', 'multiple_asins', n -> 'multiple_asins')
        )
    )
    from unnest(p_product_ids, p_asins) as r (product_id, asin)
    cross join lateral (
        select p.id, p.upc from public.products p where p.id = r.product_id and p.user_id = p_user_id limit 1
    ) as p
    cross join lateral (select v_old -> p.id::text as o, v_new -> p.id::text as n) as state
    cross join lateral (
        select private.changed_members(o, n) as old, private.changed_members(n, o) as new
    ) as changed
    where exists (select from jsonb_object_keys(changed.old) as k (key) where k.key not like 'match %');
end
$$;

-- Give a product its ASIN, or decide that none of its candidates is right if p_asin is null. With p_remember, the
-- decision is stored for the identifier of the product: `always` for the ASIN, or `never` for each candidate. Answer:
-- the product in the form of get_product, or null if the caller has no such product.
-- Raises PT422 if the text is not an ASIN, or if a product without UPC should be remembered. Raises PT409 if the
-- product has another ASIN (decided), if another product has this one (asin), or if the product was merged into another
-- one and has no active deals (merged).
-- Security definer, because no role may write the decisions. All statements therefore contain the id of the caller. The
-- settings allow only index lookups; see counting.count_products.
create function public.decide_asin(p_product_id uuid, p_asin text, p_remember boolean default false) returns jsonb
    language plpgsql security definer set search_path = ''
    set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_product public.products;
    v_refusal jsonb;
    v_constraint text;
begin
    select * into v_product from public.products p where p.id = p_product_id and p.user_id = v_user_id;
    if v_product.id is null then
        return private.with_stats(v_user_id, null);
    end if;
    v_refusal := private.judge_decision(v_product, p_asin, p_remember);
    if v_refusal is not null then
        perform private.refuse_change(v_refusal);
    end if;
    perform private.make_decisions(v_user_id, array[v_product.id], array[p_asin], coalesce(p_remember, false));
    return private.with_stats(v_user_id, public.get_product(v_product.id));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

comment on function private.judge_decision is
    'Return why the product must not get this ASIN, or null if it may.';
comment on function private.remember is
    'Store what the user decided for the identifier of a product: `always` for this ASIN, or `never` for each '
    'candidate if the ASIN is null.';
comment on function private.write_decisions is
    'Give each of these products its ASIN, or dismiss all candidates of a product whose ASIN is null.';
comment on function private.decision_states is 'Return {product id: private.decision_state} of these products.';
comment on function private.make_decisions is
    'Make decisions that private.judge_decision permits, and record them; see write_decisions.';
comment on function public.decide_asin is
    'Give a product its ASIN, or decide that none of its candidates is right if p_asin is null.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.judge_decision, private.remember, private.write_decisions,
    private.decision_states, private.make_decisions, public.decide_asin
    from public, anon, authenticated, service_role;
grant execute on function public.decide_asin
    to authenticated, service_role;
