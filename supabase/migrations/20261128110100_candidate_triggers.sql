-- The triggers of candidates and identifiers: the number of open candidates of each product is always exact, and a new
-- UPC has a correct check digit.

create trigger candidates_lock before insert or update or delete on public.candidates
    for each statement execute function counting.lock_caller();
create trigger matches_lock before insert or update or delete on public.matches
    for each statement execute function counting.lock_caller();

-- Store the number of open candidates in the products that a statement concerns, under the locks of their users. Raises
-- a check violation if a product has more than 50 candidates. One query may change the table several times, so the
-- candidates are counted anew; see counters.
create function private.count_candidates(p_product_ids uuid[]) returns void
    language plpgsql set search_path = ''
    set plan_cache_mode = force_generic_plan
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_most constant integer := 50;
    v_users constant uuid[] := array(
        select distinct p.user_id from public.products p where p.id = any (p_product_ids)
    );
begin
    if (v_users <@ array[auth.uid()]) is not true then -- otherwise lock_caller has taken the lock
        perform counting.lock_users(v_users);
    end if;
    if exists (
        select from unnest(p_product_ids) as t (id)
        where (select count(*) from public.candidates c where c.product_id = t.id) > v_most
    ) then
        raise check_violation using
            message = 'A product has at most 50 candidates.', constraint = 'candidates_number_check';
    end if;
    update public.products p
    set open_candidates = n.open
    from (
        select t.id, (
            select count(*) from public.candidates c where c.product_id = t.id and not c.dismissed
        ) as open
        from unnest(p_product_ids) as t (id)
    ) n
    where p.id = n.id and p.open_candidates <> n.open;
end
$$;

-- Count the candidates of the products that this statement concerns. Security definer, because users may not write the
-- number.
create function private.candidates_changed() returns trigger
    language plpgsql security definer set search_path = ''
as $$
declare
    v_product_ids uuid[];
begin
    if tg_op = 'INSERT' then
        v_product_ids := array(select distinct a.product_id from added a);
    elsif tg_op = 'DELETE' then
        v_product_ids := array(select distinct r.product_id from removed r);
    else
        v_product_ids := array(select a.product_id from added a union select r.product_id from removed r);
    end if;
    if v_product_ids <> '{}' then
        perform private.count_candidates(v_product_ids);
    end if;
    return null;
end
$$;

-- Set the number of open candidates of all products to 0.
create function private.candidates_truncated() returns trigger
    language plpgsql security definer set search_path = ''
as $$
begin
    update public.products p set open_candidates = 0 where p.open_candidates <> 0;
    return null;
end
$$;

create trigger candidates_count_insert after insert on public.candidates
    referencing new table as added
    for each statement execute function private.candidates_changed();
create trigger candidates_count_update after update on public.candidates
    referencing old table as removed new table as added
    for each statement execute function private.candidates_changed();
create trigger candidates_count_delete after delete on public.candidates
    referencing old table as removed
    for each statement execute function private.candidates_changed();
create trigger candidates_count_truncate after truncate on public.candidates
    for each statement execute function private.candidates_truncated();

-- A new UPC needs a correct check digit. A stored one that is wrong stays until the user changes it.
create function private.refuse_check_digit() returns trigger
    language plpgsql set search_path = ''
as $$
begin
    raise check_violation using
        message = 'The UPC has a wrong check digit.', constraint = 'products_upc_check_digit';
end
$$;
create trigger products_check_digit_of_new after insert on public.products
    for each row when (not new.upc_is_valid) execute function private.refuse_check_digit();
create trigger products_check_digit after update of upc on public.products
    for each row when (not new.upc_is_valid and new.upc is distinct from old.upc)
    execute function private.refuse_check_digit();

comment on function private.count_candidates is
    'Store the number of open candidates in the products that a statement concerns, under the locks of their users.';
comment on function private.candidates_changed is 'Count the candidates of the products that this statement concerns.';
comment on function private.candidates_truncated is 'Set the number of open candidates of all products to 0.';
comment on function private.refuse_check_digit is 'A new UPC needs a correct check digit.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.count_candidates, private.candidates_changed, private.candidates_truncated,
    private.refuse_check_digit
    from public, anon, authenticated, service_role;
grant execute on function private.refuse_check_digit
    to authenticated, service_role;
