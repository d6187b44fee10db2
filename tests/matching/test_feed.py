"""`POST /products/candidates`: what becomes of each row of a look-up result."""

from typing import Any

from redis import Redis

from tests.barcodes import upc, with_check_digit
from tests.matching.deciding import UNKNOWN_ID, Decider, asins, ok
from tests.matching.feeding import PATH, feeds, posts, totals
from tests.problems import pointers, problem

_A, _B, _C = "B000000001", "B000000002", "B000000003"


def test_a_file_is_reported_line_by_line_with_every_outcome(decider: Decider) -> None:
    """The columns, the mistakes, the totals of each batch, and a summary. The breakdown follows."""
    product, never = decider.product(1), decider.product(2)
    decider.proposes(never["id"], _C)
    ok(decider.dismisses(never["id"], remember=True))
    rows = [f"{upc(1)},{_A},Lamp", f"{upc(1)},{_A},Lamp", f"{upc(1)},{_B},", f"{upc(2)},{_C},", f"{upc(1)},,",
            f"{upc(9)},{_A},", f'"{upc(1)}, {upc(2)}",{_A},', f",{_A},", f"{upc(1)},B0,"]  # fmt: skip
    header, mistake, progress, summary = feeds(decider.seller, "UPC,ASIN,Product title,Colour\n" + "\n".join(rows))
    assert header == {
        "columns": {"upc": "UPC", "asin": "ASIN", "title": "Product title"},
        "ignored": ["Colour"], "encoding": "utf-8", "of": 9,
    }  # fmt: skip
    assert mistake == {"line": 10, "column": "ASIN", "reason": "An ASIN is exactly 10 letters A-Z or digits"}
    expected = {"rows": 9, "stored": 2, "unchanged": 1, "never": 1, "empty": 1, "unknown": 3, "rejected": 1}
    assert totals(progress) == totals(summary) == expected
    assert (summary["done"], summary["accept_single"]) == (True, False)
    found = decider.sees(product["id"])
    assert (asins(found), found["asin_status"]) == ([_A, _B], "needs_selection")
    assert found["candidates"][0]["title"] == "Lamp"
    assert decider.seller.stats()["needs_selection"] == 1


def test_a_json_list_does_the_same(decider: Decider) -> None:
    """Its lines are the places in the list, and a product can be named by its id."""
    product = decider.product(1)
    rows: list[dict[str, Any]] = [
        {"product_id": product["id"], "asin": _A, "title": "Lamp", "brand": "Lux", "image_url": "https://a.example/1.jpg",
         "category": "Home", "package_quantity": 2, "sales_rank": 15, "source": "Look-up"},
        {"upc": upc(1), "asin": _B.lower(), "package_quantity": None},
        {"upc": upc(1)},
        {"product_id": UNKNOWN_ID, "asin": _A},
        {"upc": f"{upc(1)};{upc(2)}", "asin": _A},
        {"asin": _A},
    ]  # fmt: skip
    header, _, summary = feeds(decider.seller, rows)
    assert (header["columns"], header["of"]) == ({}, 6)
    assert totals(summary) == {"rows": 6, "stored": 2, "empty": 1, "unknown": 3}
    first, second = decider.sees(product["id"])["candidates"]
    assert {name: first[name] for name in rows[0] if name != "product_id"} == {
        name: value for name, value in rows[0].items() if name != "product_id"
    }
    assert second["asin"] == _B
    assert totals(feeds(decider.seller, [])[-1]) == {}
    assert totals(feeds(decider.seller, [{"upc": upc(9), "asin": _A}] * 1000)[-1]) == {"rows": 1000, "unknown": 1000}


def test_repeating_a_file_changes_nothing(decider: Decider) -> None:
    """The document of each product stays the same, with its tag. The file has several batches."""
    products = [decider.product(number) for number in range(1, 4)]
    filler = "".join(f"{upc(number)},B{number:09},\n" for number in range(100, 2400))
    text = f"UPC,ASIN,Title\n{upc(1)},{_A},a\n{upc(2)},{_B},b\n{filler}{upc(1)},{_C},c\n{upc(3)},B0,\n"
    lines = feeds(decider.seller, text)
    assert [line["rows"] for line in lines if "rows" in line and "done" not in line] == [1001, 2001, 2304]
    assert totals(lines[-1]) == {"rows": 2304, "stored": 3, "unknown": 2300, "rejected": 1}
    before = decider.seller.sees(), [decider.sees(product["id"]) for product in products]
    assert totals(feeds(decider.seller, text)[-1]) == {"rows": 2304, "unchanged": 3, "unknown": 2300, "rejected": 1}
    assert (decider.seller.sees(), [decider.sees(product["id"]) for product in products]) == before


def test_leading_zeros_of_a_code_do_not_matter(decider: Decider) -> None:
    """UPC-A, EAN-13 and GTIN-14 of one article are the same, as a spreadsheet or a tool may write them."""
    code = with_check_digit("01234567890")
    product = decider.product(1, upc=code)
    spellings = [
        code,
        f"0{code}",
        f"00{code}",
        code.lstrip("0"),
        f"0123-4567 {code[8:]}",
        f"{code}.0",
        f"{code}, 0{code}",
    ]
    rows = [{"upc": spelling, "asin": f"B{number:09}"} for number, spelling in enumerate(spellings)]
    assert totals(feeds(decider.seller, rows)[-1]) == {"rows": 7, "stored": 7}
    text = "EAN,ASIN\n" + "".join(f'"{row["upc"]}",{row["asin"]}\n' for row in rows)
    assert totals(feeds(decider.seller, text)[-1]) == {"rows": 7, "unchanged": 7}
    assert len(decider.sees(product["id"])["candidates"]) == 7


