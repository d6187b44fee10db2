-- Undo the last decision about a product, for 30 days.

-- Undo a choice of an ASIN, or the dismissal of all candidates: write the old values. Returns false, and changes
-- nothing, if a value is not the one that the decision left, or if the identifier would then have two `always`.
create function private.undo_choice(p_decision deciding.decisions) returns boolean
    language plpgsql set search_path = ''
as $$
declare
    v_old constant jsonb := p_decision.before -> 'old';
    v_new constant jsonb := p_decision.before -> 'new';
    v_gtin constant text := p_decision.before ->> 'gtin';
    v_now constant jsonb := private.decision_state(p_decision.user_id, p_decision.product_id, v_gtin);
begin
    if exists (select from jsonb_each(v_new) as n where coalesce(v_now -> n.key, 'null') <> n.value) or (
        select count(*) > 1 from jsonb_each(v_now || v_old) as m
        where m.key like 'match %' and m.value ->> 0 = 'always'
    ) then
        return false;
    end if;
    update public.products p
    set asin = v_old ->> 'asin', multiple_asins = (v_old -> 'multiple_asins')::boolean
    where p.id = p_decision.product_id and p.user_id = p_decision.user_id;
    update public.candidates c
    set dismissed = (v_old -> ('candidate ' || c.asin))::boolean
    where c.product_id = p_decision.product_id and c.user_id = p_decision.user_id
      and v_old ? ('candidate ' || c.asin);
    delete from public.matches m
    where m.user_id = p_decision.user_id and m.gtin = v_gtin and v_old ? ('match ' || m.asin);
    insert into public.matches (user_id, gtin, asin, verdict, created_at)
    select p_decision.user_id, v_gtin, substr(o.key, length('match ') + 1), o.value ->> 0,
        (o.value ->> 1)::timestamptz
    from jsonb_each(v_old) as o
    where o.key like 'match %' and o.value <> 'null';
    return true;
end
$$;

-- Return the old values of those members of p_row ->> 'new' that p_now still has. p_row is {"old", "new"}.
create function private.restorable(p_now jsonb, p_row jsonb) returns jsonb
    language sql immutable
    return (
        select coalesce(jsonb_object_agg(n.key, p_row -> 'old' -> n.key), '{}')
        from jsonb_each(p_row -> 'new') as n
        where p_now -> n.key = n.value
    );

-- Put back the columns of a product that a merge changed, if they still have the merged value. An ASIN or UPC that
-- another product has now is not put back.
create function private.restore_product(p_user_id uuid, p_row jsonb) returns void
    language plpgsql set search_path = ''
as $$
declare
    v_now public.products;
    v_old public.products;
begin
    select * into v_now from public.products p where p.id = (p_row ->> 'id')::uuid and p.user_id = p_user_id;
    v_old := jsonb_populate_record(v_now, private.restorable(private.merged_columns(v_now), p_row));
    update public.products p
    set asin = case when exists (
            select from public.products o
            where o.user_id = p_user_id and o.asin = v_old.asin and o.asin_status = 'asin_found' and o.id <> p.id
        ) then p.asin else v_old.asin end,
        upc = case when exists (
            select from public.products o where o.user_id = p_user_id and o.upc = v_old.upc and o.id <> p.id
        ) then p.upc else v_old.upc end,
        brand = v_old.brand, merged_into = v_old.merged_into
    where p.id = v_now.id and p.user_id = p_user_id;
end
$$;

-- Put the deals back that a merge moved or combined: the values that are still the merged ones, and the moved deals
-- that still exist. A moved deal stays if the source has a deal with its supplier now.
create function private.restore_deals(p_decision deciding.decisions) returns void
    language plpgsql set search_path = '' set timezone = 'UTC'
as $$
declare
    v_source_id constant uuid := p_decision.other_product_id;
begin
    update public.deals d
    set product_id = v_source_id
    where d.id = any (array(select jsonb_array_elements_text(p_decision.before -> 'moved')::uuid))
      and (d.user_id = p_decision.user_id) is true and d.product_id = p_decision.product_id
      and not exists (
          select from public.deals s where s.product_id = v_source_id and lower(s.supplier) = lower(d.supplier)
      );
    perform private.write_deal_values(
        p_decision.user_id, jsonb_object_agg(d.id, private.restorable(private.merged_deal(d, d), r))
    )
    from jsonb_array_elements(p_decision.before -> 'deals') as r
    join public.deals d on d.id = (r ->> 'id')::uuid
    where (d.user_id = p_decision.user_id) is true and d.product_id in (p_decision.product_id, v_source_id);
end
$$;

