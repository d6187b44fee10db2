"""The actors: attackers with their own accounts, and bystanders whose data must not change or leak."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from local.application import AppServer
from local.stack import Stack
from tests.barcodes import upc
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
    """A seller with an access token and a session cookie.

    Attributes:
        seller: the seller, with a client that sends well-formed requests.
        visitor: the same seller, signed in to the desk.
        marker: text in each of the seller's rows. No answer to another seller may contain it.
        cookie: value of the Cookie header with the seller's session.
        csrf: the CSRF token of the session.
        products: ids of the seller's products.
        deals: ids of the seller's deals.

    """

    seller: Seller
    visitor: Visitor = field(repr=False)
    marker: str
    cookie: str = field(repr=False)
    csrf: str = field(repr=False)
    products: tuple[str, ...]
    deals: tuple[str, ...]

    @property
    def identifying_bytes(self) -> tuple[bytes, ...]:
        """Texts that identify this seller in an answer. Ids of rows are not included: attackers send them in paths."""
        return self.marker.encode(), self.seller.id.encode(), self.seller.email.encode()


@dataclass(frozen=True, slots=True)
class System:
    """The running app and all actors."""

    server: AppServer
    stack: Stack
    log: Path
    attackers: tuple[Actor, ...]
    bystanders: tuple[Actor, ...]

    @property
    def actors(self) -> tuple[Actor, ...]:
        """All attackers and bystanders."""
        return self.attackers + self.bystanders

    def rows(self) -> list[object]:
        """Return all rows of the bystanders in the database."""
        return [self.stack.supabase.sql(_ROWS, actor.seller.id) for actor in self.bystanders]

    def secrets(self) -> list[str]:
        """Return all texts that must never be logged."""
        found = [PASSWORD, SECRET_KEY, self.stack.supabase.publishable_key, self.stack.supabase.jwt_secret]
        for actor in self.actors:
            found += [actor.seller.token.split(".")[2], actor.seller.email, actor.marker, actor.csrf]
            found += [cookie.split("=", 1)[1] for cookie in actor.cookie.split("; ")]
        return found


@contextmanager
def run_system(stack: Stack, directory: Path) -> Iterator[System]:
    """Run the app under gunicorn and create the actors. Inside the block everything is running."""
    log = directory / "gunicorn.log"
    environment = app_environment(stack, SECRET_KEY=SECRET_KEY)
    with ExitStack() as running:
        server = running.enter_context(AppServer(environment, workers=WORKERS, log=log))
        assert all_workers_serve(log, workers=WORKERS)
        actors = [_actor(stack, server, running, number) for number in range(ATTACKERS + BYSTANDERS)]
        yield System(server, stack, log, tuple(actors[:ATTACKERS]), tuple(actors[ATTACKERS:]))


def _actor(stack: Stack, server: AppServer, running: ExitStack, number: int) -> Actor:
    seller = running.enter_context(new_seller(stack.supabase, server.url))
    marker = f"marker-{secrets.token_hex(8)}"
    deals = [
        seller.creates(
            title=f"{marker} {index}", brand=marker, supplier=marker, notes=marker, upc=upc(100 * number + index)
        )
        for index in range(3 + number)  # a different number for each seller
    ]
    visitor = running.enter_context(new_visitor(server.url))
    visitor.signs_in(seller)
    cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in visitor.http.cookies.jar)
    products, ids = (tuple(str(deal[name]) for deal in deals) for name in ("product_id", "id"))
    return Actor(seller, visitor, marker, cookie, visitor.csrf_token, products, ids)
