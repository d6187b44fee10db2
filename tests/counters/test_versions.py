"""Each change returns its breakdown with a version. Versions are in commit order; equal ones have equal numbers."""

import random
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import psycopg
import pytest

from tests.counters.catalogues import add_products
from tests.counters.oracle import recount
from tests.counters.sessions import BackgroundSession, act_as, run, wait_until_done_or_blocked
from tests.counters.versions import current
from tests.postgres import Session, acting_as, execute

_ZERO: Final = {"all": 0, "asin_found": 0, "needs_selection": 0, "needs_asin": 0, "manual_entry": 0}
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"

# Calls of the changing functions. {deal} and {product} are those of the user's only deal, of an unnamed supplier.
_CHANGES: Final = {
    "a new product": "create_product('{{\"title\": \"Lamp\"}}', '{{}}')",
    "a second deal": 'create_product(\'{{"title": "P"}}\', \'{{"supplier": "S"}}\')',
    "an existing deal": 'create_product(\'{{"title": "P"}}\', \'{{"stage": "ordered"}}\')',
    "an ASIN": "update_product('{product}', '{{\"asin\": \"B000000001\"}}')",
    "a title": "update_product('{product}', '{{\"title\": \"Q\"}}')",
    "an unknown product": f"update_product('{_NOBODY}', '{{{{}}}}')",
    "a stage": "update_deal('{deal}', '{{\"stage\": \"ordered\"}}')",
    "an unknown deal": f"update_deal('{_NOBODY}', '{{{{}}}}')",
    "delete": "delete_deal('{deal}')",
    "delete the last product": "delete_deal('{deal}', true)",
    "delete an unknown deal": f"delete_deal('{_NOBODY}')",
    "bulk delete": "bulk_deals('delete', array['{deal}'::uuid])",
    "bulk move": "bulk_deals('move', array['{deal}'::uuid], 'ordered')",
    "import": 'import_deals(\'[{{"line": 1, "title": "A"}}, {{"line": 2, "title": "B", "upc": "12345670"}}]\')',
    "import nothing": "import_deals('[]')",
    "dry run": 'import_deals(\'[{{"line": 1, "title": "A"}}]\', true)',
}
_WITHOUT_A_ROW: Final = ("a new product", "an unknown product", "an unknown deal", "delete an unknown deal", "import",
                         "import nothing", "dry run")  # fmt: skip


def _call(session: Session, text: str) -> dict[str, Any]:
    envelope: dict[str, Any] = execute(session, f"select {text} as envelope")[0]["envelope"]
    return envelope


def _assert_result_is_committed(administrator: Session, seller: str, change: str) -> None:
    """Make a change, and compare the version and the numbers in its result with the committed ones."""
    before = current(partial(execute, administrator), [seller])[seller]
    with acting_as(administrator, seller):
        envelope = _call(administrator, change)
    after = current(partial(execute, administrator), [seller])[seller]
    assert envelope.keys() == {"answer", "stats", "version"}
    assert (envelope["version"], envelope["stats"]) == after
    assert after[0] > before[0] or after == before


@pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES)
def test_a_change_returns_the_committed_version_and_numbers(administrator: Session, seller: str, change: str) -> None:
    """A change of the numbers raises the version. The numbers include those of the last deleted product: zeros."""
    deal = add_products(administrator, seller, 1)[0]
    product = execute(administrator, "select product_id from public.deals where id = %s", deal)[0]["product_id"]
    _assert_result_is_committed(administrator, seller, change.format(deal=deal, product=product))


@pytest.mark.parametrize("name", _WITHOUT_A_ROW)
def test_a_user_without_a_row_of_counters_has_zeros_and_the_first_version(
    administrator: Session, seller: str, name: str
) -> None:
    """The first product raises the version."""
    assert current(partial(execute, administrator), [seller]) == {seller: (1, _ZERO)}
    _assert_result_is_committed(administrator, seller, _CHANGES[name].format())


def test_the_service_role_gets_the_breakdown_of_the_user_it_imports_for(administrator: Session, seller: str) -> None:
    """The application calls import_deals as the service role for `flask products import`."""
    with administrator.transaction():
        execute(administrator, "set local role service_role")
        rows = '[{"line": 1, "title": "A"}]'
        envelope = _call(administrator, f"import_deals('{rows}', false, '{seller}')")
    assert current(partial(execute, administrator), [seller]) == {seller: (envelope["version"], envelope["stats"])}
    assert envelope["stats"]["manual_entry"] == 1


