"""The result of the import of a file of candidates."""

from dataclasses import dataclass, field
from typing import Any, Final

from app.database import DatabaseRefusalError, DatabaseUnavailableError
from app.problems import Problem, from_database
from app.products.importing import Mistake, Note, Run

_MOST_SHOWN: Final = 200


@dataclass(slots=True)
class Outcome:
    """Result of the import of a file: its first mistakes and notes, and the error that stopped it, if any."""

    running: Run[Any]
    mistakes: list[Mistake] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    found_notes: int = 0
    trouble: Problem | None = None

    @property
    def unshown(self) -> int:
        """Number of rejected rows that are not listed in `mistakes`."""
        rejected: int = self.running.totals.rejected
        return rejected - len({mistake.line for mistake in self.mistakes})

    @property
    def unshown_notes(self) -> int:
        """Number of notes that are not listed in `notes`."""
        return self.found_notes + self.running.sheet.unlisted_notes - len(self.notes)


def outcome_of(running: Run[Any]) -> Outcome:
    """Import a file and return the result."""
    outcome = Outcome(running)
    with running.logged():
        try:
            for event in running.events():
                if isinstance(event, Mistake) and len(outcome.mistakes) < _MOST_SHOWN:
                    outcome.mistakes.append(event)
                elif isinstance(event, Note):
                    outcome.found_notes += 1
                    outcome.notes += [event] if len(outcome.notes) < _MOST_SHOWN else []
        except (DatabaseUnavailableError, DatabaseRefusalError) as error:
            outcome.trouble = from_database(error)
    return outcome
