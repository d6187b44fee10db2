"""The generator of hostile requests. A seed and a number determine a request, except for ids and tokens of sellers."""

import random
from collections.abc import Callable
from typing import Final

from flask import Flask

from tests.hostile import framing
from tests.hostile.actors import Actor, System
from tests.hostile.attempts import EVIL_HOST, Attempt, Headers, render_request
from tests.hostile.bodies import any_body, csv, form, multipart
from tests.hostile.forgeries import forgeries
from tests.hostile.targets import METHODS, Route, mutated, path, query, routes
from tests.hostile.values import Rng, json_body, text

_JSON: Final = ("Content-Type", "application/json")
_FORM: Final = "application/x-www-form-urlencoded"


Kind = Callable[[Rng], Attempt]


class Generator:
    """Generator of hostile requests with the actors of a system."""

    def __init__(self, seed: int, system: System, app: Flask) -> None:
        """Generate requests for the routes of `app`."""
        self._seed, self._system, self._routes = seed, system, routes(app)
        valid = system.attackers[0].seller.token
        self._forgeries = sorted(forgeries(valid, system.stack.supabase.jwt_secret).items())
        self._kinds: dict[Kind, float] = {
            self._any_route: 22,
            self._mutated_path: 14,
            self._query: 10,
            self._json: 14,
            self._any_body: 8,
            self._forged_token: 10,
            self._forged_form: 6,
            self._broken_cookie: 3,
            self._sign_in: 0.2,  # passwords are hashed slowly
            self._file: 2,
            lambda rng: framing.with_odd_headers(rng, system): 5,
            lambda rng: framing.smuggled(rng, system): 2,
            lambda rng: framing.malformed(rng, system): 2,
            lambda rng: framing.pipelined(rng, system): 1,
        }

    def __call__(self, number: int) -> Attempt:
        """Return request `number`."""
        rng = random.Random(f"{self._seed}:{number}")  # noqa: S311 - repeatable choices
        kinds = list(self._kinds)
        return rng.choices(kinds, list(self._kinds.values()))[0](rng)

    def _identity(self, rng: Rng) -> tuple[Actor | None, Headers]:
        """Return an actor and headers with their token or cookie; or None, and either a forged token or no headers."""
        me, pick = rng.choice(self._system.attackers), rng.random()
        if pick < 0.3:
            return me, [("Authorization", f"Bearer {me.seller.token}")]
        if pick < 0.4:
            return me, [("Cookie", me.cookie)]
        if pick < 0.6:
            return None, [("Authorization", f"Bearer {rng.choice(self._forgeries)[1]}")]
        return None, []

    def _any_route(self, rng: Rng) -> Attempt:
        route = rng.choice(self._routes)
        me, headers = self._identity(rng)
        method = rng.choice(route.methods if rng.random() < 0.6 else METHODS)
        return Attempt("route", render_request(method, path(rng, self._system, route), headers), method, me)

    def _mutated_path(self, rng: Rng) -> Attempt:
        route = rng.choice(self._routes)
        me, headers = self._identity(rng)
        headers += [("Accept", "text/html")] if rng.random() < 0.3 else []
        target = mutated(rng, self._system, path(rng, self._system, route))
        method = rng.choice(("GET", "GET", "GET", *METHODS))
        return Attempt("path", render_request(method, target, headers), method, me)

    def _query(self, rng: Rng) -> Attempt:
        readable = [route for route in self._routes if "GET" in route.methods]
        listing = [route for route in readable if route.rule in {"/products", "/", "/sign-in", "/products/export"}]
        me, headers = self._identity(rng)
        target = path(rng, self._system, rng.choice(listing if rng.random() < 0.7 else readable))
        return Attempt("query", render_request("GET", target + query(rng, self._system), headers), "GET", me)

    def _changing(self, rng: Rng, prefix: str) -> tuple[Route, str]:
        route = rng.choice([route for route in self._routes if route.rule.startswith(prefix) and route.changes()])
        return route, rng.choice(route.changes())

    def _json(self, rng: Rng) -> Attempt:
        me = rng.choice(self._system.attackers)
        route, method = self._changing(rng, "/products")
        headers = [("Authorization", f"Bearer {me.seller.token}"), _JSON]
        target = path(rng, self._system, route)
        return Attempt("json", render_request(method, target, headers, json_body(rng, self._system)), method, me)

    def _any_body(self, rng: Rng) -> Attempt:
        me, headers = self._identity(rng)
        route, method = self._changing(rng, "/")
        media_type, body = any_body(rng, self._system)
        headers += [("Content-Type", media_type)]
        headers += [("Content-Encoding", rng.choice(("gzip", "br", "identity", "x")))] if rng.random() < 0.1 else []
        return Attempt("body", render_request(method, path(rng, self._system, route), headers, body), method, me)

    def _file(self, rng: Rng) -> Attempt:
        me = rng.choice(self._system.attackers)
        media_type, body = multipart(rng, None) if rng.random() < 0.5 else ("text/csv", csv(rng))
        headers = [("Authorization", f"Bearer {me.seller.token}"), ("Content-Type", media_type)]
        target = "/products/import" + rng.choice(("?dry_run=true", "", "?dry_run=x"))
        return Attempt("file", render_request("POST", target, headers, body), "POST", me)

    def _forged_token(self, rng: Rng) -> Attempt:
        """Return a request to a protected route with a forged token."""
        route = rng.choice([route for route in self._routes if route.needs_identity])
        method = rng.choice([method for method in route.methods if method != "OPTIONS"])
        token = rng.choice(self._forgeries)[1]
        scheme = rng.choice(("Bearer", "Bearer", "Bearer", "bearer", "BEARER", "Bearer ", "Token", "Basic", "JWT"))
        headers = [("Authorization", f"{scheme} {token}"), _JSON]
        raw = render_request(
            method, path(rng, self._system, route), headers, b"{}" if method in route.changes() else b""
        )
        return Attempt("forged token", raw, method, None, must_fail=True)

    def _forged_form(self, rng: Rng) -> Attempt:
        """Return a cross-site request of a bystander's browser: it has their cookie, but no valid CSRF token."""
        victim = rng.choice(self._system.bystanders)
        route, method = self._changing(rng, "/")
        csrf = rng.choice(
            (None, "", text(rng), rng.choice(self._system.attackers).csrf, victim.csrf[:-3], victim.csrf[::-1])
        )
        media_type, body = any_body(rng, self._system, csrf)
        if rng.random() < 0.5:
            media_type, body = _FORM, form(rng, self._system, csrf)
        headers: Headers = [("Cookie", victim.cookie), ("Content-Type", media_type)]
        headers += (
            [("Origin", f"https://{EVIL_HOST}"), ("Referer", f"https://{EVIL_HOST}/")] if rng.random() < 0.5 else []
        )
        headers += [("X-CSRFToken", _one_line(csrf))] if csrf and rng.random() < 0.3 else []
        raw = render_request(method, path(rng, self._system, route), headers, body)
        return Attempt("forged form", raw, method, victim, must_fail=True)

    def _broken_cookie(self, rng: Rng) -> Attempt:
        """Return a request with an altered or invented session cookie."""
        name, _, valid = rng.choice(self._system.bystanders).cookie.partition("=")
        index = rng.randrange(len(valid) * 3 // 4)  # the last bits of base64 may be ignored
        forms = (
            valid[:index] + ("A" if valid[index] != "A" else "B") + valid[index + 1 :], valid[:index], valid[::-1], "",
            "e30.x.y", "." * 200, "A" * 5000, _one_line(text(rng)), f"{valid[:index]}%00{valid[index:]}",
        )  # fmt: skip
        headers = [("Cookie", f"{name}={rng.choice(forms)}")]
        route = rng.choice([route for route in self._routes if route.needs_identity or route.rule.startswith("/desk")])
        raw = render_request("GET", path(rng, self._system, route), headers)
        return Attempt("broken cookie", raw, "GET", None)

    def _sign_in(self, rng: Rng) -> Attempt:
        """Return a sign-in with a guessed password of a bystander and a valid CSRF token.

        The page repeats the submitted address. It is sent in upper case, so the oracle does not take it for a leak.
        """
        me, victim = rng.choice(self._system.attackers), rng.choice(self._system.bystanders)
        password = rng.choice(("password", "123456", text(rng)))
        body = (
            form(rng, self._system, me.csrf)
            + b"&email="
            + victim.seller.email.upper().encode()
            + b"&password="
            + password.encode("utf-8", "ignore")
        )
        headers = [("Cookie", me.cookie), ("Content-Type", _FORM)]
        return Attempt("sign-in", render_request("POST", "/sign-in", headers, body), "POST", me)


def _one_line(content: str) -> str:
    return "".join(character for character in content if character.isprintable() and ord(character) < 256).strip()
