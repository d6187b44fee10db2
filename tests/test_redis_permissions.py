"""The application as a Redis user with the permissions of docs/redis-permissions.md, and with fewer permissions."""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

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
class RestrictedApp:
    """An application in this process, an operator of it, and an administrator's Redis client."""

    app: Flask
    someone: Seller
    admin: Redis
    user: str
    url: str

    def serve(self) -> None:
        """Read and change data as sellers do, and check every number."""
        before = self.someone.stats()["all"]
        assert self.someone.stats()["all"] == before
        deal = self.someone.creates(title=f"Product {next(_numbers)}")
        assert [self.someone.stats()["all"] for _ in range(2)] == [before + 1] * 2
        assert self.someone.deletes(deal["id"]).status_code == 204
        assert self.someone.bulk("delete", str(uuid4())).status_code == 404  # a refused change deletes the entry
        assert [self.someone.stats()["all"] for _ in range(2)] == [before] * 2

    def diagnose(self) -> dict[str, Any]:
        """Call every diagnostics endpoint, and return the operator's report."""
        for path in ("/products/stats/cache-status", "/readyz", "/metrics"):
            assert self.someone.http.get(path).status_code == 200, path
        answer = self.someone.http.get("/diagnostics/redis")
        assert answer.status_code == 200
        report: dict[str, Any] = answer.json()
        return report

    def command(self, *arguments: str) -> int:
        """Run `flask cache …` and return its exit status. Fails if the command raised an error."""
        ran = self.app.test_cli_runner().invoke(args=["cache", *arguments])
        assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
        return ran.exit_code

    def operate(self) -> list[int]:
        """Run each command of `flask cache`, and return the exit statuses."""
        self.someone.stats()
        self.admin.mset({f"asin_stats:{number}": "{}" for number in range(2)})
        user = ("--user", self.someone.id)
        return [self.command(*words) for words in (("status", *user), ("flush", *user), ("flush", "--all", "--yes"))]

    def error_counts(self) -> dict[str, int]:
        """Return the number of Redis errors by kind."""
        counts = self.diagnose()["counters"]
        return {name.removeprefix("error:"): number for name, number in counts.items() if name.startswith("error:")}

    def denied(self) -> set[str]:
        """Return the commands that the server has denied this user since the last call."""
        # An application of another test may still try to reach its own server on this port, and be refused.
        denied = {str(entry["object"]) for entry in self.admin.acl_log() if entry["username"] == self.user}
        self.admin.acl_log_reset()
        return denied


@contextmanager
def restricted_app(
    stack: Stack, settings: Settings, module_valkey: ValkeyServer, rules: list[str]
) -> Iterator[RestrictedApp]:
    """Create an application that connects as a new Redis user with these rules."""
    name = f"asin-desk-{next(_numbers)}"
    url = module_valkey.url.replace("//", f"//{name}:word@")
    own = settings.model_copy(update={"redis_url": SecretStr(url), "rate_limits": "on"})
    with Redis.from_url(module_valkey.url, decode_responses=True) as admin:
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
                restricted = RestrictedApp(app, replace(seller, http=inside), admin, name, url)
                try:
                    yield restricted
                finally:  # deliver owed deletes now, not during the next test
                    admin.execute_command("ACL", "SETUSER", name, "+@all")
                    assert wait_until(lambda: restricted.diagnose()["breaker"]["owed"] == 0, seconds=10)


def test_the_documented_permissions_are_sufficient(
    stack: Stack, settings: Settings, module_valkey: ValkeyServer
) -> None:
    """The server denies no command, neither for requests and diagnostics nor for operators' commands."""
    with restricted_app(stack, settings, module_valkey, _SERVING + _OPERATING) as restricted:
        restricted.serve()
        assert restricted.someone.cache_status()["state"] == "value"
        report = restricted.diagnose()
        assert (report["connected"], [entry["state"] for entry in report["entries"]]) == (True, ["value"])
        assert restricted.operate() == [0, 0, 0]
        assert restricted.denied() == set()


def test_the_first_rule_is_enough_to_serve_requests(
    stack: Stack, settings: Settings, module_valkey: ValkeyServer
) -> None:
    """Reads hit the cache and changes are visible at once. Diagnostics work with less information."""
    with restricted_app(stack, settings, module_valkey, _SERVING) as restricted:
        restricted.serve()
        assert "hit" in restricted.someone.reads_stats().headers["Cache-Status"]
        assert restricted.denied() == set()
        assert restricted.diagnose()["connected"] is True
        assert restricted.operate() == [1, 0, 1]


def test_keys_of_other_applications_are_not_accessible(
    stack: Stack, settings: Settings, module_valkey: ValkeyServer
) -> None:
    """The documented pattern covers the application's keys and no others."""
    with (
        restricted_app(stack, settings, module_valkey, _SERVING + _OPERATING) as restricted,
        Redis.from_url(restricted.url) as client,
    ):
        restricted.admin.set("session:x", "1")
        assert client.get("asin_stats:nobody") is None
        with pytest.raises(NoPermissionError):
            client.get("session:x")


@pytest.mark.parametrize("missing", _SERVING + _OPERATING)
def test_each_permission_is_needed_and_its_absence_degrades_gracefully(
    missing: str, stack: Stack, settings: Settings, module_valkey: ValkeyServer
) -> None:
    """The command is denied, numbers stay correct, no answer is a 500, and the error counts as "permission"."""
    rules = [rule for rule in _SERVING + _OPERATING if rule != missing]
    with restricted_app(stack, settings, module_valkey, rules) as restricted:
        before = restricted.error_counts()
        restricted.serve()
        restricted.diagnose()
        assert set(restricted.operate()) <= {0, 1}
        assert missing[1:] in restricted.denied()
        after = restricted.error_counts()
        assert {kind for kind in after if after[kind] > before.get(kind, 0)} <= {"permission"}
        if missing in _SERVING and missing != "+info":  # INFO and diagnostics bypass the guard, which counts errors
            assert after["permission"] > before.get("permission", 0)
