-- The tables products and deals, with their constraints and unique indexes.
-- Every limit in app/products/schemas.py also holds in the database, because users can write through PostgREST with
-- their own token. tests/test_database_rules.py compares both.

-- Return whether the text is an ASIN. The constraint, the status and the functions all use this rule. Placeholders such
-- as PENDING_… and Unknown… are stored in the same column but are not ASINs.
create function private.is_asin(p_asin text) returns boolean
    language sql immutable
    return p_asin ~ '^[A-Z0-9]{10}$';

-- Return the text without white space at both ends, as the application stores it. The characters are those with the
-- Unicode property White_Space. They are listed because a regular expression depends on the locale.
create function private.trimmed(p_text text) returns text
    language sql immutable parallel safe
    return btrim(
        p_text,
        e'\t\n\u000b\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a'
        '\u2028\u2029\u202f\u205f\u3000'
    );

-- Return the stages of a deal. Add a new stage at the end: the positions of the others are stored in deals.slice.
create function private.deal_stages() returns text[]
    language sql immutable
    return array['new', 'researching', 'contacted', 'ordered', 'received', 'rejected'];

-- Return the number of the slice: one for each combination of status, stage and favorite mark.
create function private.deal_slice(p_asin_status text, p_stage text, p_favorite boolean) returns smallint
    language sql immutable
    return (
        8 * array_position(private.deal_stages(), p_stage)
        + 2 * array_position(array['asin_found', 'needs_selection', 'needs_asin', 'manual_entry'], p_asin_status)
        + p_favorite::integer - 2
    )::smallint;

create table public.products (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
    asin text,
    upc text,
    title text not null,
    brand text not null default '',
    multiple_asins boolean not null default false,
    -- Generated, so that the status always agrees with the other columns.
    asin_status text not null generated always as (
        case
            when private.is_asin(asin) then 'asin_found'
            when multiple_asins then 'needs_selection'
            when upc is not null then 'needs_asin'
            else 'manual_entry'
        end
    ) stored,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint products_asin_check check (
        private.is_asin(asin) or (asin ~ '^(PENDING_|Unknown)' and length(asin) <= 100)
    ),
    constraint products_upc_check check (upc ~ '^[0-9]{8,14}$'),
    constraint products_title_check check (length(title) between 1 and 500),
    constraint products_title_trimmed check (title = private.trimmed(title)),
    constraint products_brand_check check (length(brand) <= 200),
    constraint products_brand_trimmed check (brand = private.trimmed(brand)),
    -- The id alone is unique. The foreign key of deals needs this key, because it has both columns.
    constraint products_id_user_key unique (id, user_id)
);

create table public.deals (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
    product_id uuid not null,
    supplier text not null default '',
    buy_cost numeric(12, 2),
    moq integer,
    stage text not null default 'new',
    favorite boolean not null default false,
    notes text not null default '',
    active boolean not null default true,
    deleted_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- Copies of columns of the product, because one index cannot cover two tables. Triggers keep the copies current.
    -- Users may not write them.
    asin_status text not null default 'manual_entry',
    title_key text not null default '',
    slice smallint generated always as (private.deal_slice(asin_status, stage, favorite)) stored,
    -- The key has both columns, because foreign key checks bypass row level security. With product_id alone, a user
    -- could attach a deal to a product of another user.
    constraint deals_product_fkey foreign key (product_id, user_id)
        references public.products (id, user_id) on delete cascade,
    constraint deals_supplier_check check (length(supplier) <= 200),
    constraint deals_supplier_trimmed check (supplier = private.trimmed(supplier)),
    -- The upper bound also excludes NaN, because PostgreSQL sorts NaN above every number. Fractions of a cent need no
    -- rule: numeric(12, 2) rounds them before the constraint is checked.
    constraint deals_buy_cost_check check (buy_cost between 0 and 1000000),
    constraint deals_moq_check check (moq between 1 and 1000000),
    constraint deals_stage_check check (stage = any (private.deal_stages())),
    constraint deals_notes_check check (length(notes) <= 5000),
    constraint deals_notes_trimmed check (notes = private.trimmed(notes)),
    constraint deals_deletion_check check (active = (deleted_at is null)),
    -- With a deletion time in the future, a deal could be restored for longer than 30 days. The limit is
    -- clock_timestamp() and not now(), which is the start of the transaction: another transaction may have deleted the
    -- deal since then. The minute is for clocks that are set back.
    constraint deals_deleted_at_check check (deleted_at <= clock_timestamp() + interval '1 minute')
);

-- A user has each ASIN and each UPC at most once, and a product has at most one deal per supplier. The status
-- asin_found means that the column asin contains an ASIN and not a placeholder.
create unique index products_user_asin_key on public.products (user_id, asin) where asin_status = 'asin_found';
create unique index products_user_upc_key on public.products (user_id, upc);
create unique index deals_product_supplier_key on public.deals (product_id, lower(supplier));

-- Set updated_at to the start of the transaction.
create function private.touch_updated_at() returns trigger
    language plpgsql set search_path = ''
as $$
begin
    new.updated_at := now();
    return new;
end
$$;

-- An update that changes no value does not set updated_at. The columns that only triggers write (asin_status,
-- title_key) are not compared.
create trigger products_touch before update on public.products
    for each row when (
        (old.user_id, old.asin, old.upc, old.title, old.brand, old.multiple_asins, old.created_at)
        is distinct from
        (new.user_id, new.asin, new.upc, new.title, new.brand, new.multiple_asins, new.created_at)
    )
    execute function private.touch_updated_at();
create trigger deals_touch before update on public.deals
    for each row when (
        (old.user_id, old.product_id, old.supplier, old.buy_cost, old.moq, old.stage, old.favorite, old.notes,
         old.active, old.deleted_at, old.created_at)
        is distinct from
        (new.user_id, new.product_id, new.supplier, new.buy_cost, new.moq, new.stage, new.favorite, new.notes,
         new.active, new.deleted_at, new.created_at)
    )
    execute function private.touch_updated_at();

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.is_asin, private.trimmed, private.deal_stages, private.deal_slice,
    private.touch_updated_at
    from public, anon, authenticated, service_role;
grant execute on function private.is_asin, private.trimmed, private.deal_stages, private.deal_slice,
    private.touch_updated_at
    to authenticated, service_role;
