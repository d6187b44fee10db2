"""Who takes part: sellers who attack with their own identity, and bystanders to whom nothing may happen."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from local.application import AppServer
from local.stack import Stack
from tests.clients import PASSWORD
from tests.sellers import Seller, all_workers_serve, app_environment, new_seller
from tests.visitors import Visitor, new_visitor

WORKERS: Final = 2
SECRET_KEY: Final = secrets.token_hex(32)
ATTACKERS: Final = 4
BYSTANDERS: Final = 2

_ROWS: Final = (
    "select to_jsonb(p) as row from products p where user_id = $1"
    " union all select to_jsonb(d) from deals d where user_id = $1 order by 1"
)


@dataclass(frozen=True, slots=True)
class Actor:
    """One seller, known to the app by token and by cookie.

    Attributes:
        seller: the seller, whose client sends well-formed requests.
        visitor: the same seller at the desk, signed in.
        marker: text that stands in each of their rows, and that no other seller's answer may hold.
        cookie: the value of a Cookie header that is their session.
        csrf: the CSRF token of that session.
        products: ids of their products.
        deals: ids of their deals.

    """

    seller: Seller
    visitor: Visitor = field(repr=False)
    marker: str
    cookie: str = field(repr=False)
    csrf: str = field(repr=False)
    products: tuple[str, ...]
    deals: tuple[str, ...]

    @property
    def marks(self) -> tuple[bytes, ...]:
        """What gives this seller away. Ids of rows do not: attackers name them in paths."""
        return self.marker.encode(), self.seller.id.encode(), self.seller.email.encode()


@dataclass(frozen=True, slots=True)
class Scene:
    """The running app and everybody in it."""

    server: AppServer
    stack: Stack
    log: Path
    attackers: tuple[Actor, ...]
    bystanders: tuple[Actor, ...]

    @property
    def everybody(self) -> tuple[Actor, ...]:
        """All sellers."""
        return self.attackers + self.bystanders

    def rows(self) -> list[object]:
        """Return all that the database holds of the bystanders."""
        return [self.stack.supabase.sql(_ROWS, someone.seller.id) for someone in self.bystanders]

    def secrets(self) -> list[str]:
        """Return everything that must never be logged."""
        found = [PASSWORD, SECRET_KEY, self.stack.supabase.publishable_key, self.stack.supabase.jwt_secret]
        for someone in self.everybody:
            found += [someone.seller.token.split(".")[2], someone.seller.email, someone.marker, someone.csrf]
            found += [cookie.split("=", 1)[1] for cookie in someone.cookie.split("; ")]
        return found


@contextmanager
def scene(stack: Stack, directory: Path) -> Iterator[Scene]:
    """Run the app under gunicorn, with sellers in it, for the block."""
    log = directory / "gunicorn.log"
    environment = app_environment(stack, SECRET_KEY=SECRET_KEY)
    with ExitStack() as running:
        server = running.enter_context(AppServer(environment, workers=WORKERS, log=log))
        assert all_workers_serve(log, workers=WORKERS)
        everybody = [_actor(stack, server, running, number) for number in range(ATTACKERS + BYSTANDERS)]
        yield Scene(server, stack, log, tuple(everybody[:ATTACKERS]), tuple(everybody[ATTACKERS:]))


def _actor(stack: Stack, server: AppServer, running: ExitStack, number: int) -> Actor:
    seller = running.enter_context(new_seller(stack.supabase, server.url))
    marker = f"marker-{secrets.token_hex(8)}"
    deals = [
        seller.creates(
            title=f"{marker} {place}", brand=marker, supplier=marker, notes=marker, upc=f"{place}{number:09}"
        )
        for place in range(3 + number)  # so that no two sellers have the same numbers
    ]
    visitor = running.enter_context(new_visitor(server.url))
    visitor.signs_in(seller)
    cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in visitor.http.cookies.jar)
    products, ids = (tuple(str(deal[name]) for deal in deals) for name in ("product_id", "id"))
    return Actor(seller, visitor, marker, cookie, visitor.csrf_token, products, ids)
