"""The report about a run of an import, as the database keeps it: small enough for a page, and only JSON."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Final

from app.desk.wording import LABELS
from app.products.importing import Choices, Import, Mistake, Note

_SHOWN_GROUPS: Final = 100
_SHOWN_LINES: Final = 12

_SHOWN_CHARACTERS: Final = 80
_FIELDS: Final = {
    "supplier": "Supplier", "buy_cost": "Buy cost", "moq": "MOQ", "stage": "Stage", "favorite": "Favorite",
    "notes": "Notes", "active": "Active",
}  # fmt: skip

Group = dict[str, Any]


@dataclass(slots=True)
class Recorder:
    """Collects what a run reports.

    Attributes:
        running: the run.
        choices: how the file is read.
        mistakes: the listed mistakes.
        notes: the listed notes.
        state: how the run has ended so far: `stopped`, `failed` or `finished`.
        detail: why it has failed.

    """

    running: Import
    choices: Choices
    mistakes: list[Mistake] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    state: str = "stopped"
    detail: str = ""

    def add(self, event: object) -> None:
        """Keep an event of the run if it is a mistake or a note."""
        if isinstance(event, Mistake):
            self.mistakes.append(event)
        elif isinstance(event, Note):
            self.notes.append(event)

    def report(self) -> dict[str, Any]:
        """Return the report."""
        sheet = self.running.sheet
        return {
            "state": self.state,
            "detail": self.detail,
            "dry_run": self.running.dry_run,
            "batch_id": str(self.running.batch_id) if self.running.batch_id else None,
            "totals": asdict(self.running.totals),
            "of": sheet.total,
            "ignored": sheet.columns.ignored[:_SHOWN_GROUPS],
            "sheet": self.choices.sheet,
            "header_row": self.choices.header_row,
            "fields": {str(index): name for index, name in self.choices.fields.items()},
            "mistakes": _groups((mistake.column, mistake.reason, mistake.line) for mistake in self.mistakes),
            "notes": _groups((note.column, note.note, note.line) for note in self.notes),
            "more_mistakes": self.running.unlisted,
            "more_notes": sheet.unlisted_notes,
            "refused": {str(mistake.line): _sentence(mistake) for mistake in self.mistakes},
        }


def choices_of(report: dict[str, Any]) -> Choices:
    """Return how the file of a report was read."""
    fields = {int(index): str(name) for index, name in report["fields"].items()}
    return Choices(report["sheet"], report["header_row"], fields)


def changes_of(deal: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the label, the old and the new value of each field that an import has changed in a deal."""
    before, after = deal["before"], deal["after"]
    return [
        (label, _shown(name, before[name]), _shown(name, after[name]))
        for name, label in _FIELDS.items()
        if before[name] != after[name]
    ]


def _shown(name: str, value: object) -> str:
    if value is None or value == "":
        return "empty"
    if name == "buy_cost":
        return f"{Decimal(str(value)):.2f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return LABELS.get(str(value), str(value)[:_SHOWN_CHARACTERS])


def _groups(found: Iterable[tuple[str, str, int]]) -> list[Group]:
    """Return equal remarks together, with their number and their first lines. The most frequent ones come first."""
    lines: dict[tuple[str, str], list[int]] = {}
    for column, text, line in found:
        lines.setdefault((column, text), []).append(line)
    ordered = sorted(lines.items(), key=lambda entry: -len(entry[1]))
    return [
        {"column": column, "text": text, "count": len(places), "lines": places[:_SHOWN_LINES]}
        for (column, text), places in ordered[:_SHOWN_GROUPS]
    ]


def _sentence(mistake: Mistake) -> str:
    return f"{mistake.column}: {mistake.reason}" if mistake.column else mistake.reason
