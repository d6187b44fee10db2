"""Accounts for the tests of sign-up and of the account page, and the links in their e-mails."""

import html
import json
import re
import uuid

import httpx

from local.processes import wait_until
from local.supabase import SupabaseServer
from tests.visitors import Visitor

NEW_PASSWORD = "a better password 2"


def new_address() -> str:
    """Return an e-mail address that nobody has."""
    return f"new-{uuid.uuid4().hex[:12]}@example.com"


def link_to(server: SupabaseServer, to: str) -> str:
    """Return the path of the link in the last e-mail to this address. Waits for the e-mail."""

    def links() -> list[str]:
        lines = server.mail_file.read_text().splitlines() if server.mail_file.exists() else []
        mails = [json.loads(line) for line in lines]
        found = [re.search(r'href="([^"]+)"', mail["html"]) for mail in mails if mail["to"] == to]
        return [html.unescape(match[1]) for match in found if match]

    assert wait_until(lambda: bool(links()), seconds=10)
    return str(httpx.URL(links()[-1]).raw_path.decode())


def opens_link(visitor: Visitor, path: str) -> httpx.Response:
    """Open the link of an e-mail and press its button."""
    visitor.opens(path)
    fields = {name: re.search(rf'name="{name}" value="([^"]*)"', visitor.page) for name in ("type", "token_hash")}
    return visitor.submits("/confirm", **{name: html.unescape(found[1]) for name, found in fields.items() if found})


def signs_in_with(visitor: Visitor, email: str, password: str) -> httpx.Response:
    """Send the form of the sign-in page."""
    visitor.opens("/sign-in")
    return visitor.submits("/sign-in", email=email, password=password)
