"""`POST /products/import` from programs and browsers: progress, refusals, limits and disconnects."""

import json
import re
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from app.products.files import XLSX
from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from tests.importing.workbooks import page, workbook
from tests.problems import pointers, problem
from tests.proxy import Fault, SupabaseProxy
from tests.sellers import Seller

_CSV = {"Content-Type": "text/csv"}
_FILE = "ASIN;Product Name;Vendor;Cost\nB000000001;Café;Müller;12,50 €\nB0;Bad;;\n;Lamp;;1\n"
_LIMIT = 50 << 20


def _long_file(rows: int, *, notes: str = "") -> str:
    return "ASIN,Title,Notes\n" + "".join(f"B{number:09},P,{notes}\n" for number in range(rows))


def _counts(line: dict[str, Any]) -> tuple[int, ...]:
    """Return rows, created, updated, unchanged, repeated and rejected."""
    return tuple(line[name] for name in ("rows", "created", "updated", "unchanged", "repeated", "rejected"))


def test_an_import_reports_columns_mistakes_and_totals(seller: Seller) -> None:
    """The answer has one JSON document per line: the header, each mistake, totals after each batch, and a summary."""
    header, mistake, progress, summary = seller.imports(_FILE.encode("cp1252"))
    assert header == {
        "columns": {"asin": "ASIN", "title": "Product Name", "supplier": "Vendor", "buy_cost": "Cost"},
        "ignored": [], "encoding": "cp1252", "of": 3,
    }  # fmt: skip
    assert (mistake["line"], mistake["column"], "10 letters" in mistake["reason"]) == (3, "ASIN", True)
    assert _counts(progress) == _counts(summary) == (3, 2, 0, 0, 0, 1)
    assert (summary["done"], summary["dry_run"]) == (True, False)
    found = {item["product"]["title"]: item for item in seller.lists()}
    assert (found["Café"]["supplier"], found["Café"]["buy_cost"], found["Lamp"]["buy_cost"]) == (
        "Müller",
        "12.50",
        "1.00",
    )


def test_a_workbook_is_imported(seller: Seller) -> None:
    """As the body or in a form. The sheet and the row of its header can be chosen."""
    content = workbook(page([["Title"], ["Lamp"]], "A"), page([["Prices"], ["Item", "Cost"], ["Chair", 2.5]], "B"))
    answer = seller.http.post("/products/import", content=content, headers={"Content-Type": XLSX})
    header, *_, summary = map(json.loads, answer.text.splitlines())
    assert header == {"columns": {"title": "Title"}, "ignored": [], "encoding": "xlsx", "sheet": "A", "of": 1}
    assert _counts(summary) == (1, 1, 0, 0, 0, 0)
    files, options = {"file": ("list.xlsx", content, XLSX)}, {"sheet": "B", "header_row": "2"}
    assert seller.http.post("/products/import", files=files, params=options).status_code == 200
    assert {item["product"]["title"]: item["buy_cost"] for item in seller.lists()} == {"Lamp": None, "Chair": "2.50"}


def test_a_workbook_that_cannot_be_used_is_a_problem(seller: Seller) -> None:
    """A damaged one, a missing sheet, and a wrong row."""
    good = workbook(page([["Title"], ["Lamp"]]))
    for content, options, words in [
        (good[:100], {}, "damaged"),
        (good, {"sheet": "Prices"}, "no visible sheet “Prices”. It has “Sheet1”. Nothing was changed."),
        (good, {"header_row": "3"}, "Row 3 is not"),
    ]:
        answer = seller.http.post("/products/import", content=content, params=options, headers={"Content-Type": XLSX})
        assert words in problem(answer, 422)["detail"]
    wrong = seller.http.post(
        "/products/import", content=good, params={"header_row": "0"}, headers={"Content-Type": XLSX}
    )
    assert pointers(wrong) == ["/header_row"]


