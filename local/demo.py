"""The demo accounts of the embedded Supabase: a seller with a catalogue, and an operator."""

import json
import secrets
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx

from local.catalogue import demo_products
from local.files import read_or_create
from local.server import ServerError
from local.supabase import SupabaseServer

__all__ = ["Accounts", "Login", "create_demo", "sign_up"]

_SIGN_UP_SECONDS: Final = 30.0

# One statement, so one transaction: the catalogue is there completely, and once, or not at all.
_LOAD_CATALOGUE: Final = """
with seller as (
    update auth.users set raw_app_meta_data = raw_app_meta_data || '{"catalogue": true}'
    where email = $1 and not raw_app_meta_data ? 'catalogue'
    returning id
), given as (
    select p.*, seller.id as user_id, now() - p.age * interval '1 minute' as created
    from seller, jsonb_to_recordset($2::jsonb) as p(
        id uuid, asin text, upc text, title text, brand text, multiple_asins boolean, age int, deals jsonb)
), product as (
    insert into public.products (id, user_id, asin, upc, title, brand, multiple_asins, created_at, updated_at)
    select id, user_id, asin, upc, title, brand, multiple_asins, created, created from given
)
insert into public.deals (user_id, product_id, supplier, buy_cost, moq, stage, favorite, notes, active, deleted_at,
                          created_at, updated_at)
select g.user_id, g.id, d.supplier, d.buy_cost, d.moq, d.stage, d.favorite, d.notes, d.active,
       case when d.active then null else g.created end, g.created, g.created
from given g, jsonb_to_recordset(g.deals) as d(
    supplier text, buy_cost numeric, moq int, stage text, favorite boolean, notes text, active boolean)
"""
_MAKE_OPERATOR: Final = """
update auth.users set raw_app_meta_data = raw_app_meta_data || '{"role": "operator"}' where email = $1
"""


@dataclass(frozen=True)
class Login:
    """What to type into the sign-in form."""

    email: str
    password: str


@dataclass(frozen=True)
class Accounts:
    """The two accounts of the demo."""

    demo: Login
    operator: Login


def create_demo(supabase: SupabaseServer, passwords: Path) -> Accounts:
    """Create the accounts and the seller's catalogue, each unless it is there already.

    Args:
        supabase: a running one.
        passwords: the private file that keeps the generated passwords from one start to the next.

    Raises:
        ServerError: Supabase refused a sign-up.

    """
    stored = json.loads(read_or_create(passwords, _new_passwords))
    demo = Login("demo@asin-desk.example", stored["demo"])
    operator = Login("operator@asin-desk.example", stored["operator"])
    for login in (demo, operator):
        if not supabase.sql("select from auth.users where email = $1", login.email):
            sign_up(supabase, login)
    supabase.sql(_MAKE_OPERATOR, operator.email)
    if supabase.sql("select from auth.users where email = $1 and not raw_app_meta_data ? 'catalogue'", demo.email):
        supabase.sql(_LOAD_CATALOGUE, demo.email, json.dumps([asdict(product) for product in demo_products()]))
    return Accounts(demo, operator)


def sign_up(supabase: SupabaseServer, login: Login) -> str:
    """Create an account as anybody could, over HTTP, and return its access token.

    Raises:
        ServerError: Supabase refused.

    """
    answer = httpx.post(
        f"{supabase.url}/auth/v1/signup",
        json=asdict(login),
        headers={"apikey": supabase.publishable_key},
        timeout=_SIGN_UP_SECONDS,
    )
    if answer.status_code != HTTPStatus.OK:
        raise ServerError(f"Supabase refused to sign up {login.email}: {answer.text}")
    return str(answer.json()["access_token"])


def _new_passwords() -> str:
    return json.dumps({"demo": secrets.token_hex(6), "operator": secrets.token_hex(6)})
