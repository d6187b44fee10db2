-- One short comment for each schema, table, column, type and function. `make schema` writes them into docs/schema.md.
-- A later migration adds the comments of what it creates.

comment on schema private is 'Functions that only other functions call. PostgREST does not serve them.';
comment on schema counting is 'The counters. Only security definer functions may use them.';
comment on schema searching is 'The list of suppliers. Only security definer functions may use it.';

comment on table public.products is 'Products of the users. Row level security shows a user only their own.';
comment on column public.products.id is 'Identifier of the product.';
comment on column public.products.user_id is 'Owner of the product.';
comment on column public.products.asin is 'ASIN, or a placeholder (PENDING_…, Unknown…), or null.';
comment on column public.products.upc is 'Barcode number of 8 to 14 digits, or null.';
comment on column public.products.title is 'Title, 1 to 500 characters.';
comment on column public.products.brand is 'Brand; empty if unknown.';
comment on column public.products.multiple_asins is 'Whether several ASINs match and one has to be selected.';
comment on column public.products.asin_status is 'Generated: asin_found, needs_selection, needs_asin or manual_entry.';
comment on column public.products.created_at is 'Time at which the product was created.';
comment on column public.products.updated_at is 'Time of the last change of the product.';

comment on table public.deals is 'Offers of suppliers for products. Row level security shows a user only their own.';
comment on column public.deals.id is 'Identifier of the deal.';
comment on column public.deals.user_id is 'Owner of the deal and of its product.';
comment on column public.deals.product_id is 'Product that the deal offers.';
comment on column public.deals.supplier is 'Name of the supplier; empty if unknown.';
comment on column public.deals.buy_cost is 'Cost of one unit, 0 to 1000000, or null if unknown.';
comment on column public.deals.moq is 'Minimum order quantity in units, or null if unknown.';
comment on column public.deals.stage is 'How far the user is with the deal; see private.deal_stages.';
comment on column public.deals.favorite is 'Whether the user marked the deal as a favorite.';
comment on column public.deals.notes is 'Free text, at most 5000 characters.';
comment on column public.deals.active is 'False if the deal is deleted.';
comment on column public.deals.deleted_at is 'Time of the deletion; null for an active deal.';
comment on column public.deals.created_at is 'Time at which the deal was created.';
comment on column public.deals.updated_at is 'Time of the last change of the deal. Updates of the copies do not count.';
comment on column public.deals.asin_status is 'Copy of the status of the product. Triggers keep it current.';
comment on column public.deals.title_key is 'Copy of the title of the product in lower case. Triggers keep it current.';
comment on column public.deals.slice is 'Generated: the number of the slice; see private.deal_slice.';

comment on table counting.asin_stats is 'The stats of each user: products with at least one active deal, per status.';
comment on column counting.asin_stats.user_id is 'The user.';
comment on column counting.asin_stats.asin_found is 'Number of products with an ASIN.';
comment on column counting.asin_stats.needs_selection is 'Number of products with several candidate ASINs.';
comment on column counting.asin_stats.needs_asin is 'Number of products with a UPC but no ASIN.';
comment on column counting.asin_stats.manual_entry is 'Number of products with neither an ASIN nor a UPC.';
comment on column counting.asin_stats.version is 'Raised by every write of the row, in commit order.';

comment on table counting.products is 'The products that are counted in asin_stats.';
comment on column counting.products.user_id is 'Owner of the product.';
comment on column counting.products.product_id is 'The counted product.';
comment on column counting.products.asin_status is 'Status under which the product is counted.';

comment on table searching.suppliers is 'All suppliers that a user has entered so far.';
comment on column searching.suppliers.user_id is 'The user.';
comment on column searching.suppliers.name is 'Name of the supplier in lower case.';

comment on type private.deal_sorting is
    'How list_deals sorts: the key expression (the same as in the index), the type of the key, the direction, the '
    'operator for "after the cursor" in this direction, and whether the whole list has an index in this order.';
comment on type private.deal_request is 'The validated arguments of list_deals.';
comment on type private.import_row is 'One row of a file, and what the import does with it.';
comment on type private.import_found is 'One row of a file, and the products of the user that its identifiers find.';

-- Accounts
comment on function private.require_user is 'Return the id of the caller.';
comment on function private.user_lock is
    'Return the key of the advisory lock that serializes the changes of one user.';
comment on function private.begin_change is
    'Return the id of the caller and lock the changes of this user until the transaction ends.';

-- Tables
comment on function private.is_asin is 'Return whether the text is an ASIN.';
comment on function private.trimmed is
    'Return the text without white space at both ends, as the application stores it.';
comment on function private.deal_stages is 'Return the stages of a deal.';
comment on function private.deal_slice is
    'Return the number of the slice: one for each combination of status, stage and favorite mark.';
comment on function private.touch_updated_at is 'Set updated_at to the start of the transaction.';

-- Counters
comment on function counting.lock_caller is 'Lock the changes of the caller before a statement locks its first row.';
comment on function counting.lock_users is
    'Lock the changes of these users in the order of their ids, so that two statements that change several users '
    'cannot deadlock.';
comment on function counting.add is 'Add these numbers to the counters of a user, and raise their version.';
comment on function counting.count_one is 'Count the current state of one product.';
comment on function counting.count_many is 'Count the current state of several products.';
comment on function counting.count_products is 'Count the current state of these products.';

-- Counter triggers
comment on function counting.deals_changed is
    'Count the products that gained or lost active deals in this statement.';
comment on function counting.products_changed is 'Count the products whose status changed in this statement.';
comment on function counting.deals_truncated is 'Reset all counters.';

