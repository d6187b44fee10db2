"""The example app of docs/use-the-engine.md, extracted from the page and run outside of the checkout."""

import inspect
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from redis import Redis

from app.caching import Cache
from app.caching.configuration import open_protocol
from local import ROOT
from local.processes import ChildProcess, wait_until
from local.server import LOOPBACK, free_port
from local.valkey import ValkeyServer

_PAGE = (ROOT / "docs" / "use-the-engine.md").read_text("utf-8")
_PERMISSIONS_PAGE = (ROOT / "docs" / "redis-permissions.md").read_text("utf-8")


@contextmanager
def _shop(directory: Path, redis_url: str) -> Iterator[httpx.Client]:
    """Serve the page's app with `flask run` from a directory that contains no other file."""
    (code,) = re.findall(r"```python\n# shop\.py\n(.*?)```", _PAGE, re.DOTALL)
    directory.mkdir()
    (directory / "shop.py").write_text(code, "utf-8")
    port = free_port()
    command: list[str | Path] = [Path(sys.executable).with_name("flask"), "--app", "shop", "run", "--port", str(port)]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "FLASK_CACHE_REDIS_URL": redis_url}
    child = ChildProcess(command, environment=environment, directory=directory, log=directory / "log")
    try:
        with httpx.Client(base_url=f"http://{LOOPBACK}:{port}", timeout=10) as http:
            assert wait_until(lambda: _answers(http), seconds=30), (directory / "log").read_text()
            yield http
    finally:
        child.end(signal.SIGTERM, seconds=5)


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/pen").status_code == 200
    except httpx.TransportError:
        return False


def test_the_example_app_runs_outside_of_the_checkout(tmp_path: Path, valkey: ValkeyServer) -> None:
    """It memoizes, writes, invalidates and reports. It keeps working when Redis is killed, and recovers."""
    with _shop(tmp_path / "elsewhere", valkey.url) as http:
        assert http.get("/pen").json() == {"left": 3}
        assert http.delete("/pen").json() == http.get("/pen").json() == {"left": 2}
        report, entry = http.get("/status").json()
        assert (report["backend"], report["never_stale"], report["server"]["connected"]) == ("LeaseCache", True, True)
        assert report["counters"]["events"]["hit"] + report["counters"]["events"]["stored"] > 1
        assert (report["counters"]["breaker"], entry["state"]) == ("closed", "value")

        valkey.kill()
        assert http.get("/pen").json() == {"left": 2}
        assert http.delete("/pen").json() == http.get("/pen").json() == {"left": 1}
        report, entry = http.get("/status").json()
        assert (report["counters"]["breaker"], report["counters"]["owed"], entry) == ("open", 1, None)

        valkey.start()
        assert wait_until(lambda: http.get("/status").json()[0]["counters"]["breaker"] == "closed", seconds=10)
        assert http.get("/pen").json() == {"left": 1}


def test_the_documented_redis_permissions_are_sufficient(tmp_path: Path, valkey: ValkeyServer) -> None:
    """The first list is enough for reads and changes, and the second for reports."""
    (rights,) = re.findall(r"`(\+ping [^`]+)` on `~flask_cache_\*`", _PAGE)
    (more,) = re.findall(r"^ACL SETUSER asin-desk (\+getrange .+)$", _PERMISSIONS_PAGE, re.MULTILINE)
    with Redis.from_url(valkey.url) as admin:
        admin.execute_command("ACL", "SETUSER", "shop", "on", ">x", "~flask_cache_*", *rights.split())
        url = f"redis://shop:x@{LOOPBACK}:{valkey.port}"
        with _shop(tmp_path / "elsewhere", url) as http:
            assert [http.get("/pen").json(), http.delete("/pen").json(), http.get("/pen").json()] == [
                {"left": 3},
                {"left": 2},
                {"left": 2},
            ]
            report, entry = http.get("/status").json()
            assert {name: n for name, n in report["counters"]["events"].items() if n and name.startswith("err")} == {}
            assert entry is None, "no value without the permission to read it"
            admin.execute_command("ACL", "SETUSER", "shop", *more.split())
            assert http.get("/status").json()[1]["state"] == "value"


def test_the_engine_imports_nothing_of_the_application() -> None:
    """It does not import libraries that only the application needs either."""
    code = "import app.caching, sys; print(*sorted(sys.modules))"
    ran = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(ran.stdout.split())
    assert {name for name in loaded if name.partition(".")[0] == "app" and not name.startswith("app.caching")} == {
        "app"
    }
    assert not loaded & {"config", "supabase", "pydantic", "gunicorn", "flask_wtf", "prometheus_client"}


def test_the_page_documents_every_option_and_method() -> None:
    """A new option or method must be added to the page."""
    options = set(inspect.signature(open_protocol).parameters) - {"topology", "longest_ttl", "client"}
    calls = {name for name in vars(Cache) if not name.startswith("_")} - {"init_app", "engine", "protocol", "stores"}
    shown = set(re.findall(r"\w+", _PAGE))
    assert not (options | calls) - shown