def test_a_dry_run_changes_nothing_and_predicts_the_import(seller: Seller, redis: Redis) -> None:
    """It does not invalidate the cache entry."""
    seller.creates(asin="B000000001", supplier="Müller")
    before = seller.sees()
    seller.reads_stats()
    assert redis.get(seller.key)
    predicted = seller.imports(_FILE, dry_run=True)
    assert redis.get(seller.key)
    assert (seller.sees(), predicted[-1]["dry_run"]) == (before, True)
    assert _counts(seller.imports(_FILE)[-1]) == _counts(predicted[-1]) == (3, 1, 1, 0, 0, 1)


def test_importing_the_same_file_again_changes_nothing(seller: Seller) -> None:
    """Timestamps stay the same. The file has several batches, and one deal is in the first and the last."""
    text = _long_file(2100) + "B000000000,P,last\n"
    assert _counts(seller.imports(text)[-1]) == (2101, 2100, 0, 0, 1, 0)
    (first,) = seller.lists(search="B000000000")
    assert first["notes"] == "last"
    before = seller.sees()
    lines = seller.imports(text)
    assert [_counts(line)[0] for line in lines if "rows" in line] == [1000, 2000, 2101, 2101]
    assert _counts(lines[-1]) == (2101, 0, 0, 2100, 1, 0)
    assert seller.sees() == before


def test_the_stats_are_fresh_after_each_batch(seller: Seller) -> None:
    """After it has received the totals, a client reads stats that include them."""
    with seller.http.stream("POST", "/products/import", content=_long_file(3000), headers=_CSV) as answer:
        lines = answer.iter_lines()
        next(lines)
        for line in lines:
            assert seller.stats()["all"] >= json.loads(line)["created"]
    assert seller.stats()["all"] == 3000


@pytest.mark.parametrize("chunked", [False, True])
def test_a_multipart_form_with_one_file_is_accepted(seller: Seller, *, chunked: bool) -> None:
    """As a browser sends it, also without a declared length."""
    form = httpx.Request("POST", "http://x", files={"file": ("list.csv", _FILE.encode(), "application/vnd.ms-excel")})
    body = form.read()
    content = iter([body[:100], body[100:]]) if chunked else body
    answer = seller.http.post(
        "/products/import", content=content, headers={"Content-Type": form.headers["Content-Type"]}
    )
    assert _counts(json.loads(answer.text.splitlines()[-1])) == (3, 2, 0, 0, 0, 1)


def test_an_unusable_upload_is_a_problem_and_changes_nothing(seller: Seller) -> None:
    """Another media type, another field, an unknown parameter, no file, and unusable files."""
    post = seller.http.post
    refused = post("/products/import", json={"title": "x"})
    assert "text/csv" in problem(refused, 415)["detail"]
    assert "multipart/form-data" in refused.headers["Accept"]
    assert pointers(post("/products/import", files={"other": ("x.csv", b"Title\nx\n")})) == ["/file"]
    assert pointers(post("/products/import?rows=5", content="Title\nx\n", headers=_CSV)) == ["/rows"]
    for content, words in (
        ("", "empty"),
        ("Colour\nred\n", "Title, ASIN or UPC"),
        ("Title,Name\nx,y\n", "mean the same"),
    ):
        assert words in problem(post("/products/import", content=content, headers=_CSV), 422)["detail"]
    problem(httpx.post(f"{seller.http.base_url}/products/import", content="Title\nx\n", headers=_CSV), 401)
    assert seller.stats()["all"] == 0


