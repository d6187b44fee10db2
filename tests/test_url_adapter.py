"""Our shortcut to Flask's routing says what Flask's own way says."""

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder


@pytest.mark.parametrize(
    ("path", "base", "method"),
    [
        ("/products?limit=5&after=x", "http://localhost/", "GET"),
        ("/products/", "https://desk.example.com:8443/", "POST"),
        ("/überall/日本", "http://LOCALHOST:80/", "DELETE"),
        ("/", "https://xn--bcher-kva.example/mounted/there", "HEAD"),
        ("/products", "http://localhost/gemäß", "GET"),
    ],
)
def test_the_adapter_is_the_one_that_flask_makes(app: Flask, path: str, base: str, method: str) -> None:
    """Host, mount, path, method and query, with and without characters beyond ASCII."""
    environ = EnvironBuilder(path, base, method=method).get_environ()
    ours = app.create_url_adapter(app.request_class(dict(environ)))
    flasks = Flask.create_url_adapter(app, app.request_class(dict(environ)))

    assert vars(ours) == vars(flasks)
