"""The application as a Redis user who may do only what docs/redis-permissions.md lists, and as one who may do less."""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx
import pytest
from flask import Flask
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import NoPermissionError

from config import Settings
from local import ROOT
from local.processes import wait_until
from local.stack import Stack
from local.valkey import ValkeyServer
from tests.sellers import Seller, make_operator, new_seller, running_app

_DOCUMENT: Final = (ROOT / "docs" / "redis-permissions.md").read_text()
_RULES: Final = re.findall(r"^ACL SETUSER asin-desk (.+)$", _DOCUMENT, re.MULTILINE)
_SERVING: Final = [rule for rule in _RULES[0].split() if rule.startswith("+")]
_OPERATING: Final = [rule for rule in _RULES[1].split() if rule.startswith("+")]

_numbers: Final = itertools.count(1)


@dataclass(frozen=True)
class Scene:
    """An application in this process, an operator of it, and the administrator's view of its Redis."""

    app: Flask
    someone: Seller
    admin: Redis
    user: str
    url: str

    def serve(self) -> None:
        """Read and change as sellers do; every number must be the right one."""
        before = self.someone.stats()["all"]
        assert self.someone.stats()["all"] == before
        deal = self.someone.creates(title=f"Product {next(_numbers)}")
        assert [self.someone.stats()["all"] for _ in range(2)] == [before + 1] * 2
        assert self.someone.deletes(deal["id"]).status_code == 204
        assert [self.someone.stats()["all"] for _ in range(2)] == [before] * 2

    def diagnose(self) -> dict[str, Any]:
        """Ask every diagnostics endpoint, and return the operator's report."""
        for path in ("/products/stats/cache-status", "/readyz", "/metrics"):
            assert self.someone.http.get(path).status_code == 200, path
        answer = self.someone.http.get("/diagnostics/redis")
        assert answer.status_code == 200
        report: dict[str, Any] = answer.json()
        return report

    def command(self, *arguments: str) -> int:
        """Run `flask cache …` and return its exit status; only an orderly end is one."""
        ran = self.app.test_cli_runner().invoke(args=["cache", *arguments])
        assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
        return ran.exit_code

    def operate(self) -> list[int]:
        """Run each command of `flask cache`, and return how they ended."""
        self.someone.stats()
        self.admin.mset({f"asin_stats:{number}": "{}" for number in range(2)})
        user = ("--user", self.someone.id)
        return [self.command(*words) for words in (("status", *user), ("flush", *user), ("flush", "--all", "--yes"))]

    def troubles(self) -> dict[str, int]:
        """Return how often each kind of Redis trouble was counted."""
        counts = self.diagnose()["counters"]
        return {name.removeprefix("error:"): number for name, number in counts.items() if name.startswith("error:")}

    def denied(self) -> set[str]:
        """Return the commands that the server denied this user since the last call."""
        # Another test's application may still look for a server of its own on this port, and be refused.
        denied = {str(entry["object"]) for entry in self.admin.acl_log() if entry["username"] == self.user}
        self.admin.acl_log_reset()
        return denied


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Run a Valkey of our own, to which we add users."""
    with ValkeyServer(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@contextmanager
def scene(stack: Stack, settings: Settings, valkey: ValkeyServer, rules: list[str]) -> Iterator[Scene]:
    """Let an application live inside the block as a new Redis user with these rules."""
    name = f"asin-desk-{next(_numbers)}"
    url = valkey.url.replace("//", f"//{name}:word@")
    own = settings.model_copy(update={"redis_url": SecretStr(url), "rate_limits": "on"})
    with Redis.from_url(valkey.url, decode_responses=True) as admin:
        admin.flushall()
        admin.script_flush()
        keys = ("~asin_stats:*", "~asin_limits:*")
        admin.execute_command("ACL", "SETUSER", name, "on", ">word", "resetchannels", *keys, *rules)
        admin.acl_log_reset()
        with running_app(own) as app, new_seller(stack.supabase, "http://app") as seller:
            make_operator(stack.supabase, seller)
            inside = httpx.Client(
                transport=httpx.WSGITransport(app), base_url="http://app", headers=seller.http.headers
            )
            with inside:
                set_up = Scene(app, replace(seller, http=inside), admin, name, url)
                try:
                    yield set_up
                finally:  # what this user could not invalidate is owed, and would be tried during the next test too
                    admin.execute_command("ACL", "SETUSER", name, "+@all")
                    assert wait_until(lambda: set_up.diagnose()["breaker"]["owed"] == 0, seconds=10)


def test_the_documented_permissions_are_enough_for_everything(
    stack: Stack, settings: Settings, valkey: ValkeyServer
) -> None:
    """The server denies nothing while the application serves, diagnoses and is operated."""
    with scene(stack, settings, valkey, _SERVING + _OPERATING) as set_up:
        set_up.serve()
        assert set_up.someone.cache_status()["state"] == "value"
        report = set_up.diagnose()
        assert (report["connected"], [entry["state"] for entry in report["entries"]]) == (True, ["value"])
        assert set_up.operate() == [0, 0, 0]
        assert set_up.denied() == set()


def test_the_first_line_is_enough_to_serve(stack: Stack, settings: Settings, valkey: ValkeyServer) -> None:
    """Reads are hits, changes are seen at once; diagnostics know less and stand."""
    with scene(stack, settings, valkey, _SERVING) as set_up:
        set_up.serve()
        assert "hit" in set_up.someone.reads_stats().headers["Cache-Status"]
        assert set_up.denied() == set()
        assert set_up.diagnose()["connected"] is True
        assert set_up.operate() == [1, 0, 1]


def test_other_keys_are_out_of_reach(stack: Stack, settings: Settings, valkey: ValkeyServer) -> None:
    """The documented pattern covers our keys and nobody else's."""
    with scene(stack, settings, valkey, _SERVING + _OPERATING) as set_up, Redis.from_url(set_up.url) as client:
        set_up.admin.set("session:x", "1")
        assert client.get("asin_stats:nobody") is None
        with pytest.raises(NoPermissionError):
            client.get("session:x")


@pytest.mark.parametrize("missing", _SERVING + _OPERATING)
def test_each_permission_is_needed_and_its_absence_is_no_error(
    missing: str, stack: Stack, settings: Settings, valkey: ValkeyServer
) -> None:
    """The server denies that command, the numbers stay right, nothing is a 500, and the trouble has its name."""
    rules = [rule for rule in _SERVING + _OPERATING if rule != missing]
    with scene(stack, settings, valkey, rules) as set_up:
        before = set_up.troubles()
        set_up.serve()
        set_up.diagnose()
        assert set(set_up.operate()) <= {0, 1}
        assert missing[1:] in set_up.denied()
        after = set_up.troubles()
        assert {kind for kind in after if after[kind] > before.get(kind, 0)} <= {"permission"}
        if (
            missing in _SERVING and missing != "+info"
        ):  # that, and diagnostics, are asked for past the guard, which counts
            assert after["permission"] > before.get("permission", 0)
