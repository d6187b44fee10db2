"""A feed of candidates when the client or the database goes away, beside other requests, and with a very long file."""

import json
import re
from pathlib import Path
from typing import Final

import pytest

from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from tests.barcodes import upc
from tests.matching.deciding import Decider
from tests.matching.feeding import CSV, PATH, Line, feeds, posts, totals
from tests.problems import problem
from tests.proxy import Fault, SupabaseProxy
from tests.sellers import Seller

_PRODUCTS: Final = 2500
_MOST_ROWS: Final = 200_000
_MOST_GROWTH: Final = 30_000  # kB; a file of this length has 12 MB


def _list_of(products: int) -> str:
    return "UPC,Title\n" + "".join(f"{upc(number, length=12)},P\n" for number in range(products))


def _candidates(rows: int, products: int = _PRODUCTS) -> str:
    """Return rows for all products in turn, each with another ASIN."""
    lines = (f"{upc(number % products, length=12)},B{number:09},Lamp {number}\n" for number in range(rows))
    return "UPC,ASIN,Title\n" + "".join(lines)


def _stored(stack: Stack, seller: Seller) -> int:
    (row,) = stack.supabase.sql("select count(*)::int as n from candidates where user_id = $1", seller.id)
    number: int = row["n"]
    return number


def _logged(log: Path, seller: Seller) -> list[str]:
    return re.findall(rf"candidates for {seller.id} (.*?)\"", log.read_text())


def test_a_client_that_disconnects_stops_the_feed_after_the_current_batch(
    importer: Seller, proxy: SupabaseProxy, log: Path, stack: Stack
) -> None:
    """The log has one line with the committed totals."""
    importer.imports(_list_of(_PRODUCTS))
    second_batch, gone = proxy.holds(3)  # after the health check and the first batch
    with importer.http.stream("POST", PATH, content=_candidates(_PRODUCTS), headers=CSV) as answer:
        lines = answer.iter_lines()
        # Read everything that was sent: an unread byte would turn the close of the connection into a reset.
        assert [json.loads(next(lines)).get("rows") for _ in range(2)] == [None, 1000]
        assert second_batch.wait(30)
    gone.set()
    assert wait_until(lambda: bool(_logged(log, importer)), seconds=30)
    counts = "rows=2000 stored=2000 unchanged=0 never=0 empty=0 unknown=0 rejected=0 decided=0"
    assert _logged(log, importer) == [f"stopped: the client disconnected; accept_single=False {counts}"]
    assert _stored(stack, importer) == 2000


def test_a_failure_of_the_database_is_the_last_line_with_the_committed_totals(
    importer: Seller, proxy: SupabaseProxy, stack: Stack
) -> None:
    """The same file can be sent again. A failure before the start is a plain 503, for a file and for a list."""
    importer.imports(_list_of(_PRODUCTS))
    proxy.fault = Fault(lambda _: b"", arrives=False)
    for content in (_candidates(1), [{"upc": upc(1), "asin": "B000000001"}]):
        refused = posts(importer, content)
        assert (problem(refused, 503)["status"], "Retry-After" in refused.headers) == (503, True)
    proxy.fault = None
    proxy.fails_after(3)  # the health check and two batches
    with importer.http.stream("POST", PATH, content=_candidates(5000), headers=CSV) as answer:
        lines: list[Line] = [json.loads(line) for line in answer.iter_lines()]
    last = lines[-1]
    assert (last["error"]["status"], last["error"]["instance"], "done" in last) == (503, PATH, False)
    assert totals(last) == {"rows": 2000, "stored": 2000}
    assert _stored(stack, importer) == 2000
    proxy.fault = None
    assert totals(feeds(importer, _candidates(5000))[-1]) == {"rows": 5000, "stored": 3000, "unchanged": 2000}


def test_the_stats_are_fresh_after_each_batch(importer: Seller) -> None:
    """After it has received the totals, a client reads stats that include them."""
    importer.imports(_list_of(_PRODUCTS))
    content = "UPC,ASIN\n" + "".join(
        f"{upc(number, length=12)},B{number:04}{letter}0000\n" for number in range(_PRODUCTS) for letter in "AB"
    )
    with importer.http.stream("POST", PATH, content=content, headers=CSV) as answer:
        numbers = (json.loads(line).get("stored") for line in answer.iter_lines())
        seen = [(stored // 2, importer.stats()["needs_selection"]) for stored in numbers if stored]
    assert len(seen) == 6
    assert all(shown >= expected for expected, shown in seen)
    assert seen[-1] == (_PRODUCTS, _PRODUCTS)


def test_many_mistakes_are_counted_and_the_first_are_listed(importer: Seller) -> None:
    """The report is bounded. The last line has the number of omitted mistakes."""
    lines = feeds(importer, "UPC,ASIN\n" + "1,x\n" * 1500)
    assert len([line for line in lines if "reason" in line]) == 1000
    assert (lines[-1]["rejected"], lines[-1]["mistakes_omitted"]) == (1500, 500)


def test_a_file_over_200_000_rows_is_refused_before_any_change(importer: Seller) -> None:
    """413; the file is not truncated."""
    answer = posts(importer, "UPC,ASIN\n" + "1,x\n" * (_MOST_ROWS + 1))
    assert "200,000 rows" in problem(answer, 413)["detail"]


def _peak(server: AppServer) -> int:
    """Return the highest resident memory of the only worker so far, in kB."""
    (worker,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text())[0])


@pytest.mark.proof
@pytest.mark.timeout(1500)
def test_the_largest_file_needs_no_more_memory_than_a_short_one(
    importer: Seller, proxied_app: AppServer, stack: Stack
) -> None:
    """200,000 candidates of 5,000 products: all are stored, and the worker's peak memory hardly grows."""
    importer.imports(_list_of(5000))
    feeds(importer, _candidates(10_000, 5000))
    before = _peak(proxied_app)
    content = _candidates(_MOST_ROWS, 5000)
    with importer.http.stream("POST", PATH, content=content, headers=CSV, timeout=1200) as answer:
        lines: list[Line] = [json.loads(line) for line in answer.iter_lines()]
    assert totals(lines[-1]) == {"rows": _MOST_ROWS, "stored": _MOST_ROWS - 10_000, "unchanged": 10_000}
    assert _peak(proxied_app) - before <= _MOST_GROWTH
    assert _stored(stack, importer) == _MOST_ROWS
    found = Decider(importer).sees(importer.lists(search=upc(7, length=12))[0]["product_id"])
    assert (len(found["candidates"]), found["asin_status"]) == (40, "needs_selection")
