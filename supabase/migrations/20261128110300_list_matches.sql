-- List what the user decided for identifiers and ASINs, and forget one decision.

-- Return one page of the matches of the caller, newest first. The form is {"items": [{"gtin", "asin", "verdict",
-- "created_at", "title"}], "next": {"created_at", "gtin", "asin"} | null}. The title is that of the product with this
-- identifier, or null. Pass "next" as p_after of the next call. A search finds matches whose GTIN or ASIN contains the
-- text, in any letter case. Raises PT401 without a user, and PT400 for an invalid limit or cursor.
-- Security definer, like list_deals, so that the indexes are used. All lookups therefore contain the user id. The
-- settings leave only the plan that stops at the end of the page.
create function public.list_matches(
    p_search text default null, p_limit integer default 50, p_after jsonb default null
) returns jsonb
    language plpgsql stable security definer
    set search_path = '' set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
    set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_user_id constant uuid := private.require_user();
    v_after public.matches;
begin
    if p_limit is null or p_limit not between 1 and 1000 then
        raise sqlstate 'PT400' using message = 'The limit must be between 1 and 1000.';
    end if;
    v_after := jsonb_populate_record(null::public.matches, coalesce(p_after, '{}'));
    if p_after is not null and num_nulls(v_after.created_at, v_after.gtin, v_after.asin) > 0 then
        raise sqlstate 'PT400' using message = 'p_after must have created_at, gtin and asin.';
    end if;
    return (
        with found as materialized (
            select m.created_at, m.gtin, m.asin, m.verdict
            from public.matches m
            where m.user_id = v_user_id
              and (m.created_at, m.gtin, m.asin) < (coalesce(v_after.created_at, 'infinity'),
                  coalesce(v_after.gtin, ''), coalesce(v_after.asin, ''))
              and (p_search is null or strpos(m.gtin, p_search) > 0 or strpos(m.asin, upper(p_search)) > 0)
            order by m.created_at desc, m.gtin desc, m.asin desc
            limit p_limit + 1
        ), page as materialized (
            select f.*, row_number() over () as place from found f
        )
        select jsonb_build_object(
            'items', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'gtin', f.gtin, 'asin', f.asin, 'verdict', f.verdict, 'created_at', f.created_at, 'title', (
                        select p.title
                        from (
                            select p.* from public.products p
                            where p.user_id = v_user_id and private.gtin(p.upc) = f.gtin offset 0
                        ) p
                        order by p.merged_into is not null, p.created_at, p.id limit 1
                    )
                ) order by f.place), '[]')
                from page f
                where f.place <= p_limit
            ),
            'next', (
                select jsonb_build_object('created_at', f.created_at, 'gtin', f.gtin, 'asin', f.asin) from page f
                where f.place = p_limit and exists (select from page as more where more.place > p_limit)
            )
        )
    );
exception
    -- Only the cursor is converted to another type.
    when data_exception then
        raise sqlstate 'PT400' using
            message = 'The cursor is not one of this list.', hint = 'Start again from the first page.';
end
$$;

-- Forget a match, so that it is no longer applied. Products keep the ASINs that it gave them. Answer: false if the
-- caller has no such match, else true.
create function public.forget_match(p_gtin text, p_asin text) returns jsonb
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
begin
    delete from public.matches m where m.user_id = v_user_id and m.gtin = p_gtin and m.asin = p_asin;
    return private.with_stats(v_user_id, to_jsonb(found));
end
$$;

comment on function public.list_matches is 'Return one page of the matches of the caller, newest first.';
comment on function public.forget_match is 'Forget a match, so that it is no longer applied.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function public.list_matches, public.forget_match
    from public, anon, authenticated, service_role;
grant execute on function public.list_matches, public.forget_match
    to authenticated, service_role;
