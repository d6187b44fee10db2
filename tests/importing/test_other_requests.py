"""An import does not block other requests of its worker, its answer is bounded, and it ends with its client."""

import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from tests.importing.hostile import ordinary_file
from tests.sellers import STATS, Seller, app_environment, new_seller

_PAUSE: Final = 0.002  # seconds between two hits
_TOLERANCE: Final = 0.005  # seconds, for more runnable threads than cores
_FILES: Final[dict[str, bytes]] = {
    "blank lines": b"Title\nA\n" + b"\n" * (49 << 20),
    "carriage returns": b"Title\nA\n" + b"\r" * (40 << 20),
    "mistakes": b"Title,Cost\n" + b"A,x\n" * 150_000,
    "an ordinary list": ordinary_file(1 << 20),
}


@pytest.fixture(scope="module")
def one_worker(stack: Stack, log: Path) -> Iterator[AppServer]:
    """Run the app with one worker for all requests, and with a TTL longer than the tests."""
    environment = app_environment(stack, CACHE_TTL="600")
    with AppServer(environment, workers=1, threads=8, log=log) as running:
        yield running


@pytest.fixture
def importer(stack: Stack, one_worker: AppServer) -> Iterator[Seller]:
    """Return a user who imports."""
    with new_seller(stack.supabase, one_worker.url) as someone:
        yield someone


@pytest.fixture
def reader(stack: Stack, one_worker: AppServer) -> Iterator[Seller]:
    """Return a user whose numbers are cached."""
    with new_seller(stack.supabase, one_worker.url) as someone:
        assert wait_until(lambda: "hit" in someone.reads_stats().headers["Cache-Status"], seconds=30)
        yield someone


def _send_import(server: AppServer, seller: Seller, content: bytes) -> socket.socket:
    """Send a complete import request and return the connection without reading the answer."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=110)
    head = "POST /products/import HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/csv\r\n"
    head += f"Authorization: Bearer {seller.token}\r\nContent-Length: {len(content)}\r\n\r\n"
    connection.sendall(head.encode())
    connection.sendall(content)
    return connection


def _read_answer(connection: socket.socket) -> bytes:
    with connection:
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def _import_file(server: AppServer, seller: Seller, content: bytes, answers: list[bytes]) -> None:
    answers.append(_read_answer(_send_import(server, seller, content)))


def _nothing() -> None:
    """Do nothing."""


def _hits(server: AppServer, reader: Seller, thread: threading.Thread) -> list[float]:
    """Read cached numbers repeatedly while a thread runs; return the duration of each read in seconds."""
    request = f"GET {STATS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {reader.token}\r\n\r\n".encode()
    seconds = []
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        thread.start()
        while thread.is_alive():
            started = time.perf_counter()
            connection.sendall(request)
            answer = b""
            while not answer.endswith(b"}\n"):
                answer += connection.recv(1 << 16)
            assert b"asin-stats; hit" in answer
            seconds.append(time.perf_counter() - started)
            time.sleep(_PAUSE)
    thread.join()
    return seconds


@pytest.mark.parametrize("kind", _FILES)
def test_cache_hits_stay_fast_during_an_import(
    one_worker: AppServer, importer: Seller, reader: Seller, kind: str
) -> None:
    """Hits take at most twice as long as without the import, plus a tolerance. The answer has a bounded size."""
    ratios = []
    for _ in range(3):
        quiet = statistics.median(_hits(one_worker, reader, threading.Timer(1, _nothing)))
        answers: list[bytes] = []
        sending = threading.Thread(target=_import_file, args=(one_worker, importer, _FILES[kind], answers))
        busy = statistics.median(_hits(one_worker, reader, sending))
        assert (b"HTTP/1.1 200" in answers[0][:20], len(answers[0]) <= 400_000) == (True, True)
        ratios.append(busy / (2 * quiet + _TOLERANCE))
        if ratios[-1] <= 1:
            break
    assert min(ratios) <= 1


def test_a_client_that_disconnects_during_validation_stops_the_import(
    one_worker: AppServer, importer: Seller, log: Path, stack: Stack
) -> None:
    """No row is written."""
    content = ordinary_file(16 << 20)
    with _send_import(one_worker, importer, content) as connection:
        answer = b""
        while not (first := re.search(rb'"of": (\d+)\}', answer)):
            answer += connection.recv(1 << 12)
        assert int(first[1]) > 100_000

    def logged() -> list[str]:
        return re.findall(rf"import for {importer.id} (.*?)\"", log.read_text())

    assert wait_until(lambda: bool(logged()), seconds=60)
    counts = "rows=0 created=0 updated=0 unchanged=0 repeated=0 rejected=0"
    assert logged() == [f"stopped: the client disconnected; dry_run=False {counts}"]
    assert stack.supabase.sql("select count(*)::int as n from deals where user_id = $1", importer.id) == [{"n": 0}]


def test_many_mistakes_are_counted_and_the_first_are_listed(importer: Seller) -> None:
    """The report is bounded. The last line has the number of omitted mistakes."""
    lines = importer.imports("Title,Cost,MOQ\n" + "A,x,y\n" * 2000)
    assert [set(line) for line in lines[1:1001]] == [{"line", "column", "reason"}] * 1000
    assert (lines[-1]["rejected"], lines[-1]["mistakes_omitted"]) == (2000, 3000)
    assert len(lines) == 1002
    assert "mistakes_omitted" not in importer.imports("Title,Cost\n" + "A,x\n" * 1000)[-1]
