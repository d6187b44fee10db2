"""HTTP clients for the tests. They connect to loopback only."""

import itertools
import ssl
from typing import Any, Final

import httpx

from local.supabase import SupabaseServer
from tests.openapi.contract import check_answer

PASSWORD: Final = "correct-horse-battery"

_TIMEOUT: Final = 30  # seconds; no request should ever take this long
# By default httpx loads all CA certificates for each client, which takes longer than most tests.
_NO_AUTHORITIES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_numbers: Final = itertools.count(1)


def client(url: str, **options: Any) -> httpx.Client:  # noqa: ANN401 - passed on to httpx
    """Return a client of the server at `url`; `options` are those of `httpx.Client`.

    It fails when an answer of the application is not as the OpenAPI document describes.
    """
    hooks = {"response": [check_answer]}
    return httpx.Client(base_url=url, verify=_NO_AUTHORITIES, timeout=_TIMEOUT, event_hooks=hooks, **options)


def new_account(supabase: SupabaseServer) -> dict[str, Any]:
    """Create a user through the public sign-up, with `PASSWORD`, and return their first session."""
    account = {"email": f"user-{next(_numbers)}@example.com", "password": PASSWORD}
    with client(supabase.url, headers={"apikey": supabase.publishable_key}) as http:
        answer = http.post("/auth/v1/signup", json=account)
    assert answer.status_code == 200, answer.text
    session: dict[str, Any] = answer.json()
    return session


def new_title() -> str:
    """Return a unique title. Products without ASIN and UPC are identified by their title."""
    return f"Product {next(_numbers)}"
