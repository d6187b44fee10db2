"""The console sessions of the documents, run in a real shell against a running stack.

All documents together are one session. Each continues in the state that the one before it left.

`RECORD_TRANSCRIPTS=1` writes the outputs in docs/transcripts.md anew, from the answers of the running application.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from redis import Redis

from local import ROOT
from local.announcement import Pids, RunningStack, announce, terminal_text
from local.application import AppServer
from local.demo import create_demo
from local.stack import Stack
from tests.sellers import all_workers_serve, app_environment
from tests.test_documents import endpoints_of_the_api_reference

TRANSCRIPTS: Final = "docs/transcripts.md"
NARRATIVES: Final = ("README.md", "docs/api.md", "docs/operations.md")
DOCUMENTS: Final = (*NARRATIVES, TRANSCRIPTS)
SHELL_SECONDS: Final = 120
_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}"
_STATUS: Final = r"^\d{3}$|^HTTP/1\.1 \d{3}|\"status\": \d{3}"
# In the narratives, ids, numbers, sizes, and the word after a number differ between runs. Status codes do not: they are
# the first group, and are kept. Other tests check the numbers that matter.
_VOLATILE: Final = re.compile(rf"({_STATUS})|{_UUID}|\d+(?:\.\d+)?(?:[KM]\b| entry| entries)?", re.MULTILINE)
# In the transcripts, only these differ: ids and tags, measured values with their names, dates.
_MEASURED: Final = re.compile(
    rf"(?P<id>{_UUID}|\b[0-9a-f]{{32}}(?:[0-9a-f]{{8}})?\b)"
    r"""
    |(?P<name>^Content-Length:\ |^X-Request-ID:\ |\b(?:dur|ttl|r|t|cursor)=|"next_cursor":|"server":|"used_memory\w*":
      |"(?:latency_ms|hit_rate|keyspace_hits|keyspace_misses|hits|misses|ttl_seconds)":)(?:"[^"]*"|[\w.-]+)
    |\w{3},\ \d\d\ \w{3}\ \d{4}\ [\d:]{8}\ GMT
    |\d{4}-\d\d-\d\d(?:T[\d:.]+\+00:00)?
    """,
    re.MULTILINE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a document and the output that the document shows for it."""

    command: str
    shown: str


