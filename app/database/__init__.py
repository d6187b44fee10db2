"""The database: Supabase, called as the signed-in user. While it is down, calls fail immediately.

`connection` makes the calls and raises the `errors`. `bulkhead` limits how many threads wait for the database, and
`breaker` stops calls while the database is down.
"""

from app.database.connection import Database, Session
from app.database.errors import DatabaseRefusalError, DatabaseUnavailableError, OutcomeUnknownError

__all__ = ["Database", "DatabaseRefusalError", "DatabaseUnavailableError", "OutcomeUnknownError", "Session"]
