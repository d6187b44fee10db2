"""Evaluates the part of PromQL that the alert rules and the dashboard use.

The meaning is that of https://prometheus.io/docs/prometheus/latest/querying/: `test_promql` compares the two where
promtool is installed or can be downloaded. An expression outside of this part raises ValueError.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

from tests.operations.rules import seconds_in
from tests.operations.series import Labels, Matcher, Store, histogram_quantile, increase

Vector = dict[Labels, float]

_MATCHER: Final = re.compile(r'\s*(\w+)(=~|!~|!=|=)"([^"]*)"\s*,?')
_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "==": lambda a, b: a == b,
}
_CALCULATE: Final[dict[str, Callable[[float, float], float]]] = {
    "/": lambda a, b: a / b if b else float("nan") if not a else float("inf"),
    "*": lambda a, b: a * b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
}
_LOOKBACK: Final = 300.0  # seconds for which the last sample of a series counts as its present value


def metrics_in(expression: str) -> set[str]:
    """Return the names of the metrics in an expression."""
    without_text = re.sub(r'"[^"]*"|\{[^}]*\}|\[\w+\]|by \([^)]*\)', "", expression)
    return set(re.findall(r"\b(?:asin_desk_\w+|up)\b", without_text))


def evaluate(expression: str, store: Store, at: float) -> Vector:
    """Return the value of `expression` at a time in seconds. A number has the value of an empty set of labels."""
    parser = _Parser(expression, store, at)
    value = parser.comparison()
    if parser.rest.strip():
        raise ValueError(f"not understood: {parser.rest}")
    return value if isinstance(value, dict) else {frozenset(): value}


class _Parser:
    """Recursive descent: each method consumes the start of `rest` and returns its value."""

    def __init__(self, expression: str, store: Store, at: float) -> None:
        self.rest, self._store, self._at = expression, store, at

    def comparison(self) -> Vector | float:
        left = self._sum()
        if sign := self._takes(r"==|>(?!=)|<(?!=)"):
            return _compared(left, sign, self._sum())
        return left

    def _sum(self) -> Vector | float:
        return self._chain(r"[+-]", self._product)

    def _product(self) -> Vector | float:
        return self._chain(r"[*/]", self._term)

    def _chain(self, signs: str, part: Callable[[], Vector | float]) -> Vector | float:
        value = part()
        while sign := self._takes(signs):
            value = _combined(value, sign, part())
        return value

    def _term(self) -> Vector | float:
        if number := self._takes(r"\d+(\.\d+)?"):
            return float(number)
        if self._takes(r"\("):
            value = self.comparison()
            self._needs(r"\)")
            return value
        name = self._needs(r"[a-zA-Z_]\w*")
        if name in {"rate", "increase", "histogram_quantile", "sum"}:
            return self._call(name)
        return {labels: samples[-1][1] for labels, samples in self._select(name, _LOOKBACK)}

    def _call(self, function: str) -> Vector:
        group = self._needs(r"\([\w ,]*\)")[1:-1] if function == "sum" and self._takes(r"by\b") else ""
        self._needs(r"\(")
        if function in {"rate", "increase"}:
            value = self._growth(per_second=function == "rate")
        elif function == "sum":
            value = _summed(_vector(self.comparison()), {name.strip() for name in group.split(",")})
        else:
            share = float(self._needs(r"[\d.]+"))
            self._needs(",")
            value = histogram_quantile(share, _vector(self.comparison()))
        self._needs(r"\)")
        return value

    def _growth(self, *, per_second: bool) -> Vector:
        name = self._needs(r"[a-zA-Z_]\w*")
        matchers = self._takes(r"\{[^}]*\}")
        seconds = seconds_in(self._needs(r"\[\w+\]")[1:-1])
        found = self._store.select(name, _matchers(matchers), self._at - seconds, self._at)
        grown = {labels: increase(samples, self._at - seconds, self._at) for labels, samples in found}
        return {labels: value / (seconds if per_second else 1) for labels, value in grown.items() if value is not None}

    def _select(self, name: str, seconds: float) -> Iterable[tuple[Labels, list[tuple[float, float]]]]:
        matchers = _matchers(self._takes(r"\{[^}]*\}"))
        return self._store.select(name, matchers, self._at - seconds, self._at, keep_name=True)

    def _takes(self, pattern: str) -> str:
        found = re.match(rf"\s*({pattern})", self.rest)
        self.rest = self.rest[found.end() :] if found else self.rest
        return found[1] if found else ""

    def _needs(self, pattern: str) -> str:
        found = self._takes(pattern)
        if not found:
            raise ValueError(f"not understood: {self.rest}")
        return found


def _matchers(text: str) -> list[Matcher]:
    body = text.strip("{}")
    found = _MATCHER.findall(body)
    if _MATCHER.sub("", body).strip():
        raise ValueError(f"not understood: {text}")
    return found


def _vector(value: Vector | float) -> Vector:
    if not isinstance(value, dict):
        raise ValueError("a vector is needed, not a number")  # noqa: TRY004 - the expression is wrong, not the program
    return value


def _summed(vector: Vector, by: set[str]) -> Vector:
    sums: Vector = {}
    for labels, value in vector.items():
        key = frozenset(pair for pair in labels if pair[0] in by)
        sums[key] = sums.get(key, 0.0) + value
    return sums


def _compared(left: Vector | float, sign: str, right: Vector | float) -> Vector:
    """Return the elements of `left` for which the comparison is true."""
    if isinstance(right, dict):
        raise ValueError("the right side of a comparison must be a number")  # noqa: TRY004 - as above
    return {labels: value for labels, value in _vector(left).items() if _COMPARE[sign](value, right)}


def _combined(left: Vector | float, sign: str, right: Vector | float) -> Vector | float:
    """Calculate with numbers, or with the elements whose labels are equal; the name of the metric is no label here."""
    calculate = _CALCULATE[sign]
    if not isinstance(right, dict):
        if not isinstance(left, dict):
            return calculate(left, right)
        return {labels: calculate(value, right) for labels, value in _nameless(left).items()}
    if not isinstance(left, dict):
        return {labels: calculate(left, value) for labels, value in _nameless(right).items()}
    others = _nameless(right)
    return {labels: calculate(value, others[labels]) for labels, value in _nameless(left).items() if labels in others}


def _nameless(vector: Vector) -> Vector:
    return {frozenset(pair for pair in labels if pair[0] != "__name__"): value for labels, value in vector.items()}
