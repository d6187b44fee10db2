"""The documents match the code: modules, settings, endpoints, log messages, names and links."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import pytest

from app.factory import create_app
from config import Settings
from local import ROOT

DOCS: Final = ROOT / "docs"
DOCUMENTS: Final = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / ".github").rglob("*.md")])
LOG_LINES: Final = (
    "Redis connection failed",
    "Redis circuit breaker",
    "Redis error, answering without the cache",
    "No REDIS_URL is set",
    "CACHE_TYPE is",
    "Database circuit breaker open",
    "Database circuit breaker closed",
    "cache invalidated",
    "cache invalidation owed",
)
"""The beginnings of log lines that the documents quote."""

PAGES_FOR_CLIENTS: Final = ("desk.work", "desk.api_docs", "desk.problem_kinds", "desk.problem_kind")
"""The pages of the desk that the API reference lists."""

_CODE_BLOCK: Final = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def text_of(name: str) -> str:
    """Return the text of a page in docs/."""
    return (DOCS / name).read_text("utf-8")


def rows(text: str) -> Iterator[list[str]]:
    """Return the cells of each row of the tables in `text`, headings included."""
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith("|--"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def code_in(*places: str) -> str:
    """Return the code in these files and folders, as one text."""
    suffixes = (".py", ".lua", ".sql", ".json", "Makefile")
    paths = [path for place in places for path in [ROOT / place, *(ROOT / place).rglob("*")]]
    return "\n".join(path.read_text("utf-8") for path in paths if path.is_file() and path.name.endswith(suffixes))


def anchors(document: Path) -> set[str]:
    """Return the fragments of a document's headings, as GitHub makes them."""
    text = _CODE_BLOCK.sub("", document.read_text("utf-8"))
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return set(found)


def endpoints_of_the_api_reference() -> list[str]:
    """Return the method and path of each row in the table of endpoints."""
    return re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", text_of("api.md").partition("## Identity")[0], re.MULTILINE)


def assert_lists(page: str, listed: Collection[str], wanted: set[str]) -> None:
    """Fail with the rows that a page of docs/ lacks, has without need, or has twice."""
    missing, unknown = sorted(wanted - set(listed)), sorted(set(listed) - wanted)
    repeated = sorted(name for name in set(listed) if list(listed).count(name) > 1)
    assert not missing, f"add to docs/{page} a row for each of {missing}"
    assert not unknown, f"remove from docs/{page} the rows of {unknown}, which do not exist"
    assert not repeated, f"keep in docs/{page} one row for each of {repeated}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_that_exist(document: Path) -> None:
    """Links within the project, pictures included."""
    text = _CODE_BLOCK.sub("", document.read_text("utf-8"))
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        file = (document.parent / path) if path else document
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_the_index_lists_every_page() -> None:
    """A reader finds a page through the index."""
    index = text_of("README.md")
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} - {"README.md"}
    missing = sorted(page for page in pages if f"({page})" not in index)
    assert not missing, f"add to docs/README.md a link to each of {missing}"


def test_each_decision_has_the_same_parts() -> None:
    """The parts are context, options, decision and consequences."""
    pages = list((DOCS / "decisions").glob("*.md"))
    assert pages
    for page in pages:
        headings = re.findall(r"^## (.+)$", page.read_text("utf-8"), re.MULTILINE)
        assert headings == ["Context", "Options", "Decision", "Consequences"], page.name


def test_the_readme_stays_short() -> None:
    """Details belong in docs/."""
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 250


def test_the_architecture_names_every_module_once_and_no_other() -> None:
    """Each package of app/ has a section, and each of its modules a row."""
    sections = re.findall(r"^### `(app/[\w/]*)`$(.*?)(?=^##)", text_of("architecture.md"), re.MULTILINE | re.DOTALL)
    described = [
        folder + row[0].strip("`") for folder, section in sections for row in rows(section) if row[0] != "module"
    ]
    modules = {str(path.relative_to(ROOT).with_suffix("")) for path in (ROOT / "app").rglob("*.py")}
    assert_lists("architecture.md", described, {module for module in modules if not module.endswith("__init__")})


def test_the_configuration_lists_every_setting_with_its_default() -> None:
    """Missing and renamed settings are found, and changed defaults."""
    table = [row for row in rows(text_of("configuration.md")) if re.fullmatch("`[A-Z_]+`", row[0])]
    listed = {name.strip("`"): default for name, default, _ in table}
    fields = Settings.model_fields
    assert_lists("configuration.md", listed, {name.upper() for name in fields})
    for name, field in fields.items():
        if isinstance(field.default, bool | int | float | str):
            default = str(field.default).lower() if isinstance(field.default, bool) else f"{field.default}"
            assert listed[name.upper()].strip("`").removesuffix(".0") == default.removesuffix(".0"), name


def test_the_api_reference_lists_every_endpoint() -> None:
    """The routes of the API, of the diagnostics and of the descriptions, with their methods."""
    settings = Settings.model_validate({"supabase_url": "https://project.supabase.co", "supabase_key": "publishable"})
    served = {
        method + " " + re.sub(r"<\w+:\w+>", "<id>", rule.rule).replace("<slug>", "<kind>")
        for rule in create_app(settings).url_map.iter_rules()
        if rule.endpoint.startswith(("products.", "matches.", "diagnostics.", "description."))
        or rule.endpoint in PAGES_FOR_CLIENTS
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert_lists("api.md", endpoints_of_the_api_reference(), served)


def test_the_engine_page_installs_the_pinned_versions() -> None:
    """The `pip install` line of docs/use-the-engine.md has the pins of pyproject.toml."""
    (line,) = re.findall(r"^pip install (.+)$", text_of("use-the-engine.md"), re.MULTILINE)
    pinned = (ROOT / "pyproject.toml").read_text("utf-8")
    outdated = [package for package in line.split() if f'"{package}"' not in pinned]
    assert not outdated, f"change in docs/use-the-engine.md the versions of {outdated}"


def test_the_names_in_the_glossary_exist_in_the_code() -> None:
    """Each name in the last column occurs in the code."""
    code = code_in("app", "local", "supabase", "tests", "config.py", "Makefile", "package.json")
    names = {name for row in rows(text_of("glossary.md")) for name in re.findall(r"`([^`]+)`", row[-1])}
    assert len(names) > 30
    assert sorted(name for name in names if name not in code and not (ROOT / name).exists()) == []


def test_troubleshooting_quotes_what_the_application_logs() -> None:
    """Log lines, kinds of Redis errors, and the details of Cache-Status."""
    code, page = code_in("app"), text_of("troubleshooting.md")
    assert [line for line in LOG_LINES if line not in page] == []
    assert [line for line in LOG_LINES if line not in code] == []
    errors = re.findall(r"^\| `([^`]+)` \|", page.partition("| in the log |")[2].partition("\n\n")[0], re.MULTILINE)
    assert len(errors) > 5
    assert [words for words in errors if words not in code] == []
    details = set(re.findall(r"detail=([a-z-]+)`", page)) - {"redis-"}
    assert len(details) > 5
    assert [detail for detail in details if f'"{detail}"' not in code] == []
