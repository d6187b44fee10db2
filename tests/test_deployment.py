"""The app on a hosting platform: build, start, health check and stop, with real gunicorn."""

import base64
import os
import re
import runpy
import secrets
import shlex
import signal
import socket
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx
import pytest

from config import Settings
from local import ROOT
from local.application import AppServer
from local.processes import ChildProcess, wait_until
from local.server import LOOPBACK, free_port
from local.stack import Stack
from local.valkey import ValkeyServer
from tests.sellers import app_environment, new_seller

BLUEPRINT: Final = (ROOT / "render.yaml").read_text("utf-8")
# Each variable with the source of its value, and the value itself if the file contains it.
WIRING: Final = {
    name: (source, value.strip('"'))
    for name, source, value in re.findall(r"- key: (\w+)\n +(\w+): ?(.*?)(?: #.*)?$", BLUEPRINT, re.MULTILINE)
}
STOP_SECONDS: Final = 10.0


def blueprint(field: str) -> str:
    """Return the web service's `field`."""
    found = re.search(rf"^    {field}: (.+?)(?: #.*)?$", BLUEPRINT, re.MULTILINE)
    assert found, field
    return found[1]


class DeployedApp(AppServer):
    """The app, started with the Blueprint's command, but bound to loopback only."""

    def _spawn(self, port: int) -> ChildProcess:
        settings = f"{self._environment['GUNICORN_CMD_ARGS']} --bind={LOOPBACK}:{port}"
        environment = {**self._environment, "PORT": str(port), "GUNICORN_CMD_ARGS": settings}
        command = shlex.split(blueprint("startCommand"))
        return ChildProcess(command, environment=environment, directory=ROOT, log=self._log)


def blueprint_environment(stack: Stack) -> dict[str, str]:
    """Return the Blueprint's environment, with the stack's servers instead of the hosted ones."""
    provided = {
        "SECRET_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),  # in the form that Render generates
        "METRICS_TOKEN": base64.b64encode(secrets.token_bytes(32)).decode(),
        "SUPABASE_URL": stack.supabase.url,
        "SUPABASE_KEY": stack.supabase.publishable_key,
        "REDIS_URL": stack.redis.url,
    }
    return {name: value if source == "value" else provided[name] for name, (source, value) in WIRING.items()}


def preloaded(stack: Stack, log: Path, **changes: str) -> AppServer:
    """Return an app server that loads the app before it forks its one worker, as on Render."""
    arguments = WIRING["GUNICORN_CMD_ARGS"][1]
    assert arguments == "--preload"
    return AppServer(app_environment(stack, GUNICORN_CMD_ARGS=arguments, **changes), workers=1, log=log)


def test_the_blueprint_sets_only_known_variables_and_no_plain_secret() -> None:
    """With a misspelt name, the default value would apply without an error."""
    assert {name.lower() for name in WIRING} - set(Settings.model_fields) == {"gunicorn_cmd_args"}
    assert {name: source for name, (source, _) in WIRING.items() if source != "value"} == {
        "SECRET_KEY": "generateValue",
        "METRICS_TOKEN": "generateValue",
        "SUPABASE_URL": "sync",
        "SUPABASE_KEY": "sync",
        "REDIS_URL": "fromService",
    }


def test_redis_url_refers_to_the_key_value_service_of_the_blueprint() -> None:
    """It accepts internal connections only, evicts keys when it is full, and REDIS_URL refers to it."""
    service = BLUEPRINT.split("- type: keyvalue", 1)[1]
    wiring = BLUEPRINT.split("- key: REDIS_URL", 1)[1].split("- key:", 1)[0]
    name = re.search(r"name: (\S+)", service)
    assert name
    assert re.findall(r"(\w+): (\S+)", wiring) == [
        ("type", "keyvalue"),
        ("name", name[1]),
        ("property", "connectionString"),
    ]
    assert "ipAllowList: []" in service
    assert "maxmemoryPolicy: allkeys-lru" in service


def test_the_blueprint_is_sufficient_to_serve(stack: Stack, tmp_path: Path) -> None:
    """The start command with the Blueprint's environment passes the health check and writes no file to HOME."""
    home, log = tmp_path / "home", tmp_path / "log"
    home.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
    with DeployedApp({**blueprint_environment(stack), "PATH": path, "HOME": str(home)}, log=log) as app:
        assert httpx.get(app.url + blueprint("healthCheckPath")).json() == {"status": "ok"}
        assert httpx.get(f"{app.url}/readyz").json() == {"status": "ready"}
    assert log.read_text().count("Redis connected successfully") == 1  # logged once, before the fork
    assert list(home.iterdir()) == []


