"""`make run`: the processes it starts, its output, and the files it leaves behind, which are its data only."""

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
from tests.local_run import STOP_SECONDS, LocalRun, all_gone, process_tree


@dataclass(frozen=True)
class FirstRun:
    """A run in a new directory, stopped by Ctrl-C after every part had answered. Tests work on copies of it."""

    directory: Path
    processes: set[int]
    exit_status: int


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    """Return the first run, already stopped."""
    directory = tmp_path_factory.mktemp("first") / "state"
    with LocalRun(directory) as run:
        processes = process_tree(run.process.pid)
        return FirstRun(directory, processes, run.end(signal.SIGINT))


@pytest.fixture
def directory(first_run: FirstRun, tmp_path: Path) -> Path:
    """Return a copy of the first run's directory that the test may change."""
    return Path(shutil.copytree(first_run.directory, tmp_path / "state"))


@pytest.fixture(scope="module")
def running(first_run: FirstRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    """Start one run that is shared by the tests that change nothing."""
    directory = shutil.copytree(first_run.directory, tmp_path_factory.mktemp("running") / "state")
    with LocalRun(directory) as run:
        yield run


@pytest.fixture(scope="module")
def second_checkout(
    running: LocalRun, first_run: FirstRun, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalRun]:
    """Start a concurrent run of another checkout, with the same port requested and an external REDIS_URL."""
    directory = shutil.copytree(first_run.directory, tmp_path_factory.mktemp("second_checkout") / "state")
    port = httpx.URL(running.announced["app_url"]).port or 0
    with LocalRun(directory, port=port, environment={"REDIS_URL": stack.redis.url}) as run:
        yield run


def test_stack_json_has_the_documented_keys_and_is_private(running: LocalRun) -> None:
    """Scripts rely on the names. Only the owner may read the files, because they contain secrets."""
    announced = running.announced
    assert list(announced) == [
        *("app_url", "redis_url", "supabase_url", "publishable_key", "jwt_secret", "demo", "operator", "pids")
    ]
    assert set(announced["demo"]) == set(announced["operator"]) == {"email", "password"}
    assert set(announced["pids"]) == {"supervisor", "gunicorn", "redis", "supabase"}
    assert set(announced["pids"].values()) <= process_tree(running.process.pid)
    for name in ("stack.json", "stack.env", "secret_key", "supabase/keys.json", "supabase/logins.json"):
        assert stat.S_IMODE((running.directory / name).stat().st_mode) == 0o600, name


def test_every_part_answers_once_stack_json_exists(running: LocalRun) -> None:
    """The file is written after every part has answered."""
    announced = running.announced
    assert httpx.get(f"{announced['app_url']}/healthz").status_code == 200
    with redis.Redis.from_url(announced["redis_url"]) as client:
        assert client.ping()
    headers = {"apikey": announced["publishable_key"]}
    assert httpx.get(f"{announced['supabase_url']}/auth/v1/health", headers=headers).status_code == 200


def test_the_demo_seller_has_thousands_of_products_in_every_status(running: LocalRun) -> None:
    """A new developer sees a realistic list at once."""
    url = f"{running.announced['app_url']}/products"
    headers = running.sign_in("demo")
    stats = httpx.get(f"{url}/stats/asin-status", headers=headers).json()
    assert stats["all"] >= 2000
    assert all(stats[status] >= 100 for status in ("asin_found", "needs_selection", "needs_asin", "manual_entry"))
    deals = httpx.get(url, params={"limit": 200}, headers=headers).json()["items"]
    assert len({deal["supplier"] for deal in deals}) >= 5
    assert len({deal["stage"] for deal in deals}) >= 5


@pytest.mark.parametrize("tile", ["all", "asin_found", "needs_selection", "needs_asin", "manual_entry"])
def test_each_tile_of_the_demo_links_to_the_products_it_counts(running: LocalRun, tile: str) -> None:
    """Read to its last page, the list has exactly that many products, all of that status, ordered by title."""
    query = {"sort": "title", "limit": "200"} | ({} if tile == "all" else {"asin_status": tile})
    with httpx.Client(base_url=running.announced["app_url"], headers=running.sign_in("demo"), timeout=30) as http:
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


def test_only_the_demo_operator_has_the_operator_role(running: LocalRun) -> None:
    """The role comes from the database. Only the operator may open the diagnostics page."""
    url = f"{running.announced['app_url']}/diagnostics/redis"
    assert httpx.get(url, headers=running.sign_in("operator")).status_code == 200
    assert httpx.get(url, headers=running.sign_in("demo")).status_code == 403


def test_a_second_run_in_the_same_checkout_fails_with_one_line(running: LocalRun) -> None:
    """Two runs must not share data. The first run is not disturbed."""
    before = running.announced
    second = LocalRun(running.directory).spawn()
    assert second.process.wait(STOP_SECONDS) == 1
    assert running.output.read_text().splitlines()[-1].startswith("Error: the stack in ")
    assert running.announced == before


def test_a_second_checkout_chooses_a_free_port(running: LocalRun, second_checkout: LocalRun) -> None:
    """The second run chooses other ports."""
    assert running.announced["app_url"] != second_checkout.announced["app_url"]
    assert running.announced["supabase_url"] != second_checkout.announced["supabase_url"]
    for run in (running, second_checkout):
        assert httpx.get(f"{run.announced['app_url']}/healthz").status_code == 200


def test_redis_url_replaces_the_embedded_redis(stack: Stack, second_checkout: LocalRun) -> None:
    """REDIS_URL in the environment takes precedence."""
    assert second_checkout.announced["redis_url"] == stack.redis.url
    assert second_checkout.announced["pids"]["redis"] is None
    httpx.get(
        f"{second_checkout.announced['app_url']}/products/stats/asin-status", headers=second_checkout.sign_in("demo")
    )
    with redis.Redis.from_url(stack.redis.url) as client:
        assert client.keys("asin_stats:*")


def test_supabase_url_without_its_key_fails_with_one_line(tmp_path: Path) -> None:
    """A URL without its key would fail later, with a less clear message."""
    run = LocalRun(tmp_path / "state", environment={"SUPABASE_URL": "https://example.supabase.co"}).spawn()
    assert run.process.wait(STOP_SECONDS) == 2
    assert run.output.read_text() == "SUPABASE_URL and SUPABASE_KEY belong together: set both, or neither\n"


def test_ctrl_c_stops_every_process_and_keeps_the_data(first_run: FirstRun) -> None:
    """Every process ends, workers included, and stack.json is removed."""
    assert first_run.exit_status == 0
    assert len(first_run.processes) >= 6  # supervisor, guardian, Valkey, Supabase, gunicorn and its workers
    assert all_gone(first_run.processes)
    assert not (first_run.directory / "stack.json").exists()


def test_ctrl_c_during_the_start_stops_every_process(directory: Path) -> None:
    """The parts that had already started are stopped, and there is no stack.json."""
    run = LocalRun(directory).spawn()
    assert wait_until(lambda: "Valkey is ready" in run.output.read_text(), seconds=STOP_SECONDS)
    processes = process_tree(run.process.pid)
    assert run.end(signal.SIGINT) == 0
    assert wait_until(lambda: all_gone(processes), seconds=STOP_SECONDS)
    assert not (directory / "stack.json").exists()


def test_a_killed_supervisor_leaves_no_process_and_keeps_the_data(directory: Path) -> None:
    """After SIGKILL the guardian process cleans up. SIGTERM, at the end, has the same effect as Ctrl-C."""
    with LocalRun(directory) as killed:
        processes = process_tree(killed.process.pid)
        url = f"{killed.announced['app_url']}/products"
        new = {"title": "Kept", "supplier": "Acme"}
        created = httpx.post(url, json=new, headers=killed.sign_in("demo")).raise_for_status().json()
        demo = killed.announced["demo"]
        killed.end(signal.SIGKILL)
        assert wait_until(lambda: all_gone(processes), seconds=STOP_SECONDS)
    with LocalRun(directory) as second:
        assert second.announced["demo"] == demo
        processes = process_tree(second.process.pid)
        url = f"{second.announced['app_url']}/products/{created['product']['id']}"
        assert httpx.get(url, headers=second.sign_in("demo")).json()["title"] == "Kept"
        assert second.end(signal.SIGTERM) == 0
    assert all_gone(processes)
    assert not (directory / "stack.json").exists()


def test_redis_killed_with_the_readme_command_is_restarted(directory: Path) -> None:
    """Every request is answered meanwhile and the log reports each step. Redis keeps its port, and hits return."""
    with LocalRun(directory) as run:
        before = run.announced
        url, headers = f"{before['app_url']}/products/stats/asin-status", run.sign_in("demo")

        def read() -> str:
            answer = httpx.get(url, headers=headers)
            assert answer.status_code == 200, answer.text
            return answer.headers["Cache-Status"]

        assert wait_until(lambda: "; hit" in read(), seconds=STOP_SECONDS)
        killed_at = time.monotonic()
        run_the_readme_kill_command(directory)
        assert wait_until(lambda: "fwd=bypass" in read(), seconds=STOP_SECONDS)
        assert wait_until(lambda: bool(read()) and run.announced != before, seconds=STOP_SECONDS)
        assert time.monotonic() - killed_at > PAUSE_SECONDS - 0.5
        assert run.announced["pids"]["redis"] in process_tree(run.process.pid)
        assert run.announced == before | {"pids": before["pids"] | {"redis": run.announced["pids"]["redis"]}}
        assert wait_until(lambda: "; hit" in read(), seconds=STOP_SECONDS)
        output = run.output.read_text()
        port = httpx.URL(before["redis_url"]).port
        assert re.search(
            rf"Valkey has ended\. .*\nValkey will be restarted in 5 s\.\n(.*\n)*Valkey .* port {port}\.", output
        )
        assert "Traceback" not in output


def run_the_readme_kill_command(directory: Path) -> None:
    """Run the README's command on the stack in `directory`."""
    command = re.search(r"^kill -9 .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert command
    subprocess.run(["/bin/sh", "-c", command[0].replace(".local/", f"{directory}/")], check=True, timeout=STOP_SECONDS)  # noqa: S603 - our own README


@pytest.mark.parametrize(("part", "name"), [("supabase", "Supabase"), ("gunicorn", "gunicorn")])
def test_the_stack_stops_when_a_required_part_ends(directory: Path, part: str, name: str) -> None:
    """The message names the part that ended."""
    with LocalRun(directory) as run:
        processes = process_tree(run.process.pid)
        os.kill(run.announced["pids"][part], signal.SIGKILL)
        assert run.process.wait(STOP_SECONDS) == 1
        assert re.search(rf"^Error: {name} has ended[.:]$", run.output.read_text(), re.MULTILINE)
        assert wait_until(lambda: all_gone(processes), seconds=STOP_SECONDS)
        assert not (directory / "stack.json").exists()
