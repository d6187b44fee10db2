"""`session_is_open`: whether the caller's session still exists."""

from collections.abc import Iterator

import jwt
import pytest

from local.stack import Stack
from tests.callers import Caller, caller_with
from tests.clients import new_account


def _claims(token: str) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


@pytest.fixture
def token(stack: Stack) -> str:
    """Return the access token of a new user's first session."""
    return str(new_account(stack.supabase)["access_token"])


@pytest.fixture
def owner(stack: Stack, token: str) -> Iterator[Caller]:
    """Return the user who owns `token`."""
    caller = caller_with(stack.supabase, token)
    with caller.http:
        yield caller


def test_a_session_is_open_until_its_row_is_deleted(owner: Caller, token: str, stack: Stack) -> None:
    """Supabase Auth deletes it when the user signs out."""
    assert owner.gets("session_is_open") is True
    stack.supabase.sql("delete from auth.sessions where id = $1", _claims(token)["session_id"])
    assert owner.gets("session_is_open") is False


@pytest.mark.parametrize(("until", "is_open"), [("1 hour", True), ("-1 second", False)])
def test_a_session_with_a_time_limit_closes_at_its_end(
    owner: Caller, token: str, stack: Stack, until: str, *, is_open: bool
) -> None:
    """Supabase Auth can limit the lifetime of a session."""
    change = "update auth.sessions set not_after = now() + $2::interval where id = $1"
    stack.supabase.sql(change, _claims(token)["session_id"], until)
    assert owner.gets("session_is_open") is is_open


def test_another_users_session_is_not_open_for_the_caller(token: str, alice: Caller, stack: Stack) -> None:
    """A token that names another user's session, or no session, has no open session."""
    for claims in ({**_claims(token), "sub": alice.id}, {**_claims(token), "session_id": None}):
        forged = jwt.encode(claims, stack.supabase.jwt_secret, "HS256")
        caller = caller_with(stack.supabase, forged)
        with caller.http:
            assert caller.gets("session_is_open") is False
