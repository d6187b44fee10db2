-- The parts of a merge: the target takes over deals, candidates and values of the source. Each function returns what an
-- undo needs. For a row that was changed, that is {"id", "old", "new"}: the values that changed, before and after the
-- merge. Times are in UTC, so that equal times are equal texts in all sessions. `is true` keeps the planner from
-- reading all deals of the user: sessions keep their plans, also those that were made for a small table.

-- Return {"id", "old", "new"} of a changed row, with the members that differ.
create function private.changed_row(p_id uuid, p_old jsonb, p_new jsonb) returns jsonb
    language sql immutable
    return jsonb_build_object(
        'id', p_id, 'old', private.changed_members(p_old, p_new), 'new', private.changed_members(p_new, p_old)
    );

-- Return the values of two deals with one supplier as one deal: those of the newer one, with its gaps filled from the
-- older one. The deal is active or a favorite if one of them is. A deal merged with itself has its own values. There is
-- no member "active": a deal is active if deleted_at is null.
create function private.merged_deal(p_newer public.deals, p_older public.deals) returns jsonb
    language sql stable
    return jsonb_build_object(
        'supplier', p_newer.supplier,
        'buy_cost', coalesce(p_newer.buy_cost, p_older.buy_cost),
        'moq', coalesce(p_newer.moq, p_older.moq),
        'stage', p_newer.stage,
        'favorite', p_newer.favorite or p_older.favorite,
        'notes', coalesce(nullif(p_newer.notes, ''), p_older.notes),
        'deleted_at',
            case when p_newer.active = p_older.active then greatest(p_newer.deleted_at, p_older.deleted_at) end
    );

-- Write values to deals of a user: {deal id: values}. The values are those of private.merged_deal; a missing one stays
-- as it is.
create function private.write_deal_values(p_user_id uuid, p_values jsonb) returns void
    language plpgsql set search_path = ''
as $$
begin
    update public.deals d
    set (supplier, buy_cost, moq, stage, favorite, notes, active, deleted_at) = (
        select v.supplier, v.buy_cost, v.moq, v.stage, v.favorite, v.notes, v.deleted_at is null, v.deleted_at
        from jsonb_populate_record(d, p_values -> d.id::text) v
    )
    where d.id = any (array(select jsonb_object_keys(p_values)::uuid)) and (d.user_id = p_user_id) is true;
end
$$;

-- Combine the deals that both products have with one supplier, whatever its letter case. The deal of the target gets
-- the merged values. The deal of the source gets the values of the older deal and is deleted, so that it can be
-- restored. The newer deal is the one that changed last, but an active deal counts as newer than a deleted one. Returns
-- one {"id", "old", "new"} per deal.
create function private.combine_deals(p_source public.products, p_target public.products) returns jsonb
    language plpgsql set search_path = '' set timezone = 'UTC'
as $$
declare
    v_rows jsonb;
begin
    select jsonb_agg(jsonb_build_object('id', r.id, 'old', r.old, 'values', r."values")) into v_rows
    from (
        select s, t,
            (s.active and not t.active) or (s.active = t.active and s.updated_at > t.updated_at) as source_is_newer
        from public.deals s
        join public.deals t on t.product_id = p_target.id and lower(t.supplier) = lower(s.supplier)
        where s.product_id = p_source.id
          and (s.user_id = p_source.user_id) is true and (t.user_id = p_source.user_id) is true
    ) pair
    cross join lateral (
        select case when source_is_newer then s else t end as newer, case when source_is_newer then t else s end as older
    ) deal
    cross join lateral (values
        ((t).id, private.merged_deal(t, t), private.merged_deal(newer, older)),
        ((s).id, private.merged_deal(s, s),
         private.merged_deal(older, older) || jsonb_build_object('deleted_at', coalesce((s).deleted_at, now())))
    ) as r (id, old, "values");
    perform private.write_deal_values(
        p_source.user_id, (select jsonb_object_agg(r ->> 'id', r -> 'values') from jsonb_array_elements(v_rows) as r)
    );
    return (
        select coalesce(jsonb_agg(private.changed_row((r ->> 'id')::uuid, r -> 'old', r -> 'values')), '[]')
        from jsonb_array_elements(v_rows) as r
    );
