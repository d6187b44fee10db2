"""The gate's classification of the first bytes of a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.factory import create_app
from app.serving.framing import BODY_BYTES, HEAD_BYTES, HEALTH, TRANSFERS, Arrived, Kind, arrived
from config import Settings

_GET = b"GET / HTTP/1.1\r\nHost: app\r\n\r\n"


def _post(*fields: str, body: bytes = b"") -> bytes:
    return "\r\n".join(["POST / HTTP/1.1", "Host: app", *fields, "", ""]).encode() + body


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (b"", None),
        (_GET[:-1], None),
        (_GET, Arrived(Kind.ORDINARY, len(_GET))),
        (_GET + b"GET /", Arrived(Kind.ORDINARY, len(_GET))),
        (b"GET /healthz HTTP/1.1\r\n\r\n", Arrived(Kind.HEALTH, 25)),
        (b"GET /healthzz HTTP/1.1\r\n\r\n", Arrived(Kind.ORDINARY, 26)),
        (b"DELETE / HTTP/1.1\r\n\r\n", Arrived(Kind.CHANGE, 21)),
        (b"OPTIONS / HTTP/1.1\r\n\r\n", Arrived(Kind.ORDINARY, 22)),
        (b"GET /products/export?x=1 HTTP/1.1\r\n\r\n", Arrived(Kind.TRANSFER, 37)),
        (_post("Content-Length: 2", body=b"a"), None),
        (_post("content-length:2 ", body=b"ab+"), Arrived(Kind.CHANGE, len(_post("content-length:2 ")) + 2)),
        (_post(f"Content-Length: {BODY_BYTES}", body=b"a"), None),
        (_post(f"Content-Length: {BODY_BYTES + 1}", body=b"a"), None),
        (b"GET / HTTP/1.1\n", Arrived(Kind.ORDINARY, 15, broken=True)),
        (b"a" * (HEAD_BYTES + 1), Arrived(Kind.ORDINARY, HEAD_BYTES, broken=True)),
    ],
)
def test_a_request_is_passed_to_a_thread_when_it_is_complete(received: bytes, expected: Arrived | None) -> None:
    """A complete request is recognized, without the bytes after it. A partial one is not."""
    assert arrived(received) == expected


@pytest.mark.parametrize(
    "fields",
    [
        ("Transfer-Encoding: chunked",),
        ("Content-Length: 2", "Transfer-Encoding: chunked"),
        ("Content-Length: 2", "Content-Length: 2"),
        ("Content-Length: 2x",),
        ("Content-Length : 2",),
        ("Content-Length: 2", "Expect: 100-continue"),
        ("Content-Length: 9999999999999999999999999",),
    ],
)
def test_a_body_without_a_plain_length_is_read_by_a_thread(fields: tuple[str, ...]) -> None:
    """Only gunicorn's parser interprets such a body, and the connection is closed after it."""
    received = _post(*fields, body=b"ab")
    assert arrived(received) == Arrived(Kind.BODY, len(received), follows=True)


def test_the_gate_waits_for_the_first_part_of_a_large_body() -> None:
    """A client that sends it byte by byte occupies no thread."""
    large = _post(f"Content-Length: {BODY_BYTES + 10}", body=b"a" * BODY_BYTES)
    assert arrived(large[:-1]) is None
    assert arrived(large) == Arrived(Kind.BODY, len(large), follows=True)


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(0, 300))
def test_the_classification_does_not_depend_on_later_bytes(parts: list[bytes], more: int) -> None:
    """After a complete request, later bytes change nothing."""
    received = _post(*(f"X: {part.hex()}" for part in parts), f"Content-Length: {len(parts)}", body=b"x" * len(parts))
    assert arrived(received) == arrived(received + b"y" * more) == Arrived(Kind.CHANGE, len(received))


def test_paths_with_special_handling_exist(settings: Settings) -> None:
    """If such a route were renamed, it would silently lose its special handling."""
    served = {
        f"{method} {rule.rule}" for rule in create_app(settings).url_map.iter_rules() for method in rule.methods or ()
    }
    assert {line.decode() for line in (*HEALTH, *TRANSFERS)} <= served
