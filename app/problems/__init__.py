"""One shape for every error: problem documents (RFC 9457), `application/problem+json`.

`kinds` lists the kinds of problems, `documents` has the exception and its document, and `handlers` turns other
exceptions into problems.
"""

from app.problems.documents import MIMETYPE, MOST_ERRORS, FieldError, Problem, field_errors, pointer
from app.problems.handlers import RETRY_AFTER_SECONDS, from_database, from_http, init_app, refused, unavailable
from app.problems.kinds import Kind

__all__ = [
    "MIMETYPE",
    "MOST_ERRORS",
    "RETRY_AFTER_SECONDS",
    "FieldError",
    "Kind",
    "Problem",
    "field_errors",
    "from_database",
    "from_http",
    "init_app",
    "pointer",
    "refused",
    "unavailable",
]
