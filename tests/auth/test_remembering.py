"""Verified tokens are remembered: until they expire, in bounded number, by many threads."""

from concurrent.futures import ThreadPoolExecutor

from app.auth.tokens import TokenVerifier
from tests.auth.checking import EC_KEY, CountingRing, refusal
from tests.auth.minting import AUDIENCE, NOW, SELLER, Clock, claims, hs256


def test_a_remembered_token_needs_no_key(verifier: TokenVerifier, ring: CountingRing) -> None:
    """The second use pays no signature check."""
    token = EC_KEY.token(claims())
    first = verifier.verify(token)
    assert ring.asked == 1
    assert verifier.verify(token) is first
    assert ring.asked == 1


def test_a_remembered_token_is_let_go_when_it_expires(
    verifier: TokenVerifier, ring: CountingRing, clock: Clock
) -> None:
    """At `exp`, not a moment later; what the leeway still allows is checked in full each time."""
    token = EC_KEY.token(claims())
    verifier.verify(token)
    clock.advance(3599.9)
    verifier.verify(token)
    assert ring.asked == 1
    clock.advance(0.1)
    verifier.verify(token)
    assert (ring.asked, len(verifier.remembered)) == (2, 0)
    clock.advance(10)
    assert refusal(verifier, token) == "it has expired"


def test_refused_tokens_are_not_remembered(verifier: TokenVerifier, ring: CountingRing, clock: Clock) -> None:
    """They would push out good ones, and some become good."""
    token = hs256().token(claims(nbf=NOW + 60))
    assert refusal(verifier, token) == "it is not valid yet"
    assert len(verifier.remembered) == 0
    clock.advance(60)
    assert verifier.verify(token).user_id == str(SELLER)
    assert ring.asked == 2


def test_the_memory_of_tokens_is_bounded(ring: CountingRing, clock: Clock) -> None:
    """And forgetting one costs a check, not an answer."""
    verifier = TokenVerifier(ring, audience=AUDIENCE, capacity=10, wall_clock=clock)
    tokens = [hs256().token(claims(session_id=str(number))) for number in range(30)]
    for token in tokens:
        verifier.verify(token)
    assert len(verifier.remembered) == 10
    assert verifier.verify(tokens[-1]).token == tokens[-1]
    assert ring.asked == 30
    assert verifier.verify(tokens[0]).token == tokens[0]
    assert ring.asked == 31


def test_threads_never_get_another_ones_identity(ring: CountingRing, clock: Clock) -> None:
    """With more users than the memory holds, so that entries come and go all the time."""
    verifier = TokenVerifier(ring, audience=AUDIENCE, capacity=4, wall_clock=clock)
    users = [str(SELLER)[:-2] + f"{number:02x}" for number in range(12)]
    tokens = {user: hs256().token(claims(sub=user)) for user in users}

    def work(start: int) -> bool:
        order = [users[(start + step) % len(users)] for step in range(300)]
        return all(verifier.verify(tokens[user]).user_id == user for user in order)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert len(verifier.remembered) == 4
