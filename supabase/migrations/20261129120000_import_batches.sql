-- An import is recorded as a batch, so that it can be undone, and the list shows its rows in the order of the file.

-- Return the values of a deal that an import writes.
create function private.deal_state(p_deal public.deals) returns jsonb
    language sql immutable
    return jsonb_build_object(
        'supplier', p_deal.supplier, 'buy_cost', p_deal.buy_cost, 'moq', p_deal.moq, 'stage', p_deal.stage,
        'favorite', p_deal.favorite, 'notes', p_deal.notes, 'active', p_deal.active
    );

drop function private.write_deals(uuid, private.import_row[]);

-- Insert new deals, change existing ones, and restore deleted ones. A null keeps the existing value. Records all of them
-- in the batch. Before its creation, a deal was not active, so an undo deletes it. The first row of the file is the
-- newest deal: the times of creation descend from that of the batch.
create function private.write_deals(p_user_id uuid, p_plan private.import_row[], p_batch_id uuid) returns void
    language plpgsql set search_path = '' set timezone = 'UTC'
as $$
declare
    v_made_at constant timestamptz := (select b.made_at from batching.batches b where b.id = p_batch_id);
begin
    with made as (
        insert into public.deals
            (user_id, product_id, supplier, buy_cost, moq, stage, favorite, notes, asin_status, title_key, created_at)
        select p_user_id, r.product_id, coalesce(r.supplier, ''), r.buy_cost, r.moq,
               coalesce(r.stage, 'new'), coalesce(r.favorite, false), coalesce(r.notes, ''), p.asin_status,
               lower(p.title), v_made_at - r.line * interval '1 microsecond'
        from unnest(p_plan) r
        -- `offset 0` makes this one index lookup per row.
        cross join lateral (select p.* from public.products p where p.id = r.product_id offset 0) p
        where r.last and r.deal_id is null
        order by r.line
        returning id, private.deal_state(deals) as state
    )
    insert into batching.deals (batch_id, deal_id, before, after)
    select p_batch_id, m.id, '{"active": false}', m.state from made m;
    with old as materialized (
        select d.id, private.deal_state(d) || jsonb_build_object('deleted_at', d.deleted_at) as state
        from unnest(p_plan) r
        cross join lateral (select d.* from public.deals d where d.id = r.deal_id offset 0) d
        where r.last and r.deal_changes and r.deal_id is not null
    ), changed as (
        update public.deals d
        set supplier = coalesce(r.supplier, d.supplier), buy_cost = coalesce(r.buy_cost, d.buy_cost),
            moq = coalesce(r.moq, d.moq), stage = coalesce(r.stage, d.stage),
            favorite = coalesce(r.favorite, d.favorite), notes = coalesce(r.notes, d.notes),
            active = true, deleted_at = null
        from unnest(p_plan) r
        where r.last and r.deal_changes and d.id = r.deal_id
        returning d.id, private.deal_state(d) as state
    )
    insert into batching.deals (batch_id, deal_id, before, after)
    select p_batch_id, c.id, o.state, c.state from changed c join old o on o.id = c.id
    on conflict (batch_id, deal_id) do update set after = excluded.after;
end
$$;

drop function public.import_deals(jsonb, boolean, uuid);

-- Import rows of a file in one transaction, or only report what they would change. The form of p_rows is [{"line", and
-- any of "product_id", "asin", "upc", "title", "brand", "multiple_asins", "supplier", "buy_cost", "moq", "stage",
-- "favorite", "notes"}]. A missing or null value keeps what is stored. If several rows are for one deal, the last one
-- counts. A row that contradicts existing data is refused, and the other rows are imported. With p_dry_run, the result
-- is the same and nothing is written. p_batch_id continues the batch of the rows before. Raises PT404 if there is no such
-- batch. Answer: {"created", "updated", "unchanged", "repeated": numbers of rows, "refused": [{"line", "column",
-- "reason"}], "batch_id": the batch, or null if no deal was changed yet}, in the envelope of private.with_stats.
-- Security definer: under row level security, the comparisons with lower(…) could not use an index, because they are
-- not leakproof, and the time of a batch would grow with the catalogue. All statements therefore contain the user id.
create function public.import_deals(
    p_rows jsonb, p_dry_run boolean default false, p_user_id uuid default null, p_batch_id uuid default null
) returns jsonb
    language plpgsql security definer set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_import(p_user_id);
    v_batch_id uuid := p_batch_id;
    v_plan private.import_row[];
    v_constraint text;