end
$$;

-- Move the other deals of the source to the target, deleted ones too. Returns the ids of the deals.
create function private.move_deals(p_source public.products, p_target public.products) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_moved jsonb;
begin
    with moved as (
        update public.deals d
        set product_id = p_target.id
        where d.product_id = p_source.id and (d.user_id = p_source.user_id) is true and not exists (
            select from public.deals t where t.product_id = p_target.id and lower(t.supplier) = lower(d.supplier)
        )
        returning d.id
    )
    select coalesce(jsonb_agg(m.id), '[]') into v_moved from moved m;
    return v_moved;
end
$$;

-- Copy the candidates of the source to the target, after its own ones: the open ones first, and at most as many as a
-- product may have. ASINs with a `never` for the identifier of the target are left out. A candidate of the target is
-- dismissed if it was dismissed for the source. Returns {"added": the new rows, "dismissed": ASINs}.
create function private.unite_candidates(p_source public.products, p_target public.products) returns jsonb
    language plpgsql set search_path = '' set timezone = 'UTC'
as $$
declare
    v_dismissed jsonb;
    v_added jsonb;
begin
    with dismissed as (
        update public.candidates t
        set dismissed = true
        from public.candidates s
        where s.product_id = p_source.id and s.user_id = p_source.user_id and s.dismissed
          and t.product_id = p_target.id and t.user_id = p_source.user_id and t.asin = s.asin and not t.dismissed
        returning t.asin
    )
    select coalesce(jsonb_agg(d.asin), '[]') into v_dismissed from dismissed d;
    with present as (
        select count(*) as number, coalesce(max(t.position), 0) as last
        from public.candidates t where t.product_id = p_target.id and t.user_id = p_source.user_id
    ), added as (
        insert into public.candidates as c (
            user_id, product_id, asin, title, brand, image_url, category, package_quantity, sales_rank, source,
            position, dismissed
        )
        select s.user_id, p_target.id, s.asin, s.title, s.brand, s.image_url, s.category, s.package_quantity,
            s.sales_rank, s.source, least(present.last + s.place, 1000000), s.dismissed
        from present, (
            select s.*, row_number() over (order by s.dismissed, s.position, s.asin) as place
            from public.candidates s
            where s.product_id = p_source.id and s.user_id = p_source.user_id
              and not exists (
                  select from public.candidates t where t.product_id = p_target.id and t.asin = s.asin
              )
              and not exists (
                  select from public.matches m
                  where m.user_id = p_source.user_id and m.gtin = private.gtin(p_target.upc) and m.asin = s.asin
                    and m.verdict = 'never'
              )
        ) s
        where s.place <= 50 - present.number
        returning to_jsonb(c) as "row"
    )
    select coalesce(jsonb_agg(a."row"), '[]') into v_added from added a;
    return jsonb_build_object('added', v_added, 'dismissed', v_dismissed);
end
$$;

comment on function private.changed_row is
    'Return {"id", "old", "new"} of a changed row, with the members that differ.';
comment on function private.merged_deal is
    'Return the values of two deals with one supplier as one deal: those of the newer one, with its gaps filled from '
    'the older one.';
comment on function private.write_deal_values is
    'Write values to deals of a user: {deal id: values}.';
comment on function private.combine_deals is
    'Combine the deals that both products have with one supplier, whatever its letter case.';
comment on function private.move_deals is 'Move the other deals of the source to the target, deleted ones too.';
comment on function private.unite_candidates is
    'Copy the candidates of the source to the target, after its own ones: the open ones first, and at most as many as '
    'a product may have.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that. Only security definer functions call these.
revoke execute on function private.changed_row, private.merged_deal, private.write_deal_values, private.combine_deals,
    private.move_deals, private.unite_candidates
    from public, anon, authenticated, service_role;
