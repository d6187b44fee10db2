"""The static files, under addresses that change with their content, so that browsers keep them for a year.

All files share one digest, so that a file can refer to its neighbour by a relative address.
"""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flask import Flask, Response, abort, current_app, request, url_for

from app.api.compression import MIN_BYTES
from app.desk.blueprint import desk

_FOLDER: Final = Path(__file__).parent / "static"
_KEY: Final = "asin_desk.assets"
_KEPT: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _File:
    """One file: its content, the same compressed if that is shorter, and its media type."""

    content: bytes
    compressed: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All static files by name, and the digest that their addresses contain."""

    files: Mapping[str, _File]
    digest: str


def init_app(app: Flask) -> None:
    """Read the files. They stay in the memory of the process."""
    app.extensions[_KEY] = load(_FOLDER)


def load(folder: Path) -> Assets:
    """Return the files of `folder`, also those in its subfolders."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): _read(path) for path in paths}
    digest = hashlib.sha256()
    for name, file in files.items():
        digest.update(f"{name} {len(file.content)}\n".encode() + file.content)
    return Assets(files, digest.hexdigest()[:12])


def _read(path: Path) -> _File:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _File(content, gzip.compress(content, mtime=0) if len(content) > MIN_BYTES else content, media_type)


@desk.app_template_global()
def asset(name: str) -> str:
    """Return the address of a static file. Raises LookupError if there is none with this name."""
    assets = _assets()
    if name not in assets.files:
        raise LookupError(f"There is no static file {name}")
    return url_for("desk.asset_file", digest=assets.digest, name=name)


@desk.get("/desk/assets/<digest>/<path:name>")
def asset_file(digest: str, name: str) -> Response:
    """Return a static file; 404 if its digest is not the current one."""
    assets = _assets()
    if digest != assets.digest or name not in assets.files:
        abort(404)
    response = _response(assets.files[name])
    response.headers["Cache-Control"] = _KEPT
    return response


@desk.get("/favicon.ico")
def favicon() -> Response:
    """Return the icon, which browsers request also for responses that are not pages, such as JSON documents."""
    response = _response(_assets().files["mark.svg"])
    response.headers["Cache-Control"] = "no-cache"
    response.set_etag(_assets().digest)
    response.make_conditional(request)
    return response


def _assets() -> Assets:
    """Return the files as they were at the start of the process; in debug mode, as they are now."""
    assets: Assets = load(_FOLDER) if current_app.debug else current_app.extensions[_KEY]
    return assets


def _response(file: _File) -> Response:
    packed = len(file.compressed) < len(file.content) and request.accept_encodings["gzip"] > 0
    response = Response(file.compressed if packed else file.content, mimetype=file.media_type)
    response.vary.add("Accept-Encoding")
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    return response
