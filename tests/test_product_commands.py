"""`flask products …` run as an operator would: in its own process, with only the settings in its environment."""

import gc
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest
from flask import Flask
from redis import Redis

from app.commands.service_role import ServiceRole
from local import ROOT
from local.stack import Stack
from tests.sellers import Seller, app_environment

_FILE = "ASIN,Title,Supplier\nB000000001,Lamp,Acme\n,Chair,\n"


@dataclass(frozen=True)
class Operator:
    """An operator with these environment variables."""

    environment: dict[str, str]

    def runs(self, *arguments: str, given: bytes | None = None, **changes: str) -> tuple[int, str, str]:
        """Run `flask products …` and return its exit status, standard output and standard error."""
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
        error_lines = [line for line in err.splitlines(keepends=True) if '"logger": "app.' not in line]
        return ran.returncode, out, "".join(error_lines)


@pytest.fixture(scope="module")
def operator_shell(stack: Stack) -> Operator:
    """Return an operator with the signing secret of the local stack."""
    return Operator(app_environment(stack, LOG_LEVEL="WARNING"))


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return the path of a file with two valid rows."""
    path = tmp_path / "list.csv"
    path.write_text(_FILE)
    return str(path)


def test_an_import_for_a_seller_replaces_their_stats(
    operator_shell: Operator, seller: Seller, redis: Redis, file: str
) -> None:
    """The next read is a hit with the new numbers. The second import changes nothing. Both exit with 0."""
    assert seller.stats()["all"] == 0
    assert redis.get(seller.key)
    status, out, _ = operator_shell.runs("import", file, "--user", seller.email)
    assert (status, out) == (0, "2 of 2 rows: 2 created, 0 updated, 0 unchanged, 0 repeated, 0 rejected\n")
    answer = seller.reads_stats()
    assert (answer.json()["all"], "; hit" in answer.headers["Cache-Status"]) == (2, True)
    status, out, _ = operator_shell.runs("import", file, "--user", f" {seller.email.upper()}")
    assert (status, out) == (0, "2 of 2 rows: 0 created, 0 updated, 2 unchanged, 0 repeated, 0 rejected\n")


def test_a_dry_run_changes_nothing(operator_shell: Operator, seller: Seller, file: str) -> None:
    """The output says what the import would do."""
    status, out, _ = operator_shell.runs("import", file, "--user", seller.email, "--dry-run")
    assert (status, out.startswith("2 of 2 rows: would be 2 created")) == (0, True)
    assert seller.stats()["all"] == 0


def test_rejected_rows_are_listed_on_standard_error_with_exit_status_1(
    operator_shell: Operator, seller: Seller
) -> None:
    """The other rows are imported. `-` reads standard input."""
    status, out, err = operator_shell.runs("import", "-", "--user", seller.email, given=_FILE.encode() + b"B0,x,\n")
    assert (status, "2 created" in out, "1 rejected" in out) == (1, True, True)
    assert "line 4, ASIN: An ASIN is exactly 10 letters" in err
    assert seller.stats()["all"] == 2


def test_notes_are_listed_and_do_not_change_the_exit_status(operator_shell: Operator, seller: Seller) -> None:
    """On standard error, at most 1,000 of them and of the mistakes. The others are counted."""
    noted = "ASIN,UPC,Title,MOQ\n,12345678905,Lamp,\n" + "PENDING_1,,Chair,\n" * 1100
    status, _, err = operator_shell.runs("import", "-", "--user", seller.email, given=noted.encode())
    assert (status, err.count(": note: "), "more mistakes" in err) == (0, 1000, False)
    assert "line 2, UPC: note: Leading zeros were missing. Stored as 012345678905\n" in err
    assert "line 3, ASIN: note: Read as: no ASIN yet\n" in err
    assert err.endswith("and 101 more notes\n")
    given = (noted + ",,x,y\n" * 1050).encode()
    status, _, err = operator_shell.runs("import", "-", "--user", seller.email, given=given)
    assert (status, err.count(", MOQ: "), "and 50 more mistakes\n" in err) == (1, 1000, True)


def test_a_failure_is_one_line_with_exit_status_1(operator_shell: Operator, seller: Seller, file: str) -> None:
    """Unknown user, unusable file, no database, no key, wrong key."""
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
        status, _, err = operator_shell.runs(*arguments, given=given, **changes)
        assert (status, words in err, len(err.splitlines())) == (1, True, 1), err
    assert seller.stats()["all"] == 0


def test_a_service_key_in_the_environment_is_used(
    operator_shell: Operator, stack: Stack, seller: Seller, file: str
) -> None:
    """Hosted projects need this, because their signing keys are not available."""
    key = jwt.encode({"role": "service_role", "aud": "authenticated"}, stack.supabase.jwt_secret, "HS256")
    arguments = ("import", file, "--user", seller.email)
    assert operator_shell.runs(*arguments, SUPABASE_SERVICE_KEY=key, SUPABASE_JWT_SECRET="")[0] == 0
    assert seller.stats()["all"] == 2


def test_the_serving_app_has_no_service_role(app: Flask) -> None:
    """Only a command that needs it creates it, when it runs."""
    assert "service_role" not in app.extensions
    assert [found for found in gc.get_objects() if isinstance(found, ServiceRole)] == []


@pytest.mark.parametrize(
    "arguments", [("import", "missing.csv", "--user", "x"), ("import", "README.md"), ("purge", "--older-than", "29d")]
)
def test_wrong_usage_exits_with_2(operator_shell: Operator, arguments: tuple[str, ...]) -> None:
    """With click's usual message. `--older-than` below the 30 days for a restore is wrong usage too."""
    status, _, err = operator_shell.runs(*arguments)
    assert (status, "Usage:" in err) == (2, True)