@pytest.mark.parametrize("how", ["declared", "chunked", "form", "chunked form"])
def test_a_file_over_50_megabytes_is_refused_before_any_change(seller: Seller, how: str) -> None:
    """The file is refused however it is sent, and the client can read the answer."""
    content = b"Title\n" + b"x" * 4094 + b"\n"
    content += content * (_LIMIT // len(content))
    headers = dict(_CSV)
    if "form" in how:
        form = httpx.Request("POST", "http://x", files={"file": ("list.csv", content)})
        content, headers = form.read(), {"Content-Type": form.headers["Content-Type"]}
    pieces = (content[start : start + (1 << 20)] for start in range(0, len(content), 1 << 20))
    answer = seller.http.post("/products/import", content=pieces if "chunked" in how else content, headers=headers)
    assert "52,428,800 bytes" in problem(answer, 413)["detail"]
    assert seller.stats()["all"] == 0


def test_a_file_over_200_000_rows_is_refused_before_any_change(seller: Seller) -> None:
    """413; the file is not truncated."""
    answer = seller.http.post("/products/import", content="Title\n" + "x\n" * 200_001, headers=_CSV)
    assert "200,000 rows" in problem(answer, 413)["detail"]
    assert seller.stats()["all"] == 0


@pytest.mark.parametrize(
    ("head", "body"),
    [("Content-Length: 500", b"Title\nx\n"), ("Transfer-Encoding: chunked", b"100\r\nTitle\nx\n"),
     ("Transfer-Encoding: chunked", b"8\r\nTitle\nx\n\r\n")],
)  # fmt: skip
def test_an_interrupted_upload_is_refused(seller: Seller, server: AppServer, head: str, body: bytes) -> None:
    """An interrupted upload is not treated as a shorter file."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        lines = f"POST /products/import HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n{head}\r\n"
        connection.sendall(f"{lines}Authorization: Bearer {seller.token}\r\n\r\n".encode() + body)
        connection.shutdown(socket.SHUT_WR)
        assert b" 400 " in connection.recv(1000)
    assert seller.stats()["all"] == 0


def test_a_client_that_disconnects_stops_the_import_after_the_current_batch(
    importer: Seller, proxy: SupabaseProxy, log: Path, stack: Stack
) -> None:
    """The log has one line with the committed totals."""
    second_batch, gone = proxy.holds(3)  # after the health check and the first batch
    with importer.http.stream("POST", "/products/import", content=_long_file(5000), headers=_CSV) as answer:
        lines = answer.iter_lines()
        # Read everything that was sent: an unread byte would turn the close of the connection into a reset.
        assert [json.loads(next(lines)).get("rows") for _ in range(2)] == [None, 1000]
        assert second_batch.wait(30)
    gone.set()

    def logged() -> list[str]:
        return re.findall(rf"import for {importer.id} (.*?)\"", log.read_text())

    assert wait_until(lambda: bool(logged()), seconds=30)
    counts = "rows=2000 created=2000 updated=0 unchanged=0 repeated=0 rejected=0"
    assert logged() == [f"stopped: the client disconnected; dry_run=False {counts}"]
    assert stack.supabase.sql("select count(*)::int as n from deals where user_id = $1", importer.id) == [{"n": 2000}]


def test_a_failure_during_the_import_is_reported_with_the_committed_totals(
    importer: Seller, proxy: SupabaseProxy, stack: Stack
) -> None:
    """The same file can be sent again. A failure before the start is a plain 503."""
    proxy.fault = Fault(lambda _: b"", arrives=False)
    refused = importer.http.post("/products/import", content=_FILE, headers=_CSV)
    assert (problem(refused, 503)["status"], "Retry-After" in refused.headers) == (503, True)
    proxy.fault = None
    proxy.fails_after(3)  # the health check and two batches
    with importer.http.stream("POST", "/products/import", content=_long_file(8000), headers=_CSV) as answer:
        lines: list[dict[str, Any]] = [json.loads(line) for line in answer.iter_lines()]
    last = lines[-1]
    assert (last["error"]["status"], last["error"]["instance"]) == (503, "/products/import")
    in_database = stack.supabase.sql("select count(*)::int as n from deals where user_id = $1", importer.id)[0]["n"]
    assert last["created"] == in_database == 2000
    proxy.fault = None
    assert _counts(importer.imports(_long_file(8000))[-1]) == (8000, 8000 - in_database, 0, in_database, 0, 0)


def test_an_interrupted_export_is_detectable(importer: Seller, proxy: SupabaseProxy) -> None:
    """The connection is closed without the last chunk. A failure before the start is a plain 503."""
    importer.imports(_long_file(4000, notes="n" * 3000))
    proxy.fault = Fault(lambda _: b"", arrives=False)
    problem(importer.http.get("/products/export"), 503)
    proxy.fault = None
    with importer.http.stream("GET", "/products/export") as answer:
        assert answer.status_code == 200
        pieces = answer.iter_raw(1000)
        next(pieces)
        proxy.fault = Fault(lambda _: b"", arrives=False)
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)
