"""`make run`: what it starts, what it says, and what it leaves behind, which is nothing but data."""

import os
import re
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import redis

from local import ROOT
from local.processes import wait_until
from local.restarter import PAUSE_SECONDS
from local.stack import Stack
from tests.local_run import STOP_SECONDS, LocalRun, all_gone, family


@dataclass(frozen=True)
class FirstRun:
    """A run in a new directory that was ended by Ctrl-C once everything answered: to be copied, not used."""

    directory: Path
    processes: set[int]
    exit_status: int


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    """Return the first of all runs, already over."""
    directory = tmp_path_factory.mktemp("first") / "state"
    with LocalRun(directory) as run:
        processes = family(run.process.pid)
        return FirstRun(directory, processes, run.end(signal.SIGINT))


@pytest.fixture
def directory(first_run: FirstRun, tmp_path: Path) -> Path:
    """Return a copy of the first run's directory that the test may use."""
    return Path(shutil.copytree(first_run.directory, tmp_path / "state"))


@pytest.fixture(scope="module")
def running(first_run: FirstRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    """One run for the tests that only look."""
    directory = shutil.copytree(first_run.directory, tmp_path_factory.mktemp("running") / "state")
    with LocalRun(directory) as run:
        yield run


@pytest.fixture(scope="module")
def beside(
    running: LocalRun, first_run: FirstRun, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalRun]:
    """Another checkout's run at the same time, asked for the same port and given a Redis of the developer's own."""
    directory = shutil.copytree(first_run.directory, tmp_path_factory.mktemp("beside") / "state")
    port = httpx.URL(running.announced["app_url"]).port or 0
    with LocalRun(directory, port=port, environment={"REDIS_URL": stack.redis.url}) as run:
        yield run


def sign_in(run: LocalRun, account: str) -> dict[str, str]:
    """Return the headers of a signed-in demo account, checked by Supabase."""
    told = run.announced
    answer = httpx.post(
        f"{told['supabase_url']}/auth/v1/token?grant_type=password",
        json=told[account],
        headers={"apikey": told["publishable_key"]},
    ).raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_stack_json_has_exactly_the_promised_shape_and_is_private(running: LocalRun) -> None:
    """Scripts rely on the names; the secrets in it are the owner's alone."""
    told = running.announced
    assert list(told) == [
        *("app_url", "redis_url", "supabase_url", "publishable_key", "jwt_secret", "demo", "operator", "pids")
    ]
    assert set(told["demo"]) == set(told["operator"]) == {"email", "password"}
    assert set(told["pids"]) == {"supervisor", "gunicorn", "redis", "supabase"}
    assert set(told["pids"].values()) <= family(running.process.pid)
    for name in ("stack.json", "stack.env", "secret_key", "supabase/keys.json", "supabase/logins.json"):
        assert stat.S_IMODE((running.directory / name).stat().st_mode) == 0o600, name


def test_every_part_answers_once_stack_json_is_there(running: LocalRun) -> None:
    """It is written when everything answers, not before."""
    told = running.announced
    assert httpx.get(f"{told['app_url']}/healthz").status_code == 200
    with redis.Redis.from_url(told["redis_url"]) as client:
        assert client.ping()
    headers = {"apikey": told["publishable_key"]}
    assert httpx.get(f"{told['supabase_url']}/auth/v1/health", headers=headers).status_code == 200


def test_the_demo_seller_has_thousands_of_products_in_all_four_statuses(running: LocalRun) -> None:
    """The desk must show something worth looking at from the first minute."""
    url = f"{running.announced['app_url']}/products"
    headers = sign_in(running, "demo")
    stats = httpx.get(f"{url}/stats/asin-status", headers=headers).json()
    assert stats["all"] >= 2000
    assert all(stats[status] >= 100 for status in ("asin_found", "needs_selection", "needs_asin", "manual_entry"))
    deals = httpx.get(url, params={"limit": 200}, headers=headers).json()["items"]
    assert len({deal["supplier"] for deal in deals}) >= 5
    assert len({deal["stage"] for deal in deals}) >= 5


@pytest.mark.parametrize("tile", ["all", "asin_found", "needs_selection", "needs_asin", "manual_entry"])
def test_each_tile_of_the_demo_opens_the_list_of_what_it_counts(running: LocalRun, tile: str) -> None:
    """Paged to its end it holds exactly that many products, all of that status, in the order of their titles."""
    query = {"sort": "title", "limit": "200"} | ({} if tile == "all" else {"asin_status": tile})
    with httpx.Client(base_url=running.announced["app_url"], headers=sign_in(running, "demo"), timeout=30) as http:
        counted = http.get("/products/stats/asin-status").json()[tile]
        page = http.get("/products", params=query)
        deals = page.json()["items"]
        while "next" in page.links:
            page = http.get(page.links["next"]["url"])
            deals += page.json()["items"]
    assert len({deal["product"]["id"] for deal in deals}) == counted > 0
    assert tile == "all" or {deal["product"]["asin_status"] for deal in deals} == {tile}
    titles = [deal["product"]["title"].lower() for deal in deals]
    assert titles == sorted(titles)


def test_the_demo_operator_is_one_and_the_seller_is_not(running: LocalRun) -> None:
    """The role comes from the database, so the diagnostics page opens for one of them only."""
    url = f"{running.announced['app_url']}/diagnostics/redis"
    assert httpx.get(url, headers=sign_in(running, "operator")).status_code == 200
    assert httpx.get(url, headers=sign_in(running, "demo")).status_code == 403


def test_a_second_start_in_the_same_checkout_is_refused_in_one_line(running: LocalRun) -> None:
    """It would fight over the data; the first one is not disturbed."""
    before = running.announced
    second = LocalRun(running.directory).spawn()
    assert second.process.wait(STOP_SECONDS) == 1
    assert running.output.read_text().splitlines()[-1].startswith("Error: the stack in ")
    assert running.announced == before


def test_two_checkouts_run_at_once_and_the_second_avoids_the_taken_port(running: LocalRun, beside: LocalRun) -> None:
    """Ports are avoided, not fought over."""
    assert running.announced["app_url"] != beside.announced["app_url"]
    assert running.announced["supabase_url"] != beside.announced["supabase_url"]
    for run in (running, beside):
        assert httpx.get(f"{run.announced['app_url']}/healthz").status_code == 200


def test_a_given_redis_is_used_instead_of_starting_one(stack: Stack, beside: LocalRun) -> None:
    """REDIS_URL in the environment wins."""
    assert beside.announced["redis_url"] == stack.redis.url
    assert beside.announced["pids"]["redis"] is None
    httpx.get(f"{beside.announced['app_url']}/products/stats/asin-status", headers=sign_in(beside, "demo"))
    with redis.Redis.from_url(stack.redis.url) as client:
        assert client.keys("asin_stats:*")


def test_half_a_supabase_is_refused_in_one_line(tmp_path: Path) -> None:
    """A URL without its key would fail later, and less clearly."""
    run = LocalRun(tmp_path / "state", environment={"SUPABASE_URL": "https://example.supabase.co"}).spawn()
    assert run.process.wait(STOP_SECONDS) == 2
    assert run.output.read_text() == "SUPABASE_URL and SUPABASE_KEY belong together: set both, or neither\n"


def test_ctrl_c_leaves_the_data_and_no_process(first_run: FirstRun) -> None:
    """Not even a worker, and no word of a stack that is no more."""
    assert first_run.exit_status == 0
    assert len(first_run.processes) >= 6  # supervisor, guardian, Valkey, Supabase, gunicorn and its workers
    assert all_gone(first_run.processes)
    assert not (first_run.directory / "stack.json").exists()


def test_ctrl_c_while_it_starts_leaves_nothing(directory: Path) -> None:
    """The parts that were up already stop, and no announcement is left."""
    run = LocalRun(directory).spawn()
    assert wait_until(lambda: "Valkey is ready" in run.output.read_text(), seconds=STOP_SECONDS)
    processes = family(run.process.pid)
    assert run.end(signal.SIGINT) == 0
    assert wait_until(lambda: all_gone(processes), seconds=STOP_SECONDS)
    assert not (directory / "stack.json").exists()


def test_a_killed_supervisor_leaves_no_process_and_the_next_start_finds_its_data(directory: Path) -> None:
    """After SIGKILL it can do nothing itself; the guardian does. SIGTERM, at the end, is as good as Ctrl-C."""
    with LocalRun(directory) as killed:
        processes = family(killed.process.pid)
        url = f"{killed.announced['app_url']}/products"
        new = {"title": "Kept", "supplier": "Acme"}
        created = httpx.post(url, json=new, headers=sign_in(killed, "demo")).raise_for_status().json()
        demo = killed.announced["demo"]
        killed.end(signal.SIGKILL)
        assert wait_until(lambda: all_gone(processes), seconds=STOP_SECONDS)
    with LocalRun(directory) as second:
        assert second.announced["demo"] == demo
        processes = family(second.process.pid)
        url = f"{second.announced['app_url']}/products/{created['product']['id']}"
        assert httpx.get(url, headers=sign_in(second, "demo")).json()["title"] == "Kept"
        assert second.end(signal.SIGTERM) == 0
    assert all_gone(processes)
    assert not (directory / "stack.json").exists()


def test_redis_killed_as_the_readme_says_is_started_again_and_the_app_goes_on(directory: Path) -> None:
    """Every request is answered meanwhile; the log says what happens; it is on the same port, and hits come back."""
    with LocalRun(directory) as run:
        before = run.announced
        url, headers = f"{before['app_url']}/products/stats/asin-status", sign_in(run, "demo")

        def read() -> str:
            answer = httpx.get(url, headers=headers)
            assert answer.status_code == 200, answer.text
            return answer.headers["Cache-Status"]

        assert wait_until(lambda: "; hit" in read(), seconds=STOP_SECONDS)
        killed_at = time.monotonic()
        kill_as_the_readme_says(directory)
        assert wait_until(lambda: "fwd=bypass" in read(), seconds=STOP_SECONDS)
        assert wait_until(lambda: bool(read()) and run.announced != before, seconds=STOP_SECONDS)
        assert time.monotonic() - killed_at > PAUSE_SECONDS - 0.5
        assert run.announced["pids"]["redis"] in family(run.process.pid)
        assert run.announced == before | {"pids": before["pids"] | {"redis": run.announced["pids"]["redis"]}}
        assert wait_until(lambda: "; hit" in read(), seconds=STOP_SECONDS)
        said = run.output.read_text()
        port = httpx.URL(before["redis_url"]).port
        assert re.search(
            rf"Valkey has ended\. .*\nValkey will be restarted in 5 s\.\n(.*\n)*Valkey .* port {port}\.", said
        )
        assert "Traceback" not in said


def kill_as_the_readme_says(directory: Path) -> None:
    """Type the README's command, on the stack in `directory`."""
    command = re.search(r"^kill -9 .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert command
    subprocess.run(["/bin/sh", "-c", command[0].replace(".local/", f"{directory}/")], check=True, timeout=STOP_SECONDS)  # noqa: S603 - our own README


@pytest.mark.parametrize(("part", "name"), [("supabase", "Supabase"), ("gunicorn", "gunicorn")])
def test_the_stack_stops_when_a_part_ends_that_it_needs(directory: Path, part: str, name: str) -> None:
    """Half a stack would only confuse; the message names the culprit."""
    with LocalRun(directory) as run:
        processes = family(run.process.pid)
        os.kill(run.announced["pids"][part], signal.SIGKILL)
        assert run.process.wait(STOP_SECONDS) == 1
        assert re.search(rf"^Error: {name} has ended[.:]$", run.output.read_text(), re.MULTILINE)
        assert wait_until(lambda: all_gone(processes), seconds=STOP_SECONDS)
        assert not (directory / "stack.json").exists()
