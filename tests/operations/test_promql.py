"""The evaluator of the tests calculates as Prometheus does."""

import json
import math
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.operations.promql import evaluate, metrics_in
from tests.operations.promtool import promtool
from tests.operations.series import Store

SERIES: Final = {
    'requests{route="a",status="200"}': "0+60x20",
    'requests{route="a",status="503"}': "0+30x20",
    'requests{route="b",status="200"}': "0+6x10 0+6x9",
    'used{worker="1"}': "3x20",
    'size{worker="1"}': "4x20",
    'time_bucket{le="0.1"}': "0+50x20",
    'time_bucket{le="0.5"}': "0+90x20",
    'time_bucket{le="+Inf"}': "0+100x20",
}
AT: Final = 630.0
"""10.5 minutes: half a minute after a sample, so that no sample is at the end of a range."""

CALCULATED: Final = [
    ("1 + 2 * 3", 7.0),
    ("(1 + 2) * 3 / 2 - 1", 3.5),
    ("sum(used)", 3.0),
    ("sum(used / size)", 0.75),
    ("sum(used > 3)", None),
    ("sum(used == 3)", 3.0),
    ("sum(used < 4)", 3.0),
    ("sum(2 * used)", 6.0),
    ('sum(rate(requests{route="a"}[5m]))', 1.5),
    ('sum(increase(requests{status=~"5..",route!="b"}[5m]))', 150.0),
    ('sum(increase(requests{status!~"2.."}[5m]))', 150.0),
    ("histogram_quantile(0.5, sum by (le) (rate(time_bucket[5m])))", 0.1),
    ("histogram_quantile(0.7, rate(time_bucket[5m]))", 0.3),
    ("histogram_quantile(0.99, rate(time_bucket[5m]))", 0.5),
]


@pytest.mark.parametrize(("expression", "expected"), CALCULATED)
def test_the_value_of_an_expression(expression: str, expected: float | None) -> None:
    """Calculated by hand from `SERIES`; None: no result."""
    values = list(evaluate(expression, Store(SERIES), AT).values())
    assert values == ([] if expected is None else [pytest.approx(expected)])


def test_an_increase_counts_from_zero_after_a_reset() -> None:
    """A counter that restarts has grown by its new value: by 6 before, by 0 with the reset, and by 6 after it."""
    (grown,) = evaluate('increase(requests{route="b"}[4m])', Store(SERIES), 12 * 60 + 30).values()
    assert grown == pytest.approx(12 * 240 / 180)


def test_a_series_without_recent_samples_has_no_value() -> None:
    """A sample counts for 5 minutes, and one sample is not enough for a rate."""
    assert evaluate("used", Store(SERIES), 1501) == {}
    assert evaluate("used", Store(SERIES), 1499) != {}
    assert evaluate("rate(used[1m])", Store(SERIES), AT) == {}


def test_a_quotient_with_zero_is_not_an_error() -> None:
    """As in floating-point arithmetic."""
    store = Store({"none": "0x5", "some": "1x5"})
    assert math.isnan(next(iter(evaluate("none / none", store, 60).values())))
    assert math.isinf(next(iter(evaluate("some / none", store, 60).values())))


@pytest.mark.parametrize(
    "expression", ["max(used)", "used > size", "used offset 5m", "used{a}", "sum(1)", "used >= 1", "(", ""]
)
def test_other_expressions_are_refused(expression: str) -> None:
    """An expression that the evaluator does not know never passes as silent."""
    with pytest.raises(ValueError, match=r"not understood|needed|must be a number"):
        evaluate(expression, Store(SERIES), AT)


def test_the_metrics_of_an_expression_are_found() -> None:
    """Names of labels and functions are not taken for metrics."""
    expression = 'sum by (asin_desk_x) (rate(asin_desk_a{asin_desk_b="asin_desk_c"}[5m])) / asin_desk_d > up'
    assert metrics_in(expression) == {"asin_desk_a", "asin_desk_d", "up"}


def test_promtool_calculates_the_same(tmp_path: Path) -> None:
    """Prometheus itself agrees with the values that were calculated by hand."""
    expected = [
        {
            "expr": expression,
            "eval_time": f"{int(AT)}s",
            "exp_samples": [{"labels": "{}", "value": next(iter(evaluate(expression, Store(SERIES), AT).values()))}]
            if value is not None
            else [],
        }
        for expression, value in CALCULATED
        if not expression[0].isdigit() and expression[0] != "("  # a number is no vector for promtool
    ]
    series = [{"series": name, "values": values} for name, values in SERIES.items()]
    unit = {"interval": "1m", "input_series": series, "promql_expr_test": expected}
    (tmp_path / "units.json").write_text(json.dumps({"evaluation_interval": "1m", "tests": [unit]}))
    command = [str(promtool()), "test", "rules", str(tmp_path / "units.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    assert done.returncode == 0, done.stdout + done.stderr
