"""The accounts of the project, kept by Supabase Auth: sign-up, confirmation by e-mail, and changes of an account."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import httpx
from supabase_auth import SyncGoTrueClient
from supabase_auth.errors import AuthApiError, AuthError, AuthWeakPasswordError

from app.database.errors import AccountRefusedError, DatabaseUnavailableError
from app.database.session import Session, session_in

if TYPE_CHECKING:
    from supabase_auth.types import VerifyTokenHashParams

LinkKind = Literal["signup", "recovery", "email_change"]
"""What the link in an e-mail confirms: a new account, a forgotten password, or a new address."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of the project. Every method raises DatabaseUnavailableError when Supabase Auth does not answer.

    Attributes:
        client: returns a client for one call, on behalf of an IP address.
        guarded: holds the slots for one call.
        http: the connection to Supabase Auth.
        url: its address.
        key: the publishable key.

    """

    client: Callable[[str], SyncGoTrueClient]
    guarded: Callable[[], AbstractContextManager[None]]
    http: httpx.Client
    url: str
    key: str

    def sign_up(self, email: str, password: str, *, address: str) -> Session | None:
        """Create an account. Returns None if the user must first open the link in an e-mail.

        If the project confirms addresses, the result for an existing account is also None. Raises AccountRefusedError.
        """
        return self._call(
            lambda: session_in(self.client(address).sign_up({"email": email, "password": password})),
        )

    def send_reset(self, email: str, *, address: str) -> None:
        """Send an e-mail with a link that allows a new password. Unknown addresses are not reported.

        Raises AccountRefusedError.
        """
        self._call(lambda: self.client(address).reset_password_for_email(email))

    def confirm(self, token_hash: str, kind: LinkKind, *, address: str) -> Session | None:
        """Use the link of an e-mail, which works once. Returns None if a second link of the same change is missing.

        Raises AccountRefusedError if the link was used before or is too old.
        """
        link: VerifyTokenHashParams = {"token_hash": token_hash, "type": kind}
        return self._call(lambda: session_in(self.client(address).verify_otp(link)))

    def set_currency(self, access_token: str, code: str) -> None:
        """Store the currency of the user. Raises AccountRefusedError."""
        self.change(access_token, data={"currency": code})

    def change(self, access_token: str, **fields: str | dict[str, str]) -> None:
        """Change the `password` or the `email` of the user. A new address must be confirmed by e-mail first.

        Supabase ends the other sessions of the user when the password changes. Raises AccountRefusedError.
        """
        headers = {"apikey": self.key, "Authorization": f"Bearer {access_token}"}

        def send() -> None:
            answer = self.http.put(f"{self.url}/user", json=fields, headers=headers)
            if answer.is_client_error:
                document = answer.json()
                raise AccountRefusedError(str(document.get("error_code") or document.get("code") or "unknown"))
            answer.raise_for_status()

        self._call(send)

    def end_all_sessions(self, access_token: str) -> None:
        """End all sessions of the user, also the one of this token."""
        self._call(lambda: self.client("").admin.sign_out(access_token, "global"))

    def _call(self, request: Callable[[], T]) -> T:
        try:
            with self.guarded():
                return request()
        except AuthWeakPasswordError:
            raise AccountRefusedError("weak_password") from None
        except AuthApiError as error:
            if error.status < 500:
                raise AccountRefusedError(str(error.code or "unknown")) from None
            raise DatabaseUnavailableError("This is not possible right now. Please try again.") from None
        except (AuthError, httpx.HTTPError, ValueError):
            raise DatabaseUnavailableError("This is not possible right now. Please try again.") from None
