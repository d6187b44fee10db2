"""The address of the client that sent the current request."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from flask import current_app, has_request_context, request

_SITE_BITS = 64  # a provider gives each customer at least one /64, and the customer may use all of its addresses


def client_address() -> str:
    """Return the IP address of the client; an empty string when it is unknown.

    Each of the TRUSTED_PROXIES appends the address of its own client to X-Forwarded-For. Entries further to the left
    were sent by the client itself and are ignored. The address is computed only when it is needed: Werkzeug's ProxyFix
    middleware would compute it for every request and add a tenth to the Python calls of a cache hit.
    """
    if not has_request_context():
        return ""
    environ, trusted = request.environ, current_app.config.get("TRUSTED_PROXIES", 0)
    hops = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
    forwarded = _parsed(hops[-trusted]) if 0 < trusted <= len(hops) else None
    address = forwarded or _parsed(environ.get("REMOTE_ADDR", ""))
    return "" if address is None else str(address)


def network_of(address: str) -> str:
    """Return the network that counts as one client: a single IPv4 address, or the /64 of an IPv6 address."""
    parsed = _parsed(address)
    return str(ip_network((parsed, _SITE_BITS), strict=False)) if isinstance(parsed, IPv6Address) else address


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip().partition("%")[0])  # "%eth0": the zone of an IPv6 address (RFC 4007)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
