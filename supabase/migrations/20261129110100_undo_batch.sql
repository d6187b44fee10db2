-- Bulk actions record batches, and a batch can be undone for 30 days.

-- Apply one action to all of these deals, or to none of them. Answer: {"changed": number of different ids, "batch_id":
-- the batch to undo, or null if no deal was changed}. Deals that already have the wanted state are not updated. For
-- deleted deals, only the actions delete and restore are possible. Raises PT404 if an id is not that of a deal of the
-- caller. Raises PT410 if a deleted deal should be moved or marked, or if it was deleted too long ago to be restored. The
-- detail of both errors is the JSON array of the ids concerned.
create or replace function public.bulk_deals(p_action text, p_deal_ids uuid[], p_stage text default null) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_found uuid[];
    v_gone jsonb;
    v_batch_id uuid;
    v_constraint text;
begin
    perform private.require_bulk(p_action, p_deal_ids, p_stage);
    -- Deals that are found here still exist below, because begin_change blocks the other changes of the user.
    select coalesce(array_agg(d.id), '{}'),
           jsonb_agg(d.id order by d.id) filter (
               where case p_action
                   when 'delete' then false
                   when 'restore' then d.deleted_at < now() - private.undo_window()
                   else not d.active end
           )
    into v_found, v_gone
    from public.deals d where d.user_id = v_user_id and d.id = any (p_deal_ids);
    perform private.require_all(p_deal_ids, v_found);
    if v_gone is not null then
        raise sqlstate 'PT410' using
            message = case p_action
                when 'restore' then 'Some of these deals were deleted too long ago to be restored; nothing was changed.'
                else 'Some of these deals have been deleted; nothing was changed.' end,
            detail = v_gone::text;
    end if;
    v_batch_id := private.record_bulk(v_user_id, p_action, p_stage, v_found);
    perform private.write_bulk(p_action, p_stage, v_found);
    return private.with_stats(
        v_user_id, jsonb_build_object('changed', cardinality(v_found), 'batch_id', v_batch_id)
    );
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

-- Write what a bulk action changes. Deals that already have the wanted state are not updated.
create function private.write_bulk(p_action text, p_stage text, p_deal_ids uuid[]) returns void
    language plpgsql set search_path = ''
as $$
begin
    update public.deals d
    set active = case p_action when 'delete' then false when 'restore' then true else d.active end,
        deleted_at = case p_action when 'delete' then coalesce(d.deleted_at, now())
            when 'restore' then null else d.deleted_at end,
        stage = case p_action when 'move' then p_stage else d.stage end,
        favorite = case p_action when 'favorite' then true when 'unfavorite' then false else d.favorite end
    where d.id = any (p_deal_ids)
      and case p_action when 'delete' then d.active when 'restore' then not d.active
              when 'move' then d.stage <> p_stage when 'favorite' then not d.favorite else d.favorite end;
end
$$;

-- Put back the deals of one step of an undo. Returns the deals that were skipped, as an array of {"deal_id", "reason"}:
-- `gone` if the deal was removed permanently, `changed` if it does not have all the values that the batch left. Security
-- definer, because no role may use the batches. All statements therefore contain the user id.
create function private.restore_batch(p_user_id uuid, p_batch_id uuid, p_deal_ids uuid[]) returns jsonb
    language plpgsql security definer set search_path = '' set timezone = 'UTC'
as $$
declare
    v_restored uuid[];
    v_skipped jsonb;
begin
    perform counting.require_self(p_user_id);
    with old as materialized (
        select v.* from batching.deals r
        join public.deals d on d.id = r.deal_id and d.user_id = p_user_id
        cross join lateral jsonb_populate_record(d, r.before) v
        where r.batch_id = p_batch_id and r.deal_id = any (p_deal_ids) and to_jsonb(d) @> r.after
    ), restored as (
        update public.deals d
        set supplier = o.supplier, buy_cost = o.buy_cost, moq = o.moq, stage = o.stage, favorite = o.favorite,
            notes = o.notes, active = o.active,
            deleted_at = case when not o.active then coalesce(o.deleted_at, now()) end
        from old o where d.id = o.id
        returning d.id
    )
    select coalesce(array_agg(r.id), '{}') into v_restored from restored r;
    select coalesce(jsonb_agg(jsonb_build_object(
        'deal_id', s.id,
        'reason', case when exists (select from public.deals d where d.id = s.id and d.user_id = p_user_id)
            then 'changed' else 'gone' end
    ) order by s.id), '[]') into v_skipped
    from unnest(p_deal_ids) as s (id) where s.id <> all (v_restored);
    return v_skipped;
end
$$;

