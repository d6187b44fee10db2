"""A user of the native PostgreSQL who decides ASINs, and the rows that decisions change."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import pytest

from tests.postgres import Session, acting_as, execute, new_user

_ANSWER: Final = "select public.{function}({arguments}) as answer"
_PRODUCT: Final = """
insert into products (user_id, title, asin, upc, brand, multiple_asins)
values (%s, %s, %s, %s, %s, %s) returning id::text as id
"""
_DEAL: Final = "insert into deals (user_id, product_id, supplier) values (%s, %s, %s)"
_CANDIDATES: Final = """
insert into candidates (user_id, product_id, asin, position)
select %s, %s, t.asin, t.position from unnest(%s::text[]) with ordinality as t (asin, position)
"""
_STATE: Final = """
select
    (select jsonb_agg(jsonb_build_array(p.id, p.asin, p.upc, p.brand, p.title, p.multiple_asins, p.asin_status,
                                        p.open_candidates, p.merged_into) order by p.id)
     from products p where p.user_id = %(user)s) as products,
    (select jsonb_agg(to_jsonb(d) - 'updated_at' order by d.id) from deals d where d.user_id = %(user)s) as deals,
    (select jsonb_agg(to_jsonb(c) order by c.product_id, c.asin) from candidates c where c.user_id = %(user)s)
        as candidates,
    (select jsonb_agg(to_jsonb(m) order by m.gtin, m.asin) from matches m where m.user_id = %(user)s) as matches
"""


@dataclass(frozen=True, slots=True)
class Decider:
    """A user, and a superuser session that acts as this user.

    Attributes:
        session: the session, with autocommit.
        id: the id of the user.

    """

    session: Session
    id: str

    def calls(self, function: str, **arguments: object) -> Any:  # noqa: ANN401 - any JSON
        """Call a public function as this user, in a separate transaction, and return its result."""
        named = ", ".join(f"{name} => %s" for name in arguments)
        with acting_as(self.session, self.id):
            text = _ANSWER.format(function=function, arguments=named)
            return execute(self.session, text, *arguments.values())[0]["answer"]

    def changes(self, function: str, **arguments: object) -> Any:  # noqa: ANN401 - any JSON
        """Call a function that changes rows, and return its answer without the envelope."""
        return self.calls(function, **arguments)["answer"]

    def decides(self, product_id: str, asin: str | None, *, remember: bool = False) -> Any:  # noqa: ANN401 - any JSON
        """Call decide_asin and return the product."""
        return self.changes("decide_asin", p_product_id=product_id, p_asin=asin, p_remember=remember)

    def undoes(self, decision_id: str) -> Any:  # noqa: ANN401 - any JSON
        """Call undo_decision and return the product."""
        return self.changes("undo_decision", p_decision_id=decision_id)

    def history(self, product_id: str) -> list[dict[str, Any]]:
        """Return the decisions about a product, newest first."""
        with acting_as(self.session, self.id):
            found = execute(self.session, "select private.history_of(%s) as history", product_id)
        history: list[dict[str, Any]] = found[0]["history"]
        return history

    def has_product(  # noqa: PLR0913 - the columns of the table
        self,
        title: str = "Lamp",
        *,
        asin: str | None = None,
        upc: str | None = None,
        brand: str = "",
        multiple_asins: bool = False,
        candidates: Sequence[str] = (),
        suppliers: Sequence[str] = ("Acme",),
    ) -> str:
        """Insert a product with open candidates and one deal for each supplier. Return the id of the product."""
        values = (self.id, title, asin, upc, brand, multiple_asins)
        product_id: str = execute(self.session, _PRODUCT, *values)[0]["id"]
        execute(self.session, _CANDIDATES, self.id, product_id, list(candidates))
        for supplier in suppliers:
            execute(self.session, _DEAL, self.id, product_id, supplier)
        return product_id

    def state(self) -> dict[str, Any]:
        """Return all rows of the user: products and deals without `updated_at`, candidates, and matches."""
        return self.session.execute(_STATE, {"user": self.id}).fetchall()[0]

    def product(self, product_id: str) -> dict[str, Any]:
        """Return all columns of a product of any user."""
        return execute(self.session, "select * from products where id = %s", product_id)[0]

    def dismissed(self, product_id: str) -> dict[str, bool]:
        """Return the candidates of a product with their dismissed marks, in the order of their positions."""
        rows = "select asin, dismissed from candidates where product_id = %s order by position, asin"
        return {row["asin"]: row["dismissed"] for row in execute(self.session, rows, product_id)}

    def matches(self) -> set[tuple[str, str, str]]:
        """Return identifier, ASIN and verdict of each match of the user."""
        rows = execute(self.session, "select gtin, asin, verdict from matches where user_id = %s", self.id)
        return {(row["gtin"], row["asin"], row["verdict"]) for row in rows}

    def ages(self, decision_id: str, age: str) -> None:
        """Make a decision older by this interval."""
        execute(
            self.session,
            "update deciding.decisions set made_at = made_at - %s::interval where id = %s",
            age,
            decision_id,
        )


def new_decider(session: Session) -> Decider:
    """Create a user; see `Decider`."""
    return Decider(session, new_user(session))


def refusal(call: Callable[[], object]) -> tuple[str, Any]:
    """Return the SQLSTATE of the error that `call` raises, and its detail; parsed, if it is JSON."""
    with pytest.raises(psycopg.Error) as raised:
        call()
    detail = raised.value.diag.message_detail
    return raised.value.sqlstate or "", json.loads(detail) if detail and detail[0] in "{[" else detail or None


def conflict(kind: str, *product_ids: str) -> tuple[str, Any]:
    """Return the refusal of a decision with this conflict."""
    return "PT409", {"conflict": kind, "product_ids": list(product_ids)}
