"""UPC and EAN numbers: their check digits, and the leading zeros that spreadsheets remove.

A check digit is the last digit of a number; it reveals most typing mistakes. See the GS1 General Specifications,
section 7.9.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

from stdnum import ean

__all__ = ["Identifier", "RepairedIdentifier", "read_identifier"]

_LENGTHS: Final = frozenset({8, 12, 13, 14})
_UPC_LENGTH: Final = 12
_ZEROS_LOST: Final = "Leading zeros were missing"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A UPC-A, EAN-13, EAN-8 or GTIN-14 with a correct check digit.

    Attributes:
        value: its digits.
        note: what was repaired; empty if nothing was.

    """

    value: str
    note: str = ""


class RepairedIdentifier(str):
    """The digits of a number that was repaired.

    Attributes:
        given: the number as it was before.
        reason: what was repaired.

    """

    __slots__ = ("given", "reason")

    given: str
    reason: str

    @classmethod
    def of(cls, identifier: Identifier, *, given: str) -> Self:
        """Return the digits of `identifier`, which was read from `given`."""
        made = cls(identifier.value)
        made.given, made.reason = given, identifier.note
        return made


def read_identifier(text: str) -> Identifier:
    """Return the number that `text` contains: 8, 12, 13 or 14 digits with a correct check digit.

    A number of 9 to 11 digits is a UPC-A without its leading zeros, if the check digit is correct with them. A shorter
    one could also be an EAN-8, so it is refused.

    Raises:
        ValueError: `text` is not such a number. The message says why, and names the number that was probably meant.

    """
    if not re.fullmatch(r"[0-9]{1,14}", text):
        raise ValueError("A UPC or EAN is 8, 12, 13 or 14 digits")
    if len(text) < min(_LENGTHS):
        raise ValueError("Digits are missing: with leading zeros this could be an EAN-8 or a UPC; write all digits")
    number = text if len(text) in _LENGTHS else text.zfill(_UPC_LENGTH)
    # `ean.is_valid` would also remove separators, which takes most of its time; the text has only digits here.
    if ean.calc_check_digit(number[:-1]) == number[-1]:
        return Identifier(number, "" if number == text else _ZEROS_LOST)
    without_check_digit = text if len(text) == _UPC_LENGTH - 1 else number[:-1]
    meant = without_check_digit + ean.calc_check_digit(without_check_digit)
    raise ValueError(f"The check digit is wrong. Probably meant: {meant}")
