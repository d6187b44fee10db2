"""Tests that the model of the scripts does the same as the scripts, on the newest and the oldest server."""

import itertools
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from app.caching import scripts
from tests.caching.deployments import Deployment, on_newest_and_oldest
from tests.caching.engines import KEY
from tests.caching.store_model import COMMANDS, LONGEST_MARK, LONGEST_VALUE, Entry, Reply, Writing, run, writing

_LUA: Final = scripts._TEXTS  # noqa: SLF001 - the scripts as they are sent
_SLACK: Final = 500
"""Milliseconds by which the server's clock may be ahead of the model's. The TTLs differ by much more."""

_tokens = st.sampled_from([b"a", b"b", b"c"])
_ttls = st.sampled_from([30_000, 60_000, 90_000])
_overlaps = st.sampled_from([0, 20_000, 50_000])
_payloads = st.sampled_from([b'{"all":1}', b"fail:"])
_own_deadline = "deadline of the caller"
_stored_tokens = _tokens | st.just(b"x" * LONGEST_MARK)
_writings = st.builds(
    Writing,
    use=st.sampled_from([b"serving", b"serving", b"collecting", b"closed", b"other"]),
    writers=st.lists(st.tuples(_stored_tokens, st.sampled_from([-9_000, -1, 25_000, 45_000, 75_000])), max_size=3).map(
        tuple
    ),
    expires=st.sampled_from([-5_000, 5_000]),
    version=st.integers(0, 3),
    value=st.sampled_from([b"", b'{"all":9}']),
)
_ends_with_value = (
    st.just("end"), _tokens, _ttls, st.just(_own_deadline) | st.just(1), st.integers(0, 3), _ttls, _overlaps, _payloads
)  # fmt: skip
_actions = st.one_of(
    st.tuples(st.just("read"), _tokens, _ttls, _ttls, _ttls, _overlaps),
    st.tuples(st.just("peek"), _ttls, _overlaps),
    st.tuples(st.just("fill"), _tokens, _ttls, _overlaps, _payloads, _ttls),
    st.tuples(st.just("abandon"), _tokens, _ttls, _overlaps),
    st.tuples(st.just("begin"), _tokens, _ttls, st.sampled_from([0, 0, 1])),
    st.tuples(st.just("end"), _tokens | st.just(b""), _ttls | st.just(0)),
    st.tuples(*_ends_with_value),
    st.tuples(st.just("store"), _writings),
    st.just(("lose",)),
)
_SERVING: Final = b"write:serving a@99999999999999,b@99999999999999 99999999999999 1 {}"
_CONTENTS: Final = (
    *(b"", b"{}", b"lease:", b"lease:a", b"lease:ab", b"leasea", b"fail:", b"fail:x", b"fail"),
    *(b"write:", b"write:a", b"write:serving a", b"write:serving  5 1 {}", b"write:serving , 5 1 {}", b"writes"),
    *(b"write:serving a@5,b@99999999999999 5 1 {}", b"write:other a@5 5 1 {}", b"write:serving @5,a@ 5 1 {}"),
    *(_SERVING, _SERVING.replace(b"serving", b"collecting"), _SERVING + b" \n\x00{}"),
    _SERVING.replace(b" 99999999999999 1", b" 5 1"),
    *(start.ljust(LONGEST_MARK + more, b"x") for start in (b"lease:", b"write:serving ") for more in (0, 1)),
    *(b"write:serving ".ljust(LONGEST_MARK - 6 + more, b"x") + b" 5 1 {}" for more in (0, 1, 2)),
    *(b"x" * (LONGEST_VALUE + more) for more in (0, 1)),
    *(b"write:serving a@5 5 1 " + b"x" * (LONGEST_VALUE + more) for more in (0, 1)),
)
_COMMANDS: Final = (
    *(("read", b"a", 90_000, 90_000, 90_000, 100), ("read", b"a", 30_000, 90_000, 90_000, 100)),
    *(("read", b"a", 90_000, 30_000, 90_000, 100), ("read", b"a", 90_000, 90_000, 30_000, 100)),
    *(("read", b"a", 90_000, 10**14, 90_000, 10**14), ("peek", 90_000, 100), ("peek", 10**14, 10**14)),
    *(("fill", b"a", 90_000, 100, b"{}", 30_000), ("fill", b"a", 90_000, 100, b"fail:", 30_000)),
    *(("abandon", b"a", 90_000, 100), ("begin", b"a", 30_000, 0), ("begin", b"c", 30_000, 0)),
    *(
        ("begin", b"a", 10**14, 0),
        ("begin", b"c", 10**14, 0),
        ("begin", b"c", 10**14, 1),
        ("end", b"a", 30_000),
        ("end", b"b", 30_000),
    ),
    *(("end", b"", 30_000), ("end", b"", 0), ("end", b"a", 10**14), ("end", b"a", 10**14, 1, 2, 90_000, 100, b"{}")),
    *(("end", b"a", 10**14, 99_999_999_999_999, version, 30_000, 100, b"[]") for version in (1, 2)),
)


