-- One short comment for each schema, table, column, type and function. `make schema` writes them into docs/schema.md.
-- A later migration adds the comments of what it creates.

comment on schema private is 'Functions that only other functions call. Not served by PostgREST.';
comment on schema counting is 'The counters. Only security definer functions may use them.';
comment on schema searching is 'The list of suppliers. Only security definer functions may use it.';

comment on table public.products is 'Products of the users. Row level security shows a user only their own.';
comment on column public.products.id is 'Identifier of the product.';
comment on column public.products.user_id is 'Owner of the product.';
comment on column public.products.asin is 'Amazon product number, or a placeholder (PENDING_…, Unknown…), or null.';
comment on column public.products.upc is 'Barcode number of 8 to 14 digits, or null.';
comment on column public.products.title is 'Title, 1 to 500 characters.';
comment on column public.products.brand is 'Brand; empty if unknown.';
comment on column public.products.multiple_asins is 'Whether several ASINs match and one has to be selected.';
comment on column public.products.asin_status is 'Generated: asin_found, needs_selection, needs_asin or manual_entry.';
comment on column public.products.created_at is 'Time at which the product was created.';
comment on column public.products.updated_at is 'Time of the last change.';

comment on table public.deals is 'Offers of suppliers for products. Row level security shows a user only their own.';
comment on column public.deals.id is 'Identifier of the deal.';
comment on column public.deals.user_id is 'Owner of the deal and of its product.';
comment on column public.deals.product_id is 'Product that the deal offers.';
comment on column public.deals.supplier is 'Name of the supplier; empty if unknown.';
comment on column public.deals.buy_cost is 'Cost of one unit, 0 to 1000000, or null if unknown.';
comment on column public.deals.moq is 'Minimum order quantity in units, or null if unknown.';
comment on column public.deals.stage is 'Step in the buying process; see private.deal_stages.';
comment on column public.deals.favorite is 'Whether the user marked the deal.';
comment on column public.deals.notes is 'Free text, at most 5000 characters.';
comment on column public.deals.active is 'False if the deal is deleted.';
comment on column public.deals.deleted_at is 'Time of the deletion; null for an active deal.';
comment on column public.deals.created_at is 'Time at which the deal was created.';
comment on column public.deals.updated_at is 'Time of the last change by a user.';
comment on column public.deals.asin_status is 'Copy of the status of the product. Kept by triggers.';
comment on column public.deals.title_key is 'Copy of the title of the product in lower case. Kept by triggers.';
comment on column public.deals.slice is 'Generated number for status, stage and favorite mark; see private.deal_slice.';

comment on table counting.asin_stats is 'The stats of each user: products with at least one active deal, per status.';
comment on column counting.asin_stats.user_id is 'The user.';
comment on column counting.asin_stats.asin_found is 'Number of products with an ASIN.';
comment on column counting.asin_stats.needs_selection is 'Number of products with several candidate ASINs.';
comment on column counting.asin_stats.needs_asin is 'Number of products with a UPC but no ASIN.';
comment on column counting.asin_stats.manual_entry is 'Number of products with neither.';

comment on table counting.products is 'The products that are counted in asin_stats.';
comment on column counting.products.user_id is 'Owner of the product.';
comment on column counting.products.product_id is 'The counted product.';
comment on column counting.products.asin_status is 'Status under which the product is counted.';

comment on table searching.suppliers is 'All suppliers that a user has ever named.';
comment on column searching.suppliers.user_id is 'The user.';
comment on column searching.suppliers.name is 'Name of the supplier in lower case.';

comment on type private.deal_sorting is 'How list_deals carries out a sort.';
comment on type private.deal_request is 'The validated arguments of list_deals.';
comment on type private.import_row is 'One row of a file, with the decision what to do with it.';
comment on type private.import_found is 'One row of a file, with the products that its identifiers find.';

-- Accounts
comment on function private.require_user is 'Return the id of the caller.';
comment on function private.user_lock is 'The key of the advisory lock that serializes the changes of one user.';
comment on function private.begin_change is
    'Return the id of the caller and lock the changes of this user until the transaction ends.';

-- Tables
comment on function private.is_asin is
    'Return whether the text is an ASIN. The constraint, the status and the functions all use this rule.';
comment on function private.trimmed is
    'Return the text without white space at both ends, as the application stores it.';
comment on function private.deal_stages is 'The stages of a deal.';
comment on function private.deal_slice is
    'Return the number of the slice: one for each combination of status, stage and favorite mark.';
comment on function private.touch_updated_at is 'Set updated_at to the start of the transaction.';

-- Counters
comment on function counting.lock_caller is
    'Lock the changes of the caller before the first row is touched, also when a table is written without a function.';
comment on function counting.lock_users is
    'Lock the changes of these users in the order of their ids, so that two statements over several users cannot deadlock.';
comment on function counting.add is 'Add to the numbers of a user.';
comment on function counting.count_one is 'Do the work of settle for one product, the usual case.';
comment on function counting.count_many is 'Do the work of settle for several products.';
comment on function counting.count_products is
    'Count the current state of these products (the pairs of both arrays, each once).';
comment on function counting.deals_changed is 'Settle the products that gained or lost active deals in this statement.';
comment on function counting.products_changed is 'Settle the products whose status changed in this statement.';
comment on function counting.deals_truncated is 'Reset all counters.';
comment on function counting.breakdown is 'Return the five numbers of a user; zeros if the user has no row.';
comment on function counting.require_self is 'Raise PT403 if the caller asks about another user.';
comment on function public.get_asin_stats is
    'Return the number of products with at least one active deal, in total and per status.';
