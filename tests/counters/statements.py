"""Random statements on products, deals, candidates and matches, by users and by the service role.

They have every form of SQL that changes rows.
"""

from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from tests.barcodes import upc
from tests.counters import candidate_statements

__all__ = ["REFUSALS", "SEARCHES", "STAGES", "Statement", "statements"]

REFUSALS: Final = ("23", "21000", "22012", "PT404", "PT409", "PT410", "PT422", "40P01")
"""Expected SQLSTATEs, or their beginnings. Any other one is an error in the statement."""

STAGES: Final = ("new", "ordered")
"""All stages that the statements use."""

SEARCHES: Final = ("pine", "quill", "ui")
"""Parts of the titles that the statements use."""


def _each(text: str) -> list[str]:
    return [statement.strip() for statement in text.split(";")]


# {col} and {val} set the owner if the actor may set it. {ours} limits the service role to the two users of the example.
_BY_BOTH: Final = _each("""
    insert into products ({col}title, {field}) values ({val}'{p}', {value});
    insert into products ({col}title, {field}) values ({val}'{p}', {value}), ({val}'{q}', default);
    with p as (insert into products ({col}title, {field}) values ({val}'{p}', {value}) returning id)
        insert into deals ({col}product_id, supplier) select {val}id, '{s}' from p;
    insert into deals ({col}product_id, supplier)
        select {val}id, '{s}' from products where user_id = '{me}' and title in ('{p}', '{q}');
    insert into deals ({col}product_id, supplier)
        select {val}id, '{s}' from products where user_id = '{me}' and title in ('{p}', '{q}')
        on conflict (product_id, lower(supplier))
        do update set active = not deals.active, deleted_at = case when deals.active then now() end;
    update deals set active = {on}, deleted_at = {at} where {ours} and supplier = '{s}';
    update deals set active = not active, deleted_at = case when active then now() end
        where {ours} and product_id in (select id from products where title = '{p}');
    update deals set supplier = '{t}' where {ours} and supplier = '{s}';
    delete from deals where {ours} and supplier = '{s}';
    delete from products where {ours} and title = '{p}';
    update products set {field} = {value} where {ours} and title = '{p}';
    update products set title = '{q}' where {ours} and title = '{p}';
    merge into deals d using (select id from products where user_id = '{me}' and title = '{p}') p
        on d.product_id = p.id and d.supplier = '{s}'
        when matched and d.active then delete
        when matched then update set active = true, deleted_at = null
        when not matched then insert ({col}product_id, supplier) values ({val}p.id, '{s}');
    with gone as (delete from deals where user_id = '{me}' and supplier = '{s}' returning product_id)
        insert into deals ({col}product_id, supplier) select {val}product_id, '{t}' from gone on conflict do nothing;
    with p as (update products set {field} = {value} where {ours} and title = '{p}' returning id)
        update deals set active = {on}, deleted_at = {at} where product_id in (select id from p);
    with gone as (delete from products where {ours} and title = '{p}')
        update deals set active = {on}, deleted_at = {at} where {ours} and supplier = '{s}';
    with gone as (delete from deals where {ours} returning id) select count(*) / 0 from gone;
    update deals set moq = 0 where {ours} and supplier = '{s}';
    update deals set stage = '{stage}', favorite = {on} where {ours} and supplier = '{s}';
    merge into products p using (values ('{p}')) as v (title) on p.user_id = '{me}' and p.title = v.title
        when matched then update set title = '{q}', {field} = {value}
        when not matched then insert ({col}title, {field}) values ({val}v.title, {value});
    insert into products ({col}title, upc) values ({val}'{p}', '{upc}')
        on conflict (user_id, upc) do update set title = excluded.title, multiple_asins = {on};
    with d as (insert into deals ({col}product_id, supplier)
            select {val}id, '{s}' from products where user_id = '{me}' and title = '{p}')
        update products set title = '{q}', {field} = {value} where {ours} and title = '{p}'
""")
_BY_USERS: Final = _each("""
    select create_product('{{"title": "{p}", "upc": "{upc}"}}', '{{"supplier": "{s}"}}');
    select bulk_deals('{action}', array(select id from deals where supplier = '{s}'));
    select delete_deal(id, true) from deals where supplier = '{s}';
    select update_product(id, '{{"multiple_asins": {on}}}') from products where title = '{p}';
    select update_product(id, '{{"title": "{q}"}}') from products where title = '{p}';
    select create_product('{{"title": "{p}"}}', '{{"supplier": "{s}", "stage": "{stage}", "favorite": {on}}}');
    select bulk_deals('move', array(select id from deals where supplier = '{s}'), '{stage}');
    select update_deal(id, '{{"favorite": {on}}}') from deals where supplier = '{s}';
    select import_deals('[{{"line": 1, "title": "{p}", "supplier": "{s}", "stage": "{stage}"}},
        {{"line": 2, "title": "{p}", "upc": "{upc}", "supplier": "{t}", "favorite": {on}}}]')
""")
_BY_SERVICE: Final = _each("""
    update deals d set product_id = p.id from products p
        where d.{ours} and p.user_id = d.user_id and p.title = '{q}' and d.supplier = '{s}'
        and d.product_id = (select id from products where user_id = '{me}' and title = '{p}' limit 1);
    with d as (update deals set user_id = '{other}'
            where product_id in (select id from products where user_id = '{me}' and title = '{p}'))
        update products set user_id = '{other}' where user_id = '{me}' and title = '{p}';
    update deals set id = gen_random_uuid(), active = not active, deleted_at = case when active then now() end
        where {ours} and supplier = '{s}';
    with {new_id}, {late_product}
        insert into deals (user_id, product_id, supplier) select '{me}', id, '{s}' from new_id;
    with {new_id}, {late_product}
        merge into deals d using new_id on d.product_id = new_id.id
        when not matched then insert (user_id, product_id, supplier) values ('{me}', new_id.id, '{s}');
    with {new_id}, {late_product}
        update deals d set product_id = new_id.id from new_id
        where d.id = (select id from deals where user_id = '{me}' and supplier = '{s}' order by id limit 1);
    with {new_id}, one as (select id from products where user_id = '{me}' and title = '{p}' order by id limit 1),
        late as (update products p set id = new_id.id, title = '{q}' from new_id, one where p.id = one.id)
        update deals d set product_id = new_id.id from new_id, one where d.product_id = one.id;
    with {new_id}, late as (insert into products (id, user_id, title, upc)
            select id, '{me}', '{q}', '{upc}' from new_id
            on conflict (user_id, upc) do update set title = excluded.title)
        insert into deals (user_id, product_id, supplier)
        select '{me}', coalesce((select id from products where user_id = '{me}' and upc = '{upc}'), id), '{s}'
        from new_id
        on conflict (product_id, lower(supplier)) do update set favorite = {on};
    insert into deals (user_id, product_id, supplier, asin_status, title_key)
        select user_id, id, '{s}', 'asin_found', 'made up' from products
        where user_id = '{me}' and title in ('{p}', '{q}');
    delete from auth.users where id = '{me}' and {n} = 0
""")
_CANDIDATES_BY_BOTH: Final = _each(candidate_statements.BY_BOTH)
_CANDIDATES_BY_USERS: Final = _each(candidate_statements.BY_USERS)
_CANDIDATES_BY_SERVICE: Final = _each(candidate_statements.BY_SERVICE)
# Nothing refers to the second CTE, so PostgreSQL runs it last: the product is inserted after the deals are changed.
_NEW_ID: Final = "new_id as materialized (select gen_random_uuid() as id)"
_LATE_PRODUCT: Final = (
    "late as (insert into products (id, user_id, title, {field}) select id, '{me}', '{p}', {value} from new_id)"
)
# TRUNCATE locks the table before its trigger locks the users. Other statements take the locks in the opposite order.
_LOCK_BOTH: Final = (
    "select pg_advisory_xact_lock(private.user_lock(id)) from auth.users where id in ('%alice%', '%bob%');"
)
_FIELDS: Final = (
    ("asin", "'B00000000{n}'"),
    ("asin", "'PENDING_{n}'"),
    ("upc", "'{upc}'"),
    ("multiple_asins", "true"),
    ("multiple_asins", "false"),
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement on the rows of two users.

    Attributes:
        text: the statement; `%alice%` and `%bob%` are placeholders for user ids.
        actor: "alice", "bob", "service_role", or "postgres" for statements that need an administrator.

    """

    text: str
    actor: str

    def sql(self, *, alice: str, bob: str) -> str:
        """Return the SQL for these users."""
        return self.text.replace("%alice%", alice).replace("%bob%", bob)


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    """Generate a statement. There are few titles and suppliers, so that statements change the same rows."""
    actor = draw(st.sampled_from(["alice", "alice", "alice", "bob", "service_role", "service_role"]))
    is_service = actor == "service_role"
    own, of_candidates = (_BY_SERVICE, _CANDIDATES_BY_SERVICE) if is_service else (_BY_USERS, _CANDIDATES_BY_USERS)
    me, other = draw(st.permutations(["%alice%", "%bob%"])) if is_service else (f"%{actor}%", "")
    template = draw(
        st.sampled_from(_BY_BOTH)
        | st.sampled_from(own)
        | st.sampled_from(_CANDIDATES_BY_BOTH)
        | st.sampled_from(of_candidates)
    )
    field, value = draw(st.sampled_from(_FIELDS))
    active, number = draw(st.booleans()), draw(st.integers(0, 3))
    text = (
        template.replace("{new_id}", _NEW_ID)
        .replace("{late_product}", _LATE_PRODUCT)
        .replace("{lock_both}", _LOCK_BOTH)
        .format(
            col="user_id, " if is_service else "",
            val=f"'{me}', " if is_service else "",
            ours="user_id in ('%alice%', '%bob%')",
            me=me,
            other=other,
            p=draw(st.sampled_from(["Pine", "Quill"])),
            q=draw(st.sampled_from(["Quill", "Rye"])),
            s=draw(st.sampled_from("ST")),
            t=draw(st.sampled_from("TU")),
            n=number,
            upc=upc(number),
            asin=draw(st.sampled_from(["B000000000", "B000000001", "B00000000X"])),
            verdict="always" if active else "never",
            field=field,
            value=value.format(n=number, upc=upc(number)),
            on=str(active).lower(),
            stage=draw(st.sampled_from(STAGES)),
            at="null" if active else "now()",
            action="restore" if active else "delete",
        )
    )
    return Statement(text, "postgres" if "auth.users" in text or "truncate" in text else actor)
