"""The protocol's Lua scripts. Each takes one round trip (EVALSHA), or two (and EVAL) if the server lacks it."""

import hashlib
from pathlib import Path
from typing import Any

from redis.exceptions import NoScriptError

from app.caching.connection import Link, Send, is_cluster

_FILES = {file.stem: file.read_bytes() for file in sorted((Path(__file__).parent / "lua").glob("*.lua"))}
_FUNCTIONS = _FILES.pop("writing")
_TEXTS = {name: text.replace(b"-- include writing.lua\n", _FUNCTIONS) for name, text in _FILES.items()}
_DIGESTS = {name: hashlib.sha1(text, usedforsecurity=False).hexdigest() for name, text in _TEXTS.items()}

ADD = _TEXTS["add"]


def run(send: Send, name: str, key: str | bytes, *arguments: str | bytes | int) -> Any:  # noqa: ANN401 - a Redis reply
    """Run the protocol's script `name` on `key` and return its reply. Raises the exceptions of redis-py."""
    try:
        return send(("EVALSHA", _DIGESTS[name], 1, key, *arguments))
    except NoScriptError:  # the server has restarted, or this is the first call
        return send(("EVAL", _TEXTS[name], 1, key, *arguments))


def run_source(send: Send, source: bytes, key: str, *arguments: int) -> Any:  # noqa: ANN401 - a Redis reply
    """Run a Lua script given by its source on `key` and return its reply. Raises the exceptions of redis-py."""
    try:
        return send(("EVALSHA", hashlib.sha1(source, usedforsecurity=False).hexdigest(), 1, key, *arguments))
    except NoScriptError:
        return send(("EVAL", source, 1, key, *arguments))


def run_for_each(link: Link, name: str, keys: list[bytes], *arguments: str | int) -> list[Any]:
    """Run a script once for each key and return the replies. One round trip, except in a cluster: one per key."""
    if len(keys) == 1 or is_cluster(link.client):  # redis-py does not support scripts in a cluster pipeline
        return [run(link.send_as_writer, name, key, *arguments) for key in keys]
    link.client.script_load(_TEXTS[name])
    pipeline = link.client.pipeline(transaction=False)
    for key in keys:
        pipeline.evalsha(_DIGESTS[name], 1, key, *arguments)
    return list(pipeline.execute())
