"""Put the application together: the only module that knows every room."""

from dataclasses import replace

from flask import Flask
from flask.json.provider import DefaultJSONProvider

from app import auth, commands, desk, diagnostics, problems, products, telemetry
from app.application import Application
from app.caching import connection
from app.caching.incarnation import Incarnation
from app.caching.protocol import LeaseProtocol, Timing
from app.caching.shared import process_region
from app.database import Database
from app.extensions import cache, csrf
from app.service_role import ServiceRole
from config import Settings, load_settings


def create_app(settings: Settings | None = None) -> Flask:
    """Return an application for `settings` (default: the environment's). Touches no network.

    Raises:
        ConfigurationError: the environment's settings cannot be used.

    """
    settings = settings or load_settings()
    telemetry.configure_logging(level=settings.log_level, as_json=settings.logs_json)
    app = Application(__name__)
    app.config.from_mapping(_flask_config(settings))
    app.json = _DocumentProvider(app)
    cache.init_app(app, config=_cache_config(settings))
    csrf.init_app(app)
    app.extensions["database"] = database = _database(settings)
    app.extensions["service_role"] = _service_role(settings)
    auth.init_app(
        app, verifier=_verifier(settings), is_operator=lambda token: database.read(token, "is_operator", {}) is True
    )
    for room in (telemetry, problems, products, diagnostics, commands, desk):
        room.init_app(app)
    return app


class _DocumentProvider(DefaultJSONProvider):
    sort_keys = False  # documents are written in the order they are read best
    compact = True


def _flask_config(settings: Settings) -> dict[str, object]:
    return {
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "SESSION_COOKIE_NAME": "asin_desk",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.in_production,
        "MAX_CONTENT_LENGTH": 1 << 20,
        "WTF_CSRF_CHECK_DEFAULT": False,  # app.auth checks it, and only for callers known by cookie
        "WTF_CSRF_TIME_LIMIT": None,  # as long as the session: a form left open over lunch still works
    }


def _cache_config(settings: Settings) -> dict[str, object]:
    common: dict[str, object] = {"CACHE_DEFAULT_TIMEOUT": settings.cache_ttl, "CACHE_KEY_PREFIX": "asin_stats:"}
    if settings.redis_url is None and not settings.sentinels:
        return common | {"CACHE_TYPE": "NullCache", "CACHE_NO_NULL_WARNING": True}
    incarnation = Incarnation()
    timing = Timing(answer=min(settings.redis_read_timeout, settings.redis_timeout))
    timing = replace(timing, owed=max(timing.owed, timing.lease + settings.cache_ttl))
    client = connection.connect(
        _topology(settings),
        incarnation,
        max_connections=settings.redis_max_connections,
        timeout=settings.redis_timeout,
    )
    return common | {
        "CACHE_TYPE": "app.caching.backend.LeaseBackend",
        "CACHE_OPTIONS": {"protocol": LeaseProtocol(client, incarnation, region=process_region, timing=timing)},
    }


def _topology(settings: Settings) -> connection.Topology:
    return connection.Topology(
        url=settings.redis_url.get_secret_value() if settings.redis_url else "",
        cluster=settings.redis_cluster,
        sentinels=settings.sentinels,
        master=settings.redis_sentinel_master or "",
        password=settings.redis_password.get_secret_value() if settings.redis_password else None,
    )


def _database(settings: Settings) -> Database:
    return Database(
        settings.supabase_url,
        settings.supabase_key.get_secret_value(),
        timeout=settings.supabase_timeout,
        max_connections=settings.threads + 2,
    )


def _service_role(settings: Settings) -> ServiceRole:
    secret = settings.supabase_jwt_secret
    return ServiceRole(
        settings.supabase_url,
        settings.supabase_key.get_secret_value(),
        secret.get_secret_value() if secret else None,
        timeout=settings.supabase_timeout,
    )


def _verifier(settings: Settings) -> auth.TokenVerifier:
    secret = settings.supabase_jwt_secret
    keys = auth.KeyRing(
        secret=secret.get_secret_value() if secret else None,
        jwks_url=f"{settings.supabase_url}/auth/v1/.well-known/jwks.json",
    )
    return auth.TokenVerifier(keys, audience=settings.supabase_jwt_audience, issuer=settings.supabase_jwt_issuer)
