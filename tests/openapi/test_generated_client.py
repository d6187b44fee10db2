"""A client that is generated from the OpenAPI document can use the API."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from local.application import AppServer
from local.stack import Stack
from tests.clients import PASSWORD, client, new_account

_PACKAGE: Final = "generated_asin_desk_client"


@pytest.fixture(scope="module")
def generated(server: AppServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Generate a client with openapi-python-client, and return a function that imports a module of it."""
    folder = tmp_path_factory.mktemp("generated")
    with client(server.url) as http:
        (folder / "openapi.json").write_bytes(http.get("/openapi.json").content)
    settings = folder / "settings.yaml"
    settings.write_text("post_hooks: []\n")  # the default ones format the code with ruff
    command = [
        str(Path(sys.executable).with_name("openapi-python-client")),
        "generate",
        "--meta",
        "none",
        "--config",
        str(settings),
    ]
    done = subprocess.run(  # noqa: S603 - our own command
        [*command, "--path", str(folder / "openapi.json"), "--output-path", str(folder / _PACKAGE)],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield lambda name: importlib.import_module(f"{_PACKAGE}.{name}")
    sys.path.remove(str(folder))


def _sign_in(stack: Stack) -> str:
    """Return an access token of a new user, who signs in with their password at Supabase, as a program would."""
    account = {"email": new_account(stack.supabase)["user"]["email"], "password": PASSWORD}
    with client(stack.supabase.url, headers={"apikey": stack.supabase.publishable_key}) as http:
        session: dict[str, str] = http.post("/auth/v1/token?grant_type=password", json=account).json()
    return session["access_token"]


def test_a_generated_client_signs_in_creates_and_reads(generated: Any, stack: Stack, server: AppServer) -> None:  # noqa: ANN401
    """It reads the breakdown, creates a product, reads the list and the product, and changes one field of the deal."""
    models, types = generated("models"), generated("types")
    http = generated("client").AuthenticatedClient(base_url=server.url, token=_sign_in(stack))

    def call(operation: str, *arguments: object, **options: object) -> Any:  # noqa: ANN401
        return generated(f"api.{operation}").sync(*arguments, client=http, **options)

    with http:
        _use(call, models, types)


def _use(call: Any, models: Any, types: Any) -> None:  # noqa: ANN401
    assert call("statistics.asin_status").all_ == 0
    body = models.NewProduct(title="Desk lamp", asin="B000000001", supplier="Acme", buy_cost=12.5, notes="call")
    deal = call("products.create_product", body=body)
    assert (deal.buy_cost, deal.product.asin_status.value) == ("12.50", "asin_found")
    assert [found.id for found in call("products.list_products").items] == [deal.id]
    assert call("products.get_product", deal.product_id).deals[0].supplier == "Acme"
    changed = call("products.update_deal", deal.id, body=models.DealFields(moq=7))
    assert (changed.moq, changed.notes, changed.buy_cost) == (7, "call", "12.50")
    assert changed.deleted_at is not types.UNSET
    assert call("statistics.asin_status").asin_found == 1


def test_a_generated_client_gets_problems_as_objects(generated: Any, stack: Stack, server: AppServer) -> None:  # noqa: ANN401
    """A conflict has a status and a detail."""
    models = generated("models")
    create = generated("api.products.create_product")
    with generated("client").AuthenticatedClient(base_url=server.url, token=_sign_in(stack)) as http:
        create.sync(client=http, body=models.NewProduct(title="A", asin="B000000001"))
        create.sync(client=http, body=models.NewProduct(title="B", upc="12345670"))
        problem = create.sync(client=http, body=models.NewProduct(title="C", asin="B000000001", upc="12345670"))
    assert (type(problem).__name__, problem.status, problem.instance) == ("ProblemDocument", 409, "/products")
    with generated("client").AuthenticatedClient(base_url=server.url, token="x") as stranger:
        assert create.sync(client=stranger, body=models.NewProduct(title="A")).status == 401
