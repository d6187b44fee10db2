// SQL that gives an empty PostgreSQL the roles, schemas and privileges of a new hosted Supabase project. It is applied
// before the migrations. As a script, this file prints the SQL, for a PostgreSQL that is not embedded.
import { pathToFileURL } from "node:url";
import { getAuthSchemaSql, SUPABASE_AUTH_HELPERS_SQL } from "@supabase/lite";

// The roles that PostgREST switches to, a schema for extensions, and default privileges that give these roles
// all privileges on new objects in `public`. As on hosted Supabase, migrations must revoke what should not be granted.
const ROLES_SQL = `
  do $$ begin
    if not exists (select from pg_roles where rolname = 'anon') then
      create role anon nologin noinherit;
      create role authenticated nologin noinherit;
      create role service_role nologin noinherit bypassrls;
    end if;
  end $$;
  create schema if not exists extensions;
  grant usage on schema public, extensions to anon, authenticated, service_role;
  alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
  alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
  alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
`;

/** The scripts, in the order to run them. They are idempotent. */
export const PROJECT_SQL = [
  ROLES_SQL,
  SUPABASE_AUTH_HELPERS_SQL,
  getAuthSchemaSql(),
  "grant usage on schema auth to anon, authenticated, service_role",
];

if (import.meta.url === pathToFileURL(process.argv[1]).href) console.log(PROJECT_SQL.join(";\n"));
