-- Operators, server-side jobs and the health check.

-- Return whether the caller is an operator. Reads auth.users, because not every token issuer includes app_metadata.
-- Only administrators can write raw_app_meta_data. Security definer, because users cannot read auth.users.
create function public.is_operator() returns boolean
    language sql stable security definer set search_path = ''
    return exists (
        select from auth.users u
        where u.id = auth.uid() and u.raw_app_meta_data ->> 'role' = 'operator'
    );

-- Return {"id"} of the user with this e-mail address, or null. For server-side jobs (service_role). Security definer,
-- because no API role can read auth.users.
create function public.find_user(p_email text) returns jsonb
    language sql stable security definer set search_path = ''
    return (select jsonb_build_object('id', u.id) from auth.users u where u.email = lower(btrim(p_email)) limit 1);

-- Return "ok". Shows that the database answers. Reads no table.
create function public.health() returns text
    language sql stable set search_path = ''
    return 'ok';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function public.is_operator, public.find_user, public.health
    from public, anon, authenticated, service_role;
grant execute on function public.health
    to anon, authenticated, service_role;
grant execute on function public.is_operator
    to authenticated, service_role;
grant execute on function public.find_user
    to service_role;
