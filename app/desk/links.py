"""Addresses that came from a form or a query string and that a browser is going to be sent to."""

from urllib.parse import urlsplit

from flask import url_for


def local(address: str | None) -> str:
    """Return `address` when it is a path on this very host, else the dashboard: nobody is sent elsewhere by us."""
    return address if address and _is_local(address) else url_for("desk.dashboard")


def _is_local(address: str) -> bool:
    # Browsers read a backslash as a slash and drop tabs and line ends, so `/\evil` and `/<tab>/evil` are other hosts.
    if not address.startswith("/") or address.startswith("//") or "\\" in address or not address.isprintable():
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return not parts.scheme and not parts.netloc