def test_a_single_candidate_becomes_the_asin_only_if_the_caller_accepts_it(decider: Decider) -> None:
    """All rows of a product are in one batch, so a second candidate far away in the file prevents it."""
    single, several, taken = (decider.product(number) for number in (1, 2, 3))
    decider.product(4, asin=_C)
    filler = "".join(f"{upc(number)},B{number:09}\n" for number in range(100, 2400))
    text = f"UPC,ASIN\n{upc(1)},{_A}\n{upc(2)},{_A}\n{upc(3)},{_C}\n{filler}{upc(2)},{_B}\n"
    assert totals(feeds(decider.seller, text)[-1]) == {"rows": 2304, "stored": 4, "unknown": 2300}
    assert decider.seller.stats()["asin_found"] == 1
    done = feeds(decider.seller, text, accept_single=True)[-1]
    assert (totals(done), done["accept_single"]) == (
        {"rows": 2304, "unchanged": 4, "unknown": 2300, "decided": 1}, True,
    )  # fmt: skip
    found = [decider.sees(product["id"])["asin"] for product in (single, several, taken)]
    assert found == [_A, None, None]
    assert "decided" not in totals(feeds(decider.seller, text, accept_single=True)[-1])


def test_a_match_is_applied(decider: Decider) -> None:
    """`always` gives the product its ASIN, whatever the row says."""
    product = decider.product(1)
    ok(decider.chooses(product["id"], _A, remember=True))
    ok(decider.undoes(decider.sees(product["id"])["history"][0]["id"]))
    assert decider.seller.http.patch(f"/products/{product['id']}", json={"asin": None}).status_code == 200
    ok(decider.chooses(product["id"], _A, remember=True))
    other = decider.product(2)
    assert decider.seller.http.patch(f"/products/{product['id']}", json={"asin": None}).status_code == 200
    lines = feeds(decider.seller, [{"upc": upc(1), "asin": _B}, {"upc": upc(2), "asin": _B}])
    assert totals(lines[-1]) == {"rows": 2, "stored": 2, "decided": 1}
    assert (decider.sees(product["id"])["asin"], decider.sees(other["id"])["asin"]) == (_A, None)


def test_another_sellers_products_are_unknown(decider: Decider, other: Decider) -> None:
    """By id and by code."""
    theirs = other.product(1)
    rows = [{"product_id": theirs["id"], "asin": _A}, {"upc": upc(1), "asin": _A}]
    assert totals(feeds(decider.seller, rows, accept_single=True)[-1]) == {"rows": 2, "unknown": 2}
    text = f"Product ID,UPC,ASIN\n{theirs['id']},,{_A}\n,{upc(1)},{_A}\n"
    assert totals(feeds(decider.seller, text, accept_single=True)[-1]) == {"rows": 2, "unknown": 2}
    assert other.sees(theirs["id"]) == theirs


def test_a_product_has_at_most_fifty_candidates(decider: Decider) -> None:
    """Further rows are rejected, each with its line; in a list, this is its place from 1."""
    product = decider.product(1)
    lines = feeds(decider.seller, "UPC,ASIN\n" + "".join(f"{upc(1)},B{number:09}\n" for number in range(52)))
    assert [(line["line"], line["column"]) for line in lines if "reason" in line] == [(52, "ASIN"), (53, "ASIN")]
    assert totals(lines[-1]) == {"rows": 52, "stored": 50, "rejected": 2}
    lines = feeds(decider.seller, [{"upc": upc(1), "asin": f"B{number:09}"} for number in range(52)])
    assert [(line["line"], line["column"]) for line in lines if "reason" in line] == [(51, "ASIN"), (52, "ASIN")]
    assert len(decider.sees(product["id"])["candidates"]) == 50


def test_an_unusable_request_is_a_problem_and_changes_nothing(decider: Decider, redis: Redis) -> None:
    """Another media type, unusable files, and lists with invalid rows."""
    seller, product = decider.seller, decider.product(1)
    seller.reads_stats()
    stored = redis.get(seller.key)
    refused = seller.http.post(PATH, content="x", headers={"Content-Type": "text/plain"})
    assert "text/csv" in problem(refused, 415)["detail"]
    assert "application/json" in refused.headers["Accept"]
    for content, words in (
        ("", "empty"),
        ("UPC,Title\n1,x\n", "ASIN and one of UPC, EAN and Product ID"),
        ("ASIN,Title\nx,y\n", "ASIN and one of UPC"),
    ):
        assert words in problem(posts(seller, content), 422)["detail"]
    row = {"upc": upc(1), "asin": _A}
    for rows, where in (
        ([row, {**row, "asin": "B0"}], ["/1/asin"]),
        ([{**row, "product_id": "x"}], ["/0/product_id"]),
        ([{**row, "colour": "red"}], ["/0/colour"]),
        ([row] * 1001, [""]),
        (["x"], ["/0"]),
    ):
        assert pointers(posts(seller, rows)) == where
    assert pointers(seller.http.post(PATH, json=row)) == [""]
    assert pointers(posts(seller, [row], dry_run=True)) == ["/dry_run"]
    problem(seller.http.post(PATH, json=[row], headers={"Authorization": ""}), 401)
    assert redis.get(seller.key) == stored
    assert decider.sees(product["id"]) == product
