"""The demo accounts of the embedded Supabase: a seller with a catalogue, and an operator."""

import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx

from local.catalogue import demo_rows
from local.files import read_or_create
from local.listings import demo_candidates
from local.server import ServerError
from local.supabase import SupabaseServer

__all__ = ["Accounts", "Login", "create_demo", "sign_in", "sign_up"]

_CALL_SECONDS: Final = 120.0
_ROWS_PER_CALL: Final = 500

# The mark is set after all rows are sent. Until then, each start sends them again; existing rows do not change.
_IS_LOADED: Final = "select from auth.users where email = $1 and raw_app_meta_data ? 'catalogue'"
_MARK_LOADED: Final = """
update auth.users set raw_app_meta_data = raw_app_meta_data || '{"catalogue": true}' where email = $1
"""
_MAKE_OPERATOR: Final = """
update auth.users set raw_app_meta_data = raw_app_meta_data || '{"role": "operator"}' where email = $1
"""


@dataclass(frozen=True)
class Login:
    """The e-mail address and password of an account."""

    email: str
    password: str


@dataclass(frozen=True)
class Accounts:
    """The two accounts of the demo."""

    demo: Login
    operator: Login


def create_demo(supabase: SupabaseServer, passwords: Path) -> Accounts:
    """Create the accounts and the seller's catalogue, unless they already exist.

    Args:
        supabase: a running server.
        passwords: the file that stores the generated passwords between starts; only its owner can read it.

    Raises:
        ServerError: Supabase refused a sign-up or the catalogue.

    """
    stored = json.loads(read_or_create(passwords, _new_passwords))
    demo = Login("demo@asin-desk.example", stored["demo"])
    operator = Login("operator@asin-desk.example", stored["operator"])
    for login in (demo, operator):
        if not supabase.sql("select from auth.users where email = $1", login.email):
            sign_up(supabase, login)
    supabase.sql(_MAKE_OPERATOR, operator.email)
    if not supabase.sql(_IS_LOADED, demo.email):
        token = sign_in(supabase, demo)
        _send_rows(supabase, "import_deals", map(asdict, demo_rows()), token=token)
        _send_rows(supabase, "add_candidates", map(asdict, demo_candidates()), token=token)
        supabase.sql(_MARK_LOADED, demo.email)
    return Accounts(demo, operator)


def sign_up(supabase: SupabaseServer, login: Login) -> str:
    """Create an account over HTTP with the public sign-up, and return its access token.

    Raises:
        ServerError: Supabase refused.

    """
    return str(_post(supabase, "/auth/v1/signup", asdict(login))["access_token"])


def sign_in(supabase: SupabaseServer, login: Login) -> str:
    """Return an access token of an existing account. Raises ServerError when Supabase refuses."""
    return str(_post(supabase, "/auth/v1/token?grant_type=password", asdict(login))["access_token"])


def _send_rows(supabase: SupabaseServer, function: str, rows: Iterable[dict[str, Any]], *, token: str) -> None:
    """Send the rows as the demo seller to the SQL function that the upload of a file uses."""
    numbered = [{"line": line, **row} for line, row in enumerate(rows, start=2)]
    for start in range(0, len(numbered), _ROWS_PER_CALL):
        batch = {"p_rows": numbered[start : start + _ROWS_PER_CALL]}
        done = _post(supabase, f"/rest/v1/rpc/{function}", batch, token=token)["answer"]
        if done["refused"]:
            raise ServerError(f"Supabase refused rows of the demo catalogue: {done['refused']}")


def _post(supabase: SupabaseServer, path: str, body: object, *, token: str | None = None) -> Any:  # noqa: ANN401 - any JSON
    headers = {"apikey": supabase.publishable_key} | ({"Authorization": f"Bearer {token}"} if token else {})
    answer = httpx.post(f"{supabase.url}{path}", json=body, headers=headers, timeout=_CALL_SECONDS)
    if answer.status_code != HTTPStatus.OK:
        raise ServerError(f"Supabase refused {path}: {answer.text}")
    return answer.json()


def _new_passwords() -> str:
    return json.dumps({"demo": secrets.token_hex(6), "operator": secrets.token_hex(6)})
