-- One action on all deals that match the filters of the list, in steps.

-- Apply an action to the next deals that match p_filter, at most p_limit, newest first. p_filter has the members
-- "asin_status", "stage", "favorite" and "search" of list_deals; null or a missing member matches every deal. `restore`
-- applies to deleted deals that can still be restored, and the other actions to active deals. The first step opens a
-- batch; each further step gets the batch and the position of the step before. Deals that were added after the first
-- step are newer than its position, so the steps come to an end. Answer: {"changed": number of deals of this step,
-- "batch_id", "next": {"value", "id"} | null}. Raises PT422 for an invalid action or filter, PT400 for an invalid
-- position, and PT404 for a batch that cannot be continued.
create function public.bulk_matching(
    p_action text,
    p_stage text default null,
    p_filter jsonb default '{}',
    p_after_value text default null,
    p_after_id uuid default null,
    p_batch_id uuid default null,
    p_limit integer default 1000
) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_page jsonb;
    v_ids uuid[];
    v_batch_id uuid;
    v_constraint text;
begin
    perform private.require_bulk(p_action, array['00000000-0000-0000-0000-000000000000'::uuid], p_stage);
    v_page := public.list_deals(
        p_filter ->> 'asin_status', p_filter ->> 'stage', (p_filter ->> 'favorite')::boolean, p_filter ->> 'search',
        '-created_at', p_limit, p_after_value, p_after_id, p_action <> 'restore'
    );
    v_ids := array(
        select (i ->> 'id')::uuid from jsonb_array_elements(v_page -> 'items') as i
        where p_action <> 'restore' or (i ->> 'deleted_at')::timestamptz >= now() - private.undo_window()
    );
    v_batch_id := private.open_batch(v_user_id, p_action, p_batch_id);
    perform private.record_bulk(v_user_id, p_action, p_stage, v_ids, v_batch_id);
    perform private.write_bulk(p_action, p_stage, v_ids);
    return private.with_stats(v_user_id, jsonb_build_object(
        'changed', cardinality(v_ids), 'batch_id', v_batch_id, 'next', v_page -> 'next'
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
        when 'bulk_matching' then
            return public.bulk_matching(
                p_arguments ->> 'p_action', p_arguments ->> 'p_stage', p_arguments -> 'p_filter',
                p_arguments ->> 'p_after_value', (p_arguments ->> 'p_after_id')::uuid,
                (p_arguments ->> 'p_batch_id')::uuid, (p_arguments ->> 'p_limit')::integer
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

comment on function public.bulk_matching is
    'Apply an action to the next deals that match p_filter, at most p_limit, newest first.';

revoke execute on function public.bulk_matching from public, anon, authenticated, service_role;
grant execute on function public.bulk_matching to authenticated, service_role;
