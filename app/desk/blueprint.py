"""The blueprint of the desk, its response headers, and its redirects."""

from typing import Final
from urllib.parse import urlsplit

from flask import Blueprint, Response, url_for

from app.api.compression import compress
from app.desk import currencies, notices, places, wording

desk = Blueprint("desk", __name__, template_folder="templates")

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), autoplay=(), camera=(), display-capture=(), fullscreen=(), geolocation=(), gyroscope=(), "
        "magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
    ),
    "Referrer-Policy": "same-origin",  # not stricter: over HTTPS the CSRF check needs our own pages as referrer
}
"""Headers of every page and static file. `app.headers` adds those of all responses."""


@desk.after_request
def protect(response: Response) -> Response:
    """Add the headers: pages may load only our own files, and use no browser feature that they do not need.

    Pages are compressed. They contain a CSRF token beside text that others can choose, so the length of a compressed
    page tells something about the token (the BREACH attack). That attack needs hundreds of pages with the same token.
    The signature of our token changes every second.
    """
    response.headers.update(_HEADERS)
    if response.mimetype == "text/html" and "Content-Encoding" not in response.headers:
        compress(response)
    return response


@desk.app_context_processor
def _vocabulary() -> dict[str, object]:
    """Return the variables that all templates can use."""
    return {
        "take_notice": notices.take,
        "visible_places": places.visible_places,
        "labels": wording.LABELS,
        "stages": wording.STAGES,
    }


def local_path(address: str | None) -> str:
    """Return `address` if it is a path on this host, else the path of the first page: prevents open redirects."""
    return address if address and _is_local(address) else url_for("desk.work")


def _is_local(address: str) -> bool:
    # Browsers read a backslash as a slash and remove tabs and line ends: `/\evil` and `/<tab>/evil` are other hosts.
    if not address.startswith("/") or address.startswith("//") or "\\" in address or not address.isprintable():
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return not parts.scheme and not parts.netloc


desk.add_app_template_global(currencies.currency)
desk.add_app_template_filter(wording.clock)
desk.add_app_template_filter(wording.counted)
desk.add_app_template_filter(wording.day)
desk.add_app_template_filter(wording.instant)
desk.add_app_template_filter(wording.moment)
desk.add_app_template_filter(currencies.money)
desk.add_app_template_filter(wording.marked_up)
desk.add_app_template_filter(wording.upc)
