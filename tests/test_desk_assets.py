"""The static files of the desk: their addresses, how long browsers keep them, and that vendored files are unchanged."""

import re
from pathlib import Path
from typing import Final

import httpx
import pytest

from app.desk.assets import load
from local import ROOT
from local.application import AppServer
from tests.visitors import Visitor

_FOLDER: Final = ROOT / "app/desk/static"


def _addresses(page: str) -> set[str]:
    return set(re.findall(r'(?:href|src)="(/desk/assets/[^"#]+)', page))


def test_every_file_of_a_page_is_kept_for_a_year(visitor: Visitor) -> None:
    """A browser needs to request it once only. Long files are compressed."""
    addresses = _addresses(visitor.opens("/").text)
    assert len(addresses) >= 5
    for address in addresses:
        answer = visitor.http.get(address)
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert "Set-Cookie" not in answer.headers
        name = address.split("/", 4)[4]
        assert answer.content == (_FOLDER / name).read_bytes()
        assert ("Content-Encoding" in answer.headers) is (len(answer.content) > 1000), name


def test_a_client_without_gzip_gets_the_plain_file(visitor: Visitor) -> None:
    """The content is the same."""
    (address,) = (address for address in _addresses(visitor.page) if address.endswith("desk.css"))
    answer = visitor.http.get(address, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in answer.headers
    assert answer.content == (_FOLDER / "desk.css").read_bytes()
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize("path", ["000000000000/desk.css", "{digest}/nope.css", "{digest}/../desk.py", "desk.css"])
def test_an_unknown_digest_or_name_is_not_found(server: AppServer, path: str) -> None:
    """An old digest must not be answered with a new file, which browsers would keep for a year."""
    answer = httpx.get(f"{server.url}/desk/assets/{path.format(digest=load(_FOLDER).digest)}")
    assert answer.status_code == 404
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_digest_changes_with_every_file(tmp_path: Path) -> None:
    """With its content and with its name, also in a subfolder."""
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "a.js").write_text("1")
    digests = {load(tmp_path).digest}
    (tmp_path / "vendor" / "a.js").write_text("2")
    digests.add(load(tmp_path).digest)
    (tmp_path / "vendor" / "a.js").rename(tmp_path / "vendor" / "b.js")
    digests.add(load(tmp_path).digest)
    assert len(digests) == 3
    assert load(tmp_path).digest in digests


@pytest.mark.parametrize(("package", "name"), [("htmx.org", "htmx.min.js"), ("chart.js", "chart.umd.min.js")])
def test_the_vendored_files_are_those_of_the_packages(package: str, name: str) -> None:
    """The file that is served is the pinned release, unchanged."""
    released = ROOT / "node_modules" / package / "dist" / name
    assert (_FOLDER / "vendor" / name).read_bytes() == released.read_bytes()