-- Copies
comment on function private.copy_product is
    'Copy the status and the title from the product, and ignore the values that the client sent.';
comment on function private.update_copies is
    'Update the copies in the deals of all products that a statement changed.';
comment on function private.check_copies is
    'Compare the copies of new deals with their products, and copy again where they differ.';
comment on function private.copy_again is 'Copy again after an update of a deal whose product was not found before.';

-- Stats
comment on function counting.breakdown is 'Return the five numbers of a user and their version.';
comment on function counting.require_self is 'Raise PT403 if the id is not that of the caller.';
comment on function public.get_asin_stats is
    'Return the number of products with at least one active deal, in total and per status.';
comment on function private.with_stats is
    'Return the result of a change in an envelope, with the stats and their version.';
comment on function public.recount_asin_stats is
    'Count the products of a user from scratch, and correct wrong counters and wrong copies in deals.';

-- Search
comment on function private.searchable is
    'Return the text in lower case, with each character \x01 replaced by a space.';
comment on function private.pieces is 'Return all pieces of a text.';
comment on function private.product_text is 'Return the searchable text of a product.';
comment on function private.pieces_query is 'Return the query for the pieces of a search.';
comment on function private.contains is
    'Return whether a field of the product contains p_search, which is in lower case.';
comment on function searching.store_suppliers is 'Store the suppliers of new deals.';
comment on function searching.store_supplier is 'Store the supplier of a changed deal.';

-- JSON
comment on function private.product_json is 'Return the JSON of a product.';
comment on function private.deal_json is 'Return the JSON of a deal without its product.';
comment on function private.deal_item is 'Return one entry of a list: the deal with its product inside.';
comment on function private.deal_item_of is 'Return the list entry of a deal of this user, or null.';
comment on function public.get_product is
    'Return a product of the caller with all its deals, including deleted ones, oldest first, or null if the caller '
    'has no such product.';

-- List queries
comment on function private.deal_sort is 'Return how to sort for the value p_sort of list_deals.';
comment on function private.deal_slices is 'Return the slices that match these filters.';
comment on function private.deal_walk is
    'Return the SQL text of the query for the sort keys and ids after the cursor, in order.';
comment on function private.deal_matches is
    'Return the SQL text of the query for the sort keys and ids of all deals that contain the search.';

-- Lists
comment on function private.deal_page is
    'Run the query p_source, which returns sort keys and ids in order, and return its first page in the form of '
    'list_deals.';
comment on function private.walk_deals is 'Return one page of the deals that the query p_walk returns.';
comment on function private.walk_deals_searching is
    'Return one page of the deals that contain the search, from the first p_budget deals that the query p_walk '
    'returns.';
comment on function private.is_rare is
    'Return whether the index of pieces contains so few matches that reading all of them is faster.';
comment on function private.match_deals is 'Return one page of the deals that the query p_matches returns.';
comment on function private.require_list is 'Validate the arguments of list_deals.';
comment on function public.list_deals is
    'Return one page of the deals of the caller: {"items": […], "next": {"value", "id"} | null}.';

-- Undo
comment on function private.undo_window is 'Return how long a deleted deal can be restored.';
comment on function public.purge_deals is
    'Permanently remove deals that were deleted more than p_days ago: at most p_limit, oldest first.';

-- Product lookup
comment on function private.find_product is
    'Return the product of the user with this ASIN, else the one with this UPC, else a row of nulls.';
comment on function private.find_by_title is
    'Return the oldest product of the caller with this title and brand that has neither ASIN nor UPC.';

-- Changes
comment on function private.require_keys is 'Raise PT422 if the object has other keys than these.';
comment on function private.refuse is 'Raise an error that a user can act on, for a violated constraint.';
comment on function private.find_or_create_product is
    'Return the product of a new deal: the existing product, with missing values filled in, or a new one.';
comment on function private.create_or_overwrite_deal is
    'Create the deal of this product and supplier, or overwrite the existing one with the given fields and restore '
    'it.';
comment on function public.create_product is
    'Create a deal and, if the user has no product with this ASIN or UPC, its product.';
comment on function public.update_product is 'Change the given fields of a product.';
comment on function public.update_deal is 'Change the given fields of a deal.';
comment on function public.delete_deal is
    'Delete a deal so that it can be restored, or remove it permanently with p_hard.';

-- Bulk changes
comment on function private.require_bulk is 'Validate the arguments of bulk_deals before anything is changed.';
comment on function private.require_all is 'Raise PT404 with the JSON array of the ids that were not found.';
comment on function public.bulk_deals is 'Apply one action to all of these deals, or to none of them.';

-- Import plan
comment on function private.find_import is 'Find the products that match the identifiers of each row.';
comment on function private.resolve_import is
    'Decide for each row which product it belongs to and whether it is valid.';
comment on function private.plan_import is 'Return what the rows would change.';

-- Import
comment on function private.begin_import is
    'Return the id of the user to import for, and lock the changes of this user.';
comment on function private.require_import is 'Validate the form of the rows.';
comment on function private.write_products is 'Insert the new products, and fill in missing values of existing ones.';
comment on function private.write_deals is 'Insert new deals, change existing ones, and restore deleted ones.';
comment on function public.import_deals is
    'Import rows of a file in one transaction, or only report what they would change.';

-- Desk sessions
comment on function public.session_is_open is
    'Return whether the session of the caller''s access token is still open.';

-- Operators
comment on function public.is_operator is 'Return whether the caller is an operator.';
comment on function public.find_user is 'Return {"id"} of the user with this e-mail address, or null.';
comment on function public.health is 'Return "ok".';
