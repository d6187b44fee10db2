"""The Lua scripts of the protocol, each one round trip: sent by digest, by text only to a server that lacks them."""

import hashlib
from pathlib import Path
from typing import Any

from redis.exceptions import NoScriptError

from app.caching.connection import Link, Send, is_cluster

_TEXTS = {file.stem: file.read_bytes() for file in sorted((Path(__file__).parent / "lua").glob("*.lua"))}
_DIGESTS = {name: hashlib.sha1(text, usedforsecurity=False).hexdigest() for name, text in _TEXTS.items()}


def run(send: Send, name: str, key: str | bytes, *arguments: str | bytes | int) -> Any:  # noqa: ANN401 - a Redis reply
    """Run the script `name` on `key` and return its reply. Raises what redis-py raises."""
    try:
        return send(("EVALSHA", _DIGESTS[name], 1, key, *arguments))
    except NoScriptError:  # a server that restarted, or one we meet for the first time
        return send(("EVAL", _TEXTS[name], 1, key, *arguments))


def run_text(send: Send, text: bytes, key: str, *arguments: int) -> Any:  # noqa: ANN401 - a Redis reply
    """Run a script of somebody else's on `key` and return its reply. Raises what redis-py raises."""
    try:
        return send(("EVALSHA", hashlib.sha1(text, usedforsecurity=False).hexdigest(), 1, key, *arguments))
    except NoScriptError:
        return send(("EVAL", text, 1, key, *arguments))


def run_for_all(link: Link, name: str, keys: list[bytes], *arguments: str | int) -> list[Any]:
    """Run a script once for each key and return the replies; one round trip for all, but for a cluster."""
    if len(keys) == 1 or is_cluster(link.client):  # a cluster takes no scripts in a pipeline
        return [run(link.send, name, key, *arguments) for key in keys]
    link.client.script_load(_TEXTS[name])
    pipeline = link.client.pipeline(transaction=False)
    for key in keys:
        pipeline.evalsha(_DIGESTS[name], 1, key, *arguments)
    return list(pipeline.execute())
