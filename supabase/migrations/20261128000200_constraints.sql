-- What app/products/schemas.py promises of each value holds for every row, also for one that a user writes past the
-- application: through PostgREST, with their own token. tests/test_database_rules.py compares the two.

-- A text without the white space at its ends, as the application stores it. The characters are those that Unicode calls
-- White_Space. They are spelled out, because what a regular expression calls a space depends on the locale.
create function private.trimmed(p_text text) returns text
    language sql immutable parallel safe
    return btrim(
        p_text,
        e'\t\n\u000b\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a'
        '\u2028\u2029\u202f\u205f\u3000'
    );
revoke execute on function private.trimmed(text) from public, anon;
grant execute on function private.trimmed(text) to authenticated, service_role;

-- "not valid": rows that are there already and break a rule do not stop this migration. They can be read, removed for
-- good, and corrected; any other change of them is refused like a new row.
alter table public.products
    add constraint products_title_trimmed check (title = private.trimmed(title)) not valid,
    add constraint products_brand_trimmed check (brand = private.trimmed(brand)) not valid;

-- Fractions of a cent are no matter for a rule: numeric(12, 2) has rounded them before any rule is asked.
alter table public.deals
    drop constraint deals_buy_cost_check,
    drop constraint deals_moq_check,
    -- NaN is a numeric and is "greater" than any number.
    add constraint deals_buy_cost_check check (buy_cost between 0 and 1000000) not valid,
    add constraint deals_moq_check check (moq between 1 and 1000000) not valid,
    add constraint deals_supplier_trimmed check (supplier = private.trimmed(supplier)) not valid,
    add constraint deals_notes_trimmed check (notes = private.trimmed(notes)) not valid,
    -- A deal that is deleted in the future could be restored for longer than others, and would never be purged. A row that
    -- keeps this rule keeps it for ever, as time goes on. Not now(): that is when the transaction began, and a deal that
    -- another one deleted since then must not become unchangeable. The minute is for clocks that are set back.
    add constraint deals_deleted_at_check check (deleted_at <= clock_timestamp() + interval '1 minute') not valid;

-- Where no row breaks a rule, it is known to hold for all of them.
do $$
declare
    v_rule record;
begin
    for v_rule in
        select c.conrelid::regclass as on_table, c.conname as name from pg_constraint c
        where not c.convalidated and c.conrelid in ('public.products'::regclass, 'public.deals'::regclass)
    loop
        begin
            execute format('alter table %s validate constraint %I', v_rule.on_table, v_rule.name);
        exception
            when check_violation then
                raise warning 'There are rows of % that break %.', v_rule.on_table, v_rule.name;
        end;
    end loop;
end
$$;

-- As before, but a rule that the deal breaks since before it was made is a refusal like others (PT422).
create or replace function public.delete_deal(p_deal_id uuid, p_hard boolean default false) returns boolean
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.begin_change();
    v_deal public.deals;
    v_constraint text;
begin
    select * into v_deal from public.deals d where d.id = p_deal_id and d.user_id = v_user_id;
    if v_deal.id is null then
        return false;
    end if;
    if p_hard then
        delete from public.deals d where d.id = v_deal.id;
        delete from public.products p
        where p.id = v_deal.product_id
          and not exists (select from public.deals d where d.product_id = p.id);
    else
        update public.deals d set active = false, deleted_at = now() where d.id = v_deal.id and d.active;
    end if;
    return true;
exception
    when integrity_constraint_violation then
        get stacked diagnostics v_constraint = constraint_name;
        perform private.refuse(v_constraint, sqlerrm);
end
$$;