def test_a_purge_removes_only_deals_deleted_long_ago(operator_shell: Operator, seller: Seller, stack: Stack) -> None:
    """It removes the deal, and its product if it has no other deal. Later deletes can still be undone."""
    shared = [seller.creates(title="Shared", asin="B000000001", supplier=name)["id"] for name in ("Old", "Living")]
    old, young = seller.creates(title="Old")["id"], seller.creates(title="Young")["id"]
    assert seller.bulk("delete", shared[0], old, young).status_code == 200
    stack.supabase.sql("update deals set deleted_at = now() - interval '31 days' where id = any ($1)", [shared[0], old])
    stack.supabase.sql("insert into products (user_id, title) values ($1, 'Never had a deal')", seller.id)
    status, _, err = operator_shell.runs("purge", "--older-than", "30d", given=b"n\n")
    assert (status, "Aborted" in err) == (1, True)
    none = "0 deals, 0 products, 0 idempotency keys and 0 batch rows removed\n"
    assert operator_shell.runs("purge", "--older-than", "32d", "--yes")[:2] == (0, none)
    assert operator_shell.runs("purge", "--older-than", "30d", given=b"y\n")[1].endswith(
        "2 deals, 1 products, 0 idempotency keys and 0 batch rows removed\n"
    )
    left = stack.supabase.sql("select id from deals where user_id = $1", seller.id)
    assert {row["id"] for row in left} == {shared[1], young}
    titles = stack.supabase.sql("select title from products where user_id = $1 order by 1", seller.id)
    assert [row["title"] for row in titles] == ["Never had a deal", "Shared", "Young"]
    assert seller.bulk("restore", young).status_code == 200


def test_a_purge_removes_batches_that_cannot_be_undone(operator_shell: Operator, seller: Seller, stack: Stack) -> None:
    """With their rows. A batch of the last 30 days is kept."""
    deals = [seller.creates()["id"] for _ in range(3)]
    old, young = (seller.bulk("favorite", *some).json()["batch_id"] for some in (deals[:2], deals[2:]))
    stack.supabase.sql("update batching.batches set made_at = now() - interval '31 days' where id = $1", old)
    purged = operator_shell.runs("purge", "--older-than", "30d", "--yes")
    assert purged[:2] == (0, "0 deals, 0 products, 0 idempotency keys and 3 batch rows removed\n")
    left = stack.supabase.sql("select id from batching.batches where user_id = $1", seller.id)
    assert [row["id"] for row in left] == [young]


def test_a_purge_removes_expired_idempotency_keys(operator_shell: Operator, seller: Seller, stack: Stack) -> None:
    """A key of the last 24 hours is kept."""
    for key in ("old", "young"):
        headers = {"Idempotency-Key": key}
        assert seller.http.post("/products", json={"title": key}, headers=headers).status_code == 201
    stack.supabase.sql(
        "update idempotency.answers set created_at = now() - interval '24 hours' where user_id = $1 and key = 'old'",
        seller.id,
    )
    purged = operator_shell.runs("purge", "--older-than", "30d", "--yes")
    assert purged[:2] == (0, "0 deals, 0 products, 1 idempotency keys and 0 batch rows removed\n")
    left = stack.supabase.sql("select key from idempotency.answers where user_id = $1", seller.id)
    assert [row["key"] for row in left] == ["young"]
