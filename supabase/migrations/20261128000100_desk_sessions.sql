-- Whether the session that the caller's access token belongs to is open still. Supabase Auth deletes its row when the user
-- signs out, and the rows of the user's other sessions when the password changes; the token itself stays good until it
-- expires. A definer function, because users cannot read auth.sessions.
-- The body is text, so that nothing in the database depends on the columns of a table that is Supabase's to change.
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
revoke execute on function public.session_is_open from public, anon, authenticated;
grant execute on function public.session_is_open to authenticated;