comment on function public.recount_asin_stats is
    'Count the products of a user from scratch and repair wrong counters and wrong copies in deals.';

-- Copies
comment on function private.copy_product is
    'Copy the status and the title from the product; ignore the values that the writer sent.';
comment on function private.update_copies is
    'Update the copies in all deals of all products that a statement changed, in one statement and under the locks of their users.';
comment on function private.check_copies is
    'Compare the copies of new deals with their products and copy again where they differ: one index lookup per new deal.';
comment on function private.copy_again is 'Copy again for an updated deal whose product was not found before.';

-- Search
comment on function private.searchable is
    'Return the text in lower case without the character \x01, which separates pieces on their way into the index.';
comment on function private.pieces is 'Return all pieces of a text.';
comment on function private.product_text is 'Return the searchable text of a product.';
comment on function private.pieces_query is
    'Return the query for the pieces of p_search (in lower case, at least two characters).';
comment on function private.contains is 'Return whether a field of the product contains p_search (in lower case).';
comment on function searching.store_suppliers is 'Store the suppliers of new deals.';
comment on function searching.store_supplier is 'Store the supplier of a changed deal.';

-- Lists
comment on function private.product_json is 'Return the JSON of a product.';
comment on function private.deal_json is 'Return the JSON of a deal without its product.';
comment on function private.deal_item is 'Return one entry of a list: the deal with its product inside.';
comment on function private.deal_item_of is 'Return the list entry of a deal of this user, or null.';
comment on function private.deal_sort is 'Return how to carry out a p_sort of list_deals.';
comment on function private.deal_slices is
    'Return the slices that match these filters; an empty array for an unknown status or stage.';
comment on function private.deal_walk is 'Return the query of the sort keys and ids after the cursor, in order.';
comment on function private.deal_matches is
    'Return the query of the sort keys and ids of all deals that contain the search.';
comment on function private.deal_page is 'Return one page of the keys and ids of p_source, in the form of list_deals.';
comment on function private.walk_deals is 'Return the page of the deals that p_walk reads.';
comment on function private.walk_deals_searching is
    'Return the page of the deals that contain the search among the next p_budget deals of p_walk.';
comment on function private.is_rare is
    'Return whether the index of pieces contains so few matches that reading all of them is cheaper.';
comment on function private.match_deals is
    'Return the page of all deals that contain the search, from the index of pieces.';
comment on function private.require_list is 'Validate the arguments of list_deals.';
comment on function public.list_deals is
    'Return one page of the deals of the caller: {"items": […], "next": {"value", "id"} | null}.';
comment on function public.get_product is
    'Return a product of the caller with all its deals, deleted ones too, oldest first; null if the caller has no such product.';

-- Changes
comment on function private.require_keys is 'Raise PT422 if the object has other keys than these.';
comment on function private.refuse is
    'Turn a constraint violation into an error that a user can act on: PT409 for a duplicate identifier, PT422 for any other invalid value.';
comment on function private.find_product is
    'Return the product of the user with this ASIN, else with this UPC, else a row of nulls.';
comment on function private.find_by_title is
    'Return the oldest product of the caller that has neither ASIN nor UPC and has this title and brand, as import_deals does.';
comment on function private.find_or_create_product is
    'Return the product of a new deal: the existing product, with missing values filled in, or a new one.';
comment on function private.create_or_overwrite_deal is
    'Create the deal of this product and supplier (in any letter case), or overwrite the existing one with the given fields and restore it.';
comment on function public.create_product is
    'Create a deal and, if the user has no product with this ASIN or UPC, its product.';
comment on function public.update_product is
    'Change the given fields of a product (an explicit null clears asin or upc).';
comment on function public.update_deal is
    'Change the given fields of a deal (an explicit null clears buy_cost or moq).';
comment on function public.delete_deal is
    'Delete a deal softly (it can be restored; deleting it again changes nothing), or permanently, together with its product if that has no other deal.';
comment on function private.require_bulk is 'Validate the arguments of bulk_deals before anything is changed.';
comment on function private.require_all is 'Raise PT404 with the JSON array of the ids that were not found.';
comment on function public.bulk_deals is 'Apply one action to many deals, all or none.';

-- Import
comment on function private.find_import is 'Look up the product of each row by every identifier.';
comment on function private.resolve_import is
    'Decide for each row which product it belongs to and whether it is valid, as if the rows were processed in order.';
comment on function private.begin_import is
    'Return the id of the user to import for, and lock the changes of this user.';
comment on function private.require_import is 'Validate the form of the rows.';
comment on function private.plan_import is
    'Return what the rows would change: the settled rows, compared with the existing products and deals.';
comment on function private.write_products is 'Insert the new products and fill in missing values of existing ones.';
comment on function private.write_deals is 'Insert and change the deals, and restore deleted ones.';
comment on function public.import_deals is
    'Import rows of a file in one transaction, or only report what they would change.';

-- Undo
comment on function private.undo_window is 'How long a deleted deal can be restored.';
comment on function public.purge_deals is
    'Remove permanently at most p_limit deals that were deleted more than p_days ago, oldest first, and the products that lose their last deal.';

-- Desk sessions
comment on function public.session_is_open is 'Return whether the session of the caller''s access token is still open.';

-- Operators
comment on function public.is_operator is 'Return whether the caller is an operator.';
comment on function public.find_user is 'Return {"id"} of the user with this e-mail address, or null.';
comment on function public.health is 'Return "ok".';
