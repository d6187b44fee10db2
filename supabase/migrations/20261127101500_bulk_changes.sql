-- Change many deals in one transaction. The answer is returned in the envelope of private.with_stats.

-- Validate the arguments of bulk_deals before anything is changed. Raises PT422.
create function private.require_bulk(p_action text, p_deal_ids uuid[], p_stage text) returns void
    language plpgsql immutable set search_path = ''
as $$
begin
    if p_action is null or p_action not in ('delete', 'restore', 'move', 'favorite', 'unfavorite') then
        raise sqlstate 'PT422' using
            message = 'Unknown action.', hint = 'One of delete, restore, move, favorite, unfavorite.';
    end if;
    if coalesce(cardinality(p_deal_ids), 0) not between 1 and 1000 or array_position(p_deal_ids, null) is not null then
        raise sqlstate 'PT422' using message = 'Between 1 and 1000 deal ids are needed.';
    end if;
    if (p_action = 'move') <> (p_stage is not null) then
        raise sqlstate 'PT422' using message = 'p_stage is required for the action move and not allowed for others.';
    end if;
end
$$;

-- Raise PT404 with the JSON array of the ids that were not found.
create function private.require_all(p_wanted uuid[], p_found uuid[]) returns void
    language plpgsql immutable set search_path = ''
as $$
declare
    v_missing jsonb;
begin
    select jsonb_agg(missing.id) into v_missing
    from (select unnest(p_wanted) except select unnest(p_found)) as missing (id);
    if v_missing is not null then
        raise sqlstate 'PT404' using
            message = 'Some of these deals do not exist; nothing was changed.', detail = v_missing::text;
    end if;
end
$$;

-- Apply one action to all of these deals, or to none of them. Answer: {"changed": number of different ids}. Deals that
-- already have the wanted state are not updated. For deleted deals, only the actions delete and restore are possible.
-- Raises PT404 if an id is not that of a deal of the caller. Raises PT410 if a deleted deal should be moved or marked,
-- or if it was deleted too long ago to be restored. The detail of both errors is the JSON array of the ids concerned.
create function public.bulk_deals(p_action text, p_deal_ids uuid[], p_stage text default null) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_found uuid[];
    v_gone jsonb;
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
    update public.deals d
    set active = case p_action when 'delete' then false when 'restore' then true else d.active end,
        deleted_at = case p_action when 'delete' then coalesce(d.deleted_at, now())
            when 'restore' then null else d.deleted_at end,
        stage = case p_action when 'move' then p_stage else d.stage end,
        favorite = case p_action when 'favorite' then true when 'unfavorite' then false else d.favorite end
    where d.id = any (v_found)
      and case p_action when 'delete' then d.active when 'restore' then not d.active
              when 'move' then d.stage <> p_stage when 'favorite' then not d.favorite else d.favorite end;
    return private.with_stats(v_user_id, jsonb_build_object('changed', cardinality(v_found)));
exception
    when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.require_bulk, private.require_all, public.bulk_deals
    from public, anon, authenticated, service_role;
grant execute on function private.require_bulk, private.require_all, public.bulk_deals
    to authenticated, service_role;
