-- Decide the ASIN of a product.

-- Return why the product must not get this ASIN, or null if it may. A null ASIN means that none of the candidates is
-- right. The form is {"code": SQLSTATE, "reason", "conflict", "product_ids"}; the last two are missing for an invalid
-- value. A product that was merged can only get an ASIN if it has active deals: an ASIN of a product that no list shows
-- would only be in the way.
create function private.judge_decision(p_product public.products, p_asin text, p_remember boolean) returns jsonb
    language plpgsql stable set search_path = ''
as $$
declare
    v_other_id uuid;
begin
    if not private.is_asin(p_asin) then
        return '{"code": "PT422", "reason": "An ASIN has 10 characters: digits and capital letters A to Z."}';
    end if;
    if p_remember and p_product.upc is null then
        return '{"code": "PT422", "reason": "The product has no UPC for which the decision could be remembered."}';
    end if;
    if p_product.asin_status = 'asin_found' then
        return case when p_asin is distinct from p_product.asin then jsonb_build_object(
            'code', 'PT409', 'reason', format('The product already has the ASIN %s.', p_product.asin),
            'conflict', 'decided', 'product_ids', jsonb_build_array(p_product.id)
        ) end;
    end if;
    if p_product.merged_into is not null
        and not exists (select from public.deals d where d.product_id = p_product.id and d.active)
    then
        return jsonb_build_object(
            'code', 'PT409', 'reason', 'The product was merged into another one.',
            'conflict', 'merged', 'product_ids', jsonb_build_array(p_product.merged_into)
        );
    end if;
    select p.id into v_other_id from public.products p
    where p.user_id = p_product.user_id and p.asin = p_asin and p.asin_status = 'asin_found';
    return case when v_other_id is not null then jsonb_build_object(
        'code', 'PT409', 'reason', 'Another of your products has this ASIN.',
        'conflict', 'asin', 'product_ids', jsonb_build_array(v_other_id)
    ) end;
end
$$;

-- Raise the error of a refusal. The detail of a PT409 is {"conflict": kind, "product_ids": […]}.
create function private.refuse_decision(p_refusal jsonb) returns void
    language plpgsql immutable set search_path = ''
as $$
begin
    raise exception using
        errcode = p_refusal ->> 'code', message = p_refusal ->> 'reason',
        detail = coalesce(nullif((p_refusal - array['code', 'reason'])::text, '{}'), '');
end
$$;

-- Store what the user decided for an identifier and these ASINs: always or never. An identifier always belongs to one
-- ASIN, so a new `always` replaces the old one. A verdict that is stored already keeps its time.
create function private.remember(p_user_id uuid, p_gtin text, p_asins text[], p_verdict text) returns void
    language plpgsql set search_path = ''
as $$
begin
    if p_verdict = 'always' then
        delete from public.matches m
        where m.user_id = p_user_id and m.gtin = p_gtin and m.verdict = 'always' and m.asin <> all (p_asins);
    end if;
    insert into public.matches as m (user_id, gtin, asin, verdict)
    select p_user_id, p_gtin, a.asin, p_verdict from unnest(p_asins) as a (asin)
    on conflict (user_id, gtin, asin) do update set verdict = excluded.verdict, created_at = excluded.created_at
        where m.verdict <> excluded.verdict;
end
$$;

-- Give the product this ASIN, or dismiss all its candidates if p_asin is null. A candidate with the ASIN is not
-- dismissed any more. With p_remember, the decision is stored for the identifier of the product.
create function private.write_decision(p_product public.products, p_asin text, p_remember boolean) returns void
    language plpgsql set search_path = ''
as $$
declare
    v_asins constant text[] := case when p_asin is not null then array[p_asin] else array(
        select c.asin from public.candidates c where c.product_id = p_product.id and c.user_id = p_product.user_id
    ) end;
begin
    if p_product.asin_status <> 'asin_found' then
        update public.products p
        set asin = coalesce(p_asin, p.asin), multiple_asins = p_asin is not null and p.multiple_asins
        where p.id = p_product.id and p.user_id = p_product.user_id;
        update public.candidates c
        set dismissed = p_asin is null
        where c.product_id = p_product.id and c.user_id = p_product.user_id and c.asin = any (v_asins)
          and c.dismissed <> (p_asin is null);
    end if;
    if p_remember then
        perform private.remember(
            p_product.user_id, private.gtin(p_product.upc), v_asins,
            case when p_asin is null then 'never' else 'always' end
        );
    end if;
end
$$;

-- Make a decision that private.judge_decision permits, and record it. A decision that changes neither the product nor a
-- candidate is not recorded. Returns whether it was recorded.
create function private.make_decision(p_product public.products, p_asin text, p_remember boolean) returns boolean
    language plpgsql set search_path = ''
as $$
declare
    v_gtin constant text := private.gtin(p_product.upc);
    v_old constant jsonb := private.decision_state(p_product.user_id, p_product.id, v_gtin);
    v_new jsonb;
begin
    perform private.write_decision(p_product, p_asin, p_remember);
    v_new := private.decision_state(p_product.user_id, p_product.id, v_gtin);
    if not exists (
        select from jsonb_object_keys(private.changed_members(v_old, v_new)) as k (key) where k.key not like 'match %'
    ) then
        return false;
    end if;
    perform private.record_decision(
        p_product.user_id, p_product.id, case when p_asin is null then 'none' else 'asin' end, p_asin, null, p_remember,
        jsonb_build_object(
            'gtin', v_gtin,
            'old', private.changed_members(v_old, v_new)
                || jsonb_build_object('asin', v_old -> 'asin', 'multiple_asins', v_old -> 'multiple_asins'),
            'new', private.changed_members(v_new, v_old)
                || jsonb_build_object('asin', v_new -> 'asin', 'multiple_asins', v_new -> 'multiple_asins')
        )
    );
    return true;
end
$$;

-- Give a product its ASIN, or decide that none of its candidates is right if p_asin is null. With p_remember, the
-- decision is stored for the identifier of the product: `always` for the ASIN, or `never` for each candidate. Answer:
-- the product in the form of get_product, or null if the caller has no such product.
-- Raises PT422 if the text is not an ASIN, or if a product without UPC should be remembered. Raises PT409 if the
-- product has another ASIN (decided), if another product has this one (asin), or if the product was merged into another
-- one and has no active deals (merged).
-- Security definer, because no role may write the decisions. All statements therefore contain the id of the caller.
create function public.decide_asin(p_product_id uuid, p_asin text, p_remember boolean default false) returns jsonb
    language plpgsql security definer set search_path = ''
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
        perform private.refuse_decision(v_refusal);
    end if;
    perform private.make_decision(v_product, p_asin, coalesce(p_remember, false));
    return private.with_stats(v_user_id, public.get_product(v_product.id));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

comment on function private.judge_decision is
    'Return why the product must not get this ASIN, or null if it may.';
comment on function private.refuse_decision is 'Raise the error of a refusal.';
comment on function private.remember is
    'Store what the user decided for an identifier and these ASINs: always or never.';
comment on function private.write_decision is
    'Give the product this ASIN, or dismiss all its candidates if p_asin is null.';
comment on function private.make_decision is
    'Make a decision that private.judge_decision permits, and record it.';
comment on function public.decide_asin is
    'Give a product its ASIN, or decide that none of its candidates is right if p_asin is null.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.judge_decision, private.refuse_decision, private.remember,
    private.write_decision, private.make_decision, public.decide_asin
    from public, anon, authenticated, service_role;
grant execute on function public.decide_asin
    to authenticated, service_role;
