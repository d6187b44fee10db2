"""Publish the addresses and logins of the running stack: in files for scripts, on the terminal for people."""

import json
import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TextIO

from local.demo import Login
from local.files import write_private

__all__ = ["Pids", "RunningStack", "announce", "remove_announcement", "say", "terminal_text"]

_JSON: Final = "stack.json"
_ENVIRONMENT: Final = "stack.env"


@dataclass(frozen=True)
class Pids:
    """The process id of each part; None if this stack did not start the part."""

    supervisor: int
    gunicorn: int | None
    redis: int | None
    supabase: int | None


@dataclass(frozen=True)
class RunningStack:
    """The content of stack.json. A field is None if this stack did not start that part."""

    app_url: str | None
    redis_url: str
    supabase_url: str
    publishable_key: str
    jwt_secret: str | None
    demo: Login | None
    operator: Login | None
    pids: Pids


def say(text: str, *, file: TextIO | None = None) -> None:
    """Print a line for the developer and flush the output."""
    print(text, file=file or sys.stdout, flush=True)


def announce(stack: RunningStack, directory: Path, environment: dict[str, str]) -> None:
    """Write stack.json, and stack.env with the app's settings for other terminals. Only the owner can read them."""
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in environment.items()]
    write_private(directory / _ENVIRONMENT, "".join(lines))
    write_private(directory / _JSON, json.dumps(asdict(stack), indent=2) + "\n")


def remove_announcement(directory: Path) -> None:
    """Remove both files."""
    for name in (_JSON, _ENVIRONMENT):
        (directory / name).unlink(missing_ok=True)


def terminal_text(stack: RunningStack, directory: Path) -> str:
    """Return the lines that `make run` prints when everything is ready."""
    lines = [
        "",
        f"  ASIN Desk   {stack.app_url or 'not started; see below'}",
        f"  Redis       {stack.redis_url if stack.pids.redis else 'external, from REDIS_URL'}",
        f"  Supabase    {stack.supabase_url}",
    ]
    if stack.pids.supabase:
        lines.append(f"  E-mails     are written to {directory / 'supabase' / 'mails.jsonl'}, and not sent")
    lines += [f"  {name:<11} {login.email}  {login.password}" for name, login in _logins(stack)]
    lines += ["", *_next_steps(stack, directory), "", "  Ctrl-C stops everything.", ""]
    return "\n".join(lines)


def _logins(stack: RunningStack) -> list[tuple[str, Login]]:
    return [(name, login) for name, login in (("Seller", stack.demo), ("Operator", stack.operator)) if login]


def _next_steps(stack: RunningStack, directory: Path) -> list[str]:
    if stack.app_url is None:
        return [f"  set -a; . {shlex.quote(str(directory / _ENVIRONMENT))}; set +a; .venv/bin/flask run --debug"]
    if stack.demo is None:
        return [f"  curl -i {stack.app_url}/readyz"]
    return [
        f"  TOKEN=$({_sign_in_command(stack, stack.demo)})",
        f'  curl -i {stack.app_url}/products/stats/asin-status -H "Authorization: Bearer $TOKEN"',
    ]


def _sign_in_command(stack: RunningStack, login: Login) -> str:
    body = json.dumps(asdict(login), separators=(",", ":"))
    cut_out = r"""sed 's/.*"access_token":"\([^"]*\)".*/\1/'"""
    return (
        f"curl -s '{stack.supabase_url}/auth/v1/token?grant_type=password' -H 'apikey: {stack.publishable_key}' "
        f"-H 'Content-Type: application/json' -d '{body}' | {cut_out}"
    )
