"""Malformed requests, and requests with contradictory framing, whose end two parsers may see at different places."""

from tests.hostile.actors import System
from tests.hostile.attempts import EVIL_HOST, INJECTED_HEADER, Attempt, Headers, chunked, render_request
from tests.hostile.values import Rng

_SMUGGLED = b"GET /products/stats/asin-status HTTP/1.1\r\nHost: desk.example\r\n\r\n"


def smuggled(rng: Rng, system: System) -> Attempt:
    """Return a request that contains a second request in its body, with one of several contradictory framings."""
    me = rng.choice(system.attackers)
    headers: Headers = [("Authorization", f"Bearer {me.seller.token}"), ("Content-Type", "application/json")]
    headers += rng.choice(_FRAMINGS)(len(_SMUGGLED))
    rng.shuffle(headers)
    body = rng.choice(
        (chunked(b"", 0) + _SMUGGLED, chunked(_SMUGGLED, 5) + _SMUGGLED, _SMUGGLED, chunked(b"{}") + _SMUGGLED)
    )
    method = rng.choice(("POST", "POST", "GET", "DELETE"))
    target = rng.choice(("/products", "/products/import", "/sign-in", "/healthz", "/products/stats/asin-status"))
    return Attempt("smuggling", render_request(method, target, headers, body), method, me, ambiguous=True)


