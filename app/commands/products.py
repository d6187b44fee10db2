"""`flask products …` for operators: import a seller's files, and permanently remove old deleted deals."""

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

import click
from flask.cli import AppGroup

from app.commands.auditing import audited
from app.commands.service_role import NoServiceKeyError, connected_service
from app.database import DatabaseRefusalError, DatabaseUnavailableError
from app.products.errors import UnreadableFileError
from app.products.importing import (
    CANDIDATES,
    DEALS,
    CandidateImport,
    Checked,
    Import,
    Mistake,
    Note,
    Run,
    Sheet,
    SheetKind,
    open_sheet,
)
from app.products.matching.repository import Matching
from app.products.repository import Repository
from config import load_settings

product_commands = AppGroup("products", help="Import a seller's files, or permanently remove old deleted deals.")

_RESTORABLE_DAYS: Final = 30


class _Days(click.ParamType[int]):
    """A number of days, written as `30d`. At least the number of days for which a deal can be restored."""

    name = "days"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number. Exits with status 2 when it is not valid."""
        written = re.fullmatch(r"([0-9]{1,4})d", str(value))
        if written is None:
            self.fail("Write a number of days such as 30d.", param, ctx)
        if int(written[1]) < _RESTORABLE_DAYS:
            self.fail(f"Deals can be restored for {_RESTORABLE_DAYS} days, so give at least that.", param, ctx)
        return int(written[1])


@product_commands.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--user", "email", required=True, metavar="EMAIL", help="The seller for whom the file is imported.")
@click.option("--dry-run", is_flag=True, help="Print what would happen, and change nothing.")
@audited("products.import", "dry_run")
def import_file(file: IO[bytes], email: str, *, dry_run: bool) -> None:
    """Import the CSV FILE (- is standard input), as POST /products/import does, but for any seller.

    Prints the mistakes in rejected rows and the notes on repaired cells to standard error, at most 1,000 of each.
    Importing a file again changes nothing. Exit status: 0 when every row was accepted, 1 when a row was rejected or the
    import failed or stopped, 2 for wrong arguments.
    """
    with _opened(file, DEALS, email) as (sheet, repository):
        running = Import(sheet, repository, dry_run=dry_run)
        _show(running, "Checking" if dry_run else "Importing", would="would be " if dry_run else "")
    if running.totals.rejected:
        sys.exit(1)


@product_commands.command("candidates")
@click.argument("file", type=click.File("rb"))
@click.option("--user", "email", required=True, metavar="EMAIL", help="The seller for whom the file is imported.")
@click.option("--accept-single", is_flag=True, help="Give each product its only candidate as its ASIN.")
@audited("products.candidates", "accept_single")
def import_candidates(file: IO[bytes], email: str, *, accept_single: bool) -> None:
    """Import a look-up result, the CSV FILE (- is standard input), as POST /products/candidates does, for any seller.

    Prints the mistakes in rejected rows to standard error, at most 1,000 of them. Importing a file again changes
    nothing. Exit status: 0 when every row was accepted, 1 when a row was rejected or the import failed or stopped, 2
    for wrong arguments.
    """
    with _opened(file, CANDIDATES, email) as (sheet, repository):
        running = CandidateImport(sheet, Matching(repository), accept_single=accept_single)
        _show(running, "Importing")
    if running.totals.rejected:
        sys.exit(1)


@product_commands.command("purge")
@click.option("--older-than", "days", required=True, type=_Days(), metavar="DAYS", help="At least 30d.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@audited("products.purge", "days")
def purge(days: int, *, yes: bool) -> None:
    """Permanently remove the deals of all sellers that were deleted more than DAYS ago, and products without deals.

    Also removes the idempotency keys that are older than 24 hours, and the records of bulk actions and imports that are
    too old to be undone.

    Exit status: 0 when done, 1 when it failed or was not confirmed, 2 for wrong arguments.
    """
    if not yes:
        click.confirm(f"Permanently remove deals that were deleted more than {days} days ago?", abort=True)
    deals = products = keys = rows = 0
    with _one_line_errors(), connected_service(load_settings()) as service:
        try:
            while (removed := service.purge(days=days))[0]:
                deals, products = deals + removed[0], products + removed[1]
            while expired := service.purge_keys():
                keys += expired
            while old := service.purge_batches():
                rows += old
        finally:
            click.echo(f"{deals} deals, {products} products, {keys} idempotency keys and {rows} batch rows removed")


@contextmanager
def _opened(file: IO[bytes], kind: SheetKind, email: str) -> Iterator[tuple[Sheet, Repository]]:
    """Yield the sheet of a file and the rows of a seller. Exits with status 1 and one line for an expected error."""
    with _one_line_errors(), connected_service(load_settings()) as service:
        user_id = service.find_user(email)
        if user_id is None:
            sys.exit(f"There is no user {email}.")
        sheet = open_sheet(_seekable(file), kind)
        try:
            yield sheet, Repository(service.database, service.token, user_id, on_behalf=True)
        finally:
            sheet.close()


def _show(running: Run[Any], label: str, *, would: str = "") -> None:
    """Import with a progress bar. At the end, even after an error, print the mistakes, the notes and the totals."""
    reports: list[Mistake | Note] = []
    total = running.sheet.total
    try:
        with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
            for event in running.events():
                if isinstance(event, Mistake | Note):
                    reports.append(event)
                elif not isinstance(event, Checked):
                    bar.update(event.rows - bar.pos)
    finally:
        for report in reports:
            click.echo(_described(report), err=True)
        if running.unlisted:
            click.echo(f"and {running.unlisted:,} more mistakes", err=True)
        if running.sheet.unlisted_notes:
            click.echo(f"and {running.sheet.unlisted_notes:,} more notes", err=True)
        counts = running.document()
        click.echo(f"{counts.pop('rows')} of {total} rows: " + would
                   + ", ".join(f"{number} {name}" for name, number in counts.items()))  # fmt: skip


def _described(report: Mistake | Note) -> str:
    place = f"line {report.line}" + (f", {report.column}" if report.column else "")
    return f"{place}: {report.reason}" if isinstance(report, Mistake) else f"{place}: note: {report.note}"


def _seekable(file: IO[bytes]) -> IO[bytes]:
    """Return the file, or a copy on disk if it is a pipe, because it is read more than once."""
    if file.seekable():
        return file
    spooled = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the command
    shutil.copyfileobj(file, spooled)
    return spooled


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Exit with status 1 and one line on standard error when an expected error occurs inside the block."""
    try:
        yield
    except (NoServiceKeyError, UnreadableFileError, DatabaseUnavailableError, DatabaseRefusalError) as error:
        sys.exit(str(error))
