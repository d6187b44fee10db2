"""The kinds of problems. Each kind has one status code, one URI, and a page at that URI."""

from enum import Enum
from typing import Final

PATH: Final = "/problems/"
"""Prefix of the URIs. They are relative references: a client resolves them against the address it requested."""

_QUOTA_EXCEEDED: Final = "https://iana.org/assignments/http-problem-types#quota-exceeded"
"""Type registered by the draft of the RateLimit headers."""


class Kind(Enum):
    """A kind of problem.

    Attributes:
        slug: its name, which never changes; the member `kind` of the document.
        status: HTTP status code.
        title: short name for people; the member `title`.
        meaning: what happened and what the client can do, in one or two sentences.
        type: its URI reference; the member `type`.

    """

    BAD_REQUEST = ("bad-request", 400, "Bad request", "The request does not follow HTTP. Correct it before retrying.")
    INVALID_JSON = ("invalid-json", 400, "The body is not JSON", "The body cannot be parsed. Nothing was changed.")
    INCOMPLETE_BODY = (
        "incomplete-body",
        400,
        "The body is incomplete",
        "The connection ended before the whole body arrived. Nothing was changed. Send the request again.",
    )
    IDEMPOTENCY_KEY_INVALID = (
        "idempotency-key-invalid",
        400,
        "Invalid Idempotency-Key",
        "The header Idempotency-Key needs 1 to 255 visible ASCII characters. Nothing was changed.",
    )
    UNAUTHENTICATED = (
        "unauthenticated",
        401,
        "Not signed in",
        "The request has no access token. Send `Authorization: Bearer <token>`.",
    )
    INVALID_TOKEN = (
        "invalid-token",
        401,
        "Invalid access token",
        "The access token has expired, its session has ended, or it is not valid here. Get a new token.",
    )
    FORBIDDEN = ("forbidden", 403, "Forbidden", "The database does not allow this user to do this.")
    OPERATORS_ONLY = ("operators-only", 403, "For operators only", "Only operators of this installation may see this.")
    CSRF_TOKEN_INVALID = (
        "csrf-token-invalid",
        403,
        "Invalid CSRF token",
        "A change that uses the session cookie needs a CSRF token. Programs send a bearer token instead.",
    )
    UNKNOWN_ADDRESS = ("unknown-address", 404, "Unknown address", "There is nothing at this address.")
    NOT_FOUND = (
        "not-found",
        404,
        "Not found",
        "The caller has no such product, deal, decision or match. For several deals, `errors` lists those not found.",
    )
    METHOD_NOT_ALLOWED = (
        "method-not-allowed",
        405,
        "Method not allowed",
        "The address does not support this method. The header Allow lists the supported ones.",
    )
    NOT_ACCEPTABLE = (
        "not-acceptable",
        406,
        "Not acceptable",
        "The answer has none of the media types in the header Accept. `available` lists those it has.",
    )
    REQUEST_TIMEOUT = ("request-timeout", 408, "Request timeout", "The request did not arrive in time. Send it again.")
    CONFLICT = (
        "conflict",
        409,
        "Conflict with another product or deal",
        "The change contradicts another product or deal of the caller. `conflict` says how. Nothing was changed.",
    )
    DELETED = (
        "deleted",
        410,
        "Deleted",
        "The deal has been deleted. Restore it before changing it. For several deals, `errors` lists them.",
    )
    RESTORE_TOO_LATE = (
        "restore-too-late",
        410,
        "Too late to restore",
        "A deleted deal can be restored for 30 days. `errors` lists the deals for which this has passed.",
    )
    UNDO_TOO_LATE = (
        "undo-too-late",
        410,
        "Too late to undo",
        "A decision can be undone for 30 days. This has passed. Nothing was changed.",
    )
    LENGTH_REQUIRED = ("length-required", 411, "Length required", "Send the body with its length or in chunks.")
    PRECONDITION_FAILED = (
        "precondition-failed",
        412,
        "Precondition failed",
        "The product or deal was changed by another request. `current_etag` is its present ETag. Nothing was changed.",
    )
    BODY_TOO_LARGE = ("body-too-large", 413, "Body too large", "The body is larger than this address accepts.")
    FILE_TOO_LARGE = ("file-too-large", 413, "File too large", "The file is larger than one import may be.")
    TOO_MANY_ROWS = ("too-many-rows", 413, "Too many rows", "The file has more rows than one import may have.")
    ADDRESS_TOO_LONG = ("address-too-long", 414, "Address too long", "The address of the request is too long.")
    UNSUPPORTED_MEDIA_TYPE = (
        "unsupported-media-type",
        415,
        "Unsupported media type",
        "The header Content-Type is not one that this address accepts. The header Accept lists those.",
    )
    UNSUPPORTED_CODING = (
        "unsupported-coding",
        415,
        "Unsupported content coding",
        "Send the body without Content-Encoding. Nothing was changed.",
    )
    RANGE_NOT_SATISFIABLE = ("range-not-satisfiable", 416, "Range not satisfiable", "The file has no such range.")
    EXPECTATION_FAILED = (
        "expectation-failed",
        417,
        "Expectation failed",
        "The header Expect has a value other than 100-continue.",
    )
    INVALID_FIELDS = (
        "invalid-fields",
        422,
        "Invalid fields",
        "Fields of the body are missing, unknown or invalid; `errors` lists them. Nothing was changed.",
    )
    INVALID_PARAMETERS = (
        "invalid-parameters",
        422,
        "Invalid query parameters",
        "Query parameters are unknown, repeated or invalid. `errors` lists each of them. Nothing was changed.",
    )
    UNREADABLE_FILE = (
        "unreadable-file",
        422,
        "Unreadable file",
        "The file cannot be imported as a whole; the detail says why. Nothing was changed.",
    )
    IDEMPOTENCY_KEY_REUSED = (
        "idempotency-key-reused",
        422,
        "Idempotency-Key used for another request",
        "The key belongs to a different request of the last 24 hours. Use a new key. Nothing was changed.",
    )
    QUOTA_EXCEEDED = (
        "quota-exceeded",
        429,
        "Too many requests",
        "The caller has used up a rate limit. Send the request again after the time in the header Retry-After.",
        _QUOTA_EXCEEDED,
    )
    HEADERS_TOO_LARGE = (
        "headers-too-large",
        431,
        "Headers too large",
        "The header fields of the request are too large.",
    )
    INTERNAL_ERROR = (
        "internal-error",
        500,
        "Internal error",
        "Something went wrong on our side. Quote the header X-Request-ID when reporting this.",
    )
    NOT_IMPLEMENTED = ("not-implemented", 501, "Not implemented", "The server does not support this part of HTTP.")
    UNAVAILABLE = (
        "unavailable",
        503,
        "Temporarily unavailable",
        "A server that this one needs does not answer. Nothing was changed. Retry after the time in Retry-After.",
    )
    OUTCOME_UNKNOWN = (
        "outcome-unknown",
        503,
        "The outcome is unknown",
        "The database did not confirm the change, which may have been made. Retry with the same Idempotency-Key.",
    )

    def __init__(self, slug: str, status: int, title: str, meaning: str, uri: str | None = None) -> None:
        """Set the attributes. `uri` is the type of a kind that is defined elsewhere."""
        self.slug, self.status, self.title, self.meaning = slug, status, title, meaning
        self.type = uri or PATH + slug

    @classmethod
    def of_status(cls, status: int) -> "Kind":
        """Return the first kind with this status code, which is the most general one.

        A status code without a kind becomes 500 or 400, according to its class.
        """
        general = next((kind for kind in cls if kind.status == status), None)
        return general or (cls.INTERNAL_ERROR if status >= 500 else cls.BAD_REQUEST)