_FRAMINGS = (
    lambda size: [("Content-Length", str(size)), ("Transfer-Encoding", "chunked")],
    lambda _: [("Content-Length", "0"), ("Transfer-Encoding", "chunked")],
    lambda size: [("Content-Length", str(size)), ("Content-Length", "3")],
    lambda _: [("Content-Length", "3"), ("content-length", "3")],
    lambda _: [("Content-Length", "3, 3")],
    lambda _: [("Content-Length", "+3")],
    lambda _: [("Content-Length", "-1")],
    lambda _: [("Content-Length", "0x10")],
    lambda _: [("Content-Length", "9" * 30)],
    lambda _: [("Content-Length", "\u00b2")],
    lambda _: [("Content-Length", "")],
    lambda _: [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
    lambda _: [("Transfer-Encoding", "chunked, identity")],
    lambda _: [("Transfer-Encoding", "identity")],
    lambda _: [("Transfer-Encoding", "gzip, chunked")],
    lambda _: [("Transfer-Encoding", "xchunked")],
    lambda _: [("Transfer-Encoding", "\x0bchunked")],
    lambda _: [("Transfer-Encoding", "chunked\x00")],
    lambda _: [("Transfer_Encoding", "chunked"), ("Content-Length", "3")],
    lambda _: [("Transfer-Encoding ", "chunked"), ("Content-Length", "3")],
    lambda _: [(" Transfer-Encoding", "chunked"), ("Content-Length", "3")],
    lambda _: [("Transfer-Encoding", "\r\n chunked"), ("Content-Length", "3")],
    lambda _: [("X", f"1\nTransfer-Encoding: chunked\n{INJECTED_HEADER}: 1"), ("Content-Length", "3")],
)


def malformed(rng: Rng, system: System) -> Attempt:
    """Return a malformed or truncated request."""
    me = rng.choice(system.attackers)
    good = render_request("POST", "/products", [("Authorization", f"Bearer {me.seller.token}")], b'{"title": "x"}')
    raw = rng.choice(_MALFORMED)(rng, good)
    return Attempt("malformed", raw, "GET", me, complete=False, ambiguous=True)


def _with_byte(rng: Rng, good: bytes) -> bytes:
    index = rng.randrange(len(good))
    return good[:index] + rng.choice((b"\0", b"\r", b"\n", b"\x7f", b"\xff", b" ", b":")) + good[index:]


_CHUNKED: Headers = [("Transfer-Encoding", "chunked"), ("Content-Type", "text/csv")]
_BROKEN_CHUNKS = (
    b"zz\r\nx\r\n",
    b"-1\r\n",
    b"5\r\nab",
    b"fffffffffffffffff\r\n",
    b"1;" + b"e" * 9000,
    b"5\r\nabcdefgh",
)

_MALFORMED = (
    lambda rng, good: good[: rng.randrange(1, len(good))],
    lambda rng, _: rng.randbytes(rng.randrange(1, 600)),
    _with_byte,
    lambda _, good: good.replace(b"\r\n", b"\n"),
    lambda _, good: good.replace(b"\r\n", b"\r"),
    lambda _, good: good.replace(b": ", b" ", 1),
    lambda _, good: good.replace(b"Authorization: ", b"Authorization "),
    lambda _, good: good.replace(b"Authorization", b"Author ization"),
    lambda _, good: good.replace(b"Authorization: ", b"Authorization:\r\n "),
    lambda _, good: good.replace(b"Bearer ", b"Bearer\0"),
    lambda rng, good: good.replace(b"HTTP/1.1", rng.choice((b"HTTP/9.9", b"HTTP/2.0", b"HTTP/1", b""))),
    lambda _, good: good.replace(b"HTTP/1.1", b"HTTP/1.0"),
    lambda _, good: good.replace(b"Host: desk.example\r\n", b""),
    lambda _, good: good.replace(b"Host: ", b"Host: a\r\nHost: "),
    lambda _, good: good.replace(b"/products", b"/pro ducts"),
    lambda _, good: good.replace(b"POST", b"P\xd6ST"),
    lambda rng, _: b"GET /" + b"a" * rng.choice((8000, 9000, 70_000)) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    lambda rng, good: good.replace(b"\r\n\r\n", b"\r\nX: " + b"y" * rng.choice((9000, 70_000)) + b"\r\n\r\n"),
    lambda _, good: good.replace(b"\r\n\r\n", b"\r\n" + b"X: y\r\n" * 150 + b"\r\n"),
    lambda _, good: good.replace(b"Content-Length: 14", b"Content-Length: 9999"),
    lambda _, good: b"\r\n" * 5 + good,
    lambda _, __: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    lambda _, __: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
    lambda _, __: b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    lambda rng, _: render_request("POST", "/products/import", _CHUNKED, rng.choice(_BROKEN_CHUNKS)),
    lambda _, __: render_request("CONNECT", f"{EVIL_HOST}:443", []),
    lambda _, good: good * 20,
)  # fmt: skip


def pipelined(rng: Rng, system: System) -> Attempt:
    """Return several valid requests, sent at once, of the same seller or without an identity."""
    me = rng.choice((None, *system.attackers))
    headers: Headers = [("Authorization", f"Bearer {me.seller.token}")] if me else []
    paths = ("/products/stats/asin-status", "/products?limit=1", "/healthz", "/nothing")
    raw = b"".join(render_request("GET", rng.choice(paths), headers) for _ in range(rng.randrange(2, 8)))
    return Attempt("pipelined", raw, "GET", me, ambiguous=True)


def with_odd_headers(rng: Rng, system: System) -> Attempt:
    """Return a request with headers that proxies and frameworks interpret, huge headers, or repeated headers."""
    me = rng.choice((None, *system.attackers))
    headers: Headers = [("Authorization", f"Bearer {me.seller.token}")] if me else []
    headers += [rng.choice(_ODD) for _ in range(rng.randrange(1, 5))]
    if rng.random() < 0.1:
        headers += [(f"X-{number}", "y") for number in range(rng.choice((50, 99, 120)))]
    rng.shuffle(headers)
    target = rng.choice(
        ("/products", "/products/stats/asin-status", "/", "/sign-in", "/healthz", "/nothing", "/readyz")
    )
    # The server decides about repeated Host or Expect headers and a body without a length: read all answers.
    return Attempt("headers", render_request("GET", target, headers), "GET", me, ambiguous=True)


_ODD: Headers = [
    ("Host", EVIL_HOST), ("Host", ""), ("Host", "a b"), ("Host", f"desk.example@{EVIL_HOST}"), ("Host", "[::1"),
    ("X-Forwarded-Host", EVIL_HOST), ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Proto", "https"),
    ("X-Real-IP", "::1"),
    ("Forwarded", f"for=1;host={EVIL_HOST};proto=https"), ("X-Original-URL", "/diagnostics/redis"),
    ("X-Rewrite-URL", "/metrics"), ("Host", "x" * 500),
    ("X-HTTP-Method-Override", "DELETE"), ("SCRIPT_NAME", "/x"), ("PATH_INFO", "/metrics"), ("REMOTE_USER", "admin"),
    ("X-User-ID", "1"), ("X-Request-ID", "a" * 65), ("X-Request-ID", 'x", "level": "ERROR'), ("X-Request-ID", "\xff"),
    ("If-None-Match", "*"), ("If-None-Match", '"' * 3000), ("If-None-Match", 'W/"x", ' * 900), ("If-Match", "x"),
    ("If-Modified-Since", "yesterday"), ("If-Modified-Since", "Sat, 31 Feb 9999 99:99:99 GMT"), ("Range", "bytes=0-0"),
    ("Range", "bytes=" + "0-," * 1000), ("Range", "bytes=9-1"), ("If-Range", "x"), ("Accept", "*/*;q=x"),
    ("Accept", "text/html;q=1.0, " * 300), ("Accept", "text/html"), ("Accept-Encoding", "gzip;q=nan"),
    ("Accept-Language", "\xe9" * 99), ("Content-Encoding", "gzip"), ("Content-Type", "a"), ("Expect", "100-continue"),
    ("Expect", "x"), ("Connection", "close, X-Request-ID"), ("Connection", "Upgrade"), ("Upgrade", "h2c"),
    ("HTTP2-Settings", "AAA"), ("TE", "trailers"), ("Trailer", "Authorization"), ("Cookie", "a=" + "b" * 7000),
    ("Cookie", "asin_desk"), ("Cookie", "=; ; a=b;;"), ("Authorization", "Bearer x"), ("Authorization", "Basic YTpi"),
    ("Authorization", "Bearer"), ("authorization", 'Digest username="x"'), ("Origin", f"https://{EVIL_HOST}"),
    ("Referer", f"https://{EVIL_HOST}/"), ("User-Agent", ""), ("User-Agent", "() { :; }; echo x"), ("", "no name"),
    ("X-Long", "y" * 8000), ("Sec-WebSocket-Key", "x"), ("Early-Data", "1"), ("Max-Forwards", "0"), ("Date", "x"),
]  # fmt: skip
