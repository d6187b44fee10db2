"""The alert rules: each fires in made-up trouble, is silent otherwise, and has a runbook."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.operations.made_up import CASES, MINUTES, Case
from tests.operations.promql import evaluate
from tests.operations.promtool import promtool
from tests.operations.rules import ALERTS, FOLDER, Rule, alerts, parsed
from tests.operations.series import Store
from tests.test_documents import anchors

RULES: Final = alerts(ALERTS.read_text("utf-8"))
"""Prometheus' own test tool. It is in no Python or Node.js package, so the tests use it only where it is installed."""


def _fires(rule: Rule, series: dict[str, str], *, minutes: float = MINUTES) -> bool:
    """Return whether the rule fires: its expression has had a value, at each minute, for its minimum duration."""
    store, end = Store(series), minutes * 60
    times = [end - 60 * number for number in range(int(rule.seconds // 60) + 1)]
    return all(evaluate(rule.expression, store, time) for time in times)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_an_alert_fires_in_trouble_and_only_then(rule: Rule) -> None:
    """With the series of `made_up`."""
    case = CASES[rule.name]
    assert _fires(rule, case.trouble, minutes=_minutes(rule))
    assert not _fires(rule, case.trouble | case.normal, minutes=_minutes(rule))


def test_every_alert_has_made_up_series() -> None:
    """And no series are left over from an alert that was removed. Names of alerts are unique."""
    assert sorted(rule.name for rule in RULES) == sorted(CASES)


def test_every_alert_has_a_runbook() -> None:
    """Its annotation leads to a section of runbooks.md, and each section belongs to an alert."""
    for rule in RULES:
        assert rule.annotations["runbook"] == f"docs/operations/runbooks.md#{rule.name.lower()}"
        assert rule.labels["severity"] in {"page", "ticket"}
        assert rule.annotations["summary"].endswith(".")
    assert anchors(FOLDER / "runbooks.md") >= {rule.name.lower() for rule in RULES}
    sections = [line[3:] for line in (FOLDER / "runbooks.md").read_text("utf-8").splitlines() if line[:3] == "## "]
    assert sections == [rule.name for rule in RULES]


def test_the_reader_refuses_yaml_that_it_does_not_understand() -> None:
    """It never reads a value in another way than Prometheus would."""
    for text in ("a: 'quoted'", "a: b: c", "a: b # comment", "a: [1]", "a", "a: 1\na: 2", "a: 1\n  b: 2"):
        with pytest.raises(AssertionError):
            parsed(text)


def test_promtool_agrees(tmp_path: Path) -> None:
    """Prometheus accepts the rules, and fires and is silent for the same series."""
    program = str(promtool())
    units = [_unit(rule, CASES[rule.name], trouble=trouble) for rule in RULES for trouble in (True, False)]
    document = {"rule_files": [str(ALERTS)], "evaluation_interval": "30s", "tests": units}
    (tmp_path / "units.json").write_text(json.dumps(document))
    for command in (["check", "rules", str(ALERTS)], ["test", "rules", str(tmp_path / "units.json")]):
        done = subprocess.run([program, *command], capture_output=True, text=True, check=False)  # noqa: S603 - our own command
        assert done.returncode == 0, done.stdout + done.stderr


def _minutes(rule: Rule) -> float:
    """Return when the rule is judged. A rule that must have been true for an hour is judged an hour later."""
    return MINUTES + 60 if rule.seconds >= 3600 else MINUTES


def _unit(rule: Rule, case: Case, *, trouble: bool) -> dict[str, Any]:
    """Return a unit test in promtool's format. JSON is YAML, too."""
    series = case.trouble if trouble else case.trouble | case.normal
    expected = {"exp_labels": rule.labels | _labels(rule, case.trouble), "exp_annotations": rule.annotations}
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {
                "eval_time": f"{int(_minutes(rule) * 60)}s",
                "alertname": rule.name,
                "exp_alerts": [expected] if trouble else [],
            }
        ],
    }


def _labels(rule: Rule, series: dict[str, str]) -> dict[str, str]:
    """Return the labels that the alert takes from its series."""
    (labels,) = evaluate(rule.expression, Store(series), _minutes(rule) * 60)
    return {name: value for name, value in labels if name != "__name__"}
