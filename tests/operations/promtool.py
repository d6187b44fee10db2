"""Prometheus's own checker of rules: an installed one, or that of a pinned Debian package.

The package is downloaded once with apt into `.local`, without root, and only the program is unpacked. Its SHA-256 is
checked. On other systems `promtool` must be installed; without it the tests that need it are skipped.
"""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import pytest

from local import ROOT

_VERSION: Final = "2.42.0+ds-5+deb12u1"
_SHA256: Final = "81d59a24fce84f7fbe97a45a4f2914b6a5881b5cd1db2a6a0e129e515e1a5f55"  # of the package for amd64
_KEPT: Final = ROOT / ".local" / f"promtool-{_VERSION}"
_SECONDS: Final = 90.0


def promtool() -> Path:
    """Return the program. Skips the test if there is none and this system cannot download it."""
    installed = shutil.which("promtool")
    if installed:
        return Path(installed)
    if not _KEPT.exists():
        _KEPT.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_KEPT.parent, prefix="promtool-") as folder:
            _unpack(_downloaded(Path(folder)), Path(folder))
    return _KEPT


def _downloaded(folder: Path) -> Path:
    """Download the package into `folder`. Fails if its content is not the pinned one."""
    apt = shutil.which("apt-get")
    if not apt or not shutil.which("dpkg-deb"):
        pytest.skip("promtool is not installed, and this system has no apt to download it with")
    done = _run([apt, "download", f"prometheus:amd64={_VERSION}"], folder)
    archives = list(folder.glob("prometheus_*.deb"))
    if done != 0 or not archives:
        pytest.skip(f"promtool is not installed, and apt did not download prometheus {_VERSION}")
    digest = hashlib.sha256(archives[0].read_bytes()).hexdigest()
    assert digest == _SHA256, f"apt downloaded a different package: {digest}"
    return archives[0]


def _unpack(archive: Path, folder: Path) -> None:
    assert _run(["dpkg-deb", "--extract", archive.name, "unpacked"], folder) == 0
    (folder / "unpacked" / "usr" / "bin" / "promtool").replace(_KEPT)


def _run(command: list[str], folder: Path) -> int:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, timeout=_SECONDS, check=False).returncode  # noqa: S603 - our own command
    except subprocess.TimeoutExpired:
        return 1
