-- Idempotency keys and If-Match conditions for the changes of candidates, decisions and matches.

-- Return the entity tag of the product or deal that a change names, or null if there is none to compare. There is none
-- for a change that names no product or deal, or an unknown one, and for an update of a deleted deal: those are
-- answered as if there were no condition (RFC 9110, section 13.2.1). merge_products names the product that is merged.
create or replace function private.current_etag(p_user_id uuid, p_function text, p_arguments jsonb) returns text
    language plpgsql set search_path = ''
as $$
declare
    v_document constant jsonb := case
        when p_function in ('update_product', 'put_candidates', 'decide_asin', 'merge_products')
            then public.get_product((p_arguments ->> 'p_product_id')::uuid)
        when p_function in ('update_deal', 'delete_deal')
            then private.deal_item_of(p_user_id, (p_arguments ->> 'p_deal_id')::uuid)
    end;
begin
    if p_function = 'update_deal' and v_document -> 'active' = 'false' then
        return null;
    end if;
    return v_document ->> 'etag';
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