def steps(*documents: str) -> list[Step]:
    """Return the commands of all console blocks, in order."""
    text = "\n".join((ROOT / document).read_text("utf-8") for document in documents or DOCUMENTS)
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    found = []
    for part in re.split(r"^\$ ", "".join(blocks), flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        length = 1 + sum(line.startswith("> ") for line in lines)
        command = "\n".join(line.removeprefix("> ") for line in lines[:length])
        found.append(Step(command, "\n".join(lines[length:])))
    return found


@pytest.fixture(scope="module")
def limited_server(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """Run the app with two workers and with rate limits, as `make run` does: they add headers to changes."""
    log = tmp_path_factory.mktemp("limited") / "gunicorn.log"
    with AppServer(app_environment(stack, RATE_LIMITS="on"), workers=2, log=log) as running:
        assert all_workers_serve(log, workers=2)
        yield running


@pytest.fixture(scope="module")
def answers(
    stack: Stack, limited_server: AppServer, redis: Redis, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """Return the output of each step, run against the test's own stack as `make run` would announce it."""
    server, directory = limited_server, tmp_path_factory.mktemp("readme")
    running = RunningStack(
        app_url=server.url,
        redis_url=stack.redis.url,
        supabase_url=stack.supabase.url,
        publishable_key=stack.supabase.publishable_key,
        jwt_secret=stack.supabase.jwt_secret,
        **vars(create_demo(stack.supabase, directory / "logins.json")),
        pids=Pids(supervisor=os.getpid(), gunicorn=server.pid, redis=stack.redis.pid, supabase=stack.supabase.pid),
    )
    announce(running, directory, app_environment(stack, LOG_LEVEL="INFO"))
    redis.flushdb()
    sign_in = next(line for line in terminal_text(running, directory).splitlines() if "TOKEN=" in line)
    replacements = {"http://127.0.0.1:8000": server.url, ".local/": f"{directory}/"}
    return run_in_shell(sign_in, [replaced(step.command, replacements) for step in steps()])


def replaced(command: str, replacements: dict[str, str]) -> str:
    """Return the command with the addresses and paths of the document replaced by those of this test."""
    for shown, actual in replacements.items():
        command = command.replace(shown, actual)
    return command


def run_in_shell(first: str, commands: list[str]) -> list[str]:
    """Run all commands in one shell and return the output of each of `commands`. A failing command fails the test."""
    script = "\n".join(f"printf '\\036'\n{command}" for command in commands)
    done = subprocess.run(  # noqa: S603 - our own documents
        ["/bin/bash", "-euo", "pipefail", "-c", f"{first}\n{script}"],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=SHELL_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [output.replace("\r", "").strip() for output in done.stdout.split("\036")[1:]]


def breakdowns(answers: list[str]) -> Iterator[dict[str, Any]]:
    """Return the breakdowns among the answers."""
    return (json.loads(line) for answer in answers for line in answer.splitlines() if line.startswith('{"all"'))


def with_outputs(page: str, outputs: list[str]) -> str:
    """Return the page with `outputs` in place of what it shows for its commands."""
    following = iter(outputs)

    def recorded(found: re.Match[str]) -> str:
        output = next(following)
        return f"{found[1]}{output}\n" if output else found[1]

    return re.sub(r"^(\$ .*\n(?:> .*\n)*)(?:(?!\$ |```).*\n)*", recorded, page, flags=re.MULTILINE)


def without_measured(outputs: Iterable[str]) -> list[str]:
    """Return the outputs of the transcripts without what differs between runs.

    Ids and tags become numbers in the order in which they appear, so that the same id stays the same everywhere. The
    methods in `Allow` are sorted, because they have no order.
    """
    numbers: dict[str, int] = {}

    def replaced_value(found: re.Match[str]) -> str:
        if found["id"]:
            return f"#{numbers.setdefault(found['id'], len(numbers) + 1)}"
        return f"{found['name'] or ''}#"

    def sorted_methods(found: re.Match[str]) -> str:
        return ", ".join(sorted(found[0].split(", ")))

    texts = (_MEASURED.sub(replaced_value, output) for output in outputs)
    return [re.sub(r"(?<=^Allow: ).+", sorted_methods, text, flags=re.MULTILINE) for text in texts]


def endpoint_of(step: Step) -> str:
    """Return the method and the path of a `curl -si`, as docs/api.md writes them; empty for other commands."""
    found = re.match(r"curl -si .*?\$APP(/[^\s\"?]*)", step.command)
    if not found:
        return ""
    given = re.search(r" -X (\w+)", step.command)
    method = given[1] if given else "POST" if re.search(r" (-d|--data-binary) ", step.command) else "GET"
    path = found[1].replace("$GTIN", "<gtin>").replace("$ASIN", "<asin>")
    return f"{method} " + re.sub(r"(?<=/problems/).+", "<kind>", re.sub(r"\$\w+", "<id>", path))


def test_each_command_prints_what_the_document_shows(answers: list[str]) -> None:
    """Line by line; only ids and numbers may differ."""
    told = steps(*NARRATIVES)
    assert len(answers) == len(steps()) > len(told) > 10
    shown = [(step.command, _VOLATILE.sub(_kept, step.shown.strip())) for step in told]
    printed = [(step.command, _VOLATILE.sub(_kept, answer)) for step, answer in zip(told, answers, strict=False)]
    assert printed == shown


def test_each_transcript_is_what_the_application_answers(answers: list[str]) -> None:
    """All headers, status codes and members are compared, and all values that are the same in each run.

    Of ids and tags, the test compares where the same one appears again, such as in the answer to a repeated change.
    """
    outputs = answers[len(steps(*NARRATIVES)) :]
    page = ROOT / TRANSCRIPTS
    if "RECORD_TRANSCRIPTS" in os.environ:
        page.write_text(with_outputs(page.read_text("utf-8"), outputs), "utf-8")
    told = steps(TRANSCRIPTS)
    shown = without_measured(step.shown.strip() for step in told)
    for step, printed, expected in zip(told, without_measured(outputs), shown, strict=True):
        assert printed == expected, f"{step.command}: to record the page anew, set RECORD_TRANSCRIPTS=1"


def test_each_endpoint_has_a_transcript_of_a_successful_request() -> None:
    """Each row of the table in docs/api.md, except the desk."""
    shown = {endpoint_of(step) for step in steps(TRANSCRIPTS) if step.shown.startswith("HTTP/1.1 2")}
    missing = sorted(set(endpoints_of_the_api_reference()) - {"GET /"} - shown)
    assert not missing, f"add to {TRANSCRIPTS} a `curl -si` for each of {missing}"


def test_the_session_shows_a_miss_a_hit_and_a_hit_with_the_new_number(answers: list[str]) -> None:
    """The numbers themselves, not only their form."""
    session = answers[: len(steps("README.md"))]
    statuses = [line for answer in session for line in answer.splitlines() if line.startswith("Cache-Status")]
    assert ["hit" in status for status in statuses] == [False, True, True]
    before, again, after = breakdowns(session)
    assert again == before
    assert after == before | {"all": before["all"] + 1, "needs_asin": before["needs_asin"] + 1}


def test_the_readme_shows_the_numbers_of_the_demo(answers: list[str]) -> None:
    """The demo data are always the same, so every reader gets the numbers of the README."""
    told = steps("README.md")
    assert list(breakdowns([step.shown for step in told])) == list(breakdowns(answers[: len(told)]))


def _kept(found: re.Match[str]) -> str:
    """Return a status code as it is, and `#` for everything else."""
    return found[1] or "#"
