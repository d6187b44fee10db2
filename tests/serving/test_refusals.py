"""Errors that gunicorn detects itself are problem documents too, and do not repeat the request."""

import re
from pathlib import Path

import pytest

from app.problems import Kind
from local.application import AppServer
from tests.serving.wire import Reply, wire

_MARK = "secret-marker"
_HOST = b"Host: app\r\n"
_BAD = {
    "not HTTP": (b"secret-marker\r\n\r\n", 400),
    "bare LF": (b"GET /secret-marker HTTP/1.1\n\n", 400),
    "bare LF in the head": (b"GET / HTTP/1.1\r\nX: secret-marker\n", 400),
    "bad method": (b"secret-marker / HTTP/1.1\r\n\r\n", 400),
    "bad version": (b"GET /secret-marker HTTP/9.9\r\n\r\n", 400),
    "space before colon": (b"GET / HTTP/1.1\r\nsecret-marker : 1\r\n\r\n", 400),
    "no colon": (b"GET / HTTP/1.1\r\nsecret-marker\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "length and chunks": (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "signed length": (b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\na", 400),
    "huge length": (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\na", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: secret-marker\r\nHost: b\r\n\r\n", 400),
    "long line": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
    "very long line": (b"GET /" + b"a" * 40_000, 414),
    "unknown expectation": (b"GET / HTTP/1.1\r\nExpect: secret-marker\r\n\r\n", 417),
    "long field": (b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
    "many fields": (b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 200 + b"\r\n", 431),
    "very long head": (b"GET / HTTP/1.1\r\n" + b"X: secret-marker\r\n" * 3000, 431),
    "long head": (b"GET / HTTP/1.1\r\n" + (b"X: " + b"a" * 8000 + b"\r\n") * 6 + b"\r\n", 431),
    "unknown coding": (b"POST / HTTP/1.1\r\nTransfer-Encoding: secret-marker\r\n\r\n", 501),
}


@pytest.mark.parametrize("name", _BAD)
def test_a_malformed_request_is_refused_with_a_problem_document(served: AppServer, name: str) -> None:
    """The answer has a request id, and the connection is closed."""
    request, status = _BAD[name]
    with wire(served) as client:
        client.send(request)
        reply = client.reply()
        assert client.ended()
    _is_problem(reply, status)


def _is_problem(reply: Reply, status: int) -> None:
    assert reply.status == status, reply.body
    assert reply.fields["Content-Type"] == "application/problem+json"
    assert re.fullmatch(r"[0-9a-f]{16}", reply.fields["X-Request-ID"])
    assert reply.fields["Connection"] == "close"
    assert reply.fields["Cache-Control"] == "no-store"
    assert reply.fields["X-Content-Type-Options"] == "nosniff"
    document = reply.document()
    kind = next(kind for kind in Kind if kind.slug == document["kind"])
    assert (document["type"], document["status"], kind.status) == (kind.type, status, status)
    assert document["title"] == kind.title
    assert document["detail"]
    assert _MARK not in str(reply.fields.items()) + reply.body.decode()


def test_a_refusal_is_logged_with_its_request_id_but_without_the_request(served: AppServer, log: Path) -> None:
    """The request's bytes cannot forge a log line."""
    with wire(served) as client:
        client.send(b'{"secret-marker": "ERROR"}\r\n\r\n')
        identifier = client.reply().fields["X-Request-ID"]
    found = [line for line in log.read_text().splitlines() if identifier in line]
    assert len(found) == 1
    assert "with 400" in found[0]
    assert _MARK not in log.read_text()


@pytest.mark.parametrize("field", ["SCRIPT_NAME: /elsewhere", "PATH_INFO: /elsewhere"])
def test_a_header_cannot_change_the_path(served: AppServer, field: str) -> None:
    """Clients on loopback cannot change it either, although gunicorn trusts them as proxies."""
    with wire(served) as client:
        client.send(f"GET /healthz HTTP/1.1\r\nHost: app\r\n{field}\r\n\r\n".encode())
        assert client.reply().document() == {"status": "ok"}


@pytest.mark.parametrize("part", [b"GET / HTT", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"])
def test_a_request_that_ends_early_is_refused(served: AppServer, part: bytes) -> None:
    """The client can still read the answer."""
    with wire(served) as client:
        client.send(part)
        client.socket.shutdown(1)
        _is_problem(client.reply(), 400)


def test_http2_is_refused(served: AppServer) -> None:
    """A proxy must terminate HTTP/2."""
    with wire(served) as client:
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        _is_problem(client.reply(), 400)


def test_an_upgrade_to_http2_is_ignored(served: AppServer) -> None:
    """The request is answered over HTTP/1.1."""
    with wire(served) as client:
        settings = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
        client.send(f"GET /healthz HTTP/1.1\r\nHost: app\r\n{settings}\r\n".encode())
        assert client.reply().status == 200


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"5\r\nabcdefgh\r\n", b"ffffffffffffffffffff\r\n", b"-1\r\n"])
def test_invalid_chunks_are_a_client_error(served: AppServer, log: Path, chunk: bytes) -> None:
    """The application detects them while it reads the body."""
    with wire(served) as client:
        client.send(b"POST /sign-in HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n")
        client.send(b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" + chunk)
        client.socket.shutdown(1)
        assert 400 <= client.reply().status < 500
    assert "Traceback" not in log.read_text()
