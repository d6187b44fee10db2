"""`make audit`: only allowed licences, and a failed query of an advisory service is not reported as clean."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest

from local import ROOT, audit
from local.audit import Report, Verdict
from local.licences import ALLOWED, TESTS_ONLY, Package, npm_packages, python_packages, refused
from local.server import free_port

_CLEAN: Final = {"dependencies": [{"name": "flask", "version": "3.1.3", "vulns": []}], "fixes": []}
_FOUND: Final = {"dependencies": [{"name": "flask", "version": "0.1", "vulns": [{"id": "PYSEC-1"}]}], "fixes": []}
_SKIPPED: Final = {"dependencies": [{"name": "flask", "skip_reason": "not found"}], "fixes": []}


def test_every_installed_package_has_an_allowed_licence() -> None:
    """Every installed package is checked, tools and test dependencies included."""
    assert audit.check_licences() == Report("licences", Verdict.CLEAN)
    assert len(list(python_packages())) > 50
    assert len(list(npm_packages())) > 50


def test_packages_allowed_for_tests_only_are_not_deployed() -> None:
    """The licence exceptions are not in requirements.txt."""
    deployed = (ROOT / "requirements.txt").read_text("utf-8")
    assert not [name for name in TESTS_ONLY if f"\n{name}==" in deployed]
    assert not set(TESTS_ONLY.values()) & ALLOWED


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("Apache-2.0 AND BSD-3-Clause", True),
        ("(MIT OR Apache-2.0) AND ISC", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-3.0-only) AND AGPL-3.0-only", False),
        ("GPL-3.0-only", False),
        ("SEE LICENSE IN LICENSE.md", False),
        ("", False),
    ],
)
def test_licence_expressions_follow_the_spdx_rules(licence: str, *, allowed: bool) -> None:
    """OR needs one allowed part, AND needs every part, and a missing licence is not allowed."""
    assert (refused([Package("some", licence)]) == []) is allowed


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: MIT\nLicense: GPL", "MIT"),
        ("Classifier: License :: OSI Approved :: BSD License", "BSD-3-Clause"),
        ("Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
         "GNU General Public License v3 (GPLv3)"),
        ("License: Apache 2.0", "Apache-2.0"),
        ("License: GPL", "GPL"),
        ("Summary: none", ""),
    ],
)  # fmt: skip
def test_a_licence_is_read_from_each_metadata_field(tmp_path: Path, metadata: str, licence: str) -> None:
    """Packages declare it as an expression, a classifier or free text."""
    folder = tmp_path / "some-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: some\nVersion: 1\n{metadata}\n", "utf-8")
    assert list(python_packages([str(tmp_path)])) == [Package("some", licence)]


@pytest.mark.parametrize(
    ("output", "verdict"),
    [(json.dumps(_CLEAN), 0), (json.dumps(_FOUND), 1), (json.dumps(_SKIPPED), 2), ("", 2), ("{}", 2), ("no route", 2)],
)
def test_only_complete_pip_audit_output_can_be_clean(tmp_path: Path, output: str, verdict: int) -> None:
    """pip-audit exits with 1 for a finding and for a failure, so its output decides."""
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!{sys.executable}\nprint({output!r})\nraise SystemExit(1)\n", "utf-8")
    tool.chmod(0o700)
    assert audit.audit_python(tool).verdict == verdict


def test_a_missing_tool_is_reported_as_not_checked(tmp_path: Path) -> None:
    """Its installation may have failed because there was no network."""
    assert audit.audit_python(tmp_path / "missing").verdict == Verdict.NOT_CHECKED


@contextmanager
def _registry(advisories: dict[str, list[dict[str, object]]]) -> Iterator[str]:
    """Run a registry with these advisories and without packages; yield its URL."""
    answer = json.dumps(advisories).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._respond(200, answer)

        def do_GET(self) -> None:
            self._respond(404, b"")

        def _respond(self, status: int, body: bytes) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_advisory_for_an_npm_package_is_found() -> None:
    """Uses the real npm with a registry that has an advisory for one package, then with one that has none."""
    advisory = {"id": 1, "url": "x", "title": "x", "severity": "high", "vulnerable_versions": "*"}
    with _registry({"hono": [advisory]}) as address:
        report = audit.audit_npm(f"--registry={address}", "--fetch-retries=0")
    assert report.verdict == Verdict.FOUND
    assert "hono: high" in report.lines
    with _registry({}) as address:
        assert audit.audit_npm(f"--registry={address}").verdict == Verdict.CLEAN


def test_an_unreachable_registry_is_reported_as_not_checked() -> None:
    """Uses the real npm with a port on which no server listens."""
    report = audit.audit_npm(f"--registry=http://127.0.0.1:{free_port()}", "--fetch-retries=0")
    assert report.verdict == Verdict.NOT_CHECKED


@pytest.mark.parametrize(("verdicts", "together"), [((0, 0), 0), ((0, 2), 2), ((2, 1), 1), ((1, 0), 1)], ids=str)
def test_a_finding_outranks_a_failed_query_and_both_outrank_clean(verdicts: tuple[int, ...], together: int) -> None:
    """The exit status is 1 for a finding, 2 if a query failed, else 0."""
    assert audit.overall(Report("x", Verdict(verdict)) for verdict in verdicts) == together


def test_the_command_reports_each_failed_query(tmp_path: Path) -> None:
    """There is one line for each part. The exit status covers all parts."""
    environment = {"npm_config_registry": f"http://127.0.0.1:{free_port()}", "npm_config_fetch_retries": "0"}
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "local.audit", str(tmp_path / "missing")],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == Verdict.NOT_CHECKED
    assert "licences: nothing found" in done.stdout
    assert done.stdout.count("NOT CHECKED") == 2
