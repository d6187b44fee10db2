"""The steps of an import and the export at the desk, without JavaScript: forms, reports and refusals."""

import csv
import html
import io
import re

import httpx

from local.application import AppServer
from local.stack import Stack
from tests.desk_pages import words
from tests.importing.workbooks import page, workbook
from tests.sellers import Seller
from tests.visitors import Visitor, new_visitor

_LIST = "Title,UPC,Colour,Stage\nLamp,12345670,red,\n<b>Bad</b>,1,,\n=Chair,,,Lost\nDesk,,,Lost\n"


def _totals(visitor: Visitor) -> dict[str, int]:
    found = re.findall(r'data-total="(\w+)">([\d,]+)<', visitor.page)
    return {name: int(number.replace(",", "")) for name, number in found}


def _chosen(visitor: Visitor) -> dict[str, str]:
    """Return the form of the page with the columns as a browser would send it."""
    hidden = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)">', visitor.page))
    selects = re.findall(r'<select name="(column-\d+)".*?</select>', visitor.page, re.DOTALL)
    for name, body in re.findall(r'<select name="(column-\d+)"(.*?)</select>', visitor.page, re.DOTALL):
        found = re.search(r'<option value="(\w*)" selected>', body)
        hidden[name] = found[1] if found else ""
    assert selects or "column-0" in hidden
    return {name: html.unescape(value) for name, value in hidden.items() if name not in {"csrf_token", "typed_by"}}


def _uploads(visitor: Visitor, content: str | bytes) -> str:
    """Upload a file and open the page with its columns. Returns its path."""
    visitor.opens("/desk/import")
    answer = visitor.uploads("/desk/import", content)
    assert answer.is_redirect, answer.text
    path: str = answer.headers["Location"]
    assert visitor.opens(path).status_code == 200
    return path


def _runs(visitor: Visitor, path: str, **changed: str) -> httpx.Response:
    return visitor.submits(path, **{**_chosen(visitor), **changed})


def test_a_file_can_be_tried_and_then_imported_without_sending_it_again(visitor: Visitor, seller: Seller) -> None:
    """The preview shows the result of the import. Afterwards the numbers are updated."""
    path = _uploads(visitor, _LIST)
    assert _runs(visitor, path, dry_run="true").status_code == 200
    assert "Preview. Nothing has been saved." in visitor.page
    assert (_totals(visitor)["created"], _totals(visitor)["rejected"], seller.stats()["all"]) == (1, 3, 0)
    assert _runs(visitor, path).status_code == 200
    assert _totals(visitor) == {"created": 1, "updated": 0, "unchanged": 0, "repeated": 0, "rejected": 3}
    assert "Imported. 3 rows need fixing." in visitor.page
    assert "Columns ignored: Colour." in visitor.page
    visitor.opens(f"{path}/report")
    assert _totals(visitor)["created"] == 1
    visitor.opens("/deals")
    assert (visitor.numbers["all"], visitor.titles) == (1, ["Lamp"])


def test_equal_mistakes_are_grouped(visitor: Visitor) -> None:
    """With their lines. Text of the file is escaped."""
    path = _uploads(visitor, _LIST + "<i>x</i>,,,Lost\n")
    _runs(visitor, path, dry_run="true")
    shown = re.sub(r"\s+", " ", re.sub("<[^>]*>", "", visitor.page))
    assert "Stage: Unknown stage. Use New, Researching" in shown
    assert "3 rows: lines 4, 5, 6" in shown
    assert "<i>x" not in visitor.page


def test_the_columns_can_be_corrected_and_are_remembered(visitor: Visitor, seller: Seller) -> None:
    """Per header. A column can be ignored, and one with an unknown name can be imported."""
    path = _uploads(visitor, "Bezeichnung,Cost,Retail\nLampe,1,2\n")
    assert _chosen(visitor) | {"header": ""} == {
        "sheet": "", "header_row": "1", "header": "", "column-0": "", "column-1": "buy_cost", "column-2": "",
    }  # fmt: skip
    assert _runs(visitor, path).status_code == 422
    assert "Title, ASIN or UPC" in visitor.page
    changed = {"column-0": "title", "column-1": "", "column-2": "buy_cost"}
    assert _runs(visitor, path, **changed).status_code == 200
    assert [(item["product"]["title"], item["buy_cost"]) for item in seller.lists()] == [("Lampe", "2.00")]
    _uploads(visitor, "bezeichnung,COST,Retail,Problem\nStuhl,1,2,x\n")
    assert {name: value for name, value in _chosen(visitor).items() if name.startswith("column")} == {
        **changed,
        "column-3": "",
    }


