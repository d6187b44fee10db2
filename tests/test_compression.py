"""Compression of long answers: which are compressed, how they differ, and that streams are not delayed."""

import gzip
import zlib
from collections.abc import Iterator
from typing import Final

import pytest
from flask import Flask, Response, make_response, request

from app.api import ApiBlueprint
from app.openapi import Answer, operation
from local.processes import wait_until
from tests.sellers import STATS, Seller
from tests.visitors import Visitor

_IDENTITY: Final = {"Accept-Encoding": "identity"}
_LONG: Final = "word " * 1000
_DECLARED: Final = operation("Tests", answers={200: Answer("A text.", media_type="text/plain")})


def test_a_long_list_is_compressed(seller: Seller) -> None:
    """The content is the same as without compression, and less than half as long."""
    for _ in range(20):
        seller.creates(notes="a note of the usual length")
    plain = seller.http.get("/products", headers=_IDENTITY)
    assert "Content-Encoding" not in plain.headers
    packed = seller.http.get("/products", headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert int(packed.headers["Content-Length"]) < len(plain.content) / 2
    for answer in (plain, packed):
        assert "Accept-Encoding" in answer.headers["Vary"]


@pytest.mark.parametrize("accepted", ["", "identity", "gzip;q=0", "br", "*;q=0"])
def test_a_client_without_gzip_gets_the_plain_answer(seller: Seller, accepted: str) -> None:
    """A weight of 0 refuses gzip."""
    for _ in range(5):
        seller.creates()
    answer = seller.http.get("/products", headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in answer.headers
    assert len(answer.json()["items"]) == 5


def test_short_answers_are_not_compressed(seller: Seller) -> None:
    """Neither the stats nor a single deal."""
    deal = seller.creates()
    for path in (STATS, "/healthz", f"/products/{deal['product_id']}"):
        answer = seller.http.get(path)
        assert "Content-Encoding" not in answer.headers
        assert len(answer.content) <= 1000


def test_pages_of_the_desk_are_compressed(visitor: Visitor) -> None:
    """Error pages too, and each once only."""
    for path in ("/", "/deals", "/desk/products/new", "/desk/assets/0/desk.css"):
        answer = visitor.opens(path)
        assert answer.headers["Content-Encoding"] == "gzip", path
        assert answer.text.endswith("</html>"), path
        plain = visitor.http.get(path, headers=_IDENTITY)
        assert "Content-Encoding" not in plain.headers
        assert len(plain.content) > int(answer.headers["Content-Length"])


def test_two_pages_have_different_csrf_tokens(visitor: Visitor) -> None:
    """The signature of the token changes every second, so the lengths of pages do not reveal it."""
    first = visitor.csrf_token
    assert wait_until(lambda: visitor.opens("/").status_code == 200 and visitor.csrf_token != first, seconds=10)
    signatures = [token.rsplit(".", 1)[1] for token in (first, visitor.csrf_token)]
    assert signatures[0] != signatures[1]
    assert visitor.submits("/sign-out").status_code == 303


def test_an_export_is_compressed(seller: Seller) -> None:
    """The CSV is the same as without compression."""
    for _ in range(3):
        seller.creates(supplier="Müller")
    packed = seller.http.get("/products/export")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.content == seller.http.get("/products/export", headers=_IDENTITY).content


@pytest.fixture
def small_app() -> Flask:
    """Return an app with a long answer that has an ETag, and a stream that counts its parts."""
    app, api = Flask(__name__), ApiBlueprint("api", __name__)

    @api.get("/long/<strength>")
    @_DECLARED
    def long(strength: str) -> Response:
        response = make_response(_LONG)
        response.set_etag("abc", weak=strength == "weak")
        response.make_conditional(request)
        return response

    app.register_blueprint(api)
    return app


def test_a_compressed_answer_has_an_etag_of_its_own(small_app: Flask) -> None:
    """Two representations never share a strong ETag (RFC 9110 §8.8.3.3). Each can be revalidated."""
    client = small_app.test_client()
    for strength, etag in (("strong", '"abc{}"'), ("weak", 'W/"abc{}"')):
        path = f"/long/{strength}"
        plain, packed = client.get(path), client.get(path, headers={"Accept-Encoding": "gzip"})
        assert (plain.headers["ETag"], packed.headers["ETag"]) == (etag.format(""), etag.format("-gzip"))
        assert gzip.decompress(packed.data) == plain.data == _LONG.encode()
        for known in (plain, packed):
            headers = {"If-None-Match": f'"other", {known.headers["ETag"]}', "Accept-Encoding": "gzip"}
            again = client.get(path, headers=headers)
            assert (again.status_code, again.data) == (304, b"")
            assert again.headers["ETag"] == known.headers["ETag"]
    assert client.get("/long/strong", headers={"If-None-Match": '"abcd-gzip"'}).status_code == 200


def test_the_parts_of_a_stream_are_not_delayed(small_app: Flask) -> None:
    """Each part can be decompressed when it has been sent, and closing the response closes the stream."""
    closed = []
    parts = iter(["one\n", "two\n"])

    def produce() -> Iterator[str]:
        try:
            yield from parts
        finally:
            closed.append("stream")

    api = ApiBlueprint("streams", __name__)
    api.add_url_rule("/stream", view_func=_DECLARED(lambda: Response(produce())))
    small_app.register_blueprint(api)
    answer = small_app.test_client().get("/stream", headers={"Accept-Encoding": "gzip"}, buffered=False)
    chunks, coder = iter(answer.iter_encoded()), zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert coder.decompress(next(chunks)) == b"one\n"
    assert next(parts) == "two\n", "the second part was not requested yet"
    answer.close()
    assert closed == ["stream"]


def test_the_lines_of_an_import_are_sent_compressed(seller: Seller) -> None:
    """The first line arrives although the stream is compressed, and the last one ends it."""
    with seller.http.stream(
        "POST", "/products/import", content=b"title\nLamp\n", headers={"Content-Type": "text/csv"}
    ) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        lines = list(answer.iter_lines())
    assert lines[-1].startswith('{"done": true')


def test_a_head_request_has_the_headers_of_the_get_request(seller: Seller) -> None:
    """The length too (RFC 9110 §9.3.2)."""
    for _ in range(5):
        seller.creates()
    answers = [seller.http.request(method, "/products") for method in ("GET", "HEAD")]
    names = ("Content-Encoding", "Content-Length", "Content-Type", "Vary")
    found = [[answer.headers.get(name) for name in names] for answer in answers]
    assert found[0] == found[1]
    assert answers[1].headers["Content-Encoding"] == "gzip"
