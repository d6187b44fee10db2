-- The deleted deals of a user, the last deleted ones first.

create index deals_trash_idx on public.deals (user_id, deleted_at, id) where not active;

-- Return one page of the deleted deals of the caller, the last deleted ones first: {"items": […], "next": {"value", "id"}
-- | null}, as list_deals does. Pass "next" as p_after_value and p_after_id of the next call. The rows of a page are read
-- from the index, so the time does not depend on the length of the list. Raises PT400 for an invalid limit or position.
create function public.list_trash(p_limit integer default 50, p_after_value text default null, p_after_id uuid default null)
    returns jsonb
    language plpgsql stable set search_path = ''
    set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
as $$
declare
    v_user_id constant uuid := private.require_user();
    v_page jsonb;
begin
    perform private.require_list(p_limit, false, p_after_value, p_after_id, null);
    with page as materialized (
        select row_number() over () as place, f.* from (
            select d.* from public.deals d
            where d.user_id = v_user_id and not d.active
              and (p_after_value is null or (d.deleted_at, d.id) < (p_after_value::timestamptz, p_after_id))
            order by d.deleted_at desc, d.id desc limit p_limit + 1
        ) f
    )
    select jsonb_build_object(
        'items', (
            select coalesce(jsonb_agg(private.deal_item_of(v_user_id, page.id) order by page.place), '[]')
            from page where page.place <= p_limit
        ),
        'next', (
            select jsonb_build_object('value', page.deleted_at, 'id', page.id) from page
            where page.place = p_limit and exists (select from page as more where more.place > p_limit)
        )
    ) into v_page;
    return v_page;
exception
    when data_exception then
        raise sqlstate 'PT400' using
            message = 'The cursor does not belong to this list.', hint = 'Start again from the first page.';
end
$$;

comment on function public.list_trash is
    'Return one page of the deleted deals of the caller, the last deleted ones first: {"items": […], "next": {"value", '
    '"id"} | null}, as list_deals does.';

revoke execute on function public.list_trash from public, anon, authenticated, service_role;
grant execute on function public.list_trash to authenticated, service_role;
