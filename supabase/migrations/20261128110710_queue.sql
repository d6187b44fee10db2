-- The queue: the products of one status, one after the other.

-- Return the first row that the query p_walk returns after the cursor and whose product has no active deal before it:
-- the sort key and id of the deal, and the product. p_walk sorts by created_at, newest first. The settings leave the
-- planner only the plan that stops at this row, even without statistics.
create function private.walk_products(
    p_walk text, p_user_id uuid, p_after_value text, p_after_id uuid,
    out key text, out id uuid, out product_id uuid
)
    language plpgsql stable
    set search_path = '' set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
    set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
    execute format(
        $query$
        select w.key::text, w.id, d.product_id
        from (%s) as w
        join public.deals d on d.id = w.id
        where not exists (
            select from public.deals n
            where n.product_id = d.product_id and n.active and (n.created_at, n.id) > (w.key, w.id)
        )
        order by w.key desc, w.id desc limit 1
        $query$,
        p_walk
    ) into key, id, product_id using p_user_id, true, p_after_value, p_after_id;
end
$$;

-- Return the next product of the caller with this status. The answer is {"product": document in the form of get_product,
-- "next": {"value", "id"}}, or nulls if there is none. The products are in the order of list_deals, newest deal first.
-- Each product comes once, at its newest active deal. Pass "next" as p_after_value and p_after_id to skip the product.
-- Products that get another status leave the queue, and the order of the others stays the same.
-- Without a cursor, one deal is read. With one, the older deals of the products before it are passed over, until the
-- next product is found. The time therefore does not depend on the size of the catalogue.
-- Raises PT400 for an unknown status and for a wrong cursor. Security definer, like list_deals: the queries contain the
-- id of the caller.
create function public.next_in_queue(
    p_asin_status text, p_after_value text default null, p_after_id uuid default null
) returns jsonb
    language plpgsql stable security definer set search_path = ''
as $$
declare
    v_user_id constant uuid := private.require_user();
    v_slices constant smallint[] := private.deal_slices(p_asin_status, null, null);
    v_found record;
begin
    if p_asin_status is null or v_slices = '{}' then
        raise sqlstate 'PT400' using
            message = 'Unknown status.', hint = 'One of asin_found, needs_selection, needs_asin, manual_entry.';
    end if;
    perform private.require_list(1, true, p_after_value, p_after_id, null);
    v_found := private.walk_products(
        private.deal_walk(private.deal_sort('-created_at'), v_slices), v_user_id, p_after_value, p_after_id
    );
    return jsonb_build_object(
        'product', public.get_product(v_found.product_id),
        'next', case when v_found.id is not null then
            jsonb_build_object('value', v_found.key, 'id', v_found.id) end
    );
exception
    -- Only the value of the cursor is converted to another type.
    when data_exception then
        raise sqlstate 'PT400' using
            message = 'The cursor does not belong to this queue.', hint = 'Start again from the first product.';
end
$$;

comment on function private.walk_products is
    'Return the first row that the query p_walk returns after the cursor and whose product has no active deal before '
    'it: the sort key and id of the deal, and the product.';
comment on function public.next_in_queue is 'Return the next product of the caller with this status.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.walk_products, public.next_in_queue
    from public, anon, authenticated, service_role;
grant execute on function public.next_in_queue
    to authenticated, service_role;
