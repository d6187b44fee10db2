-- The deletion of a user deletes the user's batches. Without this index it would read the batches of all users.
create index batches_user_idx on batching.batches (user_id);
