"""Views for operators over HTTP: access, and how long a role is cached."""

from flask.testing import FlaskClient

from tests.auth.minting import Clock
from tests.auth.tiny_app import OTHER_TOKEN, OTHER_USER, TOKEN, Operators, bearer, is_problem, signed_in


def test_operator_views_are_for_operators_only(client: FlaskClient, operators: Operators) -> None:
    """403 for other users, 401 without identity."""
    operators.tokens.add(OTHER_TOKEN)
    assert is_problem(client.get("/operators", headers=bearer(TOKEN)), 403)
    assert is_problem(client.get("/operators"), 401)
    assert client.get("/operators", headers=bearer(OTHER_TOKEN)).get_json() == {"user_id": OTHER_USER}


def test_the_operator_role_is_cached_for_a_minute(client: FlaskClient, operators: Operators, monotonic: Clock) -> None:
    """After at most one minute, a removed operator loses access and a new one gets it."""
    operators.tokens.add(TOKEN)
    assert client.get("/operators", headers=bearer(TOKEN)).status_code == 200
    assert is_problem(client.get("/operators", headers=bearer(OTHER_TOKEN)), 403)
    operators.tokens = {OTHER_TOKEN}
    monotonic.advance(59.9)
    assert client.get("/operators", headers=bearer(TOKEN)).status_code == 200
    assert operators.checks == 2
    monotonic.advance(0.1)
    assert is_problem(client.get("/operators", headers=bearer(TOKEN)), 403)
    assert client.get("/operators", headers=bearer(OTHER_TOKEN)).status_code == 200


def test_a_database_failure_is_not_cached(client: FlaskClient, operators: Operators) -> None:
    """503 now, and the correct answer next time."""
    operators.tokens.add(TOKEN)
    operators.down = True
    response = client.get("/operators", headers=bearer(TOKEN))
    assert is_problem(response, 503)
    assert "Retry-After" in response.headers
    operators.down = False
    assert client.get("/operators", headers=bearer(TOKEN)).status_code == 200


def test_an_operator_in_a_browser_needs_the_csrf_token_too(client: FlaskClient, operators: Operators) -> None:
    """Sessions of operators follow the same rules."""
    operators.tokens.add(TOKEN)
    own = signed_in(client)
    assert is_problem(client.post("/operators"), 403)
    assert operators.checks == 0
    assert client.post("/operators", headers={"X-CSRFToken": own}).status_code == 200
