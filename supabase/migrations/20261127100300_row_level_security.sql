-- Row level security and table rights: users see and change only their own rows.

-- `(select auth.uid())` is evaluated once per statement. A bare auth.uid() would be called for each row.
alter table public.products enable row level security;
create policy products_owner on public.products for all to authenticated
    using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

alter table public.deals enable row level security;
create policy deals_owner on public.deals for all to authenticated
    using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

-- Hosted Supabase grants all rights on new tables to these roles. Revoke them first. Most functions run with the rights
-- of their caller, who therefore needs the rights below. Users may not write ids, owners and timestamps.
revoke all on public.products, public.deals from public, anon, authenticated;
grant select, delete on public.products, public.deals to authenticated;
grant insert (asin, upc, title, brand, multiple_asins),
      update (asin, upc, title, brand, multiple_asins) on public.products to authenticated;
grant insert (product_id, supplier, buy_cost, moq, stage, favorite, notes),
      update (supplier, buy_cost, moq, stage, favorite, notes, active, deleted_at) on public.deals to authenticated;
grant select, insert, update, delete on public.products, public.deals to service_role;
