"""`flask products …` as an operator types it: a process of its own, with nothing but what is in its environment."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest
from flask import Flask
from redis import Redis

from app.commands.service_role import ServiceRole
from local import ROOT
from local.application import AppServer
from local.stack import Stack
from tests.sellers import Seller, app_environment, new_seller

_FILE = "ASIN,Title,Supplier\nB000000001,Lamp,Acme\n,Chair,\n"


@dataclass(frozen=True)
class Operator:
    """Somebody at a terminal with these settings."""

    environment: dict[str, str]

    def types(self, *arguments: str, given: bytes | None = None, **changes: str) -> tuple[int, str, str]:
        """Run `flask products …` and return its status and what it printed."""
        ran = subprocess.run(  # noqa: S603 - our own command
            [Path(sys.executable).with_name("flask"), "products", *arguments],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **self.environment, **changes},
            input=given or b"",
            capture_output=True,
            timeout=60,
            check=False,
        )
        out, err = ran.stdout.decode(), ran.stderr.decode()
        assert "Traceback" not in out + err
        secrets = [self.environment["SUPABASE_JWT_SECRET"], changes.get("SUPABASE_SERVICE_KEY", "")]
        assert not [secret for secret in secrets if secret and secret in out + err]
        told = [line for line in err.splitlines(keepends=True) if '"logger": "app.' not in line]
        return ran.returncode, out, "".join(told)


@pytest.fixture(scope="module")
def terminal(stack: Stack) -> Operator:
    """Return an operator of the local stack, who knows its signing secret."""
    return Operator(app_environment(stack, LOG_LEVEL="WARNING"))


@pytest.fixture
def seller(stack: Stack, server: AppServer) -> Iterator[Seller]:
    """Return the seller whose products are imported."""
    with new_seller(stack.supabase, server.url) as someone:
        yield someone


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return the path of a file with two good rows."""
    path = tmp_path / "list.csv"
    path.write_text(_FILE)
    return str(path)


def test_a_file_is_imported_for_the_seller_and_their_numbers_are_fresh(
    terminal: Operator, seller: Seller, redis: Redis, file: str
) -> None:
    """The second time nothing changes; both are 0."""
    assert seller.stats()["all"] == 0
    assert redis.get(seller.key)
    status, out, _ = terminal.types("import", file, "--user", seller.email)
    assert (status, out) == (0, "2 of 2 rows: 2 created, 0 updated, 0 unchanged, 0 repeated, 0 rejected\n")
    assert redis.get(seller.key) is None
    assert seller.stats()["all"] == 2
    status, out, _ = terminal.types("import", file, "--user", f" {seller.email.upper()}")
    assert (status, out) == (0, "2 of 2 rows: 0 created, 0 updated, 2 unchanged, 0 repeated, 0 rejected\n")


def test_a_trial_changes_nothing(terminal: Operator, seller: Seller, file: str) -> None:
    """It says what would be."""
    status, out, _ = terminal.types("import", file, "--user", seller.email, "--dry-run")
    assert (status, out.startswith("2 of 2 rows: would be 2 created")) == (0, True)
    assert seller.stats()["all"] == 0


def test_rejected_rows_are_named_on_standard_error_and_end_in_1(terminal: Operator, seller: Seller) -> None:
    """The others are taken; a dash reads standard input, a pipe too."""
    status, out, err = terminal.types("import", "-", "--user", seller.email, given=_FILE.encode() + b"B0,x,\n")
    assert (status, "2 created" in out, "1 rejected" in out) == (1, True, True)
    assert "line 4, ASIN: An ASIN is exactly 10 letters" in err
    assert seller.stats()["all"] == 2