-- Undo one step of a batch: put back the next p_limit deals. The caller repeats the call until nothing remains. Undoing
-- again changes nothing. Answer: {"batch_id", "action", "restored" and "skipped": numbers of deals of all steps so far,
-- "skipped_deals": those of this step, at most 100, "remaining": whether a further step is needed}. Null if the caller
-- has no such batch. Raises PT410 after 30 days; the detail is a JSON array with the id of the batch.
-- Security definer, because no role may use the batches. All statements therefore contain the id of the caller. The
-- settings allow only index lookups; see counting.count_products.
create function public.undo_batch(p_batch_id uuid, p_limit integer default 1000) returns jsonb
    language plpgsql security definer set search_path = ''
    set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_batch batching.batches;
    v_step uuid[];
    v_skipped jsonb := '[]';
    v_constraint text;
begin
    if p_limit is null or p_limit not between 1 and 1000 then
        raise sqlstate 'PT422' using message = 'p_limit must be 1 to 1000.';
    end if;
    select * into v_batch from batching.batches b where b.id = p_batch_id and b.user_id = v_user_id;
    if v_batch.id is null then
        return private.with_stats(v_user_id, null);
    end if;
    if v_batch.made_at < now() - private.undo_window() then
        raise sqlstate 'PT410' using
            message = 'This action was made too long ago to be undone; nothing was changed.',
            detail = jsonb_build_array(v_batch.id)::text;
    end if;
    v_step := array(
        select r.deal_id from batching.deals r where r.batch_id = v_batch.id order by r.deal_id limit p_limit
    );
    if cardinality(v_step) > 0 then
        v_skipped := private.restore_batch(v_user_id, v_batch.id, v_step);
        delete from batching.deals r where r.batch_id = v_batch.id and r.deal_id = any (v_step);
        update batching.batches b
        set undone_at = coalesce(b.undone_at, clock_timestamp()),
            restored = b.restored + cardinality(v_step) - jsonb_array_length(v_skipped),
            skipped = b.skipped + jsonb_array_length(v_skipped)
        where b.id = v_batch.id
        returning * into v_batch;
    end if;
    return private.with_stats(v_user_id, jsonb_build_object(
        'batch_id', v_batch.id, 'action', v_batch.action, 'restored', v_batch.restored, 'skipped', v_batch.skipped,
        'skipped_deals', (
            select coalesce(jsonb_agg(s.deal order by s.place), '[]')
            from jsonb_array_elements(v_skipped) with ordinality as s (deal, place) where s.place <= 100
        ),
        'remaining', exists (select from batching.deals r where r.batch_id = v_batch.id)
    ));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

-- Call the function that makes a change and return its result. Raises PT422 for any other function. A function that is
-- to support keys and conditions needs a line here. Each line is a separate statement: PL/pgSQL plans a statement only
-- when it is reached.
create or replace function private.make_change(p_function text, p_arguments jsonb) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_product_id constant uuid := p_arguments ->> 'p_product_id';
    v_deal_id constant uuid := p_arguments ->> 'p_deal_id';
    v_remember constant boolean := coalesce((p_arguments ->> 'p_remember')::boolean, false);
begin
    case p_function
        when 'create_product' then
            return public.create_product(p_arguments -> 'p_product', p_arguments -> 'p_deal');
        when 'update_product' then
            return public.update_product(v_product_id, p_arguments -> 'p_changes');
        when 'update_deal' then
            return public.update_deal(v_deal_id, p_arguments -> 'p_changes');
        when 'delete_deal' then
            return public.delete_deal(v_deal_id, (p_arguments ->> 'p_hard')::boolean);
        when 'bulk_deals' then
            return public.bulk_deals(
                p_arguments ->> 'p_action',
                array(select jsonb_array_elements_text(p_arguments -> 'p_deal_ids'))::uuid[],
                p_arguments ->> 'p_stage'
            );
        when 'undo_batch' then
            return public.undo_batch(
                (p_arguments ->> 'p_batch_id')::uuid, (p_arguments ->> 'p_limit')::integer
            );
        when 'put_candidates' then
            return public.put_candidates(
                v_product_id, p_arguments -> 'p_candidates', (p_arguments ->> 'p_accept_single')::boolean
            );
        when 'decide_asin' then
            return public.decide_asin(v_product_id, p_arguments ->> 'p_asin', v_remember);
        when 'undo_decision' then
            return public.undo_decision((p_arguments ->> 'p_decision_id')::uuid);
        when 'merge_products' then
            return public.merge_products(v_product_id, (p_arguments ->> 'p_into')::uuid);
        when 'decide_many' then
            return public.decide_many(p_arguments -> 'p_rows', v_remember);
        when 'forget_match' then
            return public.forget_match(p_arguments ->> 'p_gtin', p_arguments ->> 'p_asin');
        else
            raise sqlstate 'PT422' using message = 'There is no such change.';
    end case;
end
$$;

comment on function private.write_bulk is 'Write what a bulk action changes.';
comment on function private.restore_batch is 'Put back the deals of one step of an undo.';
comment on function public.undo_batch is 'Undo one step of a batch: put back the next p_limit deals.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.write_bulk, private.restore_batch, public.undo_batch
    from public, anon, authenticated, service_role;
grant execute on function private.write_bulk, public.undo_batch
    to authenticated, service_role;