def test_every_script_has_a_model() -> None:
    """The script `add` is not a step of the protocol and has no model."""
    assert set(_LUA) - {"add"} == set(COMMANDS)


@on_newest_and_oldest
@pytest.mark.parametrize("life", [None, 60_000], ids=["no TTL", "TTL 60 s"])
def test_model_matches_the_scripts_in_every_state(deployment: Deployment, life: int | None) -> None:
    """Each command on each kind of content, including foreign and invalid content."""
    with deployment.make_client() as client:
        for content, command in itertools.product((None, *_CONTENTS), _COMMANDS):
            _play(client, ("store", content, life), command)


@on_newest_and_oldest
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(actions=st.lists(_actions, max_size=12))
def test_model_matches_the_scripts_in_random_sequences(deployment: Deployment, actions: list[tuple[Any, ...]]) -> None:
    """Replies, content and deadlines are the same after each command."""
    with deployment.make_client() as client:
        _play(client, ("lose",), *actions)


def _play(client: Redis, *actions: tuple[Any, ...]) -> None:
    """Run the actions on a server and in the model, and compare both after each action."""
    entry: Entry | None = None
    for name, *arguments in actions:
        if name not in COMMANDS:
            client.delete(KEY)
            if name == "store":
                _store(client, *arguments)
            entry = _read_entry(client)
            continue
        argv = [_deadline(entry, arguments[0]) if each == _own_deadline else each for each in arguments]
        now, reply, found = _send(client, name, argv)
        expected, entry = run(COMMANDS, name, entry, now, tuple(argv))
        assert _same(_shape(reply), _shape(expected)), (name, argv)
        assert _same(_shape(found), _shape(entry)), (name, argv)
        entry = found  # prevents differences of milliseconds from adding up


def _deadline(entry: Entry | None, token: bytes) -> int:
    """Return the deadline that `begin` returned to the writer, or 1."""
    found = writing(entry and entry.content)
    return dict(found.writers).get(token, 1) if found else 1


def _store(client: Redis, content: bytes | Writing | None, life: int | None = None) -> None:
    """Store a string, an entry with writers in flight (with times relative to now), or for None a list."""
    if content is None:
        client.rpush(KEY, "x")
        if life:
            client.pexpire(KEY, life)
        return
    if isinstance(content, Writing):
        now = _now(client.time())
        listed = tuple((token, now + left) for token, left in content.writers) or ((b"", 0),)
        content, life = content._replace(writers=listed, expires=now + content.expires).entry().content, 80_000
    client.set(KEY, content or b"", px=life)


def _send(client: Redis, name: str, arguments: list[Any]) -> tuple[int, Reply, Entry | None]:
    """Run a script in a transaction. Return the server's time, the reply and the entry afterwards."""
    with client.pipeline(transaction=True) as pipeline:
        pipeline.time()
        pipeline.eval(_LUA[name].decode(), 1, KEY, *arguments)
        pipeline.get(KEY)
        pipeline.pttl(KEY)
        time, reply, content, left = pipeline.execute(raise_on_error=False)
    now = _now(time)
    return now, tuple(reply) if isinstance(reply, list) else reply, _entry(now, content, left)


def _read_entry(client: Redis) -> Entry | None:
    with client.pipeline(transaction=True) as pipeline:
        pipeline.time()
        pipeline.get(KEY)
        pipeline.pttl(KEY)
        time, content, left = pipeline.execute(raise_on_error=False)
    return _entry(_now(time), content, left)


def _entry(now: int, content: object, left: int) -> Entry | None:
    if left == -2:
        return None
    return Entry(content if isinstance(content, bytes) else None, None if left == -1 else now + left)


def _now(time: tuple[int, int]) -> int:
    return time[0] * 1000 + time[1] // 1000


def _shape(result: Entry | Reply | None) -> tuple[tuple[object, ...], tuple[int, ...]]:
    """Separate the parts that must be equal from the times, which may differ by a few milliseconds."""
    if isinstance(result, Entry):
        found = writing(result.content)
        life = () if result.expires is None else (result.expires,)
        if found is None:
            return ("entry", result.content), life
        kept = found.use, tuple(token for token, _ in found.writers), found.version, found.value
        return ("entry", *kept), (*life, found.expires, *(deadline for _, deadline in found.writers))
    if isinstance(result, tuple):
        return ("value", result[0], min(result[1], 0), result[2]), (result[1],)
    return (("reply",), (result,)) if result and result > 5 else (("reply", result), ())


def _same(one: tuple[tuple[object, ...], tuple[int, ...]], other: tuple[tuple[object, ...], tuple[int, ...]]) -> bool:
    (what, times), (other_what, other_times) = one, other
    near = all(abs(time - other_time) <= _SLACK for time, other_time in zip(times, other_times, strict=False))
    return what == other_what and len(times) == len(other_times) and near
