"""Connections: pipelining, keep-alive, limits and shutdown."""

import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.application import AppServer
from local.processes import wait_until
from local.server import ServerError
from local.stack import Stack
from tests.clients import client
from tests.sellers import app_environment, new_seller
from tests.serving.crowds import head
from tests.serving.wire import wire

_HEALTH_REQUEST = b"GET /healthz HTTP/1.1\r\nHost: app\r\n\r\n"
_STOP_SECONDS = 10.0


def test_pipelined_requests_are_answered_in_order(served: AppServer) -> None:
    """The last request arrives in two parts."""
    lines = [b"GET /healthz", b"GET /nowhere", b"POST /sign-in", b"GET /healthz"]
    body = b"Content-Length: 3\r\n\r\nabc"
    requests = [line + b" HTTP/1.1\r\nHost: app\r\n" + (body if line[0] == 80 else b"\r\n") for line in lines]
    together = b"".join(requests)
    with wire(served) as connection:
        connection.send(together[:-5])
        replies = [connection.reply() for _ in lines[:-1]]
        connection.send(together[-5:])
        replies.append(connection.reply())
    assert [reply.status for reply in replies][:2] == [200, 404]
    assert replies[2].status in {400, 403}
    assert replies[3].document() == {"status": "ok"}


def test_a_connection_is_kept_and_closed_when_idle(served: AppServer) -> None:
    """After the keep-alive time the server closes it and sends no answer."""
    with wire(served) as connection:
        for _ in range(3):
            started = time.monotonic()
            connection.send(_HEALTH_REQUEST)
            assert connection.reply().fields["Connection"] == "keep-alive"
        assert connection.ended()
        assert 4 < time.monotonic() - started < 9


def test_a_request_in_small_pieces_is_answered(served: AppServer) -> None:
    """One byte at a time, with the empty line that RFC 9112 §2.2 allows before the request."""
    request = b"\r\nPOST /products HTTP/1.1\r\nHost: app\r\nContent-Length: 4\r\n\r\nabcd"
    with wire(served) as connection:
        for index in range(len(request)):
            connection.send(request[index : index + 1])
        assert connection.reply().status == 401


def test_clients_that_do_not_close_their_connection_block_no_other(served: AppServer) -> None:
    """The server waits for these clients to close, without blocking a thread."""
    with ExitStack() as connections:
        for _ in range(20):
            connection = connections.enter_context(wire(served))
            connection.send(_HEALTH_REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert connection.reply().status == 200
        started = time.monotonic()
        with client(served.url) as http:
            for _ in range(20):
                assert http.get("/healthz", headers={"Connection": "close"}).status_code == 200
        assert time.monotonic() - started < 4  # the server waits for each of these clients for 5 s


def test_the_health_check_is_answered_while_every_thread_waits_for_the_database(stack: Stack, tmp_path: Path) -> None:
    """All health checks are answered before the first of these threads, because they have their own thread."""
    environment = app_environment(stack, REDIS_URL="", SUPABASE_TIMEOUT="8")
    with (
        AppServer(environment, workers=1, threads=2, log=tmp_path / "log") as app,
        new_seller(stack.supabase, app.url) as seller,
        client(app.url) as http,
        ThreadPoolExecutor(8) as others,
    ):
        stack.supabase.pause()
        try:
            waiting = [others.submit(seller.reads_stats) for _ in range(8)]
            time.sleep(0.2)
            for _ in range(50):
                assert http.get("/healthz").status_code == 200
            assert not any(each.done() for each in waiting)
        finally:
            stack.supabase.resume()


def test_a_stopping_server_answers_partially_received_requests(stack: Stack, tmp_path: Path) -> None:
    """A connection with a partial request is not idle. Idle connections do not delay the stop."""
    log = tmp_path / "log"
    with AppServer(app_environment(stack), workers=1, log=log) as app, ExitStack() as connections:
        connections.enter_context(wire(app))
        begun = connections.enter_context(wire(app))
        begun.send(_HEALTH_REQUEST[:-4])
        kept = connections.enter_context(wire(app))
        kept.send(_HEALTH_REQUEST)
        assert kept.reply().status == 200
        os.kill(app.pid, signal.SIGTERM)
        assert kept.socket.recv(1) == b"", "the worker stops, and has closed the idle connection"
        begun.send(_HEALTH_REQUEST[-4:])
        reply = begun.reply()
        assert (reply.status, reply.fields["Connection"]) == (200, "close")
        started = time.monotonic()
        assert wait_until(lambda: not app.is_running(), seconds=_STOP_SECONDS)
        assert time.monotonic() - started < 4
    assert "Traceback" not in log.read_text()


def test_clients_that_disconnect_cause_no_error(served: AppServer, log: Path) -> None:
    """They disconnect during a head, a body, or an answer."""
    openings = [
        head("GET /healthz"),
        head("POST /sign-in", "Content-Length: 90") + b"\r\n123",
        b"",
        _HEALTH_REQUEST,
        _HEALTH_REQUEST * 50,
    ]
    for opening in openings * 20:
        with wire(served) as connection:
            connection.send(opening)
    with client(served.url) as http:
        assert http.get("/healthz").status_code == 200
    assert "Traceback" not in log.read_text()


def test_connections_above_the_limit_close_the_oldest(stack: Stack, tmp_path: Path) -> None:
    """A new client that sends a request is served."""
    environment = app_environment(stack, GUNICORN_CMD_ARGS="--worker-connections=20")
    with AppServer(environment, workers=1, log=tmp_path / "log") as app, ExitStack() as connections:
        for _ in range(60):
            connections.enter_context(wire(app))
        with client(app.url) as http:
            assert http.get("/healthz").status_code == 200
    assert re.search(r"slow clients closed: \d+ \(\d+ to make room\)", (tmp_path / "log").read_text())


@pytest.mark.parametrize("argument", ["--certfile=x.pem", "--proxy-protocol=v2", "--http2-cleartext=both"])
def test_an_unsupported_gunicorn_setting_stops_the_start(stack: Stack, tmp_path: Path, argument: str) -> None:
    """The log names the setting, or the component that should handle it."""
    app = AppServer(app_environment(stack, GUNICORN_CMD_ARGS=argument), workers=1, log=tmp_path / "log")
    with pytest.raises(ServerError, match="ended while starting"):
        app.start()
    assert "let a proxy terminate TLS" in (tmp_path / "log").read_text() or "certfile" in (tmp_path / "log").read_text()
