"""The blueprint the desk's views hang on, and what each of its responses carries."""

from typing import Final

from flask import Blueprint, Response

from app.desk import notices, wording

desk = Blueprint("desk", __name__, template_folder="templates", static_folder="static", static_url_path="/desk/static")

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), autoplay=(), camera=(), display-capture=(), fullscreen=(), geolocation=(), gyroscope=(), "
        "magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
    ),
    "Referrer-Policy": "same-origin",  # not less: over HTTPS the CSRF check wants to see our own pages as referrer
}
"""Headers of every page and static file; `app.headers` adds those that all answers have."""


@desk.after_request
def protect(response: Response) -> Response:
    """Let pages load only our own files, and use no feature of the browser that they do not need."""
    response.headers.update(HEADERS)
    return response


@desk.get("/favicon.ico")
def favicon() -> Response:
    """Return the icon to a browser that shows something other than a page, such as a JSON document."""
    return desk.send_static_file("mark.svg")


@desk.app_context_processor
def _vocabulary() -> dict[str, object]:
    """Give every template the words it shares with the others."""
    return {"take_notice": notices.take, "labels": wording.LABELS, "stages": wording.STAGES}


desk.add_app_template_filter(wording.day)
desk.add_app_template_filter(wording.money)
