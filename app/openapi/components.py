"""Parts of the document that many operations use: headers, security schemes, the problem document."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from app.problems import Kind

PROBLEM: Final = "application/problem+json"

COMMON_HEADERS: Final = (
    "X-Request-ID",
    "Server-Timing",
    "Cache-Control",
    "Vary",
    "Content-Encoding",
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
)
"""Headers of every answer."""

LIMIT_HEADERS: Final = ("RateLimit-Policy", "RateLimit")
"""Headers of every answer of a route with a rate limit."""

PROBLEM_HEADERS: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    412: ("ETag",),
    415: ("Accept", "Accept-Encoding"),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
"""Further headers of problems, by status code."""

_TEXTS: Final = {
    "Access-Control-Allow-Origin": "The origin of the page that may read the answer (CORS_ORIGINS).",
    "Access-Control-Expose-Headers": "The headers that this page may read.",
    "Accept": "The media types that the route accepts.",
    "Accept-Encoding": "The content codings that the route accepts: none.",
    "Cache-Control": "How long the answer may be stored.",
    "Cache-Status": "What the cache did (RFC 9211).",
    "Content-Disposition": "The name of the file.",
    "Content-Encoding": "gzip, for long answers if Accept-Encoding allows it.",
    "ETag": "The entity tag (RFC 9110, section 8.8.3). It is the same while the answer is the same.",
    "Link": 'The address of the first page (rel="first") and of the next page, if there is one (rel="next").',
    "Location": "The address of the deal.",
    "Preference-Applied": "The part of Prefer that was followed (RFC 7240).",
    "RateLimit": "The requests that are left (draft-ietf-httpapi-ratelimit-headers-10).",
    "RateLimit-Policy": "The rate limit (same draft).",
    "Server-Timing": "Milliseconds spent in the cache and in the database.",
    "Vary": "The request headers that the answer depends on.",
    "WWW-Authenticate": "How to authenticate, and why the token was refused (RFC 6750).",
    "X-Request-ID": "The id of the request, which its log lines contain.",
}


IDEMPOTENCY_KEY: Final = r'^([!#-+\--:<-\[\]-~]{1,255}|"([!#-\[\]-~]|\\["\\]){1,255}")$'
"""A key: a string in quotes (RFC 9651 §3.3.3) or, as many clients send it, without quotes.

Without quotes, it contains no comma, semicolon, quote or backslash.
"""

_REQUEST_HEADERS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "Idempotency-Key": (
        "A random string. A change that is sent again with the same key within 24 hours is made only once.",
        {"type": "string", "pattern": IDEMPOTENCY_KEY},
    ),
    "If-Match": (
        "Entity tags. The change is made only while the product or deal has one of them.",
        {"type": "string"},
    ),
    "If-None-Match": ("Entity tags that the client has: 304 if the answer has one of them.", {"type": "string"}),
    "Prefer": ("`count=estimated` adds the total (RFC 7240).", {"type": "string"}),
}


def request_headers() -> dict[str, Any]:
    """Return the headers of requests by name, as parameter objects."""
    return {
        name: {"name": name, "in": "header", "required": False, "description": text, "schema": schema}
        for name, (text, schema) in _REQUEST_HEADERS.items()
    }


def headers() -> dict[str, Any]:
    """Return all headers by name, as header objects."""
    texts = {name: {"description": text, "schema": {"type": "string"}} for name, text in _TEXTS.items()}
    wait = {"description": "Seconds to wait before the next attempt.", "schema": {"type": "integer", "minimum": 0}}
    return {**texts, "Retry-After": wait}


def security_schemes(*, cookie: str) -> dict[str, Any]:
    """Return the security schemes. `cookie` is the name of the desk's session cookie."""
    return {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A Supabase access token of the user.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie,
            "description": "The session of a browser that is signed in at the desk.",
        },
        "csrf": {
            "type": "apiKey",
            "in": "header",
            "name": "X-CSRFToken",
            "description": "The CSRF token of the session. Changes with the session cookie need it.",
        },
        "metrics": {"type": "http", "scheme": "bearer", "description": "The METRICS_TOKEN of the installation."},
    }


class InvalidPart(BaseModel):
    """An invalid part of the request."""

    pointer: Annotated[str, Field(description="JSON pointer into the body (RFC 6901), or `/` and a parameter.")]
    detail: Annotated[str, Field(description="What is wrong with it.")]


class ProblemDocument(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: Annotated[
        str, Field(description="URI reference of the kind of problem.", json_schema_extra={"format": "uri-reference"})
    ]
    kind: Annotated[
        str, Field(description="The kind of problem.", json_schema_extra={"enum": [kind.slug for kind in Kind]})
    ]
    title: Annotated[str, Field(description="Name of the kind of problem.")]
    status: Annotated[int, Field(ge=400, le=599, description="The status code.")]
    detail: Annotated[str, Field(description="Explanation of this error, for a person.")]
    instance: Annotated[
        str,
        Field(
            default="",
            description="The path of the request. Missing if the server could not read the request.",
            json_schema_extra={"format": "uri-reference"},
        ),
    ]
    trace_id: Annotated[str, Field(default="", description="The id of the trace, if the request is traced.")]
    errors: Annotated[list[InvalidPart], Field(default=[], description="The invalid parts, at most 100.")]
    errors_omitted: Annotated[int, Field(default=0, ge=1, description="Number of further errors.")]
    violated_policies: Annotated[
        list[str], Field(default=[], alias="violated-policies", description="The rate limits that were exceeded.")
    ]
    conflict: Annotated[str, Field(default="", description="How the change contradicts another product or deal.")]
    product_ids: Annotated[list[str], Field(default=[], description="The products that it contradicts.")]
    current_etag: Annotated[str, Field(default="", description="The present entity tag of the product or deal.")]
    available: Annotated[list[str], Field(default=[], description="The media types that the address answers with.")]
