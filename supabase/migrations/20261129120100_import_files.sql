-- Files that the desk keeps between the steps of an import, for two hours, and the columns that a user has chosen.

create schema importing;
comment on schema importing is 'Uploaded files, and choices about columns. Only security definer functions may use it.';
revoke all on schema importing from public;

create table importing.files (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    name text not null,
    made_at timestamptz not null default clock_timestamp(),
    report jsonb
);
create index files_made_idx on importing.files (made_at);
create index files_user_idx on importing.files (user_id, made_at);

create table importing.pieces (
    file_id uuid not null references importing.files (id) on delete cascade,
    place integer not null,
    content text not null,
    primary key (file_id, place),
    -- One request to the database has at most one megabyte, and a file at most 80 MB in base64.
    constraint pieces_content_check check (length(content) <= 1000000),
    constraint pieces_place_check check (place between 0 and 99)
);

create table importing.columns (
    user_id uuid not null references auth.users (id) on delete cascade,
    header text not null,
    fields jsonb not null,
    used_at timestamptz not null default clock_timestamp(),
    primary key (user_id, header)
);

revoke all on importing.files, importing.pieces, importing.columns from public, anon, authenticated, service_role;

comment on table importing.files is 'Uploaded files. They are kept for two hours, and the newest three of each user.';
comment on column importing.files.id is 'Identifier of the file.';
comment on column importing.files.user_id is 'The user who uploaded the file.';
comment on column importing.files.name is 'The name of the file.';
comment on column importing.files.made_at is 'Time of the upload.';
comment on column importing.files.report is 'The report about the latest run of an import of this file.';
comment on table importing.pieces is 'The contents of the files, compressed, in pieces.';
comment on column importing.pieces.file_id is 'The file.';
comment on column importing.pieces.place is 'The place of the piece in the file, from 0.';
comment on column importing.pieces.content is 'The piece, in base64.';
comment on table importing.columns is 'The fields that a user has chosen for the columns of a header. Each user has at most 500.';
comment on column importing.columns.user_id is 'The user.';
comment on column importing.columns.header is 'The digest of the names of the columns.';
comment on column importing.columns.fields is 'The field of each column, in order; empty if the column is ignored.';
comment on column importing.columns.used_at is 'Time of the latest import with these columns.';

-- Return the time before which uploaded files are too old.
create function private.oldest_import_file() returns timestamptz
    language sql stable
    return clock_timestamp() - interval '2 hours';

-- Keep one piece of a file of the caller. The first call, without p_file_id, opens the file; the others add to it, in
-- order. Removes files that are too old, and all but the newest three of the caller. Returns {"file_id"}. Raises
-- PT404 if the caller has no such file, and PT422 for an invalid piece. Security definer, because no role may use the
-- files. All statements therefore contain the id of the caller.
create function public.keep_import_file(p_content text, p_name text default '', p_file_id uuid default null) returns jsonb
    language plpgsql security definer set search_path = ''
as $$
declare
    v_file_id uuid := p_file_id;
begin
    if auth.uid() is null then
        raise sqlstate 'PT401' using message = 'You must be signed in.';
    end if;
    if p_content is null or length(p_content) > 1000000 then
        raise sqlstate 'PT422' using message = 'A piece has at most 1,000,000 characters.';
    end if;
    if p_file_id is null then
        delete from importing.files f where f.made_at < private.oldest_import_file();
        delete from importing.files f where f.user_id = auth.uid() and f.id not in (
            select k.id from importing.files k where k.user_id = auth.uid() order by k.made_at desc, k.id limit 2
        );
        insert into importing.files (user_id, name) values (auth.uid(), left(p_name, 200)) returning id into v_file_id;
    elsif not exists (select from importing.files f where f.id = p_file_id and f.user_id = auth.uid()) then
        raise sqlstate 'PT404' using message = 'There is no such file.';
    end if;
    insert into importing.pieces (file_id, place, content)
    select v_file_id, count(*), p_content from importing.pieces p where p.file_id = v_file_id;
    return jsonb_build_object('file_id', v_file_id);
exception
    when check_violation then
        raise sqlstate 'PT422' using message = 'The file is too large.';
end
$$;

-- Return the name, the number of pieces and the report of a file of the caller. The form is {"name", "pieces", "report"},
-- or null if there is no such file or it is too old. Security definer, because no role may use the files. All statements therefore contain the id of the caller.
create function public.get_import_file(p_file_id uuid) returns jsonb
    language sql stable security definer set search_path = ''
