"""How a call of the database can fail."""


class DatabaseUnavailableError(Exception):
    """The database did not answer. Nothing was changed unless it is an `OutcomeUnknownError`."""

    def __init__(self, message: str = "The database is not reachable; nothing was changed. Please try again.") -> None:
        """Carry words fit for the client."""
        super().__init__(message)


class OutcomeUnknownError(DatabaseUnavailableError):
    """The answer to a change was lost: it may have happened, or may still happen."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("The database did not confirm the change; it may have happened. Please look before retrying.")


class DatabaseRefusalError(Exception):
    """The database understood and said no."""

    def __init__(self, status: int, code: str, message: str, detail: str | None) -> None:
        """Carry the HTTP status it stands for, the SQLSTATE or PostgREST code, the message and the detail."""
        super().__init__(message)
        self.status, self.code, self.message, self.detail = status, code, message, detail
