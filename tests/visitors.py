"""Visitors of the desk: HTTP clients that keep cookies and submit forms as a browser would."""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from flask import Flask

from app.auth.cookies import SealedSessions
from tests.clients import PASSWORD, client
from tests.sellers import Seller

_COOKIE = "asin_desk"


@dataclass(slots=True)
class Visitor:
    """A user of the desk.

    Attributes:
        http: sends requests to the app and keeps its cookies; does not follow redirects.
        page: the HTML of the last page.

    """

    http: httpx.Client
    page: str = ""

    def opens(self, path: str) -> httpx.Response:
        """Open a page of the desk."""
        return self._sees(self.http.get(path))

    def submits(self, path: str, **fields: str | list[str]) -> httpx.Response:
        """Send a form with the CSRF token of the last page."""
        return self._sees(self.http.post(path, data={"csrf_token": self.csrf_token, **fields}))

    def uploads(self, path: str, text: str | bytes, *, field: str = "file", **fields: str) -> httpx.Response:
        """Send a form with a file and the CSRF token of the last page."""
        sent = {"csrf_token": self.csrf_token, **fields}
        return self._sees(self.http.post(path, data=sent, files={field: ("list.csv", text, "text/csv")}))

    def follows(self, answer: httpx.Response) -> httpx.Response:
        """Follow the redirect of `answer`."""
        assert answer.is_redirect, answer.text
        return self.opens(answer.headers["Location"])

    def signs_in(self, seller: Seller) -> httpx.Response:
        """Sign in as `seller` and follow the redirect."""
        self.opens("/sign-in")
        return self.follows(self.submits("/sign-in", email=seller.email, password=PASSWORD))

    @property
    def csrf_token(self) -> str:
        """The CSRF token in the forms of the last page; empty if there is none."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.page)
        return found[1] if found else ""

    @property
    def numbers(self) -> dict[str, int]:
        """The five numbers of the last page."""
        return {
            name: int(number.replace(",", ""))
            for name, number in re.findall(r'data-status="(\w+)">([\d,]+)<', self.page)
        }

    @property
    def titles(self) -> list[str]:
        """The titles in the list of the last page, from top to bottom."""
        return [
            html.unescape(title)
            for title in re.findall(r'name="deal_ids" value="[^"]+" aria-label="([^"]*)"', self.page)
        ]

    def session(self, app: Flask) -> dict[str, Any]:
        """Return the contents of the session cookie, decrypted with the key of `app`."""
        return dict(_sealed(app).unseal(self.http.cookies[_COOKIE]))

    def takes_session(self, app: Flask, **entries: object) -> None:
        """Replace the session cookie with one that contains these entries, encrypted with the key of `app`."""
        self.http.cookies.clear()
        self.http.cookies.set(_COOKIE, _sealed(app).seal(entries), domain=self.http.base_url.host)

    def _sees(self, answer: httpx.Response) -> httpx.Response:
        if answer.headers.get("Content-Type", "").startswith("text/html") and not answer.is_redirect:
            self.page = answer.text
        return answer


@contextmanager
def new_visitor(app_url: str) -> Iterator[Visitor]:
    """Yield a visitor of the app at `app_url` who is not signed in."""
    with client(app_url) as http:
        yield Visitor(http)


def _sealed(app: Flask) -> SealedSessions:
    sessions = app.session_interface
    assert isinstance(sessions, SealedSessions)
    return sessions