as $$
    select jsonb_build_object(
        'name', f.name, 'report', f.report,
        'pieces', (select count(*) from importing.pieces p where p.file_id = f.id)
    )
    from importing.files f where f.id = p_file_id and f.user_id = auth.uid() and f.made_at >= private.oldest_import_file()
$$;

-- Return one piece of a file of the caller as {"content"}, or null. Security definer, because no role may use the files. The statement
-- therefore contains the id of the caller.
create function public.get_import_piece(p_file_id uuid, p_place integer) returns jsonb
    language sql stable security definer set search_path = ''
as $$
    select jsonb_build_object('content', p.content) from importing.pieces p
    join importing.files f on f.id = p.file_id
    where p.file_id = p_file_id and p.place = p_place and f.user_id = auth.uid() and f.made_at >= private.oldest_import_file()
$$;

-- Keep the report about a run with a file of the caller, or null while it runs. Returns whether there is such a file. Raises PT422 for a report
-- over one megabyte. Security definer, because no role may use the files. The statement contains the id of the caller.
create function public.keep_import_report(p_file_id uuid, p_report jsonb) returns boolean
    language plpgsql security definer set search_path = ''
as $$
begin
    if length(p_report::text) > 1000000 then
        raise sqlstate 'PT422' using message = 'A report has at most 1,000,000 characters.';
    end if;
    update importing.files f set report = p_report where f.id = p_file_id and f.user_id = auth.uid();
    return found;
end
$$;

-- Remember the fields that the caller has chosen for the columns of a header. Forgets all but the 500 latest choices.
-- Returns true. Raises PT422 for an invalid choice. Security definer, because no role may use the choices. All
-- statements therefore contain the id of the caller.
create function public.remember_columns(p_header text, p_fields jsonb) returns boolean
    language plpgsql security definer set search_path = ''
as $$
begin
    if auth.uid() is null then
        raise sqlstate 'PT401' using message = 'You must be signed in.';
    end if;
    if length(p_header) <> 64 or jsonb_typeof(p_fields) <> 'array' or length(p_fields::text) > 50000 then
        raise sqlstate 'PT422' using message = 'A digest and an array of fields are needed.';
    end if;
    insert into importing.columns (user_id, header, fields) values (auth.uid(), p_header, p_fields)
    on conflict (user_id, header) do update set fields = excluded.fields, used_at = clock_timestamp();
    delete from importing.columns c where c.user_id = auth.uid() and c.header not in (
        select k.header from importing.columns k where k.user_id = auth.uid() order by k.used_at desc limit 500
    );
    return true;
end
$$;

-- Return the fields that the caller has chosen for the columns of a header as {"fields"}, or null. Security definer, because no role
-- may use the choices. The statement therefore contains the id of the caller.
create function public.remembered_columns(p_header text) returns jsonb
    language sql stable security definer set search_path = ''
as $$
    select jsonb_build_object('fields', c.fields) from importing.columns c where c.user_id = auth.uid() and c.header = p_header
$$;

comment on function private.oldest_import_file is 'Return the time before which uploaded files are too old.';
comment on function public.keep_import_file is 'Keep one piece of a file of the caller.';
comment on function public.get_import_file is 'Return the name, the number of pieces and the report of a file of the caller.';
comment on function public.get_import_piece is 'Return one piece of a file of the caller as {"content"}, or null.';
comment on function public.keep_import_report is 'Keep the report about a run with a file of the caller, or null while it runs.';
comment on function public.remember_columns is 'Remember the fields that the caller has chosen for the columns of a header.';
comment on function public.remembered_columns is
    'Return the fields that the caller has chosen for the columns of a header as {"fields"}, or null.';

-- Execution rights. PostgreSQL lets everyone execute a new function, and hosted Supabase grants new functions in
-- public to its roles. Revoke all of that, then grant what is needed.
revoke execute on function private.oldest_import_file, public.keep_import_file, public.get_import_file, public.get_import_piece,
    public.keep_import_report, public.remember_columns, public.remembered_columns
    from public, anon, authenticated, service_role;
grant execute on function public.keep_import_file, public.get_import_file, public.get_import_piece,
    public.keep_import_report, public.remember_columns, public.remembered_columns
    to authenticated;
