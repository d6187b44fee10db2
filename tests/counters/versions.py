"""The versions of the breakdown: what a change returned, and what other sessions see."""

from collections.abc import Sequence
from typing import Any, Final

from tests.counters.oracle import Run

__all__ = ["History", "current"]

Numbers = dict[str, int]
Versioned = tuple[int, Numbers]
"""A version and its breakdown."""

_CURRENT: Final = """
select u.id::text, counting.breakdown(u.id) as found from auth.users u where u.id = any (':users'::uuid[])
"""


def current(run: Run, user_ids: Sequence[str]) -> dict[str, Versioned]:
    """Return the version and the breakdown of each of these users who still exists."""
    rows = run(_CURRENT.replace(":users", f"{{{','.join(user_ids)}}}"))
    return {row["id"]: (row["found"]["version"], row["found"]["stats"]) for row in rows}


class History:
    """The committed versions of users, in the order in which they were observed."""

    def __init__(self) -> None:
        """Begin without observations."""
        self._last: dict[str, Versioned] = {}

    def errors(self, seen: dict[str, Versioned]) -> list[Any]:
        """Add an observation.

        Return the users whose version fell, or whose numbers changed although the version did not rise.
        """
        found = []
        for user_id, (version, numbers) in seen.items():
            last, before = self._last.get(user_id, (version, numbers))
            if version < last or (version == last and numbers != before):
                found.append((user_id, (last, before), (version, numbers)))
        self._last |= seen
        return found
