"""`flask products candidates` run as an operator would: in its own process, for any seller."""

import pytest

from local.stack import Stack
from tests.barcodes import upc
from tests.matching.deciding import Decider, asins
from tests.sellers import app_environment
from tests.test_product_commands import Operator

_FILE = f"UPC,ASIN,Title\n{upc(1)},B000000001,Lamp\n{upc(2)},B000000002,\n{upc(2)},B000000003,\n{upc(9)},B000000004,\n"


@pytest.fixture(scope="module")
def shell(stack: Stack) -> Operator:
    """Return an operator with the signing secret of the local stack."""
    return Operator(app_environment(stack, LOG_LEVEL="INFO"))


def test_a_look_up_result_is_imported_for_a_seller(shell: Operator, decider: Decider) -> None:
    """The stats follow, and the second import changes nothing. Both exit with 0."""
    single, several = decider.product(1), decider.product(2)
    arguments = ("candidates", "-", "--user", decider.seller.email)
    counts = "4 of 4 rows: 3 stored, 0 unchanged, 0 never, 0 empty, 1 unknown, 0 rejected, 0 decided\n"
    status, out, err = shell.runs(*arguments, given=_FILE.encode())
    assert (status, out, "Importing" in err) == (0, counts, True)
    assert decider.seller.stats()["needs_selection"] == 1
    repeated = counts.replace("3 stored, 0 unchanged", "0 stored, 3 unchanged")
    assert shell.runs(*arguments, given=_FILE.encode())[:2] == (0, repeated)
    accepted = shell.runs(*arguments, "--accept-single", given=_FILE.encode())
    assert accepted[:2] == (0, repeated.replace("0 decided", "1 decided"))
    assert decider.sees(single["id"])["asin"] == "B000000001"
    assert asins(decider.sees(several["id"])) == ["B000000002", "B000000003"]
    answer = decider.seller.reads_stats()
    assert (answer.json()["asin_found"], "; hit" in answer.headers["Cache-Status"]) == (1, True)


def test_only_the_named_seller_is_concerned(shell: Operator, decider: Decider, other: Decider) -> None:
    """Another seller with the same identifiers keeps everything."""
    mine, theirs = decider.product(1), other.product(1)
    status, out, _ = shell.runs("candidates", "-", "--user", decider.seller.email, given=_FILE.encode())
    assert (status, "1 stored" in out, "3 unknown" in out) == (0, True, True)
    assert asins(decider.sees(mine["id"])) == ["B000000001"]
    assert other.sees(theirs["id"]) == theirs


def test_rejected_rows_are_listed_with_exit_status_1(shell: Operator, decider: Decider) -> None:
    """On standard error. The other rows are imported."""
    decider.product(1)
    given = _FILE.encode() + b"1,B0,\n8.1E+11,B000000001,\n"
    status, out, err = shell.runs("candidates", "-", "--user", decider.seller.email, given=given)
    assert (status, "1 stored" in out, "2 rejected" in out) == (1, True, True)
    assert "line 6, ASIN: An ASIN is exactly 10 letters" in err
    assert "line 7, UPC: A spreadsheet has shortened this number" in err


def test_a_failure_is_one_line_with_exit_status_1(shell: Operator, decider: Decider) -> None:
    """Unknown user, unusable file, no database, no key."""
    user = ("--user", decider.seller.email)
    for arguments, given, changes, words in (
        (("--user", "nobody@example.com"), _FILE, {}, "There is no user nobody@example.com"),
        (user, "Colour\nred\n", {}, "among them must be ASIN"),
        (user, _FILE, {"SUPABASE_URL": "http://127.0.0.1:1"}, "not reachable"),
        (user, _FILE, {"SUPABASE_JWT_SECRET": ""}, "SUPABASE_SERVICE_KEY"),
    ):
        status, out, err = shell.runs("candidates", "-", *arguments, given=given.encode(), **changes)
        assert (status, out, words in err, len(err.splitlines())) == (1, "", True, 1), err


@pytest.mark.parametrize("arguments", [("candidates", "missing.csv", "--user", "x"), ("candidates", "README.md")])
def test_wrong_usage_exits_with_2(shell: Operator, arguments: tuple[str, ...]) -> None:
    """With click's usual message."""
    status, _, err = shell.runs(*arguments)
    assert (status, "Usage:" in err) == (2, True)
