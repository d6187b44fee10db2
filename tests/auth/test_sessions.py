"""The check whether a session is open: when it is made, how long its result is cached, and whom it refuses."""

from flask.testing import FlaskClient

from tests.auth.minting import Clock, claims, hs256
from tests.auth.tiny_app import METHODS, TOKEN, OpenSessions, bearer, is_problem, signed_in


def test_an_ended_session_is_refused_within_a_second(
    client: FlaskClient, sessions: OpenSessions, monotonic: Clock
) -> None:
    """The token of the session is still valid. The result of a check is cached for less than 1 s."""
    own = signed_in(client)
    for _ in range(5):
        assert client.get("/me").status_code == 200
    assert sessions.checks == 1
    sessions.ended.add(TOKEN)
    monotonic.advance(0.99)
    for method in METHODS:
        response = client.open("/me", method=method, headers={"X-CSRFToken": own})
        assert is_problem(response, 401)
        assert "its session has ended" in response.headers["WWW-Authenticate"]
    assert sessions.checks == 2


def test_an_open_page_asks_once_a_minute_whether_its_session_is_open(
    client: FlaskClient, sessions: OpenSessions, monotonic: Clock
) -> None:
    """And gets 401 within a minute of the end. Its older answer does not serve other requests."""
    signed_in(client)
    for _ in range(14):
        assert client.get("/numbers").status_code == 200
        monotonic.advance(4)
    assert sessions.checks == 1
    sessions.ended.add(TOKEN)
    assert client.get("/numbers").status_code == 200
    assert is_problem(client.get("/me"), 401)
    monotonic.advance(4)
    assert is_problem(client.get("/numbers"), 401)


def test_a_bearer_token_is_valid_until_it_expires(client: FlaskClient, sessions: OpenSessions) -> None:
    """As Supabase documents for access tokens. The session is not checked."""
    sessions.ended.add(TOKEN)
    sessions.down = True
    assert client.get("/me", headers=bearer(TOKEN)).status_code == 200
    assert sessions.checks == 0


def test_without_the_database_a_session_is_a_503(client: FlaskClient, sessions: OpenSessions) -> None:
    """503 now, and the correct answer next time."""
    signed_in(client)
    sessions.down = True
    assert is_problem(client.get("/me"), 503)
    sessions.down = False
    assert client.get("/me").status_code == 200


def test_a_token_without_a_session_id_cannot_start_a_desk_session(client: FlaskClient, sessions: OpenSessions) -> None:
    """Such a session could not be ended."""
    signed_in(client, hs256().token(claims(without="session_id")))
    assert is_problem(client.get("/me"), 401)
    assert sessions.checks == 0
