"""A client whose request is refused before its body was read can read the refusal and send more requests."""

from collections.abc import Iterator
from itertools import cycle, islice

import httpx
import pytest

from local.application import AppServer
from tests.clients import client
from tests.sellers import Seller
from tests.serving.wire import wire

_SIZES = (1000, 65_535, 65_536, 70_000, 300_000, 2_000_000)
_TOO_LARGE = 52 << 20


def _chunks(size: int) -> Iterator[bytes]:
    yield from islice(cycle([b"x" * 1000]), size // 1000)


def _refuse_and_continue(served: AppServer, *, times: int) -> None:
    """Alternate refused and valid requests. The client decides which connections it reuses."""
    with client(served.url) as http:
        for size, _ in zip(cycle(_SIZES), range(times), strict=False):
            refused = http.post("/products", content=b"x" * size)
            assert refused.status_code == 401
            assert http.get("/healthz").status_code == 200
            chunked = http.post("/products", content=_chunks(size))
            assert chunked.status_code == 401
            assert http.get("/healthz").status_code == 200


def test_requests_after_an_early_refusal_succeed(served: AppServer) -> None:
    """The unread bodies have a declared length or are sent in chunks."""
    _refuse_and_continue(served, times=50)


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_a_thousand_requests_after_early_refusals_succeed(served: AppServer) -> None:
    """The same as the test above, with ten times as many requests."""
    _refuse_and_continue(served, times=500)


@pytest.mark.parametrize("size", _SIZES)
def test_the_connection_header_matches_the_behaviour(served: AppServer, size: int) -> None:
    """The server keeps or closes the connection as its `Connection` header says."""
    with wire(served) as connection:
        connection.send(f"POST /products HTTP/1.1\r\nHost: app\r\nContent-Length: {size}\r\n\r\n".encode())
        connection.send(b"x" * size)
        refused = connection.reply()
        assert refused.status == 401
        if refused.fields["Connection"] == "close":
            assert connection.ended()
        else:
            connection.send(b"GET /healthz HTTP/1.1\r\nHost: app\r\n\r\n")
            assert connection.reply().status == 200


def test_a_client_that_sends_the_whole_body_can_read_the_refusal(served: AppServer) -> None:
    """The body is above the limit, and none of it was read."""
    with client(served.url) as http:
        answer = http.post("/products/import", content=b"x" * _TOO_LARGE, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 401


def test_a_client_that_waits_for_100_continue_can_upload_50_megabytes(served: AppServer, collector: Seller) -> None:
    """As curl does with `Expect: 100-continue`: it sends the body only after `100 Continue`."""
    line = b"Item 1," + b"n" * 5000 + b"\n"
    file = b"Title,Of no use\n" + line * (49_999_980 // len(line))
    head = f"POST /products/import?dry_run=true HTTP/1.1\r\nHost: app\r\nAuthorization: Bearer {collector.token}\r\n"
    head += f"Content-Type: text/csv\r\nContent-Length: {len(file)}\r\nExpect: 100-continue\r\n\r\n"
    with wire(served) as connection:
        connection.send(head.encode())
        assert connection.reply().status == 100
        connection.send(file)
        answer = connection.reply()
    assert answer.status == 200
    assert b'"done": true' in answer.body


def test_a_megabyte_of_json_is_read(served: AppServer, collector: Seller) -> None:
    """The largest body that the application accepts. The gate does not wait for all of it."""
    body = '{"title": "x", "notes": "' + "n" * ((1 << 20) - 100) + '"}'
    with httpx.Client(base_url=served.url, headers=collector.http.headers) as http:
        answer = http.post("/products", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422  # the notes are too long, so the body was read
