"""Whether a session is open still: who is asked about it, how often, and what that means for callers."""

from flask.testing import FlaskClient

from tests.auth.minting import Clock, claims, hs256
from tests.auth.tiny_app import METHODS, TOKEN, OpenSessions, bearer, is_problem, signed_in


def test_a_session_that_ended_identifies_nobody_within_a_second(
    client: FlaskClient, sessions: OpenSessions, monotonic: Clock
) -> None:
    """Its token is good still; an answer is remembered for less than that second, and asked for once meanwhile."""
    own = signed_in(client)
    for _ in range(5):
        assert client.get("/me").status_code == 200
    assert sessions.asked == 1
    sessions.ended.add(TOKEN)
    monotonic.advance(0.99)
    for method in METHODS:
        response = client.open("/me", method=method, headers={"X-CSRFToken": own})
        assert is_problem(response, 401)
        assert "its session has ended" in response.headers["WWW-Authenticate"]
    assert sessions.asked == 2


def test_a_bearer_token_is_good_until_it_expires(client: FlaskClient, sessions: OpenSessions) -> None:
    """As Supabase says of access tokens; nobody is asked about its session."""
    sessions.ended.add(TOKEN)
    sessions.down = True
    assert client.get("/me", headers=bearer(TOKEN)).status_code == 200
    assert sessions.asked == 0


def test_a_database_that_is_away_lets_nobody_pass(client: FlaskClient, sessions: OpenSessions) -> None:
    """503 now, the truth next time."""
    signed_in(client)
    sessions.down = True
    assert is_problem(client.get("/me"), 503)
    sessions.down = False
    assert client.get("/me").status_code == 200


def test_a_token_without_a_session_makes_none(client: FlaskClient, sessions: OpenSessions) -> None:
    """It could not be ended."""
    signed_in(client, hs256().token(claims(without="session_id")))
    assert is_problem(client.get("/me"), 401)
    assert sessions.asked == 0
