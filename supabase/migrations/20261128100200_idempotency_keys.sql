-- The answers to changes that were sent with an idempotency key. A client that does not know whether its change was
-- made sends it again with the same key, and gets the stored answer.

-- No role may use this schema. Its table has no row level security: only security definer functions read and write it.
create schema idempotency;
revoke all on schema idempotency from public;

create table idempotency.answers (
    user_id uuid not null references auth.users (id) on delete cascade,
    key text not null,
    digest bytea not null,
    answer jsonb not null,
    created_at timestamptz not null default now(),
    primary key (user_id, key)
);

-- The purge reads this index.
create index answers_created_idx on idempotency.answers (created_at);

revoke all on idempotency.answers from public, anon, authenticated, service_role;

-- Return how long the answer to a change with an idempotency key is kept.
create function private.retry_window() returns interval
    language sql immutable
    return interval '24 hours';

-- Return the stored answer to the change with this key, or null if there is none. Raises PT422 if the key was used for
-- another change: one with another digest. The caller must hold the lock of the user; else two requests with the same
-- key could both find no answer. Security definer, because no role may read the answers.
create function private.find_answer(p_user_id uuid, p_key text, p_digest bytea) returns jsonb
    language plpgsql security definer set search_path = ''
as $$
declare
    v_found idempotency.answers;
begin
    perform counting.require_self(p_user_id);
    select * into v_found from idempotency.answers a
    where a.user_id = p_user_id and a.key = p_key and a.created_at > now() - private.retry_window();
    if v_found.digest <> p_digest then
        raise sqlstate 'PT422' using
            message = 'This idempotency key was already used for another change; nothing was changed.',
            detail = 'idempotency_key_reused',
            hint = 'Use a new key for each change, and the same key only to repeat it.';
    end if;
    return v_found.answer;
end
$$;

-- Store the answer to a change with a key. An older answer with this key is replaced: find_answer has not returned it,
-- so its time is over. Security definer, because no role may write the answers.
create function private.store_answer(p_user_id uuid, p_key text, p_digest bytea, p_answer jsonb) returns void
    language plpgsql security definer set search_path = ''
as $$
begin
    perform counting.require_self(p_user_id);
    insert into idempotency.answers as a (user_id, key, digest, answer)
    values (p_user_id, p_key, p_digest, p_answer)
    on conflict (user_id, key) do update
        set digest = excluded.digest, answer = excluded.answer, created_at = excluded.created_at;
end
$$;

-- Remove answers that are older than the retry window: at most p_limit, oldest first. Returns {"keys": number of
-- removed answers}. Server-side jobs (service_role) repeat the call until none is left. Raises PT422 for an invalid limit.
-- Security definer, because no role may write the answers.
create function public.purge_idempotency_keys(p_limit integer default 1000) returns jsonb
    language plpgsql security definer set search_path = ''
as $$
declare
    v_removed bigint;
begin
    if p_limit is null or p_limit not between 1 and 10000 then
        raise sqlstate 'PT422' using message = 'p_limit must be 1 to 10000.';
    end if;
    -- The row locks check the age again, because a change may have replaced the answer.
    with old as materialized (
        select a.user_id, a.key from idempotency.answers a
        where a.created_at <= now() - private.retry_window()
        order by a.created_at limit p_limit for update skip locked
    )
    delete from idempotency.answers a using old where a.user_id = old.user_id and a.key = old.key;
    get diagnostics v_removed = row_count;
    return jsonb_build_object('keys', v_removed);
end
$$;

comment on schema idempotency is
    'The answers to changes with an idempotency key. Only security definer functions may use them.';
comment on table idempotency.answers is 'The answers to changes that were sent with an idempotency key.';
comment on column idempotency.answers.user_id is 'The user who made the change.';
comment on column idempotency.answers.key is 'The idempotency key: 1 to 255 visible ASCII characters.';
comment on column idempotency.answers.digest is 'SHA-256 of the change: its function, arguments and condition.';
comment on column idempotency.answers.answer is 'The answer of the function that made the change.';
comment on column idempotency.answers.created_at is 'Time of the change.';
comment on function private.retry_window is
    'Return how long the answer to a change with an idempotency key is kept.';
comment on function private.find_answer is
    'Return the stored answer to the change with this key, or null if there is none.';
comment on function private.store_answer is 'Store the answer to a change with a key.';
comment on function public.purge_idempotency_keys is
    'Remove answers that are older than the retry window: at most p_limit, oldest first.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.retry_window, private.find_answer, private.store_answer,
    public.purge_idempotency_keys
    from public, anon, authenticated, service_role;
grant execute on function private.retry_window, private.find_answer, private.store_answer
    to authenticated, service_role;
grant execute on function public.purge_idempotency_keys
    to service_role;
