"""Wording of the desk: labels of statuses and stages, dates, and the source of the numbers."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, get_args

from markupsafe import Markup, escape

from app.caching import Answer, Outcome
from app.products.breakdown import AsinStats
from app.products.schemas import Stage


@dataclass(frozen=True, slots=True)
class Status:
    """One number of the breakdown: its name in the data, its label, an explanation, and whether it has a queue."""

    name: str
    label: str
    note: str
    has_queue: bool = False


ALL: Final = Status("all", "All products", "with at least one active deal")
STATUSES: Final = (
    Status("asin_found", "ASIN found", "matched to one listing"),
    Status("needs_selection", "Needs selection", "several listings match", has_queue=True),
    Status("needs_asin", "Needs ASIN", "a UPC, no listing yet", has_queue=True),
    Status("manual_entry", "Manual entry", "neither ASIN nor UPC", has_queue=True),
)
STAGES: Final[tuple[str, ...]] = get_args(Stage)
LABELS: Final = {status.name: status.label for status in STATUSES} | {stage: stage.capitalize() for stage in STAGES}

_ACTIONS: Final = {
    "delete": ("Delete {}", "deleted"),
    "restore": ("Restore {}", "restored"),
    "move": ("Move {} to {stage}", "moved to {stage}"),
    "favorite": ("Mark {} as favorite", "marked as favorite"),
    "unfavorite": ("Remove the favorite mark of {}", "no longer marked as favorite"),
}
"""Each action on deals: what it does to them, and what they then are."""

_UPDATED: Final = "Updated just now"
_CATCHING_UP: Final = "Live data (the cache is catching up)"
_UNSTORED: Final = {
    "no-redis": "no Redis is configured",
    "owed": "the cache has not received the last change yet",
    "writer-in-flight": "a change is being made",
}


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue as the first page shows it.

    Attributes:
        status: the name of its status.
        task: what there is to do with each product.
        action: the text of the button.

    """

    status: str
    task: str
    action: str


QUEUES: Final = (
    Queue("needs_selection", "Several listings match. Choose the right one.", "Choose listings"),
    Queue("needs_asin", "They have a UPC but no listing yet. Look up the ASIN.", "Find ASINs"),
    Queue("manual_entry", "They have neither ASIN nor UPC. Add one of them.", "Identify products"),
)


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh the numbers are: one line for sellers, and where the numbers came from for those who care."""

    line: str
    source: str


def freshness(answer: Answer[AsinStats], *, lifetime: float, in_redis: bool) -> Freshness:
    """Describe the source and the age of the numbers.

    `lifetime` is the TTL of a new entry, in seconds. `in_redis` tells whether Redis holds the entries.
    """
    if answer.outcome in {Outcome.HIT, Outcome.COLLAPSED}:
        age = max(0.0, lifetime - (lifetime if answer.ttl is None else answer.ttl))
        store = "Redis" if in_redis else "the memory of this worker"
        return Freshness(_UPDATED, f"From {store}, {age:.0f} s old.")
    reason = _UNSTORED.get(answer.detail or "")
    if reason is None and (answer.detail or "").startswith("redis-"):
        reason = "Redis is unavailable"
    behind = reason and answer.detail != "no-redis"
    source = f"Fresh from the database: {reason}." if reason else "Fresh from the database."
    return Freshness(_CATCHING_UP if behind else _UPDATED, source)


def day(moment: str) -> str:
    """Return the day of an ISO 8601 time, such as 4 Nov 2026."""
    parsed = datetime.fromisoformat(moment)
    return f"{parsed.day} {parsed:%b %Y}"


def moment(time: str) -> str:
    """Return the day and the minute of an ISO 8601 time, in UTC, such as 4 Nov 2026, 15:30 UTC."""
    parsed = datetime.fromisoformat(time).astimezone(UTC)
    return f"{parsed.day} {parsed:%b %Y, %H:%M} UTC"


def instant(seconds: float) -> str:
    """Return a time in seconds of the Unix epoch as ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def clock(seconds: float) -> str:
    """Return the time of day of a time in seconds of the Unix epoch, in UTC, such as 15:30:05."""
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}"


def upc(gtin: str) -> str:
    """Return a GTIN-14 as it is printed on a package: as EAN-8, UPC-A or EAN-13 if it is one."""
    digits = next((length for length in (8, 12, 13) if gtin.startswith("0" * (14 - length))), 14)
    return gtin[-digits:]


def doing(action: str, stage: str | None, deals: str) -> str:
    """Return what an action does to these deals, such as "Move 3 deals to Ordered"."""
    return _ACTIONS[action][0].format(deals, stage=LABELS[stage] if stage else "")


def done(action: str, stage: str | None) -> str:
    """Return what deals are after an action, such as "moved to Ordered"."""
    return _ACTIONS[action][1].format(stage=LABELS[stage] if stage else "")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, whose plural ends in s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def left_alone(number: int) -> str:
    """Return the sentence about deals that an action has skipped, because they were changed after it was asked for."""
    if number == 1:
        return "1 deal was changed since then and is left as it is."
    return f"{number:,} deals were changed since then and are left as they are."


def marked_up(text: str) -> Markup:
    """Return a text of the API description as HTML: `code` between backticks, and one line for each item of a list."""
    lines = (line.removeprefix("- ") for line in str(escape(text)).splitlines())
    return Markup("<br>".join(re.sub(r"`([^`]+)`", r"<code>\1</code>", line) for line in lines))  # noqa: S704 - escaped above
