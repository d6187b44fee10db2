-- Changes with an idempotency key or an If-Match condition. Changes without them call the functions of `changes` and
-- `bulk_changes` directly.

-- Return the entity tag of the product or deal that a change names, or null if there is none to compare. There is none
-- for a change that names no product or deal, or an unknown one, and for an update of a deleted deal: those are
-- answered as if there were no condition (RFC 9110, section 13.2.1).
create function private.current_etag(p_user_id uuid, p_function text, p_arguments jsonb) returns text
    language plpgsql set search_path = ''
as $$
declare
    v_document constant jsonb := case
        when p_function = 'update_product' then public.get_product((p_arguments ->> 'p_product_id')::uuid)
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

-- Raise PT412 with the current entity tag if it is not in p_if_match. The entry * matches every tag. Without a
-- condition (null), and without a current tag, nothing is raised.
create function private.require_match(p_if_match text[], p_etag text) returns void
    language plpgsql immutable set search_path = ''
as $$
begin
    -- The comparison with an empty array is true, also for a null.
    if p_etag is not null and p_etag <> all (p_if_match) and '*' <> all (p_if_match) then
        raise sqlstate 'PT412' using
            message = 'It was changed after you read it; nothing was changed.',
            detail = p_etag,
            hint = 'Read it again, and repeat the change with the new ETag.';
    end if;
end
$$;

-- Call the function that makes a change and return its result. Raises PT422 for any other function. A function that is
-- to support keys and conditions needs a line here.
create function private.make_change(p_function text, p_arguments jsonb) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_result constant jsonb := case p_function
        when 'create_product' then public.create_product(p_arguments -> 'p_product', p_arguments -> 'p_deal')
        when 'update_product' then
            public.update_product((p_arguments ->> 'p_product_id')::uuid, p_arguments -> 'p_changes')
        when 'update_deal' then public.update_deal((p_arguments ->> 'p_deal_id')::uuid, p_arguments -> 'p_changes')
        when 'delete_deal' then
            public.delete_deal((p_arguments ->> 'p_deal_id')::uuid, (p_arguments ->> 'p_hard')::boolean)
        when 'bulk_deals' then public.bulk_deals(
            p_arguments ->> 'p_action',
            array(select jsonb_array_elements_text(p_arguments -> 'p_deal_ids'))::uuid[],
            p_arguments ->> 'p_stage'
        )
    end;
begin
    if v_result is null then
        raise sqlstate 'PT422' using message = 'There is no such change.';
    end if;
    return v_result;
end
$$;

-- Make a change at most once, and only if its condition holds. p_function is the function that makes the change and
-- p_arguments are its arguments by name. Returns the result of this function.
-- With a key, the answer is stored in the transaction of the change. If the key is sent again within the retry window,
-- the stored answer is returned with the current stats, and nothing is changed. An answer that nothing was found (null
-- or false) is not stored, and a refusal is rolled back: such a request is judged anew.
-- p_if_match contains the entity tags that the product or deal may have now, or *. A repeated change is not compared
-- again, because the change itself has changed the tag.
-- Raises PT412 if no tag matches, PT422 if the key is invalid or was used for another change, and what the function
-- raises. The function runs with the rights of the caller, under row level security.
create function public.conditional_change(
    p_function text, p_arguments jsonb, p_key text default null, p_if_match text[] default null
) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    -- Equal changes have equal digests: jsonb has one text form, whatever the order of the members was.
    v_digest constant bytea := sha256(
        convert_to(jsonb_build_array(p_function, p_arguments, to_jsonb(p_if_match))::text, 'UTF8')
    );
    v_answer jsonb;
    v_result jsonb;
begin
    if p_key !~ '^[\x21-\x7e]{1,255}$' then
        raise sqlstate 'PT422' using message = 'A key has 1 to 255 visible ASCII characters.';
    end if;
    v_answer := private.find_answer(v_user_id, p_key, v_digest);
    if v_answer is not null then
        return private.with_stats(v_user_id, v_answer);
    end if;
    perform private.require_match(p_if_match, private.current_etag(v_user_id, p_function, p_arguments));
    v_result := private.make_change(p_function, p_arguments);
    if p_key is not null and v_result -> 'answer' not in ('null', 'false') then
        perform private.store_answer(v_user_id, p_key, v_digest, v_result -> 'answer');
    end if;
    return v_result;
end
$$;

comment on function private.current_etag is
    'Return the entity tag of the product or deal that a change names, or null if there is none to compare.';
comment on function private.require_match is
    'Raise PT412 with the current entity tag if it is not in p_if_match.';
comment on function private.make_change is 'Call the function that makes a change and return its result.';
comment on function public.conditional_change is 'Make a change at most once, and only if its condition holds.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.current_etag, private.require_match, private.make_change,
    public.conditional_change
    from public, anon, authenticated, service_role;
grant execute on function private.current_etag, private.require_match, private.make_change,
    public.conditional_change
    to authenticated, service_role;
