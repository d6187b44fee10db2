"""The ASIN status breakdown: how many of a user's products have each status."""

from typing import Final, NamedTuple, Self

_MAX_COUNT: Final = 2**53  # larger JSON numbers are not exact in every client


class AsinStats(NamedTuple):
    """The number of a user's products with an active deal, by status. The four statuses sum to `total`."""

    total: int
    asin_found: int
    needs_selection: int
    needs_asin: int
    manual_entry: int

    @classmethod
    def parse(cls, document: object) -> Self:
        """Parse `{"all": …, "asin_found": …, …}`. Raises ValueError for anything else, including a wrong sum."""
        names = ["all", *cls._fields[1:]]
        if not isinstance(document, dict) or set(document) != set(names):
            raise ValueError("not a status breakdown")
        numbers = [document[name] for name in names]
        if not all(type(number) is int and 0 <= number < _MAX_COUNT for number in numbers):
            raise ValueError("a status breakdown holds counts")
        if sum(numbers[1:]) != numbers[0]:
            raise ValueError("the four statuses must sum to all")
        return cls(*numbers)

    def document(self) -> dict[str, int]:
        """Return the JSON form."""
        return {
            "all": self.total,
            "asin_found": self.asin_found,
            "needs_selection": self.needs_selection,
            "needs_asin": self.needs_asin,
            "manual_entry": self.manual_entry,
        }
