-- The values that a decision about an ASIN changes, and the record of decisions.
-- A decision stores the old and the new value of everything that it changed. An undo writes the old values only if all
-- new values are still there.

-- Return the values that a decision may change, as one object. The members: "asin" and "multiple_asins" of the product,
-- "candidate …" with the dismissed mark of each candidate, and "match …" with each match of the identifier p_gtin. Times
-- are in UTC, so that equal times are equal texts in all sessions.
create function private.decision_state(p_user_id uuid, p_product_id uuid, p_gtin text) returns jsonb
    language plpgsql stable set search_path = '' set timezone = 'UTC'
as $$
begin
    return (
        select jsonb_build_object('asin', p.asin, 'multiple_asins', p.multiple_asins)
        from public.products p where p.id = p_product_id and p.user_id = p_user_id
    ) || (
        select coalesce(jsonb_object_agg('candidate ' || c.asin, c.dismissed), '{}')
        from public.candidates c where c.product_id = p_product_id and c.user_id = p_user_id
    ) || (
        select coalesce(jsonb_object_agg('match ' || m.asin, jsonb_build_array(m.verdict, m.created_at)), '{}')
        from public.matches m where m.user_id = p_user_id and m.gtin = p_gtin
    );
end
$$;

-- Return the members of p_object whose values are different in p_other. A member of p_other that is missing in p_object
-- is returned with the value null.
create function private.changed_members(p_object jsonb, p_other jsonb) returns jsonb
    language sql immutable
    return (
        select coalesce(jsonb_object_agg(k.key, coalesce(p_object -> k.key, 'null')), '{}')
        from jsonb_object_keys(p_object || p_other) as k (key)
        where p_object -> k.key is distinct from p_other -> k.key
    );

-- Record a decision. It is later than all decisions about the product, also if the clock is coarse or was set back.
create function private.record_decision(
    p_user_id uuid, p_product_id uuid, p_kind text, p_asin text, p_other_product_id uuid, p_remembered boolean,
    p_before jsonb
) returns void
    language plpgsql set search_path = ''
as $$
begin
    insert into deciding.decisions (
        user_id, product_id, kind, asin, other_product_id, remembered, before, made_at
    )
    select p_user_id, p_product_id, p_kind, p_asin, p_other_product_id, p_remembered, p_before,
        greatest(clock_timestamp(), max(d.made_at) + interval '1 microsecond')
    from deciding.decisions d where d.product_id = p_product_id;
end
$$;

-- Return the latest decision about the product that has not been undone, or a row of nulls. It is the only one that can
-- be undone.
create function private.last_decision(p_user_id uuid, p_product_id uuid) returns deciding.decisions
    language plpgsql stable set search_path = ''
as $$
declare
    v_decision deciding.decisions;
begin
    select * into v_decision from deciding.decisions d
    where d.product_id = p_product_id and d.user_id = p_user_id and d.undone_at is null
    order by d.made_at desc, d.id limit 1;
    return v_decision;
end
$$;

-- Return the last 50 decisions about a product of the caller, newest first. The answer is a JSON array of {"id", "kind",
-- "asin", "other_product_id", "remembered", "made_at", "undone_at", "can_undo"}. It is empty if the caller has no such
-- product. Security definer, because no role may read the decisions.
create function private.history_of(p_product_id uuid) returns jsonb
    language plpgsql stable security definer set search_path = ''
as $$
declare
    v_last constant deciding.decisions := private.last_decision(auth.uid(), p_product_id);
begin
    return (
        select coalesce(jsonb_agg(
            jsonb_build_object(
                'id', d.id, 'kind', d.kind, 'asin', d.asin, 'other_product_id', d.other_product_id,
                'remembered', d.remembered, 'made_at', d.made_at, 'undone_at', d.undone_at,
                'can_undo', d.id is not distinct from v_last.id and d.made_at >= now() - private.undo_window()
            ) order by d.made_at desc, d.id
        ), '[]')
        from (
            select * from deciding.decisions d
            where d.product_id = p_product_id and d.user_id = auth.uid()
            order by d.made_at desc, d.id limit 50
        ) d
    );
end
$$;

comment on function private.decision_state is 'Return the values that a decision may change, as one object.';
comment on function private.changed_members is
    'Return the members of p_object whose values are different in p_other.';
comment on function private.record_decision is 'Record a decision.';
comment on function private.last_decision is
    'Return the latest decision about the product that has not been undone, or a row of nulls.';
comment on function private.history_of is
    'Return the last 50 decisions about a product of the caller, newest first.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.decision_state, private.changed_members, private.record_decision,
    private.last_decision, private.history_of
    from public, anon, authenticated, service_role;
grant execute on function private.history_of
    to authenticated, service_role;
