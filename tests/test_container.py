"""The Dockerfile and compose.yaml, as far as they can be checked without a container engine."""

import json
import os
import re
import runpy
import secrets
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import httpx
import pytest

from config import Settings
from local import ROOT
from local.application import AppServer
from local.processes import ChildProcess
from local.server import LOOPBACK
from local.stack import Stack
from tests.sellers import app_environment

DOCKERFILE: Final = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE: Final = (ROOT / "compose.yaml").read_text("utf-8")
BLUEPRINT: Final = (ROOT / "render.yaml").read_text("utf-8")
# Instruction and arguments; comments are dropped, and continued lines are joined.
INSTRUCTIONS: Final = [
    (line.split(maxsplit=1)[0], line.split(maxsplit=1)[1])
    for line in re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)).splitlines()
    if line.strip()
]


def arguments(instruction: str) -> list[str]:
    """Return the arguments of each such instruction, in order."""
    return [text for name, text in INSTRUCTIONS if name == instruction]


def final_environment() -> dict[str, str]:
    """Return the variables that the last stage of the image sets."""
    pairs = shlex.split(arguments("ENV")[-1])
    return dict(pair.split("=", 1) for pair in pairs)


def copied_files() -> list[str]:
    """Return the paths of the checkout that the image copies, from all stages."""
    local = [text for text in arguments("COPY") if not text.startswith("--from")]
    return [source.rstrip("/") for text in local for source in text.split()[:-1]]


class ContainerApp(AppServer):
    """The command of the image, in a directory that holds only what the image copies."""

    def __init__(self, directory: Path, environment: dict[str, str], *, log: Path) -> None:
        """Run in `directory`; `environment` is complete."""
        super().__init__(environment, log=log)
        self._directory = directory

    def _spawn(self, port: int) -> ChildProcess:
        command = json.loads(arguments("CMD")[-1])
        settings = f"{self._environment['GUNICORN_CMD_ARGS']} --bind={LOOPBACK}:{port}"
        environment = {**self._environment, "PORT": str(port), "GUNICORN_CMD_ARGS": settings}
        return ChildProcess(command, environment=environment, directory=self._directory, log=self._log)


def test_the_copied_files_exist_and_are_sent_to_the_engine() -> None:
    """The .dockerignore file excludes everything else, secrets in .env included."""
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert [path for path in copied_files() if not (ROOT / path).exists()] == []
    assert "*" in ignored
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == set(copied_files())


def test_the_image_serves_requests_with_nothing_but_the_copied_files(stack: Stack, tmp_path: Path) -> None:
    """The real command and the real health check, on a copy of these files, with the variables of the image."""
    directory = tmp_path / "image"
    directory.mkdir()
    for path in copied_files():
        source, target = ROOT / path, directory / path
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    environment = {
        **app_environment(stack),
        **final_environment(),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
        "SECRET_KEY": secrets.token_hex(32),
    }
    with ContainerApp(directory, environment, log=tmp_path / "log") as app:
        assert httpx.get(f"{app.url}/readyz").json() == {"status": "ready"}
        port = app.port
        assert health_check(port) == 0
    assert health_check(port) != 0
    assert not list(directory.rglob("__pycache__")), "the image is read-only"


def health_check(port: int) -> int:
    """Run the health check of the image and return its exit status."""
    command = json.loads(arguments("HEALTHCHECK")[0].partition("CMD ")[2])
    command[0] = sys.executable
    environment = {**final_environment(), "PORT": str(port)}
    return subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False).returncode  # noqa: S603


def test_the_process_is_not_root_and_owns_no_code() -> None:
    """USER comes after the last COPY, and no COPY changes the owner."""
    names = [name for name, _ in INSTRUCTIONS]
    assert arguments("USER") == ["10001:10001"]
    assert names.index("USER") > max(index for index, name in enumerate(names) if name == "COPY")
    assert "--chown" not in DOCKERFILE


def test_versions_and_commands_are_those_of_the_other_deployment() -> None:
    """The image uses the same Python version, install command, start command and port as render.yaml."""
    version = (ROOT / ".python-version").read_text("utf-8").strip()
    assert [text.split()[0] for text in arguments("FROM")] == [f"python:{version}-slim"] * 2
    blueprint = dict(re.findall(r"^    (buildCommand|startCommand): (.+)$", BLUEPRINT, re.MULTILINE))
    assert blueprint["buildCommand"] in arguments("RUN")
    assert json.loads(arguments("CMD")[-1]) == blueprint["startCommand"].split()
    assert arguments("EXPOSE") == [final_environment()["PORT"]]


def test_the_variables_are_settings() -> None:
    """With a misspelt name, the default value would apply without an error."""
    known = {name.upper() for name in Settings.model_fields}
    service = COMPOSE.partition("    environment:")[2].partition("    ports:")[0]
    named = re.findall(r"^      (\w+): ", service, re.MULTILINE)
    assert named == ["APP_ENV", "PORT", "REDIS_URL"]
    assert set(named) <= known
    others = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "GUNICORN_CMD_ARGS"}
    assert set(final_environment()) - others <= known


def test_compose_waits_longer_than_gunicorn_before_it_kills(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Otherwise requests in progress would be cut off."""
    monkeypatch.chdir(tmp_path)  # not the developer's own .env
    monkeypatch.setenv("SUPABASE_URL", "https://project.supabase.co")
    monkeypatch.setenv("SUPABASE_KEY", "publishable")
    gunicorn = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    period = re.search(r"stop_grace_period: (\d+)s", COMPOSE)
    assert period
    assert int(period[1]) > gunicorn["graceful_timeout"]


def test_compose_connects_the_app_to_its_cache() -> None:
    """The host in REDIS_URL is a service, the published port is the app's, and a full cache evicts."""
    services = re.findall(r"^  (\w+):$", COMPOSE, re.MULTILINE)
    assert services == ["web", "cache"]
    assert "REDIS_URL: redis://cache:6379/0" in COMPOSE
    assert f'"{LOOPBACK}:8000:{final_environment()["PORT"]}"' in COMPOSE
    assert "--maxmemory-policy allkeys-lru" in COMPOSE
