"""Write workbooks as Excel does, part by part, so that every quirk of the format can be written."""

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_TYPES: Final = (
    f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/></Types>'
)
_STYLES: Final = (
    f'<styleSheet xmlns="{_MAIN}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>'
)


@dataclass(frozen=True, slots=True)
class Raw:
    """A cell as it is in the file: its type, its value, and the number of its style. The style 1 is a date."""

    kind: str
    value: str
    style: int = 0
    formula: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A sheet: its rows by number, its state (`visible`, `hidden` or `veryHidden`), and elements after the rows."""

    name: str
    rows: Mapping[int, Sequence[object]]
    state: str = "visible"
    after: str = ""


def page(rows: Iterable[Sequence[object]], name: str = "Sheet1", state: str = "visible") -> Page:
    """Return a sheet with these rows from the first one."""
    return Page(name, dict(enumerate(rows, 1)), state)


def workbook(*pages: Page, shared: Sequence[str] = ()) -> bytes:
    """Return a workbook of these sheets. A cell of the type `s` is the place of its text in `shared`."""
    parts = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": _relations([("officeDocument", "xl/workbook.xml")]),
        "xl/workbook.xml": _book(pages),
        "xl/_rels/workbook.xml.rels": _relations(
            [("worksheet", f"worksheets/sheet{place}.xml") for place in range(1, len(pages) + 1)]
            + [("styles", "styles.xml"), ("sharedStrings", "sharedStrings.xml")]
        ),
        "xl/styles.xml": _STYLES,
        "xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}">{"".join(map(_shared, shared))}</sst>',
    }
    parts |= {f"xl/worksheets/sheet{place}.xml": _sheet(page) for place, page in enumerate(pages, 1)}
    return archive(parts)


def archive(parts: dict[str, str]) -> bytes:
    """Return a ZIP file of these texts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in parts.items():
            written.writestr(name, content)
    return file.getvalue()


def _relations(links: list[tuple[str, str]]) -> str:
    found = "".join(
        f'<Relationship Id="rId{place}" Type="{_LINKS}/{kind}" Target="{target}"/>'
        for place, (kind, target) in enumerate(links, 1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{found}</Relationships>'


def _book(pages: Sequence[Page]) -> str:
    sheets = "".join(
        f'<sheet name={quoteattr(page.name)} sheetId="{place}" state="{page.state}" r:id="rId{place}"/>'
        for place, page in enumerate(pages, 1)
    )
    return f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}"><sheets>{sheets}</sheets></workbook>'


def _sheet(page: Page) -> str:
    rows = "".join(f'<row r="{number}">{_cells(number, cells)}</row>' for number, cells in page.rows.items())
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData>{page.after}</worksheet>'


def _cells(number: int, cells: Sequence[object]) -> str:
    return "".join(_cell(f"{_letters(place)}{number}", cell) for place, cell in enumerate(cells))


def _cell(at: str, cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return f'<c r="{at}" t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'
    raw = cell if isinstance(cell, Raw) else Raw("n", str(cell))
    formula = f"<f>{escape(raw.formula)}</f>" if raw.formula else ""
    return f'<c r="{at}" s="{raw.style}" t="{raw.kind}">{formula}<v>{escape(raw.value)}</v></c>'


def _shared(text: str) -> str:
    return f"<si><r><t>{escape(text[:2])}</t></r><r><t>{escape(text[2:])}</t></r></si>"


def _letters(place: int) -> str:
    return chr(65 + place) if place < 26 else _letters(place // 26 - 1) + chr(65 + place % 26)
