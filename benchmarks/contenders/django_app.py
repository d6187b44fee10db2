"""Django with django-redis: `cache.get_or_set`, `cache.delete` after a change; Redis trouble ignored."""

import json

from django.conf import settings
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from benchmarks.contenders import database
from benchmarks.contenders.identity import NotSignedInError, caller
from benchmarks.contenders.settings import CONNECTIONS, REDIS_SECONDS, REDIS_URL, TTL


def asin_status(request: HttpRequest) -> HttpResponse:
    """Return the cached breakdown."""
    try:
        user = caller(request.headers.get("Authorization"))
    except NotSignedInError:
        return JsonResponse({"detail": "Not signed in."}, status=401)
    key = f"asin_stats:{user.user_id}"
    return JsonResponse(cache.get_or_set(key, lambda: database.stats(user.user_id, user.token), TTL))


def create_product(request: HttpRequest) -> HttpResponse:
    """Change, then delete the entry."""
    try:
        user = caller(request.headers.get("Authorization"))
    except NotSignedInError:
        return JsonResponse({"detail": "Not signed in."}, status=401)
    made = database.change(json.loads(request.body), user.token)
    cache.delete(f"asin_stats:{user.user_id}")
    return JsonResponse(made["deal"], status=201)


def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer."""
    return HttpResponse("ok")


urlpatterns = [
    path("products/stats/asin-status", asin_status),
    path("products", create_product),
    path("healthz", healthz),
]
settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY="for-a-benchmark-only",  # noqa: S106 - it signs nothing here
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # for the Content-Length, which keeps connections simple
    DJANGO_REDIS_IGNORE_EXCEPTIONS=True,
    CACHES={
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": REDIS_URL,
            "OPTIONS": {
                "SOCKET_CONNECT_TIMEOUT": REDIS_SECONDS,
                "SOCKET_TIMEOUT": REDIS_SECONDS,
                "CONNECTION_POOL_KWARGS": {"max_connections": CONNECTIONS},
            },
        }
    },
)
app = get_wsgi_application()
