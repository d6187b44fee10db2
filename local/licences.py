"""Find the licences of the installed packages and check that they are allowed."""

import importlib.metadata
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local import ROOT

__all__ = ["ALLOWED", "TESTS_ONLY", "Package", "npm_packages", "python_packages", "refused"]

ALLOWED: Final = frozenset({
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0",
    "PSF-2.0", "Zlib",
})  # fmt: skip
"""SPDX identifiers of licences that allow using an unchanged package in a service and in its tests."""

TESTS_ONLY: Final = {"psycopg": "LGPL-3.0-only", "psycopg-binary": "LGPL-3.0-only"}
"""Packages that only the tests use, each with the licence that is accepted for it."""

_UNCHANGED: Final = {"python-stdnum": "GNU Lesser General Public License v2 or later (LGPLv2+)"}
"""Packages under the LGPL that we import unchanged, each with the licence that is accepted for it."""

_CLASSIFIERS: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_FREE_TEXTS: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "PSF": "PSF-2.0",
}


@dataclass(frozen=True, slots=True)
class Package:
    """A package and its licence.

    Attributes:
        name: the package's name, spelled as in its registry.
        licence: an SPDX expression, or the package's own text if it has no expression; empty if it states no licence.

    """

    name: str
    licence: str


def refused(packages: Iterable[Package]) -> list[Package]:
    """Return the packages whose licence is not allowed or not known, sorted by name."""
    return sorted(
        (package for package in packages if not _is_allowed(package)), key=lambda package: package.name.lower()
    )


def python_packages(path: list[str] | None = None) -> Iterator[Package]:
    """Yield the installed distributions. `path` replaces the folders of this interpreter."""
    for found in importlib.metadata.distributions() if path is None else importlib.metadata.distributions(path=path):
        yield Package(found.metadata["Name"], _licence_in(found.metadata))


def npm_packages(lock: Path = ROOT / "package-lock.json") -> Iterator[Package]:
    """Yield the packages of an npm lock file, without the project itself."""
    for folder, package in json.loads(lock.read_text("utf-8"))["packages"].items():
        if folder:
            yield Package(folder.rpartition("node_modules/")[2], str(package.get("license", "")))


def _licence_in(metadata: importlib.metadata.PackageMetadata) -> str:
    """Return the licence in the metadata: the expression (PEP 639), else the classifiers, else the free text."""
    if expressions := metadata.get_all("License-Expression"):
        return str(expressions[0])
    prefix = "License :: OSI Approved :: "
    classifiers = [text.removeprefix(prefix) for text in metadata.get_all("Classifier", []) if text.startswith(prefix)]
    if classifiers:
        return " OR ".join(_CLASSIFIERS.get(text, text) for text in classifiers)
    words = "".join(metadata.get_all("License", [])).strip().partition("\n")[0]
    return _FREE_TEXTS.get(words, words)


def _is_allowed(package: Package) -> bool:
    if package.licence in {TESTS_ONLY.get(package.name), _UNCHANGED.get(package.name)}:
        return True
    expression = re.sub(r"[()]", "", package.licence)
    allowed = [term.strip() in ALLOWED for term in re.split(r" (?:AND|OR) ", expression)]
    # With OR, one allowed licence is enough. A mix of AND and OR is refused unless all are allowed; review it by hand.
    return all(allowed) or (any(allowed) and " AND " not in expression)
