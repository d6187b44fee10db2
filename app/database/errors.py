"""The errors of a call to the database."""


class DatabaseUnavailableError(Exception):
    """The database did not answer. Nothing was changed unless it is an `OutcomeUnknownError`."""

    def __init__(self, message: str = "The database is not reachable; nothing was changed. Please try again.") -> None:
        """Store the message, which is shown to the client."""
        super().__init__(message)


class OutcomeUnknownError(DatabaseUnavailableError):
    """The answer to a change was lost: the change may have happened, or may still happen."""

    def __init__(self) -> None:
        """Set the message."""
        super().__init__("The database did not confirm the change; it may have happened. Please check before retrying.")


class AccountRefusedError(Exception):
    """Supabase Auth refused to create, confirm or change an account.

    Attributes:
        code: its error code, such as `weak_password`; see the error codes in the documentation of Supabase Auth.

    """

    def __init__(self, code: str) -> None:
        """Store the code."""
        super().__init__(code)
        self.code = code


class DatabaseRefusalError(Exception):
    """The database answered that it will not do this. Nothing was changed."""

    def __init__(self, status: int, code: str, message: str, detail: str | None) -> None:
        """Store the HTTP status of the answer, its SQLSTATE or PostgREST code, its message and its detail."""
        super().__init__(message)
        self.status, self.code, self.message, self.detail = status, code, message, detail
