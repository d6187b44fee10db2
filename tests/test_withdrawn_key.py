"""A signing key is withdrawn while two workers have cached tokens: within 60 s they refuse its tokens."""

import time
from pathlib import Path

import httpx
import pytest

from local.application import AppServer
from local.stack import Stack
from tests.auth.jwks import JwksServer
from tests.auth.minting import claims, es256
from tests.clients import client
from tests.outage import at_once
from tests.sellers import CACHE_STATUS, app_environment

KEPT, GONE = es256("kept"), es256("gone")


@pytest.mark.proof
def test_tokens_of_a_withdrawn_key_are_refused_within_a_minute(stack: Stack, tmp_path: Path) -> None:
    """Both workers refuse it, although it is in constant use. A token signed with another key stays valid."""
    now = int(time.time())
    gone, kept = (
        {"Authorization": f"Bearer {key.token(claims(iss=None, iat=now, exp=now + 3600))}"} for key in (GONE, KEPT)
    )
    accepted: list[float] = []
    with JwksServer(KEPT.public_jwk, GONE.public_jwk) as jwks:
        supabase = jwks.url.split("/auth/")[0]
        environment = app_environment(stack, SUPABASE_URL=supabase, SUPABASE_JWT_SECRET="")
        limits = httpx.Limits(max_keepalive_connections=0)
        with AppServer(environment, workers=2, log=tmp_path / "app.log") as app, client(app.url, limits=limits) as http:
            before = at_once(lambda: http.get(CACHE_STATUS, headers=gone).status_code, number=20)
            assert before == [200] * 20
            jwks.keys = [KEPT.public_jwk]
            withdrawn_at = time.monotonic()
            while (sent_after := time.monotonic() - withdrawn_at) < 65:
                if http.get(CACHE_STATUS, headers=gone).status_code == 200:
                    accepted.append(sent_after)
                assert http.get(CACHE_STATUS, headers=kept).status_code == 200
    assert 1 < max(accepted) < 60
    print(f"last accepted {max(accepted):.1f} s after the key was withdrawn")  # noqa: T201 - the figure of the proof
