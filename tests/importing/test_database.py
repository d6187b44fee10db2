"""`import_deals`: how a row finds its product and deal, what it changes, and why it is refused."""

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from local.stack import Stack
from tests.barcodes import upc
from tests.callers import Caller

_UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"
_A, _B = "B00000000A", "B00000000B"

Row = dict[str, Any]
Outcome = dict[str, Any]


def _imports(caller: Caller, *rows: Row, **arguments: object) -> Outcome:
    """Import rows with line numbers from 2 on, as in a file."""
    numbered = [{"line": line, **row} for line, row in enumerate(rows, start=2)]
    outcome: Outcome = caller.changes("import_deals", p_rows=numbered, **arguments)
    assert sum(outcome[name] for name in ("created", "updated", "unchanged", "repeated")) == (
        len(rows) - len(outcome["refused"])
    )
    return outcome


def _counts(outcome: Outcome) -> tuple[int, int, int, int, int]:
    """Return created, updated, unchanged, repeated and refused."""
    names = ("created", "updated", "unchanged", "repeated")
    return (*(outcome[name] for name in names), len(outcome["refused"]))


def _everything(caller: Caller) -> list[Row]:
    return caller.lists(p_sort="created_at") + caller.lists(p_sort="created_at", p_active=False)


def test_a_row_becomes_a_product_and_its_deal(alice: Caller) -> None:
    """It has every given field, and the defaults for the others."""
    full = {
        "asin": _A, "upc": "12345670", "title": "Lamp", "brand": "Lux", "multiple_asins": True, "supplier": "Acme",
        "buy_cost": "12.50", "moq": 6, "stage": "ordered", "favorite": True, "notes": "n",
    }  # fmt: skip
    assert _counts(_imports(alice, full, {"title": "Bare"})) == (2, 0, 0, 0, 0)
    bare, lamp = alice.lists(p_sort="title")
    shown = {**lamp, **lamp["product"]}
    assert {name: shown[name] for name in full} == full
    assert (bare["stage"], bare["supplier"], bare["buy_cost"], bare["favorite"]) == ("new", "", None, False)


def test_a_product_is_found_by_asin_then_upc_then_title_and_brand(alice: Caller) -> None:
    """Letter case is ignored. Only products without UPC are found by title, and those without ASIN first."""
    first = [{"asin": _A, "title": "One"}, {"upc": "12345670", "title": "Two"}, {"title": "Three", "brand": "B"}]
    _imports(alice, *first)
    again = [
        {"asin": _A, "title": "Other"},
        {"upc": "12345670", "title": "Other"},
        {"title": "THREE", "brand": "b"},
        {"title": "One"},
        {"title": "Three", "brand": "C"},
    ]
    assert _counts(_imports(alice, *again)) == (1, 0, 3, 1, 0)
    assert sorted(item["product"]["title"] for item in alice.lists()) == ["One", "Three", "Three", "Two"]


def test_a_product_that_got_its_asin_is_still_found_by_its_title(alice: Caller) -> None:
    """The second import of a file without ASINs needs no decision again."""
    _imports(alice, {"title": "Lamp", "brand": "B"})
    (lamp,) = (item["product_id"] for item in alice.lists())
    alice.changes("update_product", p_product_id=lamp, p_changes={"asin": _A})
    assert _counts(_imports(alice, {"title": "LAMP", "brand": "b"})) == (0, 0, 1, 0, 0)
    assert alice.creates(title="lamp", brand="B")["product_id"] == lamp


def test_products_with_the_same_title_are_distinguished_by_their_id(stack: Stack, alice: Caller) -> None:
    """Exports contain the id. It is ignored in rows with an ASIN or UPC, and for products of other users."""
    twins = [alice.creates(title=title)["product_id"] for title in ("Twin", "Other")]
    stack.supabase.sql("update products set title = 'Twin' where user_id = $1", alice.id)
    rows = [{"product_id": twin, "title": "Twin", "brand": "B", "notes": twin} for twin in twins]
    assert _counts(_imports(alice, *rows)) == (0, 2, 0, 0, 0)
    assert {item["product_id"]: item["notes"] for item in alice.lists()} == {twin: twin for twin in twins}
    # The brand is part of the identity of such a product, so it is not filled in.
    assert {item["product"]["brand"] for item in alice.lists()} == {""}
    ignored = [{"product_id": _UNKNOWN_ID, "title": "New"}, {"product_id": twins[0], "asin": _A}]
    assert _counts(_imports(alice, *ignored)) == (1, 0, 0, 0, 1)