def test_no_user_gets_the_breakdown_of_another_one(administrator: Session, seller: str) -> None:
    """The same holds for arbitrary SQL: the function compares the user id with the caller's."""
    with acting_as(administrator, _NOBODY), pytest.raises(psycopg.Error, match="belong to another user"):
        _call(administrator, f"private.with_stats('{seller}', null)")


@pytest.mark.parametrize("repair", ["recount", "truncate", "service role", "user's own statement"])
def test_other_ways_to_change_the_numbers_raise_the_version_too(
    administrator: Session, seller: str, repair: str
) -> None:
    """A recount, the truncation of all deals, and statements on the tables."""
    add_products(administrator, seller, 2)
    with administrator.transaction(force_rollback=True):
        if repair == "recount":
            execute(administrator, "update counting.asin_stats set asin_found = 7 where user_id = %s", seller)
        before = current(partial(execute, administrator), [seller])[seller]
        if repair == "recount":
            recount(partial(execute, administrator), seller)
        elif repair == "truncate":
            execute(administrator, "truncate public.deals")
        else:
            claim, role = ("", "service_role") if repair == "service role" else (seller, "authenticated")
            become = "select set_config('request.jwt.claim.sub', %s, true), set_config('role', %s, true)"
            execute(administrator, become, claim, role)
            execute(administrator, f"update products set multiple_asins = true where user_id = '{seller}'")  # noqa: S608
            execute(administrator, "reset role")
        after = current(partial(execute, administrator), [seller])[seller]
    assert after[0] > before[0]
    assert after[1] != before[1]


def test_the_change_that_waited_for_the_lock_has_the_highest_version(
    both: tuple[BackgroundSession, BackgroundSession], administrator: Session, seller: str
) -> None:
    """Its transaction began first, and its change before the last change of the other one. Its numbers contain all."""
    add_products(administrator, seller, 1)
    act_as(seller, *both)
    results: list[dict[str, Any]] = []
    waiting, other = both

    def change(session: Session) -> None:
        title = f"{session.info.backend_pid} {len(results)}"
        results.append(_call(session, f"create_product('{{\"title\": \"{title}\"}}', '{{}}')"))

    run(waiting, both, "select 1")
    other.start(change)
    other.outcome()
    waiting.start(change)
    wait_until_done_or_blocked(both)
    assert waiting.is_blocked
    other.start(change)
    other.outcome()
    other.session.commit()
    waiting.outcome()
    waiting.session.commit()
    assert [result["stats"]["all"] for result in results] == [2, 3, 4]
    assert results[0]["version"] < results[1]["version"] < results[2]["version"]


@dataclass(frozen=True, slots=True)
class _Change:
    """A committed change: when it began and ended (monotonic seconds), what it added to a status, and its result."""

    began: float
    ended: float
    status: str
    added: int
    result: dict[str, Any]


def _changes(session: Session, number: int, done: list[_Change]) -> None:
    """Make random changes, each in a transaction of its own, and append them to `done`."""
    rng, deals = random.Random(number), list[tuple[str, str]]()  # noqa: S311 - reproducible, not secret
    for step in range(100):
        began = time.monotonic()
        if deals and rng.random() < 0.4:
            status, deal = deals.pop(rng.randrange(len(deals)))
            added, result = -1, _call(session, f"delete_deal('{deal}', {rng.choice(('true', 'false'))})")
        else:
            status, asin = rng.choice([("asin_found", f"B{number}{step:08}"), ("manual_entry", "PENDING_1")])
            product = f'{{"title": "{number} {step}", "asin": "{asin}"}}'
            added, result = 1, _call(session, f"create_product('{product}', '{{}}')")
            deals.append((status, result["answer"]["deal"]["id"]))
        session.commit()
        done.append(_Change(began, time.monotonic(), status, added, result))


def test_versions_of_concurrent_changes_are_in_commit_order(
    both: tuple[BackgroundSession, BackgroundSession], seller: str
) -> None:
    """In the order of the versions, each result has exactly the numbers of the changes up to it.

    A change that began after another one was committed has a higher version.
    """
    done: list[_Change] = []
    act_as(seller, *both)
    for number, each in enumerate(both):
        each.start(partial(_changes, number=number, done=done))
    for each in both:
        each.outcome()
    numbers, highest = dict(_ZERO), 0
    for change in sorted(done, key=lambda change: change.result["version"]):
        numbers[change.status] += change.added
        numbers["all"] += change.added
        assert change.result["stats"] == numbers
        assert change.result["version"] > highest
        highest = change.result["version"]
    for earlier in done:
        for later in done:
            if earlier.ended < later.began:
                assert earlier.result["version"] < later.result["version"]
