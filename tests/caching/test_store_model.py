"""Tests that the model of the scripts does the same as the scripts, on the newest and the oldest server."""

import itertools
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

import app.caching
from tests.caching.deployments import Deployment, on_newest_and_oldest
from tests.caching.engines import KEY
from tests.caching.store_model import COMMANDS, LONGEST_MARK, LONGEST_VALUE, Entry, Reply, run, tombstone, writers

_LUA: Final = {file.stem: file.read_text() for file in (Path(app.caching.__file__).parent / "lua").glob("*.lua")}
_SLACK: Final = 500
"""Milliseconds by which the server's clock may be ahead of the model's. The TTLs differ by much more."""

_tokens = st.sampled_from([b"a", b"b", b"c"])
_ttls = st.sampled_from([30_000, 60_000, 90_000])
_payloads = st.sampled_from([b'{"all":1}', b"fail:"])
_stored_tokens = _tokens | st.just(b"x" * LONGEST_MARK)
_tombstones = st.lists(st.tuples(_stored_tokens, st.sampled_from([-9_000, -1, 45_000, 75_000])), min_size=1, max_size=3)
_actions = st.one_of(
    st.tuples(st.just("read"), _tokens, _ttls, _ttls, _ttls),
    st.tuples(st.just("fill"), _tokens, _payloads, _ttls),
    st.tuples(st.just("abandon"), _tokens),
    st.tuples(st.just("begin"), _tokens, _ttls),
    st.tuples(st.just("end"), _tokens | st.just(b""), _ttls | st.just(0)),
    st.tuples(st.just("store"), _tombstones),
    st.just(("lose",)),
)
_CONTENTS: Final = (
    *(b"", b"{}", b"lease:", b"lease:a", b"lease:ab", b"leasea", b"fail:", b"fail:x", b"fail"),
    *(b"dirty:", b"dirty:a", b"dirty:@5,a@", b"dirty:a@5,b@99999999999999", b"dirtya@99999999999999"),
    *(start.ljust(LONGEST_MARK + more, b"x") for start in (b"lease:", b"dirty:a@5,") for more in (0, 1)),
    *(b"x" * (LONGEST_VALUE + more) for more in (0, 1)),
)
_COMMANDS: Final = (
    *(("read", b"a", 90_000, 90_000, 90_000), ("read", b"a", 30_000, 90_000, 90_000)),
    *(("read", b"a", 90_000, 30_000, 90_000), ("read", b"a", 90_000, 90_000, 30_000)),
    *(("fill", b"a", b"{}", 30_000), ("fill", b"a", b"fail:", 30_000), ("abandon", b"a")),
    *(("begin", b"a", 30_000), ("begin", b"c", 30_000), ("end", b"a", 30_000), ("end", b"b", 30_000)),
    *(("end", b"", 30_000), ("end", b"", 0)),
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
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
        now, reply, found = _send(client, name, arguments)
        expected, entry = run(COMMANDS, name, entry, now, tuple(arguments))
        assert _same(_shape(reply), _shape(expected)), (name, arguments)
        assert _same(_shape(found), _shape(entry)), (name, arguments)
        entry = found  # prevents differences of milliseconds from adding up


def _store(client: Redis, content: bytes | list[tuple[bytes, int]] | None, life: int | None = None) -> None:
    """Store a string, a tombstone (a list of tokens and the milliseconds until their deadlines), or for None a list."""
    if content is None:
        client.rpush(KEY, "x")
        if life:
            client.pexpire(KEY, life)
        return
    if isinstance(content, list):
        now = _now(client.time())
        content = b"dirty:" + b",".join(b"%b@%d" % (token, now + left) for token, left in content)
    client.set(KEY, content, px=life)


def _send(client: Redis, name: str, arguments: list[Any]) -> tuple[int, Reply, Entry | None]:
    """Run a script in a transaction. Return the server's time, the reply and the entry afterwards."""
    with client.pipeline(transaction=True) as pipeline:
        pipeline.time()
        pipeline.eval(_LUA[name], 1, KEY, *arguments)
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
        found = writers(result)
        content = [token for token, _ in found] or result.content
        times = (*(deadline for _, deadline in found), *(() if result.expires is None else (result.expires,)))
        return ("entry", str(content)), times
    if isinstance(result, tuple):
        return ("value", result[0], min(result[1], 0)), (result[1],)
    return (result,), ()


def _same(one: tuple[tuple[object, ...], tuple[int, ...]], other: tuple[tuple[object, ...], tuple[int, ...]]) -> bool:
    (what, times), (other_what, other_times) = one, other
    near = all(abs(time - other_time) <= _SLACK for time, other_time in zip(times, other_times, strict=False))
    return what == other_what and len(times) == len(other_times) and near


_writers = st.lists(st.tuples(_tokens, st.integers(1, 3)), min_size=1, max_size=3, unique_by=lambda writer: writer[0])


@given(waiting=_writers, now=st.integers(0, 2), name=st.sampled_from(sorted(COMMANDS)), token=_tokens)
def test_expired_writer_has_no_effect(waiting: list[tuple[bytes, int]], now: int, name: str, token: bytes) -> None:
    """So the model checker may remove the writer at its deadline instead of advancing the clock."""
    arguments = {"read": (token, 5, 5, 5), "fill": (token, b"{}", 5), "abandon": (token,)}.get(name, (token, 5))
    alive = [writer for writer in waiting if writer[1] > now]
    reply, left = run(COMMANDS, name, tombstone(waiting), now, arguments)
    expected, rest = run(COMMANDS, name, tombstone(alive) if alive else None, now, arguments)

    if name != "end" or alive:  # the reply of `end` says whether it deleted anything; no caller uses it
        assert reply == expected
    assert {writer for writer in writers(left) if writer[1] > now} == set(writers(rest))
    assert (left and left.expires) == (rest and rest.expires)
