"""The application factory: the only module that imports every package of the application."""

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from pydantic import SecretStr

from app import (
    auth,
    commands,
    cors,
    desk,
    diagnostics,
    headers,
    limits,
    openapi,
    problems,
    products,
    requests,
    telemetry,
)
from app.application import Application
from app.caching import Observe
from app.database import Database
from app.extensions import cache, csrf
from config import Settings, load_settings


def create_app(settings: Settings | None = None) -> Flask:
    """Return an application for `settings` (default: those of the environment). Uses no network.

    Raises:
        ConfigurationError: a setting of the environment is invalid.

    """
    settings = settings or load_settings()
    telemetry.configure_logging(level=settings.log_level, as_json=settings.logs_json)
    app = Application(__name__)
    app.config.from_mapping(_flask_config(settings))
    app.json = _DocumentProvider(app)
    observe = _start_tracing(app) if settings.tracing == "on" else None
    cache.init_app(app, config=_cache_config(settings, observe))
    csrf.init_app(app)
    app.extensions["database"] = database = _database(settings)
    auth.init_app(
        app,
        verifier=_verifier(settings),
        is_operator=lambda token: database.read(token, "is_operator", {}) is True,
        session_is_open=lambda token: database.read(token, "session_is_open", {}) is True,
    )
    limits.init_app(app, enabled=settings.rate_limits == "on")
    for package in (problems, requests, products, diagnostics, openapi, commands, desk):
        package.init_app(app)
    cors.init_app(app, origins=settings.allowed_origins)
    headers.init_app(app, by_https=settings.in_production)
    return app


class _DocumentProvider(DefaultJSONProvider):
    sort_keys = False  # documents list their most important members first
    compact = True


def _flask_config(settings: Settings) -> dict[str, object]:
    return {
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        # Browsers accept this prefix only over HTTPS, which development does not have, and only from this host.
        "SESSION_COOKIE_NAME": "__Host-asin_desk" if settings.in_production else "asin_desk",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.in_production,
        "TRUSTED_PROXIES": settings.trusted_proxies,
        "MAX_CONTENT_LENGTH": 1 << 20,  # forms; app.payloads and app.uploads set their own
        "METRICS_TOKEN": _text(settings.metrics_token),
        "FRESHNESS_SAMPLE": settings.freshness_sample,
        "CACHE_TYPE": settings.cache_type,  # the configured value or None; `_cache_config` derives the effective one
        "WTF_CSRF_CHECK_DEFAULT": False,  # app.auth checks it, only for callers that use the session cookie
        "WTF_CSRF_TIME_LIMIT": None,  # valid as long as the session, so that a form left open still works
    }


def _start_tracing(app: Flask) -> Observe:
    from app import tracing  # noqa: PLC0415 - OpenTelemetry is optional, and importing it takes time

    return tracing.start(app)


def _cache_config(settings: Settings, observe: Observe | None) -> dict[str, object]:
    kind = settings.cache_backend
    common: dict[str, object] = {
        "CACHE_TYPE": "app.caching.LeaseCache" if kind == "LeaseCache" else kind,
        "CACHE_DEFAULT_TIMEOUT": settings.cache_ttl,
        "CACHE_KEY_PREFIX": "asin_stats:",
        "CACHE_NO_NULL_WARNING": True,  # app.startup logs it
    }
    if kind == "LeaseCache":
        return common | _redis_config(settings, observe)
    if kind == "RedisCache":
        waits = {"socket_timeout": settings.redis_timeout, "socket_connect_timeout": settings.redis_timeout}
        return common | {"CACHE_REDIS_URL": _text(settings.redis_url), "CACHE_OPTIONS": waits}
    return common


def _redis_config(settings: Settings, observe: Observe | None) -> dict[str, object]:
    return {
        "CACHE_REDIS_URL": _text(settings.redis_url),
        "CACHE_REDIS_CLUSTER": settings.redis_cluster,
        "CACHE_REDIS_SENTINELS": settings.sentinels,
        "CACHE_REDIS_SENTINEL_MASTER": settings.redis_sentinel_master,
        "CACHE_REDIS_PASSWORD": _text(settings.redis_password) if settings.sentinels else None,
        "CACHE_OPTIONS": {
            "max_connections": settings.redis_max_connections,
            "timeout": settings.redis_timeout,
            "read_timeout": settings.redis_read_timeout,
            "observe": observe,
        },
    }


def _text(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _database(settings: Settings) -> Database:
    return Database(
        settings.supabase_url,
        settings.supabase_key.get_secret_value(),
        timeout=settings.supabase_timeout,
        max_calls=max(1, settings.threads - 2),  # two threads stay free for requests without a database call
        down_after=settings.supabase_down_after,
    )


def _verifier(settings: Settings) -> auth.TokenVerifier:
    secret = settings.supabase_jwt_secret
    keys = auth.KeyRing(
        secret=secret.get_secret_value() if secret else None,
        jwks_url=f"{settings.supabase_url}/auth/v1/.well-known/jwks.json",
    )
    return auth.TokenVerifier(keys, audience=settings.supabase_jwt_audience, issuer=settings.token_issuer)
