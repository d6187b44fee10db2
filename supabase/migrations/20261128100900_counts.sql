-- The number of deals in a list.

-- Return how many deals of the caller match these filters of list_deals, at most 10,001. The bound limits the time: the
-- entries of an index are counted, and 10,001 of them take a few milliseconds. Raises PT401 without a user. Security
-- definer, like list_deals, so that the index is used.
create function public.count_deals(
    p_asin_status text default null,
    p_stage text default null,
    p_favorite boolean default null,
    p_active boolean default true
) returns integer
    language plpgsql stable security definer set search_path = ''
as $$
declare
    v_user_id constant uuid := private.require_user();
    v_most constant integer := 10001;
    v_slices smallint[];
begin
    if num_nonnulls(p_asin_status, p_stage, p_favorite) = 0 then
        return (select count(*) from (
            select from public.deals d where d.user_id = v_user_id and d.active = p_active limit v_most
        ) as counted);
    end if;
    v_slices := private.deal_slices(p_asin_status, p_stage, p_favorite);
    return (select count(*) from (
        select from public.deals d
        where d.user_id = v_user_id and d.active = p_active and d.slice = any (v_slices) limit v_most
    ) as counted);
end
$$;
comment on function public.count_deals is
    'Return how many deals of the caller match these filters of list_deals, at most 10,001.';

revoke execute on function public.count_deals from public, anon, authenticated, service_role;
grant execute on function public.count_deals to authenticated, service_role;
