"""The generator: request number n of a seed is always the same, but for the ids and tokens of its sellers."""

import random
from collections.abc import Callable
from typing import Final

from flask import Flask

from tests.hostile import framing
from tests.hostile.attempts import EVIL, Attempt, Headers, rendered
from tests.hostile.bodies import any_body, csv, form, multipart
from tests.hostile.cast import Actor, Scene
from tests.hostile.forgeries import forgeries
from tests.hostile.targets import METHODS, Route, mutated, path, query, routes
from tests.hostile.values import Dice, json_body, text

_JSON: Final = ("Content-Type", "application/json")
_FORM: Final = "application/x-www-form-urlencoded"


Kind = Callable[[Dice], Attempt]


class Generator:
    """Makes hostile requests for the sellers of a scene."""

    def __init__(self, seed: int, scene: Scene, app: Flask) -> None:
        """Attack the routes of `app`."""
        self._seed, self._scene, self._routes = seed, scene, routes(app)
        true = scene.attackers[0].seller.token
        self._forgeries = sorted(forgeries(true, scene.stack.supabase.jwt_secret).items())
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
            lambda dice: framing.with_odd_headers(dice, scene): 5,
            lambda dice: framing.smuggled(dice, scene): 2,
            lambda dice: framing.malformed(dice, scene): 2,
            lambda dice: framing.pipelined(dice, scene): 1,
        }

    def __call__(self, number: int) -> Attempt:
        """Return request `number`."""
        dice = random.Random(f"{self._seed}:{number}")  # noqa: S311 - repeatable choices
        kinds = list(self._kinds)
        return dice.choices(kinds, list(self._kinds.values()))[0](dice)

    def _identity(self, dice: Dice) -> tuple[Actor | None, Headers]:
        """Return nobody, a seller's token, a seller's cookie, or a forgery."""
        me, pick = dice.choice(self._scene.attackers), dice.random()
        if pick < 0.3:
            return me, [("Authorization", f"Bearer {me.seller.token}")]
        if pick < 0.4:
            return me, [("Cookie", me.cookie)]
        if pick < 0.6:
            return None, [("Authorization", f"Bearer {dice.choice(self._forgeries)[1]}")]
        return None, []

    def _any_route(self, dice: Dice) -> Attempt:
        route = dice.choice(self._routes)
        me, headers = self._identity(dice)
        method = dice.choice(route.methods if dice.random() < 0.6 else METHODS)
        return Attempt("route", rendered(method, path(dice, self._scene, route), headers), method, me)

    def _mutated_path(self, dice: Dice) -> Attempt:
        route = dice.choice(self._routes)
        me, headers = self._identity(dice)
        headers += [("Accept", "text/html")] if dice.random() < 0.3 else []
        target = mutated(dice, self._scene, path(dice, self._scene, route))
        method = dice.choice(("GET", "GET", "GET", *METHODS))
        return Attempt("path", rendered(method, target, headers), method, me)

    def _query(self, dice: Dice) -> Attempt:
        readable = [route for route in self._routes if "GET" in route.methods]
        listing = [route for route in readable if route.rule in {"/products", "/", "/sign-in", "/products/export"}]
        me, headers = self._identity(dice)
        target = path(dice, self._scene, dice.choice(listing if dice.random() < 0.7 else readable))
        return Attempt("query", rendered("GET", target + query(dice, self._scene), headers), "GET", me)

    def _changing(self, dice: Dice, prefix: str) -> tuple[Route, str]:
        route = dice.choice([route for route in self._routes if route.rule.startswith(prefix) and route.changes()])
        return route, dice.choice(route.changes())

    def _json(self, dice: Dice) -> Attempt:
        me = dice.choice(self._scene.attackers)
        route, method = self._changing(dice, "/products")
        headers = [("Authorization", f"Bearer {me.seller.token}"), _JSON]
        target = path(dice, self._scene, route)
        return Attempt("json", rendered(method, target, headers, json_body(dice, self._scene)), method, me)

    def _any_body(self, dice: Dice) -> Attempt:
        me, headers = self._identity(dice)
        route, method = self._changing(dice, "/")
        media_type, body = any_body(dice, self._scene)
        headers += [("Content-Type", media_type)]
        headers += [("Content-Encoding", dice.choice(("gzip", "br", "identity", "x")))] if dice.random() < 0.1 else []
        return Attempt("body", rendered(method, path(dice, self._scene, route), headers, body), method, me)

    def _file(self, dice: Dice) -> Attempt:
        me = dice.choice(self._scene.attackers)
        media_type, body = multipart(dice, None) if dice.random() < 0.5 else ("text/csv", csv(dice))
        headers = [("Authorization", f"Bearer {me.seller.token}"), ("Content-Type", media_type)]
        target = "/products/import" + dice.choice(("?dry_run=true", "", "?dry_run=x"))
        return Attempt("file", rendered("POST", target, headers, body), "POST", me)

    def _forged_token(self, dice: Dice) -> Attempt:
        """Knock at every door that is for known sellers, with each forgery in turn."""
        route = dice.choice([route for route in self._routes if route.needs_identity])
        method = dice.choice([method for method in route.methods if method != "OPTIONS"])
        token = dice.choice(self._forgeries)[1]
        scheme = dice.choice(("Bearer", "Bearer", "Bearer", "bearer", "BEARER", "Bearer ", "Token", "Basic", "JWT"))
        headers = [("Authorization", f"{scheme} {token}"), _JSON]
        raw = rendered(method, path(dice, self._scene, route), headers, b"{}" if method in route.changes() else b"")
        return Attempt("forged token", raw, method, None, refused=True)

    def _forged_form(self, dice: Dice) -> Attempt:
        """Send a bystander's browser here from another site: their cookie, and no CSRF token of theirs."""
        victim = dice.choice(self._scene.bystanders)
        route, method = self._changing(dice, "/")
        csrf = dice.choice(
            (None, "", text(dice), dice.choice(self._scene.attackers).csrf, victim.csrf[:-3], victim.csrf[::-1])
        )
        media_type, body = any_body(dice, self._scene, csrf)
        if dice.random() < 0.5:
            media_type, body = _FORM, form(dice, self._scene, csrf)
        headers: Headers = [("Cookie", victim.cookie), ("Content-Type", media_type)]
        headers += [("Origin", f"https://{EVIL}"), ("Referer", f"https://{EVIL}/")] if dice.random() < 0.5 else []
        headers += [("X-CSRFToken", _one_line(csrf))] if csrf and dice.random() < 0.3 else []
        raw = rendered(method, path(dice, self._scene, route), headers, body)
        return Attempt("forged form", raw, method, victim, refused=True)

    def _broken_cookie(self, dice: Dice) -> Attempt:
        """Alter a bystander's session, or make one up."""
        name, _, true = dice.choice(self._scene.bystanders).cookie.partition("=")
        place = dice.randrange(len(true) * 3 // 4)  # bits at the end of base64 may mean nothing
        forms = (
            true[:place] + ("A" if true[place] != "A" else "B") + true[place + 1 :], true[:place], true[::-1], "",
            "e30.x.y", "." * 200, "A" * 5000, _one_line(text(dice)), f"{true[:place]}%00{true[place:]}",
        )  # fmt: skip
        headers = [("Cookie", f"{name}={dice.choice(forms)}")]
        route = dice.choice([route for route in self._routes if route.needs_identity or route.rule.startswith("/desk")])
        raw = rendered("GET", path(dice, self._scene, route), headers)
        return Attempt("broken cookie", raw, "GET", None)

    def _sign_in(self, dice: Dice) -> Attempt:
        """Guess a bystander's password, with a CSRF token that is in order.

        The page repeats the address as it was typed: in capitals it is the same account, and no sign of a leak.
        """
        me, victim = dice.choice(self._scene.attackers), dice.choice(self._scene.bystanders)
        password = dice.choice(("password", "123456", text(dice)))
        body = (
            form(dice, self._scene, me.csrf)
            + b"&email="
            + victim.seller.email.upper().encode()
            + b"&password="
            + password.encode("utf-8", "ignore")
        )
        headers = [("Cookie", me.cookie), ("Content-Type", _FORM)]
        return Attempt("sign-in", rendered("POST", "/sign-in", headers, body), "POST", me)


def _one_line(content: str) -> str:
    return "".join(character for character in content if character.isprintable() and ord(character) < 256).strip()
