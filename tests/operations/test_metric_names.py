"""The dashboard, the alerts and the documents name metrics and labels that a running app really has."""

import json
import re
from collections.abc import Iterator
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.metrics import catalogue
from local.processes import wait_until
from tests.operations.promql import evaluate, metrics_in
from tests.operations.rules import FOLDER
from tests.operations.series import Store
from tests.operations.test_alerts import RULES
from tests.sellers import Seller
from tests.test_documents import rows, text_of

DASHBOARD: Final = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
PANELS: Final = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
_QUERIES: Final = [target["expr"].replace("$__rate_interval", "5m") for panel in PANELS for target in panel["targets"]]
_USED: Final = [*_QUERIES, *(rule.expression for rule in RULES)]
_OF_PROMETHEUS: Final = {"up"}


@pytest.fixture
def labels(operator: Seller) -> dict[str, set[str]]:
    """Return the names of the labels of each series in `/metrics`, after some use of the app."""
    operator.creates(title="measured")
    operator.reads_stats()
    operator.imports("title\nimported\n")

    def complete() -> bool:
        return all(found.get(f"{each.name}{_suffix(each)}") for each in catalogue.ALL)

    found: dict[str, set[str]] = {}
    assert wait_until(lambda: found.update(_labels(operator.http.get("/metrics").text)) or complete(), seconds=5)
    return found


def _suffix(instrument: object) -> str:
    return {"Counter": "_total", "Histogram": "_bucket"}.get(type(instrument).__name__, "")


def _labels(text: str) -> Iterator[tuple[str, set[str]]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, {*sample.labels, "__name__"}


def test_every_metric_in_a_query_exists(labels: dict[str, set[str]]) -> None:
    """Each metric is in `/metrics`, and so is each label that the query selects or groups by."""
    for query in _USED:
        names = metrics_in(query)
        assert names, query
        assert names - _OF_PROMETHEUS <= set(labels), query
        known = set().union(*(labels.get(name, {"job"}) for name in names))
        grouped = {name.strip() for group in re.findall(r"by \(([^)]*)\)", query) for name in group.split(",")}
        selected = set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", query))
        assert grouped | selected <= known, query


@pytest.mark.parametrize("query", _QUERIES)
def test_every_query_of_the_dashboard_is_valid(query: str) -> None:
    """The evaluator understands it."""
    evaluate(query, Store({}), 600)


def test_the_dashboard_shows_every_metric() -> None:
    """Each panel has its own id and place, and takes the data source that the reader selects."""
    shown = set().union(*map(metrics_in, _QUERIES))
    missing = [each.name for each in catalogue.ALL if not any(name.startswith(each.name) for name in shown)]
    assert not missing
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]}) == len(
        DASHBOARD["panels"]
    )
    assert {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]} == {"${datasource}"}


def test_the_runbooks_name_panels_that_exist() -> None:
    """Panels are in italics in the runbooks."""
    named = set(re.findall(r"\*([A-Z][^*]+)\*", (FOLDER / "runbooks.md").read_text("utf-8")))
    assert named
    assert named <= {panel["title"] for panel in PANELS}


def test_the_documents_list_every_metric(labels: dict[str, set[str]]) -> None:
    """The table in docs/operations.md has each metric of a running app, with its labels, and no other."""
    listed = {}
    for row in rows(text_of("operations.md")):
        if found := re.match(r"`(asin_desk_\w+)(?:\{(.*)\})?`", row[0]):
            listed[found[1]] = {label.strip() for label in (found[2] or "").split(",")} - {""}
    served = {
        re.sub(r"_(bucket|count|sum)$", "", name): names - {"__name__", "le"}
        for name, names in labels.items()
        if not name.endswith("_created")
    }
    assert listed == served
