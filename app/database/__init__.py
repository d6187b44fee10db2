"""The database: Supabase, called as the signed-in user. While it is down, calls fail immediately.

`connection` makes the calls and raises the `errors`. `bulkhead` limits how many threads wait for the database, and
`breaker` stops calls while the database is down. `accounts` creates and changes accounts at Supabase Auth, and
`session` is what a sign-in returns.
"""

from app.database.accounts import Accounts
from app.database.connection import Database
from app.database.errors import AccountRefusedError, DatabaseRefusalError, DatabaseUnavailableError, OutcomeUnknownError
from app.database.session import Session

__all__ = [
    "AccountRefusedError",
    "Accounts",
    "Database",
    "DatabaseRefusalError",
    "DatabaseUnavailableError",
    "OutcomeUnknownError",
    "Session",
]