def test_a_product_is_completed_and_never_overwritten(alice: Caller) -> None:
    """Empty fields are filled from the first row with a value. The user's values are kept."""
    _imports(alice, {"upc": "12345670", "title": "Mine"})
    rows = [{"upc": "12345670", "asin": _A, "title": "Theirs"}, {"asin": _A, "brand": "B", "upc": "87654325"}]
    assert _counts(_imports(alice, *rows)) == (0, 1, 0, 1, 0)
    product = alice.lists()[0]["product"]
    assert (product["asin"], product["upc"], product["title"], product["brand"]) == (_A, "12345670", "Mine", "B")


def test_a_deal_is_identified_by_its_supplier_and_empty_cells_change_nothing(alice: Caller) -> None:
    """A row changes only its non-empty fields, and restores a deleted deal."""
    _imports(alice, {"asin": _A, "title": "x", "supplier": "Acme", "buy_cost": "1.00", "notes": "keep"})
    deal = alice.lists()[0]["id"]
    alice.changes("delete_deal", p_deal_id=deal)
    outcome = _imports(alice, {"asin": _A, "supplier": "ACME", "moq": 3}, {"asin": _A, "supplier": "Bolt"})
    assert _counts(outcome) == (1, 1, 0, 0, 0)
    found = {item["supplier"]: item for item in alice.lists()}
    assert set(found) == {"ACME", "Bolt"}
    acme = found["ACME"]
    assert (acme["id"], acme["buy_cost"], acme["moq"], acme["notes"]) == (deal, "1.00", 3, "keep")


def test_the_last_of_several_rows_for_one_deal_applies(alice: Caller) -> None:
    """Also if the rows identify the product in different ways."""
    rows = [
        {"asin": _A, "upc": "12345670", "title": "x", "buy_cost": "1.00"},
        {"upc": "12345670", "buy_cost": "2.00"},
        {"asin": _A, "buy_cost": "3.00"},
    ]
    assert _counts(_imports(alice, *rows)) == (1, 0, 0, 2, 0)
    assert [item["buy_cost"] for item in alice.lists()] == ["3.00"]


@pytest.mark.parametrize(
    ("existing", "row", "words"),
    [
        ([{"asin": _A}, {"upc": "12345670"}], {"asin": _A, "upc": "12345670"}, "two different products"),
        ([{"asin": _A, "upc": "12345670"}], {"asin": _B, "upc": "12345670"}, f"another ASIN, {_A}"),
        ([], {"asin": _B, "supplier": "x"}, "needs a title"),
    ],
)
def test_an_invalid_row_is_refused_and_the_others_are_imported(
    alice: Caller, existing: list[Row], row: Row, words: str
) -> None:
    """The refusal has the line, the column and a reason. The other rows are imported."""
    for product in existing:
        alice.creates(**product)
    outcome = _imports(alice, {"title": "Before"}, row, {"title": "After"})
    assert _counts(outcome) == (2, 0, 0, 0, 1)
    assert outcome["refused"][0]["line"] == 3
    assert words in outcome["refused"][0]["reason"]


def test_a_row_that_contradicts_an_earlier_row_is_refused(alice: Caller) -> None:
    """One UPC cannot belong to two ASINs."""
    outcome = _imports(
        alice, {"asin": _A, "upc": "12345670", "title": "x"}, {"asin": _B, "upc": "12345670", "title": "y"}
    )
    assert [(found["line"], found["column"]) for found in outcome["refused"]] == [(3, "asin")]
    assert [item["product"]["asin"] for item in alice.lists()] == [_A]


_rows = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "asin": st.sampled_from([_A, _B]),
            "upc": st.sampled_from(["11111115", "22222220"]),
            "title": st.sampled_from(["Foo", "foo", "Bar"]),
            "brand": st.sampled_from(["", "X"]),
            "supplier": st.sampled_from(["Acme", "ACME", "Bolt"]),
            "buy_cost": st.sampled_from(["1.00", "2.00"]),
            "stage": st.sampled_from(["new", "ordered"]),
        },
    ).map(lambda row: row if row.keys() & {"asin", "upc", "title"} else {**row, "title": "Foo"}),
    max_size=6,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(existing=_rows, rows=_rows)