-- Remove the candidates that a merge copied and that did not change since. Candidates that it dismissed are open again.
create function private.restore_candidates(p_decision deciding.decisions) returns void
    language plpgsql set search_path = '' set timezone = 'UTC'
as $$
begin
    delete from public.candidates c
    using jsonb_array_elements(p_decision.before -> 'added') as a
    where c.product_id = p_decision.product_id and c.user_id = p_decision.user_id and c.asin = a ->> 'asin'
      and to_jsonb(c) = a;
    update public.candidates c
    set dismissed = false
    where c.product_id = p_decision.product_id and c.user_id = p_decision.user_id and c.dismissed
      and p_decision.before -> 'dismissed' ? c.asin;
end
$$;

-- Undo a merge: put back what is still as the merge left it. Returns false, and changes nothing, if the source does not
-- exist any more, or if the target was merged into another product since: then the source is merged into that one too.
create function private.undo_merge(p_decision deciding.decisions) returns boolean
    language plpgsql set search_path = ''
as $$
declare
    v_row jsonb;
begin
    if not exists (
        select from public.products s
        where s.id = p_decision.other_product_id and s.user_id = p_decision.user_id
          and s.merged_into = p_decision.product_id
    ) then
        return false;
    end if;
    for v_row in -- the target comes first: it gives up the ASIN and the UPC that the source gets back
        select r."row" from jsonb_array_elements(p_decision.before -> 'products') with ordinality as r ("row", place)
        order by r.place
    loop
        perform private.restore_product(p_decision.user_id, v_row);
    end loop;
    perform private.restore_candidates(p_decision);
    perform private.restore_deals(p_decision);
    return true;
end
$$;

-- Undo a decision, for 30 days. Only the last decision about a product that has not been undone can be undone. A choice
-- is undone exactly: ASIN, multiple_asins, dismissed marks and matches are what they were. A merge puts back each value
-- that is still the merged one, and the deals that still exist. Undoing twice changes nothing. Answer: the product in
-- the form of get_product, or null if the caller has no such decision.
-- Raises PT410 after 30 days; the detail is a JSON array with the id of the decision. Raises PT409 (changed) if there is
-- a later decision, or if the product was changed since, so that an undo is not possible.
-- Security definer, because no role may use the decisions. All statements therefore contain the id of the caller. The
-- settings allow only index lookups; see counting.count_products.
create function public.undo_decision(p_decision_id uuid) returns jsonb
    language plpgsql security definer set search_path = ''
    set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_decision deciding.decisions;
    v_last deciding.decisions;
    v_undone boolean;
    v_constraint text;
begin
    select * into v_decision from deciding.decisions d where d.id = p_decision_id and d.user_id = v_user_id;
    if v_decision.id is null then
        return private.with_stats(v_user_id, null);
    end if;
    if v_decision.undone_at is not null then
        return private.with_stats(v_user_id, public.get_product(v_decision.product_id));
    end if;
    if v_decision.made_at < now() - private.undo_window() then
        raise sqlstate 'PT410' using
            message = 'This decision was made too long ago to be undone; nothing was changed.',
            detail = jsonb_build_array(v_decision.id)::text;
    end if;
    v_last := private.last_decision(v_user_id, v_decision.product_id);
    v_undone := case when v_last.id <> v_decision.id then false
        when v_decision.kind = 'merge' then private.undo_merge(v_decision)
        else private.undo_choice(v_decision) end;
    if not v_undone then
        perform private.refuse_change(private.conflict(
            'changed', 'The product was changed after this decision; nothing was undone.', v_decision.product_id
        ));
    end if;
    update deciding.decisions d set undone_at = clock_timestamp() where d.id = v_decision.id;
    return private.with_stats(v_user_id, public.get_product(v_decision.product_id));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

comment on function private.undo_choice is
    'Undo a choice of an ASIN, or the dismissal of all candidates: write the old values.';
comment on function private.restorable is
    'Return the old values of those members of p_row ->> ''new'' that p_now still has.';
comment on function private.restore_product is
    'Put back the columns of a product that a merge changed, if they still have the merged value.';
comment on function private.restore_deals is
    'Put the deals back that a merge moved or combined: the values that are still the merged ones, and the moved deals '
    'that still exist.';
comment on function private.restore_candidates is
    'Remove the candidates that a merge copied and that did not change since.';
comment on function private.undo_merge is 'Undo a merge: put back what is still as the merge left it.';
comment on function public.undo_decision is 'Undo a decision, for 30 days.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.undo_choice, private.restorable, private.restore_product, private.restore_deals,
    private.restore_candidates, private.undo_merge, public.undo_decision
    from public, anon, authenticated, service_role;
grant execute on function public.undo_decision
    to authenticated, service_role;
