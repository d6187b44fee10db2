"""The parsing of single cells: amounts in national formats, identifiers damaged by spreadsheets, and formulas."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.products.formulas import escape_formula, unescape_formula
from app.products.importing import cells
from tests.importing.hostile import CELL_TEXTS

_CENTS = st.integers(min_value=0, max_value=100_000_000)


@pytest.mark.parametrize(
    ("cell_text", "expected"),
    [
        ("12", "12"), ("12.5", "12.5"), ("12,5", "12.5"), ("12.50", "12.5"), ("12,50 €", "12.5"), ("$12.50", "12.5"),
        ("£3", "3"), ("1,234.50", "1234.5"), ("1.234,50", "1234.5"), ("1 234,50", "1234.5"), ("1'234.50", "1234.5"),
        ("1,234", "1234"), ("1,234,567", "1234567"), ("1.234.567", "1234567"), ("1\u00a0234,5", "1234.5"),
        ("US$ 7", "7"), ("7 USD", "7"), ("EUR7,10", "7.1"), (".5", "0.5"), (",5", "0.5"), ("5.", "5"),
        ("0,125", "0.125"), ("0.125", "0.125"),
        ("1234.567", "1234.567"), ("-5", "-5"), ("-$5", "-5"), ("'12.50", "12.5"), ("007", "7"),
    ],
)  # fmt: skip
def test_an_amount_is_parsed_in_every_national_format(cell_text: str, expected: str) -> None:
    """For every decimal mark, grouping and currency. The value is exact and never a float."""
    assert cells.amount(cell_text) == Decimal(expected)


@pytest.mark.parametrize(
    "cell_text",
    ["1.234", "12.345", "abc", "12 50", "1,23,456", "1,2345,678", "1.234.50", "1,234,50", "12.5.", "1e3", "1E+3",
     "NaN", "Infinity", "12.50 each", "(5)", "€", ".", "--5", "\uff11\uff12", "1 2", "1" * 50],
)  # fmt: skip
def test_an_ambiguous_or_invalid_amount_is_refused(cell_text: str) -> None:
    """For example, a single point before three digits is ambiguous.

    It separates thousands in one country and decimals in another.
    """
    with pytest.raises(ValueError, match=r"amount|could be"):
        cells.amount(cell_text)


@given(_CENTS, st.sampled_from([",.", ".,", " ,", "',", " .", "'."]), st.sampled_from(["{}", "${}", "{} €", "USD {}"]))
def test_an_amount_with_cents_is_parsed_in_every_style(cents: int, marks: str, style: str) -> None:
    """With every supported combination of grouping and decimal mark."""
    cell_text = style.format(f"{cents / 100:,.2f}".translate(str.maketrans(",.", marks)))
    assert cells.amount(cell_text) == Decimal(cents) / 100


@given(st.integers(min_value=1, max_value=1_000_000))
def test_a_quantity_is_parsed_with_and_without_grouping(number: int) -> None:
    """Also with the decimal zeros that a spreadsheet adds."""
    assert {cells.quantity(form.format(number)) for form in ("{}", "{:,}", "{}.0", "{:,}.00")} == {number}


@pytest.mark.parametrize("cell_text", ["1.5", "1.000", "many", "1" * 30, "0.001"])
def test_a_quantity_that_is_not_a_whole_number_is_refused(cell_text: str) -> None:
    """Fractions are not rounded."""
    with pytest.raises(ValueError, match=r"whole number|could be"):
        cells.quantity(cell_text)


@pytest.mark.parametrize(
    "cell_text", ["0123-4567 8905", "'012345678905", "012345678905.0", "012345678905", "0123\u20114567\u20138905"]
)
def test_a_upc_may_be_grouped_or_formatted_by_a_spreadsheet(cell_text: str) -> None:
    """Only its digits count, leading zeros included."""
    assert cells.upc(cell_text) == "012345678905"


@pytest.mark.parametrize("cell_text", ["8.12346E+11", "8,12346E+11", "8E11", "8.1e+11"])
def test_a_upc_in_scientific_notation_is_refused_with_the_reason(cell_text: str) -> None:
    """Guessed digits would match another product."""
    with pytest.raises(ValueError, match="spreadsheet has shortened"):
        cells.upc(cell_text)


def test_a_placeholder_is_not_an_asin() -> None:
    """The same rule as in the whole application."""
    assert [cells.asin(cell) for cell in ("PENDING_12", "Unknown", "b000000001")] == [None, None, "b000000001"]


def test_flags_have_several_spellings() -> None:
    """Any other word is refused as ambiguous."""
    assert [cells.flag(cell) for cell in ("Yes", "x", "TRUE", "1", "no", "False", "0", "-")] == [True] * 4 + [False] * 4
    with pytest.raises(ValueError, match="yes or no"):
        cells.flag("maybe")


@given(CELL_TEXTS)
def test_exported_cells_are_no_formulas_and_can_be_restored(text: str) -> None:
    """An apostrophe is added before characters that start a formula."""
    cell_text = escape_formula(text)
    assert unescape_formula(cell_text) == text
    assert not cell_text.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert len(cell_text) - len(text) in {0, 1}


def test_an_apostrophe_that_was_not_added_by_the_export_is_kept() -> None:
    """Only apostrophes that `escape_formula` added are removed. Other programs write texts as `="…"`."""
    assert [cells.plain(cell) for cell in ("'tis", "'=1", "''x", '="007"', " a ")] == ["'tis", "=1", "'x", "007", "a"]
