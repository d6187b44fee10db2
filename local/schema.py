"""Write docs/schema.md from the catalog of a migrated database: `make schema`."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from local import ROOT
from local.supabase import SupabaseServer

__all__ = ["PAGE", "describe"]

PAGE: Final = ROOT / "docs" / "schema.md"
Rows = list[dict[str, Any]]
Run = Callable[[str], Rows]
"""Runs SQL as the superuser and returns the rows."""

_HEAD: Final = """# Schema

Generated from the database by `make schema`. Do not edit this page: change the comments in a new migration instead.
[The data](data.md) explains the design.
"""

_SCHEMAS: Final = """
select n.nspname::text as name, obj_description(n.oid, 'pg_namespace') as text
from pg_namespace n
where n.nspname in ('public', 'private', 'counting', 'searching', 'idempotency', 'deciding')
order by n.nspname collate "C"
"""

_TABLES: Final = """
select c.oid::int as id, n.nspname || '.' || c.relname as name, obj_description(c.oid, 'pg_class') as text,
    case when c.relrowsecurity then 'on' else 'off' end as security
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname in ('public', 'counting', 'searching', 'idempotency', 'deciding')
order by (n.nspname || '.' || c.relname) collate "C"
"""

_COLUMNS: Final = """
select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as needed,
    case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) else 'generated' end as value,
    col_description(a.attrelid, a.attnum) as text
from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = {id} and a.attnum > 0 and not a.attisdropped order by a.attnum
"""

_POLICIES: Final = """
select p.polname::text as name, p.polroles::regrole[]::text as roles, pg_get_expr(p.polqual, p.polrelid) as condition
from pg_policy p where p.polrelid = {id} order by p.polname collate "C"
"""

# The privileges of the API roles on the table and on single columns of it.
_GRANTS: Final = """
select g.role,
    string_agg(g.privilege || coalesce(' (' || g.columns || ')', ''), ', ' order by g.privilege collate "C") as rights
from (
    select a.grantee::regrole::text as role, lower(a.privilege_type) as privilege, null as columns
    from pg_class c, aclexplode(c.relacl) a where c.oid = {id} and a.grantee <> c.relowner
    union all
    select a.grantee::regrole::text, lower(a.privilege_type), string_agg(t.attname, ', ' order by t.attnum)
    from pg_attribute t, aclexplode(t.attacl) a where t.attrelid = {id} group by 1, 2
) g
group by g.role order by g.role collate "C"
"""

_FUNCTIONS: Final = """
select p.proname::text as name, pg_get_function_identity_arguments(p.oid) as arguments,
    pg_get_function_result(p.oid) as result, case when p.prosecdef then 'definer' else 'caller' end as security,
    obj_description(p.oid, 'pg_proc') as text, coalesce((
        select string_agg(case when a.grantee = 0 then 'everyone' else a.grantee::regrole::text end, ', '
            order by a.grantee::regrole::text collate "C")
        from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee <> p.proowner
    ), 'no role') as roles
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where p.prokind = 'f' and n.nspname = '{name}' order by p.proname collate "C"
"""


def describe(run: Run) -> str:
    """Return the page for the database that `run` reads."""
    lines = [_HEAD, "## Tables", ""]
    for table in run(_TABLES):
        lines += _table(run, table)
    for schema in run(_SCHEMAS):
        if functions := run(_FUNCTIONS.format(name=schema["name"])):
            lines += [f"## Functions in `{schema['name']}`", ""]
            if schema["name"] != "public":
                lines += [str(schema["text"]), ""]
            lines += [*_functions(functions), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _table(run: Run, table: dict[str, Any]) -> list[str]:
    columns = run(_COLUMNS.format(id=table["id"]))
    lines = [f"### `{table['name']}`", "", table["text"] or "", ""]
    lines += _grid(
        ["column", "type", "null", "default", "meaning"],
        [[c["name"], c["type"], "no" if c["needed"] else "yes", _code(c["value"]), c["text"] or ""] for c in columns],
    )
    lines += ["", f"Row level security is {table['security']}.", ""]
    lines += [
        f"- policy `{p['name']}` for {p['roles'].strip('{}')}: `{p['condition']}`"
        for p in run(_POLICIES.format(id=table["id"]))
    ]
    lines += [f"- {g['role']} may {g['rights']}" for g in run(_GRANTS.format(id=table["id"]))]
    return lines if lines[-1] == "" else [*lines, ""]


def _functions(functions: Rows) -> list[str]:
    return _grid(
        ["function", "returns", "runs with the rights of", "callable by", "meaning"],
        [
            [f"`{f['name']}({f['arguments']})`", _code(f["result"]), f["security"], f["roles"], f["text"] or ""]
            for f in functions
        ],
    )


def _grid(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    heads = list(heads)
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in [heads, ["---"] * len(heads), *cells]]


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def main() -> None:
    """Start an empty, migrated Supabase and write the page."""
    with tempfile.TemporaryDirectory() as folder, SupabaseServer(Path(folder) / "data") as server:
        PAGE.write_text(describe(server.sql), encoding="utf-8")


if __name__ == "__main__":
    main()
