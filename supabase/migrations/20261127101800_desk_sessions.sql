-- Sessions of the browser interface (the desk).

-- Return whether the session of the caller's access token is still open. Supabase Auth deletes the row at sign-out, and
-- the rows of the other sessions of the user when the password changes. The token itself stays valid until it expires.
-- Security definer, because users cannot read auth.sessions. The body is a string, so that no object depends on the
-- columns of a table that belongs to Supabase.
create function public.session_is_open() returns boolean
    language sql stable security definer set search_path = ''
as $$
    select exists (
        select from auth.sessions s
        where s.id = (auth.jwt() ->> 'session_id')::uuid
          and s.user_id = auth.uid()
          and (s.not_after is null or s.not_after > now())
    )
$$;

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function public.session_is_open
    from public, anon, authenticated, service_role;
grant execute on function public.session_is_open
    to authenticated, service_role;
