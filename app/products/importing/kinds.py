"""The description of one kind of file: its columns, its cells, its rows, and which rows belong together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.products.importing.columns import Layout

Fields = dict[str, Any]
Remark = tuple[str, str]
"""A field, and what is wrong or remarkable with its cell. The field is empty if the whole row is meant."""


@dataclass(frozen=True, slots=True)
class SheetKind:
    """One kind of file.

    Attributes:
        layout: the columns that a file may have.
        parsers: the parser of the cells of each field. It gets a text that is not empty. It returns None to leave the
            field out, and raises ValueError with what is wrong with the text.
        left_out: the note on a cell for which its parser has returned None, by field. Other fields get no note.
        validated: returns the fields of a row for JSON, and the notes on them. It gets the parsed cells that are not
            empty, and raises pydantic.ValidationError.
        fault: returns what is wrong with these cells as a whole, otherwise an empty text.
        keys: returns three keys of the fields of a row. Rows with the same first key belong together, otherwise those
            with the same second key, otherwise those with the same third one. A row with the first two keys links them:
            rows that have only its second key also belong to it. A key that a row does not have is empty.

    """

    layout: Layout
    parsers: Mapping[str, Callable[[str], object]]
    left_out: Mapping[str, str]
    validated: Callable[[Fields], tuple[Fields, list[Remark]]]
    fault: Callable[[Fields], str]
    keys: Callable[[Fields], tuple[str, str, str]]