def test_the_sheet_and_the_header_of_a_workbook_can_be_chosen(visitor: Visitor, seller: Seller) -> None:
    """The page shows the first rows of what is chosen."""
    sheets = page([["Title"], ["Lamp"]], "A & B"), page([["Prices"], ["Item"], ["Title"], ["Chair"]], "C")
    path = _uploads(visitor, workbook(*sheets))
    assert ("A &amp; B" in visitor.page, "<span>Lamp</span>" in visitor.page) == (True, True)
    visitor.opens(f"{path}?sheet=C&header_row=3")
    assert "<span>Chair</span>" in visitor.page
    assert _runs(visitor, path).status_code == 200
    assert [item["product"]["title"] for item in seller.lists()] == ["Chair"]
    assert visitor.opens(f"{path}?sheet=D").status_code == 422
    assert "no visible sheet" in visitor.page


def test_the_rejected_rows_can_be_corrected_and_imported(visitor: Visitor, seller: Seller) -> None:
    """With their cells. Formulas are escaped, and the column that says what is wrong is ignored."""
    seller.creates(title="Other", asin="B000000001")
    seller.creates(title="Third", upc="885370712346")
    path = _uploads(visitor, _LIST.replace("Colour", "ASIN").replace("red", "") + "Mix,885370712346,B000000001,\n")
    _runs(visitor, path)
    sent = visitor.http.get(f"{path}/rejected").content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(sent, newline="")))
    assert rows[0] == ["Title", "UPC", "ASIN", "Stage", "Problem"]
    assert [row[0] for row in rows[1:]] == ["<b>Bad</b>", "'=Chair", "Desk", "Mix"]
    assert rows[2][4].startswith("Stage: Unknown stage. Use New, ")
    assert "two different products" in rows[4][4]
    again = _uploads(visitor, sent.replace("Lost", "New"))
    _runs(visitor, again)
    assert (_totals(visitor)["created"], _totals(visitor)["rejected"]) == (2, 2)
    assert {"=Chair", "Desk"} <= {item["product"]["title"] for item in seller.lists()}
    rows = list(csv.reader(io.StringIO(visitor.http.get(f"{again}/rejected").text, newline="")))
    assert [len(row) for row in rows] == [5, 5, 5]


def test_an_import_can_be_undone_and_lists_what_it_changed(visitor: Visitor, seller: Seller) -> None:
    """The report says that it was undone, and where the created deals are."""
    seller.creates(title="Lamp", stage="new", buy_cost="2.50")
    path = _uploads(visitor, "Title,Cost,Stage\nLamp,3,ordered\nChair,1,\n")
    _runs(visitor, path)
    assert "Buy cost: 2.50 → 3.00; Stage: New → Ordered" in words(visitor.page)
    (undo,) = re.findall(r'action="(/desk/batches/[^"]+/undo)"', visitor.page)
    visitor.follows(visitor.submits(undo, back=f"{path}/report"))
    told = "This import was undone. What it changed is as before, and what it created is in the trash"
    assert told in words(visitor.page)
    assert [(item["product"]["title"], item["stage"]) for item in seller.lists()] == [("Lamp", "new")]


def test_an_unusable_file_is_explained_above_the_form(visitor: Visitor) -> None:
    """No file, an empty one, a damaged workbook, and a file that is too large."""
    visitor.opens("/desk/import")
    assert visitor.uploads("/desk/import", "", field="other").status_code == 422
    assert "Choose a file first." in visitor.page
    for content, reason in [(b"", "The file is empty"), (b"PK\x03\x04x", "damaged")]:
        path = visitor.uploads("/desk/import", content).headers["Location"]
        assert visitor.opens(path).status_code == 422
        assert reason in visitor.page
    assert visitor.uploads("/desk/import", b"Title\n" + b"x" * (50 << 20)).status_code == 413
    assert "larger than 52,428,800 bytes" in visitor.page


