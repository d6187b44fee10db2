-- Batches: what one action changed in many deals, so that the action can be undone.
-- A batch has one row per changed deal, with the values before the action and after it. An undo writes the old values of
-- each deal that still has all the new ones.

-- The batches of the users. Only security definer functions may use this schema.
create schema batching;
comment on schema batching is 'The batches of the users. Only security definer functions may use it.';
revoke all on schema batching from public;

create table batching.batches (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    action text not null,
    made_at timestamptz not null default clock_timestamp(),
    undone_at timestamptz,
    restored integer not null default 0,
    skipped integer not null default 0,
    constraint batches_action_check
        check (action in ('delete', 'restore', 'move', 'favorite', 'unfavorite', 'import'))
);
create index batches_made_idx on batching.batches (made_at);

-- There is no foreign key to deals: a deal that was removed permanently stays in its batch and is skipped by an undo.
create table batching.deals (
    batch_id uuid not null references batching.batches (id) on delete cascade,
    deal_id uuid not null,
    before jsonb not null,
    after jsonb not null,
    primary key (batch_id, deal_id)
);

revoke all on batching.batches, batching.deals from public, anon, authenticated, service_role;

comment on table batching.batches is 'Actions on many deals that can be undone.';
comment on column batching.batches.id is 'Identifier of the batch.';
comment on column batching.batches.user_id is 'The user who acted.';
comment on column batching.batches.action is 'The action: delete, restore, move, favorite, unfavorite or import.';
comment on column batching.batches.made_at is 'Time of the action, or of its first step.';
comment on column batching.batches.undone_at is 'Time of the undo, or of its first step; null if it was not undone.';
comment on column batching.batches.restored is 'Number of deals that the undo has put back so far.';
comment on column batching.batches.skipped is 'Number of deals that the undo has left as they are so far.';
comment on table batching.deals is 'The deals that a batch changed. An undo removes the rows that it has processed.';
comment on column batching.deals.batch_id is 'The batch.';
comment on column batching.deals.deal_id is 'The deal.';
comment on column batching.deals.before is 'The old values of the columns that the undo writes.';
comment on column batching.deals.after is 'The values that a deal must still have to be put back.';

-- Open a batch, or check that p_batch_id is a batch of this action and user that was not undone. Returns its id. An
-- action in steps opens the batch in its first step. Raises PT404 for any other id. Security definer, because no role
-- may write the batches.
create function private.open_batch(p_user_id uuid, p_action text, p_batch_id uuid default null) returns uuid
    language plpgsql security definer set search_path = ''
as $$
declare
    v_id uuid;
begin
    perform counting.require_self(p_user_id);
    if p_batch_id is null then
        insert into batching.batches (user_id, action) values (p_user_id, p_action) returning id into v_id;
        return v_id;
    end if;
    select b.id into v_id from batching.batches b
    where b.id = p_batch_id and b.user_id = p_user_id and b.action = p_action and b.undone_at is null;
    if v_id is null then
        raise sqlstate 'PT404' using message = 'There is no such batch to continue; nothing was changed.';
    end if;
    return v_id;
end
$$;

-- Return the columns of a deal that a bulk action writes, with their new values.
create function private.bulk_values(p_action text, p_stage text) returns jsonb
    language sql immutable
    return case p_action
        when 'delete' then '{"active": false}'::jsonb
        when 'restore' then '{"active": true}'
        when 'move' then jsonb_build_object('stage', p_stage)
        when 'favorite' then '{"favorite": true}'
        when 'unfavorite' then '{"favorite": false}'
    end;

-- Record what a bulk action is about to change. Call it before the change. Deals that already have the new values are
-- omitted. Returns the batch, or null if no deal would change. p_batch_id continues a batch, as in open_batch. Security
-- definer, because no role may write the batches. The deals are therefore compared with the user.
create function private.record_bulk(
    p_user_id uuid, p_action text, p_stage text, p_deal_ids uuid[], p_batch_id uuid default null
) returns uuid
    language plpgsql security definer set search_path = '' set timezone = 'UTC'
as $$
declare
    v_values constant jsonb := private.bulk_values(p_action, p_stage);
    v_changing constant uuid[] := array(
        select d.id from public.deals d
        where d.id = any (p_deal_ids) and d.user_id = p_user_id and not to_jsonb(d) @> v_values
    );
    v_batch_id uuid := p_batch_id;
begin
    if p_batch_id is not null or cardinality(v_changing) > 0 then
        v_batch_id := private.open_batch(p_user_id, p_action, p_batch_id);
    end if;
    insert into batching.deals (batch_id, deal_id, before, after)
    select v_batch_id, d.id,
           (select jsonb_object_agg(k.name, to_jsonb(d) -> k.name) from jsonb_object_keys(v_values) as k (name))
               || case when v_values ? 'active' then jsonb_build_object('deleted_at', d.deleted_at) else '{}' end,
           v_values
    from public.deals d where d.id = any (v_changing)
    on conflict (batch_id, deal_id) do nothing;
    return v_batch_id;
end
$$;

-- Remove batches that are too old to be undone, with their rows: at most p_limit rows, oldest first. Returns {"rows":
-- number of removed rows}. Server-side jobs (service_role) repeat the call until none is left. Raises PT422 for an
-- invalid limit. Security definer, because no role may write the batches.
create function public.purge_batches(p_limit integer default 1000) returns jsonb
    language plpgsql security definer set search_path = ''
as $$
declare
    v_before constant timestamptz := now() - private.undo_window();
    v_deals bigint;
    v_batches bigint;
begin
    if p_limit is null or p_limit not between 1 and 10000 then
        raise sqlstate 'PT422' using message = 'p_limit must be 1 to 10000.';
    end if;
    with old as materialized (
        select d.batch_id, d.deal_id
        from (select b.id from batching.batches b where b.made_at < v_before order by b.made_at limit p_limit) b
        join batching.deals d on d.batch_id = b.id
        limit p_limit for update of d skip locked
    )
    delete from batching.deals d using old where d.batch_id = old.batch_id and d.deal_id = old.deal_id;
    get diagnostics v_deals = row_count;
    with old as materialized (
        select b.id from batching.batches b
        where b.made_at < v_before and not exists (select from batching.deals d where d.batch_id = b.id)
        order by b.made_at limit p_limit for update skip locked
    )
    delete from batching.batches b using old where b.id = old.id;
    get diagnostics v_batches = row_count;
    return jsonb_build_object('rows', v_deals + v_batches);
end
$$;

comment on function private.open_batch is
    'Open a batch, or check that p_batch_id is a batch of this action and user that was not undone.';
comment on function private.bulk_values is
    'Return the columns of a deal that a bulk action writes, with their new values.';
comment on function private.record_bulk is 'Record what a bulk action is about to change.';
comment on function public.purge_batches is
    'Remove batches that are too old to be undone, with their rows: at most p_limit rows, oldest first.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.open_batch, private.bulk_values, private.record_bulk, public.purge_batches
    from public, anon, authenticated, service_role;
grant execute on function private.open_batch, private.bulk_values, private.record_bulk
    to authenticated, service_role;
grant execute on function public.purge_batches
    to service_role;
