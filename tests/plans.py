"""Record the query plans that PostgreSQL runs inside a function, with the rows and blocks that they read.

The plans come from the extension auto_explain.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from psycopg.errors import Diagnostic

from tests.postgres import PostgresServer, Session, acting_as, execute

_RECORD_PLANS = """
load 'auto_explain';
set auto_explain.log_min_duration = 0;
set auto_explain.log_analyze = on;
set auto_explain.log_timing = off;
set auto_explain.log_buffers = on;
set auto_explain.log_nested_statements = on;
set auto_explain.log_format = json;
set client_min_messages = log;
"""


@dataclass(frozen=True, slots=True)
class Page:
    """One call of list_deals or of another function.

    Attributes:
        document: the result.
        rows: the number of rows each index or table scan read, discarded rows included, by node type and name.
        blocks: the number of 8 kB block reads, from memory or disk; repeated reads count again.

    """

    document: dict[str, Any]
    rows: Counter[str]
    blocks: int

    @property
    def examined(self) -> int:
        """Return the total number of rows read."""
        return self.rows.total()


class PlanRecorder:
    """A session that records its plans. The caller must close it."""

    def __init__(self, server: PostgresServer) -> None:
        """Connect as the superuser, because auto_explain needs one."""
        self._plans: list[dict[str, Any]] = []
        self.session: Session = server.session()
        self.session.add_notice_handler(self._record)
        execute(self.session, _RECORD_PLANS)

    def lists(self, user_id: str, **arguments: object) -> Page:
        """Call list_deals as `user_id` and return its result and cost."""
        return self.calls("list_deals", user_id, **arguments)

    def calls(self, function: str, user_id: str, **arguments: object) -> Page:
        """Call a function of the schema public as `user_id` and return its result and cost."""
        named = ", ".join(f"{name} => %s" for name in arguments)
        with acting_as(self.session, user_id):
            self._plans.clear()
            row = execute(self.session, f"select public.{function}({named}) as page", *arguments.values())[0]
            execute(self.session, "select")  # PostgreSQL reports a statement's plan when the next statement starts
            plans = list(self._plans)
        rows: Counter[str] = Counter()
        for plan in plans:
            for node in _scans(plan["Plan"]):
                rows[f"{node['Node Type']} {node.get('Index Name', node.get('Relation Name'))}"] += _examined(node)
        outermost = next(plan["Plan"] for plan in plans if f"select public.{function}(" in plan["Query Text"])
        return Page(row["page"], rows, outermost["Shared Hit Blocks"] + outermost["Shared Read Blocks"])

    def _record(self, notice: Diagnostic) -> None:
        _, found, plan = (notice.message_primary or "").partition("plan:\n")
        if found:
            self._plans.append(json.loads(plan))


def _scans(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the nodes that read a table or an index."""
    if "Index Name" in node or "Relation Name" in node:
        yield node
    for inner in node.get("Plans", ()):
        yield from _scans(inner)


def _examined(node: dict[str, Any]) -> int:
    removed = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
    return int(node["Actual Loops"] * (node["Actual Rows"] + removed))