def test_a_file_is_kept_for_its_user_and_a_bounded_time(visitor: Visitor, seller: Seller, stack: Stack) -> None:
    """The newest three, for two hours. Nobody else can open them."""
    paths = [_uploads(visitor, f"Title\nLamp {number}\n") for number in range(4)]
    answer = visitor.opens(paths[0])
    assert answer.headers["Location"] == "/desk/import"
    visitor.opens("/desk/import")
    assert "That file is no longer kept. Choose it again." in visitor.page
    stack.supabase.sql(
        "update importing.files set made_at = made_at - interval '3 hours' where user_id = $1", seller.id
    )
    assert visitor.opens(paths[3]).is_redirect
    _uploads(visitor, "Title\nx\n")
    kept = stack.supabase.sql("select count(*)::int as n from importing.files where user_id = $1", seller.id)
    assert kept == [{"n": 1}]


def test_an_upload_needs_the_csrf_token(visitor: Visitor, seller: Seller) -> None:
    """Another site cannot make a browser import a file."""
    visitor.opens("/desk/import")
    visitor.page = ""
    assert visitor.uploads("/desk/import", "Title\nx\n").status_code == 403
    raw = {"Content-Type": "text/csv"}
    assert visitor.http.post("/products/import", content="Title\nx\n", headers=raw).status_code == 403
    assert seller.stats()["all"] == 0
    visitor.opens("/desk/import")
    raw["X-CSRFToken"] = visitor.csrf_token
    assert visitor.http.post("/products/import", content="Title\nx\n", headers=raw).status_code == 200
    assert seller.stats()["all"] == 1


def test_the_export_link_keeps_the_filters(visitor: Visitor, seller: Seller) -> None:
    """The export link has the filters and the order of its page."""
    for title in ("Beta lamp", "Alpha lamp", "Chair"):
        seller.creates(title=title, favorite=title != "Chair")
    visitor.opens("/deals?search=lamp&sort=title&favorite=true")
    (link,) = re.findall(r'href="(/desk/export[^"]*)"', visitor.page)
    exported = visitor.http.get(html.unescape(link))
    assert exported.headers["Content-Disposition"].startswith("attachment; filename=")
    rows = csv.DictReader(io.StringIO(exported.content.decode("utf-8-sig"), newline=""))
    assert [row["Title"] for row in rows] == ["Alpha lamp", "Beta lamp"]


def test_import_and_export_require_sign_in(server: AppServer) -> None:
    """All pages redirect to the sign-in page."""
    unknown = "00000000-0000-4000-8000-000000000000"
    with new_visitor(server.url) as anonymous:
        for path in ("import", "export", f"import/{unknown}", f"import/{unknown}/report", f"import/{unknown}/rejected"):
            assert "/sign-in" in anonymous.opens(f"/desk/{path}").headers["Location"]


def test_an_import_that_stopped_goes_on_as_one_batch(visitor: Visitor, seller: Seller, stack: Stack) -> None:
    """One undo takes back the rows of both runs. An undone batch is not continued."""
    path = _uploads(visitor, "Title\nLamp\nDesk\n")
    batch = seller.imports("Title\nLamp\n")[-1]["batch_id"]
    _runs(visitor, path, dry_run="true")
    stopped = (
        "update importing.files set report = report || jsonb_build_object('state', 'stopped', 'batch_id', $2::text)"
        " where user_id = $1"
    )
    stack.supabase.sql(stopped, seller.id, batch)
    visitor.opens(path)
    _runs(visitor, path)
    assert (_totals(visitor)["created"], _totals(visitor)["unchanged"]) == (1, 1)
    undone = seller.http.post(f"/products/batches/{batch}/undo").json()
    assert (undone["restored"], seller.stats()["all"]) == (2, 0)
    stack.supabase.sql(stopped, seller.id, batch)
    visitor.opens(path)
    assert _runs(visitor, path).status_code == 200
    assert _totals(visitor)["updated"] == 2