@example(
    existing=[{"asin": _A, "title": "Foo"}], rows=[{"title": "Foo"}, {"asin": _A, "title": "Foo", "upc": "11111115"}]
)
@example(existing=[{"asin": _A, "title": "Foo"}], rows=[{"title": "Foo"}, {"asin": _A, "brand": "X"}])
def test_a_dry_run_predicts_the_import_and_a_second_import_changes_nothing(
    stack: Stack, alice: Caller, existing: list[Row], rows: list[Row]
) -> None:
    """For any existing data and any combination of rows, no batch fails, and repeating the import changes nothing."""
    stack.supabase.sql("delete from products where user_id = $1", alice.id)
    _imports(alice, *existing)
    before = _everything(alice)
    predicted = _imports(alice, *rows, p_dry_run=True)
    assert _everything(alice) == before
    assert {**_imports(alice, *rows), "batch_id": None} == predicted
    after = _everything(alice)
    again = _imports(alice, *rows)
    assert (again["created"], again["updated"]) == (0, 0)
    assert _everything(alice) == after


@pytest.mark.parametrize(
    "rows", [None, {}, [1], [{"line": 2, "colour": "red"}], [{"title": "x"}], [{"line": 2, "asin": "PENDING_1"}],
             [{"line": 2, "title": "x", "moq": 0}], [{"line": 2, "title": "x", "buy_cost": "many"}],
             [{"line": line, "title": "x"} for line in range(5001)]],
)  # fmt: skip
def test_malformed_rows_refuse_the_whole_call(alice: Caller, rows: object) -> None:
    """422, and nothing is changed."""
    assert alice.rpc("import_deals", p_rows=rows).status_code == 422
    assert _everything(alice) == []


def test_only_the_service_role_can_import_for_another_user(alice: Caller, bob: Caller, service: Caller) -> None:
    """A user is refused. The service role must name an existing user."""
    assert alice.rpc("import_deals", p_rows=[], p_user_id=bob.id).json()["code"] == "PT403"
    assert _counts(_imports(alice, {"title": "x"}, p_user_id=alice.id)) == (1, 0, 0, 0, 0)
    assert _counts(_imports(service, {"title": "x"}, p_user_id=bob.id)) == (1, 0, 0, 0, 0)
    assert service.rpc("import_deals", p_rows=[], p_user_id=_UNKNOWN_ID).json()["code"] == "PT404"
    assert service.rpc("import_deals", p_rows=[]).json()["code"] == "PT401"
    assert len(bob.lists()) == 1


def test_an_import_finds_no_product_of_another_user(alice: Caller, bob: Caller) -> None:
    """The function bypasses row level security, so every lookup has its own filter."""
    theirs = [{"asin": _A, "title": "a"}, {"upc": "12345670", "title": "b"}, {"title": "c"}]
    _imports(bob, *theirs)
    ids = [{"product_id": item["product_id"], "title": "d"} for item in bob.lists()]
    before = _everything(bob)
    assert _counts(_imports(alice, *theirs, *ids)) == (4, 0, 0, 2, 0)
    assert _everything(bob) == before


def test_rows_are_looked_up_by_index_in_tables_without_statistics(stack: Stack, alice: Caller) -> None:
    """Without statistics, the planner would prefer to read the whole table, once or for each row."""
    stack.supabase.sql(
        "insert into products (user_id, asin, title) select $1, 'B' || lpad(n::text, 9, '0'), 't' || n"
        " from generate_series(1, 30000) n",
        alice.id,
    )
    rows = [{"line": n, "asin": f"B{n:09}", "upc": upc(n), "title": "t"} for n in range(30_001, 30_051)]
    rows += [{"line": n, "title": f"t{n}"} for n in range(30_051, 30_101)]
    # Counts that are already published and counts that are pending; the server publishes them at any time.
    tables = "(select seq_tup_read + idx_tup_fetch as read from {} where schemaname = 'public')"
    both = " union all ".join(map(tables.format, ("pg_stat_user_tables", "pg_stat_xact_user_tables")))
    reads = f"select sum(read)::int as n from ({both}) _"  # noqa: S608 - our own names
    before = stack.supabase.sql(reads)[0]["n"]
    alice.changes("import_deals", p_rows=rows)
    assert 0 < stack.supabase.sql(reads)[0]["n"] - before < 2_000
