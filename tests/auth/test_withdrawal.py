"""Keys that are withdrawn: tokens signed with them end within a minute, remembered or not, and nobody waits."""

import threading
import time
from collections.abc import Iterator

import pytest
from jwt import PyJWK

from app.auth.keys import KeyRing, KeysUnavailableError
from app.auth.tokens import InvalidTokenError, TokenVerifier
from tests.auth.checking import refusal
from tests.auth.jwks import JwksServer, eventually
from tests.auth.minting import AUDIENCE, SECRET, SELLER, Clock, claims, es256, hs256

KEPT, GONE = es256("kept"), es256("gone")


@pytest.fixture
def server() -> Iterator[JwksServer]:
    """Run a key set endpoint that publishes both keys."""
    with JwksServer(KEPT.public_jwk, GONE.public_jwk) as endpoint:
        yield endpoint


@pytest.fixture
def clock() -> Clock:
    """Return the clock by which keys grow old; tokens stay young."""
    return Clock(1000)


@pytest.fixture
def verifier(server: JwksServer, clock: Clock) -> TokenVerifier:
    """Return a verifier of the published keys."""
    return verifier_of(KeyRing(secret=SECRET, jwks_url=server.url, monotonic=clock))


def verifier_of(ring: KeyRing) -> TokenVerifier:
    """Return a verifier with the keys of `ring`."""
    return TokenVerifier(ring, audience=AUDIENCE, wall_clock=Clock())


TOKEN, OTHER = GONE.token(claims()), KEPT.token(claims())


def accepts(verifier: TokenVerifier, token: str) -> bool:
    """Tell whether `token` is accepted, and wait until the fetch it may have caused is over."""
    try:
        return verifier.verify(token).user_id == str(SELLER)
    except InvalidTokenError:
        return False
    finally:
        eventually(lambda: not any(thread.name == "jwks-fetch" for thread in threading.enumerate()))


def remembers(verifier: TokenVerifier) -> bool:
    """Tell whether any token is remembered."""
    return len(verifier.remembered) > 0


def last_use(verifier: TokenVerifier, clock: Clock, *, every: int) -> int:
    """Use TOKEN every so many seconds; return how many seconds from now it was accepted for the last time."""
    for second in range(every, 3600, every):
        clock.advance(every)
        if not accepts(verifier, TOKEN):
            return second - every
    return 3600


@pytest.mark.parametrize("every", [1, 10, 24, 26, 54, 56, 600])
def test_a_withdrawn_key_ends_its_tokens_within_a_minute(
    verifier: TokenVerifier, server: JwksServer, clock: Clock, every: int
) -> None:
    """However often they are used; tokens signed with other keys go on."""
    assert accepts(verifier, TOKEN)
    assert accepts(verifier, OTHER)
    server.keys = [KEPT.public_jwk]
    assert last_use(verifier, clock, every=every) <= 60
    assert refusal(verifier, TOKEN) == "its signing key is not known"
    assert accepts(verifier, OTHER)


def test_a_key_withdrawn_while_nobody_came_ends_its_tokens_at_once(
    verifier: TokenVerifier, server: JwksServer, clock: Clock
) -> None:
    """A set nobody has looked at for so long is fetched before anybody is answered by it, by all who come then."""
    assert accepts(verifier, TOKEN)
    server.keys = [KEPT.public_jwk]
    clock.advance(3000)
    refused: list[str] = []
    threads = [threading.Thread(target=lambda: refused.append(refusal(verifier, TOKEN))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["its signing key is not known"] * 8


def test_another_key_of_the_same_name_ends_the_tokens_of_the_first(
    verifier: TokenVerifier, server: JwksServer, clock: Clock
) -> None:
    """A name proves nothing."""
    assert accepts(verifier, TOKEN)
    server.keys = [es256("gone").public_jwk]
    assert last_use(verifier, clock, every=5) <= 60
    assert refusal(verifier, TOKEN) == "its signature does not match"


def test_one_fetch_may_fail_on_the_way(verifier: TokenVerifier, server: JwksServer, clock: Clock) -> None:
    """The next one comes in time."""
    assert accepts(verifier, TOKEN)
    server.keys = [KEPT.public_jwk]
    server.status = 500
    clock.advance(25)
    assert accepts(verifier, TOKEN)
    server.status = 200
    assert 25 + last_use(verifier, clock, every=1) <= 60


def test_a_token_that_is_being_checked_meanwhile_is_not_remembered(server: JwksServer, clock: Clock) -> None:
    """Its key is withdrawn after it was found; the next request is refused."""

    class WithdrawnInTheMiddle(KeyRing):
        def find(self, *, algorithm: str, key_id: str | None) -> PyJWK:
            key = super().find(algorithm=algorithm, key_id=key_id)
            server.keys = [KEPT.public_jwk]
            clock.advance(60)
            assert self.published is not None
            self.published.refresh()
            return key

    verifier = verifier_of(WithdrawnInTheMiddle(jwks_url=server.url, monotonic=clock))
    assert verifier.verify(TOKEN).user_id == str(SELLER)
    assert refusal(verifier, TOKEN) == "its signing key is not known"


def test_an_answer_that_comes_late_brings_no_key_back(
    verifier: TokenVerifier, server: JwksServer, clock: Clock
) -> None:
    """It was begun before the key was withdrawn, and hung; the answer to a later question came first."""
    assert accepts(verifier, TOKEN)
    server.drips = "headers"
    clock.advance(25)
    verifier.verify(TOKEN)
    eventually(lambda: server.requests == 2)
    server.drips, server.keys = None, [KEPT.public_jwk]
    clock.advance(25)
    verifier.verify(TOKEN)
    eventually(lambda: not remembers(verifier))
    server.may_finish.set()
    assert not accepts(verifier, TOKEN)
    assert refusal(verifier, TOKEN) == "its signing key is not known"


def test_while_the_endpoint_is_down_keys_are_kept_for_a_day(
    verifier: TokenVerifier, server: JwksServer, clock: Clock
) -> None:
    """An outage of the identity provider signs nobody out for so long. Its end is noticed without a restart."""
    assert accepts(verifier, TOKEN)
    server.stop()
    for _ in range(23):
        clock.advance(3600)
        assert accepts(verifier, TOKEN)
    clock.advance(3600)
    with pytest.raises(KeysUnavailableError):
        verifier.verify(TOKEN)
    server.start_again()
    clock.advance(25)
    assert accepts(verifier, TOKEN)


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
def test_an_endpoint_that_hangs_holds_nobody_up(
    verifier: TokenVerifier, server: JwksServer, clock: Clock, *, drips: bool
) -> None:
    """Remembered tokens are used every second for five minutes: none of these requests waits."""
    assert accepts(verifier, TOKEN)
    if drips:
        server.drips = "headers"
    else:
        server.may_answer.clear()
    waited: list[float] = []
    for _ in range(300):
        clock.advance(1)
        started = time.monotonic()
        verifier.verify(TOKEN)
        waited.append(time.monotonic() - started)
    assert max(waited) < 1
    server.may_answer.set()


def test_without_published_keys_in_use_nothing_is_fetched(
    verifier: TokenVerifier, server: JwksServer, clock: Clock
) -> None:
    """A project that signs with the shared secret pays nothing."""
    for _ in range(100):
        assert verifier.verify(hs256().token(claims())).user_id == str(SELLER)
        clock.advance(60)
    assert server.requests == 0
