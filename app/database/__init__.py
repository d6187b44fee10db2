"""The database: Supabase, reached as the user who calls, given up on while it does not answer.

`connection` makes the calls and names their failures (`errors`). `bulkhead` keeps calls from holding every thread of
this process, and `breaker` keeps them from waiting for a database that is down.
"""

from app.database.connection import Database, Session
from app.database.errors import DatabaseRefusalError, DatabaseUnavailableError, OutcomeUnknownError

__all__ = ["Database", "DatabaseRefusalError", "DatabaseUnavailableError", "OutcomeUnknownError", "Session"]
