-- Conditional changes: exactly once per idempotency key (draft-ietf-httpapi-idempotency-key-header-08), and only if the
-- client knows the current state (If-Match, RFC 9110 §13.1.1). Both conditions are checked in the transaction of the
-- change, under the lock of the user. A change without conditions does not use these functions.

-- The answers to changes with an idempotency key. They are kept for 24 hours.
create table private.idempotency_keys (
    user_id uuid not null references auth.users (id) on delete cascade,
    key text not null check (length(key) between 1 and 255),
    digest text not null check (length(digest) between 1 and 64),
    answer jsonb not null,
    created_at timestamptz not null default now(),
    primary key (user_id, key)
);
create index idempotency_keys_created_idx on private.idempotency_keys (created_at);
comment on table private.idempotency_keys is
    'The answers to changes with an idempotency key. They are kept for 24 hours.';
comment on column private.idempotency_keys.user_id is 'The user who made the change.';
comment on column private.idempotency_keys.key is 'The key that the client chose; unique for the user.';
comment on column private.idempotency_keys.digest is
    'A hash of the requested change. Another change with the same key is refused.';
comment on column private.idempotency_keys.answer is 'The answer of the changing function, without the stats.';
comment on column private.idempotency_keys.created_at is 'When the change was made.';
-- Only security definer functions use the table.
alter table private.idempotency_keys enable row level security;
revoke all on private.idempotency_keys from public, anon, authenticated, service_role;

-- Return how long a key is remembered.
create function private.key_lifetime() returns interval
    language sql immutable
    return interval '24 hours';
comment on function private.key_lifetime is 'Return how long a key is remembered.';

-- Return the recorded answer to the caller's change with this key, or null if there is none. Raises PT422 with the
-- detail "idempotency-key" if the key was used for another change. Security definer, because no role may read the
-- table.
create function private.recorded_answer(p_key text, p_digest text) returns jsonb
    language plpgsql security definer set search_path = ''
as $$
declare
    v_found private.idempotency_keys;
begin
    select * into v_found from private.idempotency_keys k
    where k.user_id = auth.uid() and k.key = p_key and k.created_at > now() - private.key_lifetime();
    if v_found.digest <> p_digest then
        raise sqlstate 'PT422' using
            message = 'This Idempotency-Key was used for another change; nothing was changed.',
            detail = 'idempotency-key';
    end if;
    return v_found.answer;
end
$$;
comment on function private.recorded_answer is
    'Return the recorded answer to the caller''s change with this key, or null if there is none.';

-- Record the answer to the caller's change with this key. A record that is older than the lifetime is replaced. Security
-- definer, because no role may write the table.
create function private.record_answer(p_key text, p_digest text, p_answer jsonb) returns void
    language plpgsql security definer set search_path = ''
as $$
begin
    insert into private.idempotency_keys as k (user_id, key, digest, answer)
    values (auth.uid(), p_key, p_digest, p_answer)
    on conflict (user_id, key) do update
        set digest = excluded.digest, answer = excluded.answer, created_at = excluded.created_at
        where k.created_at <= now() - private.key_lifetime();
end
$$;
comment on function private.record_answer is 'Record the answer to the caller''s change with this key.';

-- Raise PT412 if the product or deal of these arguments has none of the entity tags; the detail is its current one. The
-- tag * stands for any. What does not exist has no tag: the change itself reports it.
create function private.require_match(p_arguments jsonb, p_if_match text[]) returns void
    language plpgsql stable set search_path = ''
as $$
declare
    v_etag constant text := case
        when p_arguments ? 'p_product_id' then public.get_product((p_arguments ->> 'p_product_id')::uuid)
        else public.get_deal((p_arguments ->> 'p_deal_id')::uuid)
    end ->> 'etag';
begin
    if v_etag <> all (p_if_match) and '*' <> all (p_if_match) then
        raise sqlstate 'PT412' using
            message = 'It was changed meanwhile; nothing was changed now.', detail = v_etag;
    end if;
end
$$;
comment on function private.require_match is
    'Raise PT412 if the product or deal of these arguments has none of the entity tags; the detail is its current one.';

-- Call a function that changes rows under conditions, and return what it returns. A null condition is not checked.
-- With p_key, the answer is recorded together with the change. The same call then returns the recorded answer and
-- changes nothing; another call with this key raises PT422. p_digest stands for the function and its arguments. Answers
-- that nothing exists (null and false) are not recorded, and neither are errors: nothing was changed. With p_if_match,
-- the change is made only if the product or deal has one of these entity tags, else it raises PT412. An answer that is
-- recorded is returned first, because the change itself has made another entity tag.
create function public.change_if(
    p_function text, p_arguments jsonb, p_key text default null, p_digest text default null,
    p_if_match text[] default null
) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_recorded constant jsonb := private.recorded_answer(p_key, p_digest);
    v_result jsonb;
begin
    if v_recorded is not null then
        return private.with_stats(v_user_id, v_recorded);
    end if;
    if p_if_match is not null then
        perform private.require_match(p_arguments, p_if_match);
    end if;
    v_result := case p_function
        when 'create_product' then public.create_product(p_arguments -> 'p_product', p_arguments -> 'p_deal')
        when 'update_product' then
            public.update_product((p_arguments ->> 'p_product_id')::uuid, p_arguments -> 'p_changes')
        when 'update_deal' then public.update_deal((p_arguments ->> 'p_deal_id')::uuid, p_arguments -> 'p_changes')
        when 'delete_deal' then
            public.delete_deal((p_arguments ->> 'p_deal_id')::uuid, (p_arguments ->> 'p_hard')::boolean)
        when 'bulk_deals' then public.bulk_deals(
            p_arguments ->> 'p_action',
            array(select id::uuid from jsonb_array_elements_text(p_arguments -> 'p_deal_ids') as id),
            p_arguments ->> 'p_stage'
        )
    end;
    if v_result is null then
        raise sqlstate 'PT422' using message = 'This function does not take conditions.';
    end if;
    if p_key is not null and v_result -> 'answer' not in ('null', 'false') then
        perform private.record_answer(p_key, p_digest, v_result -> 'answer');
    end if;
    return v_result;
end
$$;
comment on function public.change_if is
    'Call a function that changes rows under conditions, and return what it returns.';

-- Remove the idempotency keys that are older than their lifetime: at most p_limit. Returns their number. Server-side
-- jobs (service_role) repeat the call until none is left. Security definer, because no role may write the table.
create function public.purge_idempotency_keys(p_limit integer default 10000) returns jsonb
    language plpgsql security definer set search_path = ''
as $$
declare
    v_removed bigint;
begin
    delete from private.idempotency_keys k
    where (k.user_id, k.key) in (
        select old.user_id, old.key from private.idempotency_keys old
        where old.created_at <= now() - private.key_lifetime()
        limit p_limit
    );
    get diagnostics v_removed = row_count;
    return jsonb_build_object('keys', v_removed);
end
$$;
comment on function public.purge_idempotency_keys is
    'Remove the idempotency keys that are older than their lifetime: at most p_limit.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.key_lifetime, private.recorded_answer, private.record_answer,
    private.require_match, public.change_if, public.purge_idempotency_keys
    from public, anon, authenticated, service_role;
grant execute on function private.recorded_answer, private.record_answer, private.require_match, public.change_if
    to authenticated;
grant execute on function public.purge_idempotency_keys
    to service_role;
