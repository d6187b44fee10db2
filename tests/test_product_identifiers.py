"""UPC and EAN numbers: check digits, lost leading zeros, and placeholders in a column of ASINs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.products.identifiers import read_identifier
from local.stack import Stack
from tests.barcodes import with_check_digit
from tests.callers import Caller
from tests.sellers import Seller
from tests.visitors import Visitor

_DIGITS = st.text("0123456789", min_size=1, max_size=15)
_NUMBERS = _DIGITS | _DIGITS.map(with_check_digit)
_REPAIRED = "Leading zeros were missing"


def _is_correct(number: str) -> bool:
    return len(number) in {8, 12, 13, 14} and with_check_digit(number[:-1]) == number


@given(_NUMBERS)
def test_exactly_the_numbers_with_a_correct_check_digit_are_accepted(number: str) -> None:
    """Compared with another computation. Numbers of 9 to 11 digits get leading zeros."""
    padded = number.zfill(12) if 9 <= len(number) <= 11 else number
    if _is_correct(padded):
        assert (read_identifier(number).value, read_identifier(number).note != "") == (padded, padded != number)
    else:
        with pytest.raises(ValueError, match=r"digits|Probably meant"):
            read_identifier(number)


@given(
    st.sampled_from([7, 11, 12, 13]).flatmap(lambda n: st.text("0123456789", min_size=n, max_size=n)), st.integers(1, 9)
)
def test_a_wrong_check_digit_is_refused_with_the_correct_one(digits: str, difference: int) -> None:
    """For all four kinds of numbers, whatever the wrong digit is."""
    correct = with_check_digit(digits)
    wrong = f"{digits}{(int(correct[-1]) + difference) % 10}"
    with pytest.raises(ValueError, match=rf"Probably meant: {correct}$"):
        read_identifier(wrong)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("", "8, 12, 13 or 14 digits"),
        ("1234567a", "8, 12, 13 or 14 digits"),
        ("\u0661" * 12, "8, 12, 13 or 14 digits"),
        ("73513537\n", "8, 12, 13 or 14 digits"),
        ("123456789012345", "8, 12, 13 or 14 digits"),
        ("1234565", "could be an EAN-8 or a UPC"),
        ("012345678901", "Probably meant: 012345678905"),
        ("03600029145", "Probably meant: 036000291452"),
        ("1234567890", "Probably meant: 001234567895"),
        ("12345678", "Probably meant: 12345670"),
    ],
)
def test_a_refusal_says_why(number: str, reason: str) -> None:
    """Eleven digits without a correct check digit are a UPC without its check digit."""
    with pytest.raises(ValueError, match=reason):
        read_identifier(number)


@given(numbers=st.lists(_NUMBERS, max_size=50))
def test_the_database_knows_the_same_check_digits(stack: Stack, numbers: list[str]) -> None:
    """For any digits: the database and the library agree."""
    found = stack.supabase.sql("select private.gtin_is_valid(n) as valid from unnest($1::text[]) n", numbers)
    assert [row["valid"] for row in found] == [_is_correct(number) for number in numbers]


def test_the_answer_to_a_change_says_what_was_repaired(seller: Seller) -> None:
    """After POST and PATCH, and again if the request is repeated. Without a repair there is no such member."""
    key = {"Idempotency-Key": '"repaired-number-0001"'}
    for _ in range(2):
        made = seller.http.post("/products", json={"title": "Lamp", "upc": " 12345678905 "}, headers=key).json()
        assert made["product"]["upc"] == "012345678905"
        assert made["repaired"] == [
            {"field": "upc", "given": "12345678905", "stored": "012345678905", "reason": _REPAIRED}
        ]
    path = f"/products/{made['product_id']}"
    assert seller.http.patch(path, json={"upc": "36000291452"}).json()["repaired"][0]["stored"] == "036000291452"
    assert seller.http.get(path).json()["upc"] == "036000291452"
    assert "repaired" not in seller.http.patch(path, json={"upc": "73513537", "title": "Chair"}).json()
    refusal = seller.http.patch(path, json={"upc": "73513530"})
    assert (refusal.status_code, refusal.json()["errors"]) == (
        422,
        [{"pointer": "/upc", "detail": "The check digit is wrong. Probably meant: 73513537"}],
    )


_FILE = "ASIN,UPC,Title\nPENDING_1,12345678905,Lamp\nUnknown,73513537,Chair\n,73513530,Wrong\nPENDING_2,,\n,,Plain\n"
_NOTES = [
    {"line": 2, "column": "ASIN", "note": "Read as: no ASIN yet"},
    {"line": 2, "column": "UPC", "note": f"{_REPAIRED}. Stored as 012345678905"},
    {"line": 3, "column": "ASIN", "note": "Read as: no ASIN yet"},
]


def test_an_import_notes_what_it_repaired(seller: Seller) -> None:
    """Placeholders of ASINs and added zeros, for accepted rows only. Rejected rows have mistakes."""
    lines = seller.imports(_FILE)
    assert [line for line in lines if "note" in line] == _NOTES
    assert [(line["line"], line["column"]) for line in lines if "reason" in line] == [(4, "UPC"), (5, "")]
    assert (lines[-1]["created"], lines[-1]["rejected"], "notes_omitted" in lines[-1]) == (3, 2, False)
    assert {item["product"]["upc"] for item in seller.lists()} == {"012345678905", "73513537", None}


def test_a_long_file_lists_the_first_notes_and_counts_the_others(seller: Seller) -> None:
    """At most 1,000 notes; this does not change the number of mistakes."""
    lines = seller.imports("ASIN,Title\n" + "PENDING_1,Lamp\n" * 1200)
    assert len([line for line in lines if "note" in line]) == 1000
    assert (lines[-1]["notes_omitted"], lines[-1]["rejected"]) == (200, 0)


def test_the_import_page_shows_the_notes(visitor: Visitor) -> None:
    """Equal ones together."""
    visitor.opens("/desk/import")
    visitor.submits(visitor.uploads("/desk/import", _FILE).headers["Location"])
    assert "Corrected while reading" in visitor.page
    assert "Stored as 012345678905" in visitor.page
    long = "ASIN,Title\n" + "PENDING_1,Lamp\n" * 1200
    visitor.submits(visitor.uploads("/desk/import", long).headers["Location"])
    assert visitor.page.count("Read as: no ASIN yet") == 1
    assert "1,000 rows: lines 2, 3, 4" in visitor.page
    assert "And 200 more notes." in visitor.page


def test_the_form_names_the_number_that_was_probably_meant(visitor: Visitor) -> None:
    """A number with lost zeros is stored with them, and the notice says so."""
    visitor.opens("/desk/products/new")
    visitor.submits("/desk/products/new", title="Lamp", upc="73513530")
    assert "Probably meant: 73513537." in visitor.page
    visitor.follows(visitor.submits("/desk/products/new", title="Lamp", upc="12345678905"))
    assert "the UPC is now 012345678905" in visitor.page


@pytest.fixture
def old_product(stack: Stack, alice: Caller) -> dict[str, str]:
    """Return the ids of a deal and its product, which has the wrong number 12345678 from before the rule."""
    deal = alice.creates(title="Lamp", upc="12345670", deal={"supplier": "Acme"})
    stack.supabase.sql("alter table products disable trigger products_check_digit")
    stack.supabase.sql("update products set upc = '12345678' where id = $1", deal["product_id"])
    stack.supabase.sql("alter table products enable trigger products_check_digit")
    return {"deal": deal["id"], "product": deal["product_id"]}


def test_a_stored_number_with_a_wrong_check_digit_keeps_working(
    stack: Stack, alice: Caller, old_product: dict[str, str]
) -> None:
    """Its product can be starred, retitled and imported again. Only a change of the number is checked."""
    alice.changes("update_deal", p_deal_id=old_product["deal"], p_changes={"favorite": True})
    alice.changes("update_product", p_product_id=old_product["product"], p_changes={"title": "New", "upc": "12345678"})
    row = {"line": 2, "upc": "12345678", "title": "New", "supplier": "Acme", "buy_cost": "2.00"}
    assert alice.changes("import_deals", p_rows=[row])["updated"] == 1
    found = stack.supabase.sql("select upc, upc_is_valid, title from products where id = $1", old_product["product"])
    assert found == [{"upc": "12345678", "upc_is_valid": False, "title": "New"}]
    refused = alice.rpc("update_product", p_product_id=old_product["product"], p_changes={"upc": "12345679"})
    assert refused.status_code == 422
