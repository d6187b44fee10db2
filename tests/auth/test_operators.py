"""Operators, over HTTP: who passes, and for how long an answer holds."""

from flask.testing import FlaskClient

from tests.auth.minting import Clock
from tests.auth.tiny_app import OTHER_TOKEN, OTHER_USER, TOKEN, Operators, bearer, is_problem, signed_in


def test_only_operators_pass_where_operators_are_required(client: FlaskClient, operators: Operators) -> None:
    """Others are known, but not allowed; strangers are unknown."""
    operators.tokens.add(OTHER_TOKEN)
    assert is_problem(client.get("/operators", headers=bearer(TOKEN)), 403)
    assert is_problem(client.get("/operators"), 401)
    assert client.get("/operators", headers=bearer(OTHER_TOKEN)).get_json() == {"user_id": OTHER_USER}


def test_an_operators_answer_holds_for_a_minute(client: FlaskClient, operators: Operators, monotonic: Clock) -> None:
    """Whoever stops operating is locked out within that time; so is a fresh operator let in."""
    operators.tokens.add(TOKEN)
    assert client.get("/operators", headers=bearer(TOKEN)).status_code == 200
    assert is_problem(client.get("/operators", headers=bearer(OTHER_TOKEN)), 403)
    operators.tokens = {OTHER_TOKEN}
    monotonic.advance(59.9)
    assert client.get("/operators", headers=bearer(TOKEN)).status_code == 200
    assert operators.asked == 2
    monotonic.advance(0.1)
    assert is_problem(client.get("/operators", headers=bearer(TOKEN)), 403)
    assert client.get("/operators", headers=bearer(OTHER_TOKEN)).status_code == 200


def test_database_trouble_is_not_remembered_as_an_answer(client: FlaskClient, operators: Operators) -> None:
    """503 now, the truth next time."""
    operators.tokens.add(TOKEN)
    operators.down = True
    response = client.get("/operators", headers=bearer(TOKEN))
    assert is_problem(response, 503)
    assert "Retry-After" in response.headers
    operators.down = False
    assert client.get("/operators", headers=bearer(TOKEN)).status_code == 200


def test_an_operator_in_a_browser_needs_the_csrf_token_too(client: FlaskClient, operators: Operators) -> None:
    """The rules for sessions are the same."""
    operators.tokens.add(TOKEN)
    own = signed_in(client)
    assert is_problem(client.post("/operators"), 403)
    assert operators.asked == 0
    assert client.post("/operators", headers={"X-CSRFToken": own}).status_code == 200
