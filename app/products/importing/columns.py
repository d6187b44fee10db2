"""Recognize the columns of a seller's file by their names."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Final

from app.products.errors import UnreadableFileError

_MAX_COLUMNS: Final = 1000
_MAX_NAME_LENGTH: Final = 100  # characters; longer names are cut, because every response contains the names


@lru_cache(maxsize=4096)
def normalized(name: str) -> str:
    """Return a name without case, spaces and punctuation. A `#` is a number: "Item #" is not an item's name."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name).casefold().replace("#", "number"))


@dataclass(frozen=True)
class Layout:
    """The columns that files of one kind may have.

    Attributes:
        names: the names of the column of each field. Case, spaces and punctuation are ignored. The first one is ours.
        needs: groups of fields. A file must have a column for at least one field of each group.
        wanted: names these fields, as the end of the sentence "The first row must contain the column names, and …".
        ranked: allows several columns for one field. The column whose name is first in `names` is read, and the others
            are ignored. Without it, a file with such columns is refused.

    """

    names: Mapping[str, Sequence[str]]
    needs: Sequence[Sequence[str]]
    wanted: str
    ranked: bool = False

    @cached_property
    def _places(self) -> dict[str, tuple[str, int]]:
        """The field of each normalized name, and the place of the name in the list of this field."""
        found: dict[str, tuple[str, int]] = {}
        for field, names in self.names.items():
            for place, name in enumerate(names):
                found.setdefault(normalized(name), (field, place))
        return found

    def count_recognized(self, header: Sequence[str]) -> int:
        """Return how many of these columns would be imported."""
        return sum(normalized(name.strip()[:_MAX_NAME_LENGTH]) in self._places for name in header[:_MAX_COLUMNS])

    def is_usable(self, header: Sequence[str]) -> bool:
        """Return whether a row names all columns that a file must have."""
        found = {
            self._places.get(normalized(name.strip()[:_MAX_NAME_LENGTH]), ("", 0))[0] for name in header[:_MAX_COLUMNS]
        }
        return all(found & set(group) for group in self.needs)

    def parse(self, header: Sequence[str], chosen: Mapping[int, str] = MappingProxyType({})) -> "Columns":
        """Assign a field to each column: the chosen one, which is empty to ignore the column, else the recognized one.

        Raises:
            UnreadableFileError: a needed column is missing, two columns have the same field, or there are too many.

        """
        if len(header) > _MAX_COLUMNS:
            found = f"The first row has {len(header):,} columns"
            raise UnreadableFileError(f"{found}; at most {_MAX_COLUMNS:,} can be read.")
        names = self.names_of(header)
        indexes = self._assigned(names, chosen)
        if not all(indexes.keys() & set(group) for group in self.needs):
            found = ", ".join(_quoted(name) for name in names[:20] if name)
            wanted = f"The first row must contain the column names, and {self.wanted}"
            raise UnreadableFileError(f"{wanted}. It contains {found}.")
        return Columns(names, indexes, self)

    def names_of(self, header: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the columns: the trimmed cells of the header, at most 100 characters of each."""
        # The names go into UTF-8 responses, so characters that cannot be encoded become question marks.
        names = (name.strip()[:_MAX_NAME_LENGTH] for name in header[:_MAX_COLUMNS])
        return tuple(name.encode("utf-8", "replace").decode() for name in names)

    def guessed(self, names: Sequence[str]) -> list[str]:
        """Return the field of each column. Only the first column of a field gets it; the others are ignored."""
        found: list[str] = []
        for name in names:
            field = self._places.get(normalized(name), ("", 0))[0]
            found.append("" if field in found else field)
        return found

    def _assigned(self, names: Sequence[str], chosen: Mapping[int, str]) -> dict[str, int]:
        """Return the index of the column of each field. Raises UnreadableFileError."""
        indexes: dict[str, int] = {}
        places: dict[str, int] = {}
        for index, name in enumerate(names):
            field, place = (chosen[index], 0) if index in chosen else self._places.get(normalized(name), ("", 0))
            if field in indexes and not self.ranked:
                both = f"{_quoted(names[indexes[field]])} and {_quoted(name)}"
                raise UnreadableFileError(f"The columns {both} mean the same; rename or remove one.")
            if field and place < places.get(field, place + 1):
                indexes[field], places[field] = index, place
        return indexes


@dataclass(frozen=True, slots=True)
class Columns:
    """The header of a file.

    Attributes:
        names: the names in the file.
        indexes: the index of the column of each field. Fields without a column are missing.
        layout: the columns that the file may have.

    """

    names: tuple[str, ...]
    indexes: dict[str, int]
    layout: Layout

    @property
    def recognized(self) -> dict[str, str]:
        """The column name in the file of each field that has a column."""
        return {field: self.names[index] for field, index in self.indexes.items()}

    @property
    def ignored(self) -> list[str]:
        """The names of the columns that are not imported."""
        used = set(self.indexes.values())
        return [name for index, name in enumerate(self.names) if index not in used and name]

    def name(self, field: str) -> str:
        """Return the column name of a field in the file. Without a column, return our own name, or nothing."""
        if field in self.indexes:
            return self.names[self.indexes[field]]
        return next(iter(self.layout.names.get(field, ())), "")


def _quoted(name: str) -> str:
    return f"“{name[:60]}”"
