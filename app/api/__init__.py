"""What all routes of the API have in common: checks of the request, preferences, and compression of the answer."""

from app.api.blueprint import ApiBlueprint
from app.api.checks import ANY_OR_JSON, JSON, NDJSON, check_request
from app.api.compression import accept_own_etags, compress
from app.api.preferences import preference

__all__ = [
    "ANY_OR_JSON",
    "JSON",
    "NDJSON",
    "ApiBlueprint",
    "accept_own_etags",
    "check_request",
    "compress",
    "preference",
]
