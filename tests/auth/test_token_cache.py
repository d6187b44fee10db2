"""The cache of verified tokens: expiry, capacity and threads."""

from concurrent.futures import ThreadPoolExecutor

from app.auth.tokens import TokenVerifier
from tests.auth.checking import EC_KEY, CountingRing, refusal
from tests.auth.minting import AUDIENCE, NOW, SELLER, Clock, claims, hs256


def test_a_cached_token_needs_no_key(verifier: TokenVerifier, ring: CountingRing) -> None:
    """The second use needs no signature check."""
    token = EC_KEY.token(claims())
    first = verifier.verify(token)
    assert ring.lookups == 1
    assert verifier.verify(token) is first
    assert ring.lookups == 1


def test_a_cached_token_is_removed_when_it_expires(verifier: TokenVerifier, ring: CountingRing, clock: Clock) -> None:
    """It is removed at `exp`. During the leeway, the token is verified completely each time."""
    token = EC_KEY.token(claims())
    verifier.verify(token)
    clock.advance(3599.9)
    verifier.verify(token)
    assert ring.lookups == 1
    clock.advance(0.1)
    verifier.verify(token)
    assert (ring.lookups, len(verifier.cached)) == (2, 0)
    clock.advance(10)
    assert refusal(verifier, token) == "it has expired"


def test_refused_tokens_are_not_cached(verifier: TokenVerifier, ring: CountingRing, clock: Clock) -> None:
    """They would evict valid tokens, and some become valid later."""
    token = hs256().token(claims(nbf=NOW + 60))
    assert refusal(verifier, token) == "it is not valid yet"
    assert len(verifier.cached) == 0
    clock.advance(60)
    assert verifier.verify(token).user_id == str(SELLER)
    assert ring.lookups == 2


def test_the_token_cache_is_bounded(ring: CountingRing, clock: Clock) -> None:
    """An evicted token is verified again."""
    verifier = TokenVerifier(ring, audience=AUDIENCE, capacity=10, wall_clock=clock)
    tokens = [hs256().token(claims(session_id=str(number))) for number in range(30)]
    for token in tokens:
        verifier.verify(token)
    assert len(verifier.cached) == 10
    assert verifier.verify(tokens[-1]).token == tokens[-1]
    assert ring.lookups == 30
    assert verifier.verify(tokens[0]).token == tokens[0]
    assert ring.lookups == 31


def test_threads_never_get_another_users_identity(ring: CountingRing, clock: Clock) -> None:
    """With more users than the capacity, so that entries are evicted all the time."""
    verifier = TokenVerifier(ring, audience=AUDIENCE, capacity=4, wall_clock=clock)
    users = [str(SELLER)[:-2] + f"{number:02x}" for number in range(12)]
    tokens = {user: hs256().token(claims(sub=user)) for user in users}

    def work(start: int) -> bool:
        order = [users[(start + step) % len(users)] for step in range(300)]
        return all(verifier.verify(tokens[user]).user_id == user for user in order)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert len(verifier.cached) == 4
