-- Candidates, matches and decisions: the data with which a user gives each product its ASIN.
-- A candidate is an ASIN that may be the listing of a product. A match is what the user has decided for an identifier
-- and an ASIN. A decision is a change of the ASIN that the user can undo.

-- Return the identifier as a GTIN-14: 14 digits, with leading zeros. UPC-A, EAN-13, EAN-8 and GTIN-14 numbers of one
-- article have the same GTIN-14. See the GS1 General Specifications, section 7.9.
create function private.gtin(p_upc text) returns text
    language sql immutable parallel safe
    return lpad(p_upc, 14, '0');

-- Return whether the text is a UPC-A, EAN-13, EAN-8 or GTIN-14 with a correct check digit.
create function private.gtin_is_valid(p_upc text) returns boolean
    language sql immutable parallel safe
    return p_upc ~ '^([0-9]{8}|[0-9]{12,14})$' and (
        3 * (
            substr(lpad(p_upc, 14, '0'), 1, 1)::integer + substr(lpad(p_upc, 14, '0'), 3, 1)::integer
            + substr(lpad(p_upc, 14, '0'), 5, 1)::integer + substr(lpad(p_upc, 14, '0'), 7, 1)::integer
            + substr(lpad(p_upc, 14, '0'), 9, 1)::integer + substr(lpad(p_upc, 14, '0'), 11, 1)::integer
            + substr(lpad(p_upc, 14, '0'), 13, 1)::integer
        )
        + substr(lpad(p_upc, 14, '0'), 2, 1)::integer + substr(lpad(p_upc, 14, '0'), 4, 1)::integer
        + substr(lpad(p_upc, 14, '0'), 6, 1)::integer + substr(lpad(p_upc, 14, '0'), 8, 1)::integer
        + substr(lpad(p_upc, 14, '0'), 10, 1)::integer + substr(lpad(p_upc, 14, '0'), 12, 1)::integer
        + substr(lpad(p_upc, 14, '0'), 14, 1)::integer
    ) % 10 = 0;

alter table public.products
    -- Kept by triggers on candidates. Users may not write it.
    add column open_candidates smallint not null default 0,
    -- A product that was merged into another one keeps its identifiers. Later rows with them find the other one.
    add column merged_into uuid,
    -- Rows that were stored before check digits were required keep a wrong one.
    add column upc_is_valid boolean generated always as (private.gtin_is_valid(upc)) stored,
    add constraint products_merged_into_fkey foreign key (merged_into, user_id)
        references public.products (id, user_id) on delete set null (merged_into),
    add constraint products_merged_into_check check (merged_into <> id);
create index products_merged_into_idx on public.products (merged_into) where merged_into is not null;
create index products_user_gtin_idx on public.products (user_id, private.gtin(upc));

-- A product without an ASIN needs a selection if it has at least two candidates that are not dismissed, or if the user
-- says so with multiple_asins.
alter table public.products alter column asin_status set expression as (
    case
        when private.is_asin(asin) then 'asin_found'
        when multiple_asins or open_candidates >= 2 then 'needs_selection'
        when upc is not null then 'needs_asin'
        else 'manual_entry'
    end
);

create table public.candidates (
    user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
    product_id uuid not null,
    asin text not null,
    title text not null default '',
    brand text not null default '',
    image_url text not null default '',
    category text not null default '',
    package_quantity integer,
    sales_rank integer,
    source text not null default '',
    position integer not null default 0,
    dismissed boolean not null default false,
    created_at timestamptz not null default now(),
    primary key (product_id, asin),
    -- The key has both columns, because foreign key checks bypass row level security.
    constraint candidates_product_fkey foreign key (product_id, user_id)
        references public.products (id, user_id) on delete cascade,
    constraint candidates_asin_check check (private.is_asin(asin)),
    constraint candidates_title_check check (length(title) <= 500 and title = private.trimmed(title)),
    constraint candidates_brand_check check (length(brand) <= 200 and brand = private.trimmed(brand)),
    constraint candidates_image_url_check
        check (image_url ~ '^(https://[\x21-\x7e]+)?$' and length(image_url) <= 2000),
    constraint candidates_category_check check (length(category) <= 200 and category = private.trimmed(category)),
    constraint candidates_package_quantity_check check (package_quantity between 1 and 1000000),
    constraint candidates_sales_rank_check check (sales_rank between 1 and 1000000000),
    constraint candidates_source_check check (length(source) <= 100 and source = private.trimmed(source)),
    constraint candidates_position_check check (position between 0 and 1000000)
);

create table public.matches (
    user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
    gtin text not null,
    asin text not null,
    verdict text not null,
    created_at timestamptz not null default now(),
    primary key (user_id, gtin, asin),
    constraint matches_gtin_check check (gtin ~ '^[0-9]{14}$'),
    constraint matches_asin_check check (private.is_asin(asin)),
    constraint matches_verdict_check check (verdict in ('always', 'never'))
);

