"""What single cells mean: amounts of all countries, identifiers that spreadsheets have mangled, formulas."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.products.formulas import disarm, restore
from app.products.importing import cells
from tests.importing import texts

_CENTS = st.integers(min_value=0, max_value=100_000_000)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("12", "12"), ("12.5", "12.5"), ("12,5", "12.5"), ("12.50", "12.5"), ("12,50 €", "12.5"), ("$12.50", "12.5"),
        ("£3", "3"), ("1,234.50", "1234.5"), ("1.234,50", "1234.5"), ("1 234,50", "1234.5"), ("1'234.50", "1234.5"),
        ("1,234", "1234"), ("1,234,567", "1234567"), ("1.234.567", "1234567"), ("1\u00a0234,5", "1234.5"),
        ("US$ 7", "7"), ("7 USD", "7"), ("EUR7,10", "7.1"), (".5", "0.5"), (",5", "0.5"), ("5.", "5"),
        ("0,125", "0.125"), ("0.125", "0.125"),
        ("1234.567", "1234.567"), ("-5", "-5"), ("-$5", "-5"), ("'12.50", "12.5"), ("007", "7"),
    ],
)  # fmt: skip
def test_an_amount_is_read_as_its_writer_meant_it(written: str, meant: str) -> None:
    """Whatever marks, groups and currency it has; exactly, never as a float."""
    assert cells.amount(written) == Decimal(meant)


@pytest.mark.parametrize(
    "written",
    ["1.234", "12.345", "abc", "12 50", "1,23,456", "1,2345,678", "1.234.50", "1,234,50", "12.5.", "1e3", "1E+3",
     "NaN", "Infinity", "12.50 each", "(5)", "€", ".", "--5", "\uff11\uff12", "1 2", "1" * 50],
)  # fmt: skip
def test_an_amount_that_could_mean_two_things_or_nothing_is_refused(written: str) -> None:
    """Above all the lone point before three digits, which is a thousand in one country and a fraction in another."""
    with pytest.raises(ValueError, match=r"amount|could be"):
        cells.amount(written)


@given(_CENTS, st.sampled_from([",.", ".,", " ,", "',", " .", "'."]), st.sampled_from(["{}", "${}", "{} €", "USD {}"]))
def test_an_amount_with_cents_is_read_in_every_style(cents: int, marks: str, style: str) -> None:
    """Grouped and marked in any of the customs we know."""
    written = style.format(f"{cents / 100:,.2f}".translate(str.maketrans(",.", marks)))
    assert cells.amount(written) == Decimal(cents) / 100


@given(st.integers(min_value=1, max_value=1_000_000))
def test_a_quantity_is_read_grouped_or_not(number: int) -> None:
    """And with the noughts that a spreadsheet puts behind it."""
    assert {cells.quantity(form.format(number)) for form in ("{}", "{:,}", "{}.0", "{:,}.00")} == {number}


@pytest.mark.parametrize("written", ["1.5", "1.000", "many", "1" * 30, "0.001"])
def test_what_is_no_whole_number_is_refused(written: str) -> None:
    """A dozen and a half is not rounded."""
    with pytest.raises(ValueError, match=r"whole number|could be"):
        cells.quantity(written)


@pytest.mark.parametrize(
    "written", ["0123-4567 8905", "'012345678905", "012345678905.0", "012345678905", "0123\u20114567\u20138905"]
)
def test_a_upc_may_be_grouped_or_come_from_a_spreadsheet(written: str) -> None:
    """Its digits are what counts; the noughts in front too."""
    assert cells.upc(written) == "012345678905"


@pytest.mark.parametrize("written", ["8.12346E+11", "8,12346E+11", "8E11", "8.1e+11"])
def test_a_upc_that_lost_its_digits_is_refused_and_the_reason_says_how_that_happened(written: str) -> None:
    """Guessing the digits would find another product."""
    with pytest.raises(ValueError, match="spreadsheet has shortened"):
        cells.upc(written)


def test_a_placeholder_is_not_an_asin() -> None:
    """As everywhere in this application."""
    assert [cells.asin(cell) for cell in ("PENDING_12", "Unknown", "b000000001")] == [None, None, "b000000001"]


def test_yes_and_no_have_many_forms() -> None:
    """Any other word is refused: it could be either."""
    assert [cells.flag(cell) for cell in ("Yes", "x", "TRUE", "1", "no", "False", "0", "-")] == [True] * 4 + [False] * 4
    with pytest.raises(ValueError, match="yes or no"):
        cells.flag("maybe")


@given(texts.cells)
def test_no_exported_cell_is_a_formula_and_each_comes_back_as_it_was(text: str) -> None:
    """A cell that starts with one of the characters that spreadsheets act on has an apostrophe before it."""
    written = disarm(text)
    assert restore(written) == text
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert len(written) - len(text) in {0, 1}


def test_an_apostrophe_that_guards_nothing_belongs_to_the_text() -> None:
    """Only what `disarm` writes is taken off; `="…"` is how other programs keep a text."""
    assert [cells.bare(cell) for cell in ("'tis", "'=1", "''x", '="007"', " a ")] == ["'tis", "=1", "'x", "007", "a"]
