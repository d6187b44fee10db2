"""Where a request comes from, and how much of what it says about that is believed."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from flask import current_app, has_request_context, request

_SITE_BITS = 64  # one customer of a provider gets at least this much of IPv6, and may use all of it


def client_address() -> str:
    """Return the IP address of the client, empty when nobody knows it.

    Each of the TRUSTED_PROXIES appends whom it was asked by to X-Forwarded-For; what stands further to the left came
    with the request and is never believed. Worked out where it is needed: as a WSGI middleware (werkzeug's ProxyFix) it
    would cost every cached read a tenth of its Python calls.
    """
    if not has_request_context():
        return ""
    environ, trusted = request.environ, current_app.config.get("TRUSTED_PROXIES", 0)
    hops = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
    forwarded = _parsed(hops[-trusted]) if 0 < trusted <= len(hops) else None
    address = forwarded or _parsed(environ.get("REMOTE_ADDR", ""))
    return "" if address is None else str(address)


def network_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 of an IPv6 one."""
    parsed = _parsed(address)
    return str(ip_network((parsed, _SITE_BITS), strict=False)) if isinstance(parsed, IPv6Address) else address


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip().partition("%")[0])  # behind % stands an interface of the host that wrote it
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