-- An identifier always belongs to at most one ASIN.
create unique index matches_always_key on public.matches (user_id, gtin) where verdict = 'always';
create index matches_created_idx on public.matches (user_id, created_at, gtin, asin);

-- The decisions of the users. Only security definer functions may use this schema.
create schema deciding;
comment on schema deciding is 'The decisions of the users. Only security definer functions may use it.';
revoke all on schema deciding from public;

create table deciding.decisions (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    product_id uuid not null,
    kind text not null,
    asin text,
    other_product_id uuid,
    remembered boolean not null default false,
    before jsonb not null,
    made_at timestamptz not null default clock_timestamp(),
    undone_at timestamptz,
    constraint decisions_product_fkey foreign key (product_id, user_id)
        references public.products (id, user_id) on delete cascade,
    constraint decisions_kind_check check (kind in ('asin', 'none', 'merge'))
);
create index decisions_product_idx on deciding.decisions (product_id, made_at desc, id);

-- Row level security and table rights, as for products and deals.
alter table public.candidates enable row level security;
create policy candidates_owner on public.candidates for all to authenticated
    using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
alter table public.matches enable row level security;
create policy matches_owner on public.matches for all to authenticated
    using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
revoke all on public.candidates, public.matches, deciding.decisions from public, anon, authenticated, service_role;
grant select, delete on public.candidates, public.matches to authenticated;
grant insert (product_id, asin, title, brand, image_url, category, package_quantity, sales_rank, source, position,
              dismissed),
      update (title, brand, image_url, category, package_quantity, sales_rank, source, position, dismissed)
    on public.candidates to authenticated;
grant insert (gtin, asin, verdict), update (verdict) on public.matches to authenticated;
grant select, insert, update, delete on public.candidates, public.matches to service_role;

comment on function private.gtin is 'Return the identifier as a GTIN-14: 14 digits, with leading zeros.';
comment on function private.gtin_is_valid is
    'Return whether the text is a UPC-A, EAN-13, EAN-8 or GTIN-14 with a correct check digit.';
comment on column public.products.open_candidates is
    'Number of candidates that are not dismissed. Triggers keep it current.';
comment on column public.products.merged_into is 'The product into which this one was merged, or null.';
comment on column public.products.upc_is_valid is
    'Generated: whether the UPC has a correct check digit; null without a UPC.';
comment on table public.candidates is
    'ASINs that may be the listing of a product. Row level security shows a user only their own.';
comment on column public.candidates.user_id is 'Owner of the candidate and of its product.';
comment on column public.candidates.product_id is 'The product.';
comment on column public.candidates.asin is 'The ASIN.';
comment on column public.candidates.title is 'Title of the listing; empty if unknown.';
comment on column public.candidates.brand is 'Brand of the listing; empty if unknown.';
comment on column public.candidates.image_url is 'HTTPS address of an image; empty if unknown.';
comment on column public.candidates.category is 'Category of the listing; empty if unknown.';
comment on column public.candidates.package_quantity is 'Units per package, or null if unknown.';
comment on column public.candidates.sales_rank is 'Sales rank in the category, or null if unknown.';
comment on column public.candidates.source is 'The service or file that named the candidate; empty if unknown.';
comment on column public.candidates.position is 'Place in the list of the product; the lowest comes first.';
comment on column public.candidates.dismissed is 'Whether the user decided that it is not the listing.';
comment on column public.candidates.created_at is 'Time at which the candidate was stored.';
comment on table public.matches is
    'What users decided for an identifier and an ASIN. Row level security shows a user only their own.';
comment on column public.matches.user_id is 'The user who decided.';
comment on column public.matches.gtin is 'The identifier as a GTIN-14.';
comment on column public.matches.asin is 'The ASIN.';
comment on column public.matches.verdict is
    'always: products with this identifier get the ASIN. never: it is no candidate.';
comment on column public.matches.created_at is 'Time of the decision.';
comment on table deciding.decisions is 'The decisions about the ASINs of products, with what is needed to undo them.';
comment on column deciding.decisions.id is 'Identifier of the decision.';
comment on column deciding.decisions.user_id is 'The user who decided.';
comment on column deciding.decisions.product_id is 'The product. For a merge, the product that was kept.';
comment on column deciding.decisions.kind is
    'asin: an ASIN was chosen or entered. none: all candidates were dismissed. merge: another product was merged into '
    'it.';
comment on column deciding.decisions.asin is 'The ASIN that was chosen, or null.';
comment on column deciding.decisions.other_product_id is 'The product that was merged into this one, or null.';
comment on column deciding.decisions.remembered is 'Whether the decision also made matches.';
comment on column deciding.decisions.before is 'What the undo needs: the values before the decision and after it.';
comment on column deciding.decisions.made_at is 'Time of the decision.';
comment on column deciding.decisions.undone_at is 'Time of the undo, or null.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.gtin, private.gtin_is_valid
    from public, anon, authenticated, service_role;
grant execute on function private.gtin, private.gtin_is_valid
    to authenticated, service_role;
