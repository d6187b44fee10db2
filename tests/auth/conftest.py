"""Fixtures of the authentication tests."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.auth.keys import KeyRing
from app.auth.tokens import TokenVerifier
from tests.auth.checking import EC_KEY, OLD, RSA, RSA_KEY, CountingRing
from tests.auth.jwks import JwksServer
from tests.auth.minting import AUDIENCE, ISSUER, SECRET, Clock
from tests.auth.tiny_app import OpenSessions, Operators, tiny_app


@pytest.fixture(scope="module")
def server() -> Iterator[JwksServer]:
    """Run an endpoint that publishes an EC and an RSA key."""
    with JwksServer(EC_KEY.public_jwk, RSA_KEY.public_jwk) as endpoint:
        yield endpoint


@pytest.fixture
def ring(server: JwksServer) -> CountingRing:
    """Return a ring with the shared secret and the published keys."""
    return CountingRing(secret=SECRET, jwks_url=server.url)


@pytest.fixture
def clock() -> Clock:
    """Return the wall clock of the verifier under test."""
    return Clock()


@pytest.fixture
def verifier(ring: CountingRing, clock: Clock) -> TokenVerifier:
    """Return a verifier with an issuer, as for a hosted project."""
    return TokenVerifier(ring, audience=AUDIENCE, issuer=ISSUER, wall_clock=clock)


@pytest.fixture
def operators() -> Operators:
    """Return the operators that the application knows."""
    return Operators()


@pytest.fixture
def monotonic() -> Clock:
    """Return the application's monotonic clock."""
    return Clock(0)


@pytest.fixture
def sessions() -> OpenSessions:
    """Return the sessions that are open."""
    return OpenSessions()


@pytest.fixture
def app(operators: Operators, sessions: OpenSessions, monotonic: Clock) -> Flask:
    """Return the tiny application."""
    return tiny_app(operators, sessions, monotonic)


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    """Return a client that keeps cookies, like a browser."""
    with app.test_client() as client:
        yield client


@pytest.fixture
def key_set() -> Iterator[JwksServer]:
    """Run a key set endpoint that publishes OLD and RSA."""
    with JwksServer(OLD.public_jwk, RSA.public_jwk) as endpoint:
        yield endpoint


@pytest.fixture
def key_clock() -> Clock:
    """Return the monotonic clock of `key_ring`."""
    return Clock(1000)


@pytest.fixture
def key_ring(key_set: JwksServer, key_clock: Clock) -> KeyRing:
    """Return a ring that reads `key_set` and has fetched no keys yet."""
    return KeyRing(jwks_url=key_set.url, monotonic=key_clock)
