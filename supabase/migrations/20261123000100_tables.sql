-- The two tables of ASIN Desk, who may touch them, and the indexes behind every list.
-- Applied unchanged to hosted Supabase and to the embedded local stack.

-- Functions that only other functions call live here: PostgREST serves `public` alone, so none of them is an endpoint.
create schema private;
revoke all on schema private from public;
grant usage on schema private to authenticated, service_role;

-- One rule for "this is an ASIN", so that the constraint, the status and the functions cannot disagree.
-- Placeholders (PENDING_…, Unknown…) are stored in the same column and are no ASIN.
create function private.is_asin(p_asin text) returns boolean
    language sql immutable
    return p_asin ~ '^[A-Z0-9]{10}$';
revoke execute on function private.is_asin(text) from public;
grant execute on function private.is_asin(text) to authenticated, service_role;

create table public.products (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
    asin text,
    upc text,
    title text not null,
    brand text not null default '',
    multiple_asins boolean not null default false,
    -- Generated, so that no writer can leave a product in the wrong status or in two of them.
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
    constraint products_brand_check check (length(brand) <= 200),
    -- Redundant as a key, but it is what the composite foreign key of deals points at.
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
    -- Both columns: foreign key checks bypass RLS, and with product_id alone a user could hang a deal on
    -- another user's product.
    constraint deals_product_fkey foreign key (product_id, user_id)
        references public.products (id, user_id) on delete cascade,
    constraint deals_supplier_check check (length(supplier) <= 200),
    -- An upper bound as well, because NaN is a numeric and is "greater" than any number.
    constraint deals_buy_cost_check check (buy_cost between 0 and 9999999999.99),
    constraint deals_moq_check check (moq >= 1),
    constraint deals_stage_check check (
        stage in ('new', 'researching', 'contacted', 'ordered', 'received', 'rejected')
    ),
    constraint deals_notes_check check (length(notes) <= 5000),
    constraint deals_deletion_check check (active = (deleted_at is null))
);

-- What may exist only once. A product has one ASIN status, so asin_found is exactly "has a real ASIN".
create unique index products_user_asin_key on public.products (user_id, asin) where asin_status = 'asin_found';
create unique index products_user_upc_key on public.products (user_id, upc);
create unique index deals_product_supplier_key on public.deals (product_id, lower(supplier));

-- Every sort of list_deals walks one of these; the id is the tie-break of its keyset cursor.
create index products_user_title_idx on public.products (user_id, lower(title));
create index products_user_status_idx on public.products (user_id, asin_status);
create index deals_user_created_idx on public.deals (user_id, active, created_at, id);
create index deals_user_supplier_idx on public.deals (user_id, active, lower(supplier), id);
-- An unknown cost sorts last in both directions, which one index cannot serve; see private.deal_sort.
create index deals_user_cost_up_idx on public.deals (user_id, active, coalesce(buy_cost, 'Infinity'), id);
create index deals_user_cost_down_idx on public.deals (user_id, active, coalesce(buy_cost, -1), id);
create index deals_user_stage_idx on public.deals (user_id, active, stage, created_at, id);
create index deals_user_favorite_idx on public.deals (user_id, active, created_at, id) where favorite;

create function private.touch_updated_at() returns trigger
    language plpgsql set search_path = ''
as $$
begin
    new.updated_at := now();
    return new;
end
$$;
revoke execute on function private.touch_updated_at() from public;

create trigger products_touch before update on public.products
    for each row execute function private.touch_updated_at();
create trigger deals_touch before update on public.deals
    for each row execute function private.touch_updated_at();

-- `(select auth.uid())` is evaluated once per statement; a bare auth.uid() would be called for every row.
alter table public.products enable row level security;
create policy products_owner on public.products for all to authenticated
    using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

alter table public.deals enable row level security;
create policy deals_owner on public.deals for all to authenticated
    using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

-- Hosted Supabase grants everything on new tables to these roles, so take all of it back first. The functions run
-- as their caller, who therefore needs the verbs; ids, owner and timestamps are still not the caller's to write.
revoke all on public.products, public.deals from public, anon, authenticated;
grant select, delete on public.products, public.deals to authenticated;
grant insert (asin, upc, title, brand, multiple_asins),
      update (asin, upc, title, brand, multiple_asins) on public.products to authenticated;
grant insert (product_id, supplier, buy_cost, moq, stage, favorite, notes),
      update (supplier, buy_cost, moq, stage, favorite, notes, active, deleted_at) on public.deals to authenticated;
grant select, insert, update, delete on public.products, public.deals to service_role;