begin
    perform private.require_import(p_rows);
    v_plan := array(select r from private.plan_import(v_user_id, p_rows) r);
    if p_dry_run is not true then
        if p_batch_id is not null or exists (select from unnest(v_plan) r where r.last and r.deal_changes) then
            v_batch_id := private.open_batch(v_user_id, 'import', p_batch_id);
        end if;
        perform private.write_products(v_user_id, v_plan);
        perform private.write_deals(v_user_id, v_plan, v_batch_id);
    end if;
    return private.with_stats(v_user_id, (
        select jsonb_build_object(
            'created', count(*) filter (where r.last and r.deal_id is null),
            'updated', count(*) filter (where r.last and r.deal_id is not null
                                          and (r.deal_changes or r.product_changes)),
            'unchanged', count(*) filter (where r.last and r.deal_id is not null
                                            and not r.deal_changes and not r.product_changes),
            'repeated', count(*) filter (where r.problem is null and not r.last),
            'refused', coalesce(jsonb_agg(jsonb_build_object('line', r.line, 'column', r.problem, 'reason', r.reason)
                                          order by r.line) filter (where r.problem is not null), '[]'),
            'batch_id', v_batch_id
        )
        from unnest(v_plan) r
    ));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

-- Return what a batch of the caller did, with the first deals that it changed. The form is {"batch_id", "action", "undone", "created" and "changed": numbers of deals,
-- "deals": the first 200 changed ones as {"deal_id", "product_id", "title", "supplier", "before", "after"}}. Null if the
-- caller has no such batch. An undo removes what it has processed from the batch. Security definer, because no role may
-- use the batches. All statements therefore contain the id of the caller.
create function public.get_batch(p_batch_id uuid) returns jsonb
    language sql stable security definer set search_path = '' set timezone = 'UTC'
as $$
    select jsonb_build_object(
        'batch_id', b.id, 'action', b.action, 'undone', b.undone_at is not null,
        'created', (select count(*) from batching.deals r where r.batch_id = b.id and not r.before ? 'stage'),
        'changed', (select count(*) from batching.deals r where r.batch_id = b.id and r.before ? 'stage'),
        'deals', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'deal_id', c.deal_id, 'product_id', c.product_id, 'title', c.title, 'supplier', c.supplier,
                'before', c.before, 'after', c.after) order by c.title, c.deal_id), '[]')
            from (
                select r.deal_id, d.product_id, p.title, d.supplier, r.before, r.after
                from batching.deals r
                join public.deals d on d.id = r.deal_id and d.user_id = b.user_id
                join public.products p on p.id = d.product_id
                where r.batch_id = b.id and r.before ? 'stage'
                order by r.deal_id limit 200
            ) c
        )
    )
    from batching.batches b where b.id = p_batch_id and b.user_id = auth.uid()
$$;

comment on function private.deal_state is 'Return the values of a deal that an import writes.';
comment on function private.write_deals is
    'Insert new deals, change existing ones, and restore deleted ones.';
comment on function public.import_deals is
    'Import rows of a file in one transaction, or only report what they would change.';
comment on function public.get_batch is 'Return what a batch of the caller did, with the first deals that it changed.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.deal_state, private.write_deals, public.import_deals, public.get_batch
    from public, anon, authenticated, service_role;
grant execute on function public.import_deals
    to authenticated, service_role;
grant execute on function public.get_batch
    to authenticated;
