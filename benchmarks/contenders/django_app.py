"""Django with django-redis: `cache.get_or_set`, `cache.delete` after a change; Redis errors are ignored."""

import json

from django.conf import settings
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from benchmarks.contenders import database
from benchmarks.contenders.shared import CONNECTIONS, REDIS_SECONDS, REDIS_URL, TTL, NotSignedInError, caller


def asin_status(request: HttpRequest) -> HttpResponse:
    """Return the cached breakdown."""
    try:
        user = caller(request.headers.get("Authorization"))
    except NotSignedInError:
        return JsonResponse({"detail": "Not signed in."}, status=401)
    key = f"asin_stats:{user.user_id}"
    return JsonResponse(cache.get_or_set(key, lambda: database.stats(user.user_id, user.token), TTL))


def change(request: HttpRequest, deal_id: str = "") -> HttpResponse:
    """Create a product, change a deal or delete a deal; then delete the cache entry."""
    try:
        user = caller(request.headers.get("Authorization"))
    except NotSignedInError:
        return JsonResponse({"detail": "Not signed in."}, status=401)
    method = str(request.method)
    deal = database.change(method, deal_id, json.loads(request.body or "{}"), user.token)
    cache.delete(f"asin_stats:{user.user_id}")
    return JsonResponse(deal, status=database.STATUS[method])


def healthz(_request: HttpRequest) -> HttpResponse:
    """Return 200."""
    return HttpResponse("ok")


urlpatterns = [
    path("products/stats/asin-status", asin_status),
    path("products", change),
    path("products/deal/<deal_id>", change),
    path("healthz", healthz),
]
settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY="for-a-benchmark-only",  # noqa: S106 - nothing is signed with it
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # adds Content-Length, which our load clients need
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
