"""Which licences the installed packages are under, and whether we may use them."""

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
"""SPDX identifiers of licences that let us use a package, unchanged, in a service and in its tests."""

TESTS_ONLY: Final = {"psycopg": "LGPL-3.0-only", "psycopg-binary": "LGPL-3.0-only"}
"""Packages that no deployment installs, with the licence that is accepted for them."""

_CLASSIFIERS: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_WORDS: Final = {"Apache 2": "Apache-2.0", "Apache 2.0": "Apache-2.0", "BSD": "BSD-3-Clause", "PSF": "PSF-2.0"}


@dataclass(frozen=True, slots=True)
class Package:
    """A package and its licence.

    Attributes:
        name: the package, as its registry spells it.
        licence: an SPDX expression; what the package says where that is none; empty where it says nothing.

    """

    name: str
    licence: str


def refused(packages: Iterable[Package]) -> list[Package]:
    """Return the packages whose licence is not allowed, or not known, in the order of their names."""
    return sorted(
        (package for package in packages if not _is_allowed(package)), key=lambda package: package.name.lower()
    )


def python_packages(path: list[str] | None = None) -> Iterator[Package]:
    """Yield the installed distributions; `path`: the folders that are searched instead of this interpreter's."""
    for found in importlib.metadata.distributions() if path is None else importlib.metadata.distributions(path=path):
        yield Package(found.metadata["Name"], _stated(found.metadata))


def npm_packages(lock: Path = ROOT / "package-lock.json") -> Iterator[Package]:
    """Yield the packages of an npm lock file, but for the project itself."""
    for place, package in json.loads(lock.read_text("utf-8"))["packages"].items():
        if place:
            yield Package(place.rpartition("node_modules/")[2], str(package.get("license", "")))


def _stated(metadata: importlib.metadata.PackageMetadata) -> str:
    """Return what a distribution says: the expression (PEP 639), else its classifiers, else its own words."""
    if expressions := metadata.get_all("License-Expression"):
        return str(expressions[0])
    prefix = "License :: OSI Approved :: "
    classifiers = [text.removeprefix(prefix) for text in metadata.get_all("Classifier", []) if text.startswith(prefix)]
    if classifiers:
        return " OR ".join(_CLASSIFIERS.get(text, text) for text in classifiers)
    words = "".join(metadata.get_all("License", [])).strip().partition("\n")[0]
    return _WORDS.get(words, words)


def _is_allowed(package: Package) -> bool:
    if TESTS_ONLY.get(package.name) == package.licence:
        return True
    expression = re.sub(r"[()]", "", package.licence)
    allowed = [term.strip() in ALLOWED for term in re.split(r" (?:AND|OR) ", expression)]
    # An alternative is enough, unless it is one within a sum: that is for a person to read.
    return all(allowed) or (any(allowed) and " AND " not in expression)
