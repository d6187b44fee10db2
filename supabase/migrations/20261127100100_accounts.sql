-- Accounts and roles: private schemas, the caller, and the lock of one user.
-- The same files are applied to hosted Supabase and to the local stack. Errors use SQLSTATEs of the form PTxyz, which
-- PostgREST returns as HTTP status xyz.

-- Functions that only other functions call. PostgREST serves the schema public only, so these are not endpoints.
create schema private;
revoke all on schema private from public;
grant usage on schema private to authenticated, service_role;

-- The counters, and the list of suppliers. No role may use these schemas. Their tables have no row level security: only
-- security definer functions read and write them.
create schema counting;
revoke all on schema counting from public;
create schema searching;
revoke all on schema searching from public;

-- Return the id of the caller. Raises PT401 if the caller is not signed in. Every function that returns the rows of the
-- caller calls this first.
create function private.require_user() returns uuid
    language plpgsql stable set search_path = ''
as $$
begin
    if auth.uid() is null then
        raise sqlstate 'PT401' using
            message = 'Sign in first.',
            hint = 'Send the access token of a user, not only the publishable key.';
    end if;
    return auth.uid();
end
$$;

-- Return the key of the advisory lock that serializes the changes of one user.
create function private.user_lock(p_user_id uuid) returns bigint
    language sql immutable
    return hashtextextended('asin-desk:' || p_user_id::text, 0);

-- Return the id of the caller and lock the changes of this user until the transaction ends. Every change calls this
-- first. Lookups before an insert therefore stay valid, and all changes take locks in the same order.
create function private.begin_change() returns uuid
    language plpgsql set search_path = ''
as $$
declare
    v_user_id constant uuid := private.require_user();
begin
    perform pg_advisory_xact_lock(private.user_lock(v_user_id));
    return v_user_id;
end
$$;

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.require_user, private.user_lock, private.begin_change
    from public, anon, authenticated, service_role;
grant execute on function private.require_user, private.user_lock, private.begin_change
    to authenticated, service_role;