def test_what_cannot_be_done_is_one_clear_line_and_1(terminal: Operator, seller: Seller, file: str) -> None:
    """No such user, a file without sense, no database, no key, a wrong key."""
    user = ("--user", seller.email)
    forged = jwt.encode({"role": "service_role", "aud": "authenticated"}, "x" * 40, "HS256")
    for arguments, given, changes, words in (
        (("import", file, "--user", "nobody@example.com"), None, {}, "There is no user nobody@example.com"),
        (("import", "-", *user), b"Colour\nred\n", {}, "Title, ASIN or UPC"),
        (("import", file, *user), None, {"SUPABASE_URL": "http://127.0.0.1:1"}, "not reachable"),
        (("import", file, *user), None, {"SUPABASE_JWT_SECRET": ""}, "SUPABASE_SERVICE_KEY"),
        (("import", file, *user), None, {"SUPABASE_SERVICE_KEY": forged}, ""),
        (("purge", "--older-than", "30d", "--yes"), None, {"SUPABASE_JWT_SECRET": ""}, "SUPABASE_SERVICE_KEY"),
    ):
        status, _, err = terminal.types(*arguments, given=given, **changes)
        assert (status, words in err, len(err.splitlines())) == (1, True, 1), err
    assert seller.stats()["all"] == 0


def test_a_service_key_in_the_environment_is_used(terminal: Operator, stack: Stack, seller: Seller, file: str) -> None:
    """As on hosted projects, which sign with keys nobody has."""
    key = jwt.encode({"role": "service_role", "aud": "authenticated"}, stack.supabase.jwt_secret, "HS256")
    arguments = ("import", file, "--user", seller.email)
    assert terminal.types(*arguments, SUPABASE_SERVICE_KEY=key, SUPABASE_JWT_SECRET="")[0] == 0
    assert seller.stats()["all"] == 2


def test_the_app_that_serves_requests_holds_no_service_role(app: Flask) -> None:
    """Only a command that needs it builds one, when it runs."""
    assert "service_role" not in app.extensions
    assert [found for found in gc.get_objects() if isinstance(found, ServiceRole)] == []


@pytest.mark.parametrize(
    "arguments", [("import", "missing.csv", "--user", "x"), ("import", "README.md"), ("purge", "--older-than", "29d")]
)
def test_a_wrong_call_is_2(terminal: Operator, arguments: tuple[str, ...]) -> None:
    """With click's usual hint; fewer days than deals can be restored for are one."""
    status, _, err = terminal.types(*arguments)
    assert (status, "Usage:" in err) == (2, True)


def test_purging_removes_what_was_deleted_long_ago_and_nothing_else(
    terminal: Operator, seller: Seller, stack: Stack
) -> None:
    """The deal, and its product unless another deal holds it; younger deletions can still be undone."""
    shared = [seller.creates(title="Shared", asin="B000000001", supplier=name)["id"] for name in ("Old", "Living")]
    old, young = seller.creates(title="Old")["id"], seller.creates(title="Young")["id"]
    assert seller.bulk("delete", shared[0], old, young).status_code == 200
    stack.supabase.sql("update deals set deleted_at = now() - interval '31 days' where id = any ($1)", [shared[0], old])
    stack.supabase.sql("insert into products (user_id, title) values ($1, 'Never had a deal')", seller.id)
    status, _, err = terminal.types("purge", "--older-than", "30d", given=b"n\n")
    assert (status, "Aborted" in err) == (1, True)
    assert terminal.types("purge", "--older-than", "32d", "--yes")[:2] == (0, "0 deals and 0 products removed\n")
    assert terminal.types("purge", "--older-than", "30d", given=b"y\n")[1].endswith("2 deals and 1 products removed\n")
    left = stack.supabase.sql("select id from deals where user_id = $1", seller.id)
    assert {row["id"] for row in left} == {shared[1], young}
    titles = stack.supabase.sql("select title from products where user_id = $1 order by 1", seller.id)
    assert [row["title"] for row in titles] == ["Never had a deal", "Shared", "Young"]
    assert seller.bulk("restore", young).status_code == 200