def test_the_build_installs_the_lock_file_of_the_stated_python_version() -> None:
    """The file that Render reads and the command that makes the lock files have the same Python version."""
    assert blueprint("buildCommand") == "pip install --require-hashes -r requirements.txt"
    version = (ROOT / ".python-version").read_text().strip()
    assert f"--python-version {version} " in (ROOT / "Makefile").read_text()


def test_the_project_is_not_a_package() -> None:
    """The app is deployed as a checkout. A wheel would have to list every subpackage, template and Lua file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "build-system" not in project
    assert "setuptools" not in project["tool"]


@pytest.mark.parametrize(("threads", "connections"), [("8", "10"), ("10", "12"), ("1", "3")])
def test_gunicorn_runs_the_configured_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, threads: str, connections: str
) -> None:
    """No thread has to wait for a Redis connection."""
    found = gunicorn_settings(monkeypatch, tmp_path, THREADS=threads, REDIS_MAX_CONNECTIONS=connections)
    assert found["threads"] == int(threads)
    assert found["worker_class"] == "app.serving.Worker"


def test_gunicorn_refuses_more_threads_than_connections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error is one line that names the setting to change."""
    with pytest.raises(SystemExit, match=r"^THREADS: .*REDIS_MAX_CONNECTIONS - 2 \(8\)"):
        gunicorn_settings(monkeypatch, tmp_path, THREADS="9", REDIS_MAX_CONNECTIONS="10")


def gunicorn_settings(monkeypatch: pytest.MonkeyPatch, directory: Path, **environment: str) -> Mapping[str, object]:
    """Return the settings of gunicorn.conf.py for `environment`, without a developer's `.env`."""
    supabase = {"SUPABASE_URL": "https://project.supabase.co", "SUPABASE_KEY": "publishable"}
    for name, value in (supabase | environment).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(directory)
    return runpy.run_path(str(ROOT / "gunicorn.conf.py"))


def test_a_preloaded_worker_connects_to_a_redis_that_starts_later(stack: Stack, tmp_path: Path) -> None:
    """The thread that connects to Redis is started again in the worker, because threads do not survive a fork."""
    redis = ValkeyServer(tmp_path, port=free_port())
    with (
        preloaded(stack, tmp_path / "log", REDIS_URL=redis.url) as app,
        new_seller(stack.supabase, app.url) as seller,
    ):
        assert "fwd=bypass" in seller.reads_stats().headers["Cache-Status"]
        with redis:
            assert wait_until(lambda: "; hit" in seller.reads_stats().headers["Cache-Status"], seconds=STOP_SECONDS)


def test_sigterm_completes_requests_in_flight_before_stopping(stack: Stack, tmp_path: Path) -> None:
    """A deployment of a new version loses no change."""
    log = tmp_path / "log"
    with preloaded(stack, log) as app, new_seller(stack.supabase, app.url) as seller:
        with socket.create_connection((LOOPBACK, app.port), timeout=STOP_SECONDS) as connection:
            body = b'{"title": "The last one"}'
            connection.sendall(
                b"POST /products HTTP/1.1\r\nHost: app\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                + f"Authorization: Bearer {seller.token}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")  # a thread is processing it
            os.kill(app.pid, signal.SIGTERM)
            assert wait_until(lambda: "Handling signal: term" in log.read_text(), seconds=STOP_SECONDS)
            connection.sendall(body)
            assert connection.recv(1000).startswith(b"HTTP/1.1 201")
        assert wait_until(lambda: not app.is_running(), seconds=STOP_SECONDS)
    assert "Traceback" not in log.read_text()


def test_sigterm_stops_an_idle_server_with_all_its_workers(stack: Stack, tmp_path: Path) -> None:
    """All processes end without SIGKILL."""
    log = tmp_path / "log"
    with AppServer(app_environment(stack), workers=2, log=log) as app:
        group = app.pid
        os.kill(group, signal.SIGTERM)
        assert wait_until(lambda: not app.is_running(), seconds=STOP_SECONDS)
        with pytest.raises(ProcessLookupError):
            os.killpg(group, 0)
    assert "Shutting down: Master" in log.read_text()
    assert "Traceback" not in log.read_text()
