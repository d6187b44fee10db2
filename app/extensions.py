"""The Flask extensions, unbound: the factory binds them to an application."""

from flask_wtf import CSRFProtect

from app.caching import Cache

cache = Cache(with_jinja2_ext=False)
csrf = CSRFProtect()
