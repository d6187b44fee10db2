"""The blueprint of the desk, its response headers, and its redirects."""

from typing import Final
from urllib.parse import urlsplit

from flask import Blueprint, Response, url_for

from app.desk import notices, wording

desk = Blueprint("desk", __name__, template_folder="templates", static_folder="static", static_url_path="/desk/static")

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
    """Add the headers: pages may load only our own files, and use no browser feature that they do not need."""
    response.headers.update(_HEADERS)
    return response


@desk.get("/favicon.ico")
def favicon() -> Response:
    """Return the icon, which browsers request also for responses that are not pages, such as JSON documents."""
    return desk.send_static_file("mark.svg")


@desk.app_context_processor
def _vocabulary() -> dict[str, object]:
    """Return the variables that all templates can use."""
    return {"take_notice": notices.take, "labels": wording.LABELS, "stages": wording.STAGES}


def local_path(address: str | None) -> str:
    """Return `address` if it is a path on this host, else the dashboard's path: prevents open redirects."""
    return address if address and _is_local(address) else url_for("desk.dashboard")


def _is_local(address: str) -> bool:
    # Browsers read a backslash as a slash and remove tabs and line ends: `/\evil` and `/<tab>/evil` are other hosts.
    if not address.startswith("/") or address.startswith("//") or "\\" in address or not address.isprintable():
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return not parts.scheme and not parts.netloc


desk.add_app_template_filter(wording.counted)
desk.add_app_template_filter(wording.day)
desk.add_app_template_filter(wording.moment)
desk.add_app_template_filter(wording.money)
desk.add_app_template_filter(wording.marked_up)
desk.add_app_template_filter(wording.upc)
