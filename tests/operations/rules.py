"""Reads docs/operations/alerts.yml. The file uses a small part of YAML only, so that no YAML library is needed."""

import re
from dataclasses import dataclass
from typing import Any, Final

from local import ROOT

FOLDER: Final = ROOT / "docs" / "operations"
ALERTS: Final = FOLDER / "alerts.yml"
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert: its name, expression, minimum duration in seconds, labels and annotations."""

    name: str
    expression: str
    seconds: float
    labels: dict[str, str]
    annotations: dict[str, str]


def seconds_in(text: str) -> float:
    """Return the seconds of a Prometheus duration, such as 5m."""
    return float(text[:-1]) * _UNITS[text[-1]]


def alerts(text: str) -> list[Rule]:
    """Return the alerts of a rule file with one group."""
    (group,) = parsed(text)["groups"]
    return [
        Rule(each["alert"], each["expr"], seconds_in(each.get("for", "0s")), each["labels"], each["annotations"])
        for each in group["rules"]
    ]


def parsed(text: str) -> dict[str, Any]:
    """Return a document of mappings, lists of mappings, plain scalars and folded scalars (`>-`)."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    document: dict[str, Any] = _block(lines, 0)
    assert not lines, f"not understood: {lines[0]}"
    return document


def _block(lines: list[str], indent: int) -> Any:  # noqa: ANN401 - a dictionary or a list
    if lines[0][indent:].startswith("- "):
        found = []
        while lines and lines[0][:indent].isspace() and lines[0][indent:].startswith("- "):
            lines[0] = " " * (indent + 2) + lines[0][indent + 2 :]
            found.append(_block(lines, indent + 2))
        return found
    mapping: dict[str, Any] = {}
    while lines and _indent(lines[0]) == indent and not lines[0].lstrip().startswith("- "):
        key, colon, value = lines.pop(0).strip().partition(":")
        assert colon, f"not understood: {key}"
        assert key not in mapping, f"{key} occurs twice"
        mapping[key] = _value(value.strip(), lines, indent)
    return mapping


def _value(value: str, lines: list[str], indent: int) -> Any:  # noqa: ANN401 - as above
    if value == ">-":
        folded = []
        while lines and _indent(lines[0]) > indent:
            folded.append(lines.pop(0).strip())
        return " ".join(folded)
    assert not re.match(r"[\"'\[{&*!|>%@`]", value), f"not understood: {value}"
    assert ": " not in value, f"not understood: {value}"
    assert " #" not in value, f"not understood: {value}"
    return value or _block(lines, _indent(lines[0]))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
