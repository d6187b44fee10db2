"""The connection to Supabase. Every call runs as the user whose token it carries.

A process has one httpx client for the tables. Each call creates a light PostgREST client with the caller's token,
because threads that share such a client would run calls as each other's users. The database enforces that users see
only their own rows. This process holds no service key.
"""

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
from postgrest import APIError, SyncPostgrestClient
from supabase_auth import SyncGoTrueClient
from supabase_auth.errors import AuthApiError, AuthError
from supabase_auth.types import AuthResponse, SignInWithEmailAndPasswordCredentials

from app.database.accounts import Accounts
from app.database.breaker import Breaker
from app.database.bulkhead import Bulkhead
from app.database.errors import DatabaseRefusalError, DatabaseUnavailableError, OutcomeUnknownError
from app.database.measuring import measured
from app.database.session import Session, session_in

# Node closes idle connections after about 6 s; reusing one at that moment fails the request.
_KEEPALIVE_SECONDS = 4.0
# Error codes of Supabase Auth for a session that has already ended, and for a deleted user.
_NO_SESSION = {"session_not_found", "user_not_found"}
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# Any SQLSTATE except those with an unknown outcome: 08… (connection lost) and 40003 (completion unknown).
_ROLLED_BACK = re.compile(r"(?!08|40003)[0-9A-Z]{5}")
# The HTTP statuses of PostgREST for these SQLSTATEs. Supabase Lite uses other statuses for some of them.
_STATUS_BY_CODE = {"23505": 409, "42501": 403}


class Database:
    """The Supabase project: its SQL functions and its accounts. Thread-safe.

    While the project is down, every call raises DatabaseUnavailableError within milliseconds and no change is sent.
    Sign-ins use another service of the project. That service can hang alone, so sign-ins get at most half of the slots.
    """

    def __init__(self, url: str, key: str, *, timeout: float, max_calls: int, down_after: float = 2.0) -> None:
        """Store the settings. Nothing connects yet.

        Args:
            url: the URL of the project.
            key: the publishable key.
            timeout: seconds for each step of a call: connect, send, receive.
            max_calls: the number of calls that run at the same time; further calls wait.
            down_after: seconds without any answer, while calls wait, after which the database counts as down.

        """
        self._key, self._rest_url, self._auth_url = key, f"{url}/rest/v1", f"{url}/auth/v1"
        connections = max_calls + 1  # one for probes
        limits = httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_KEEPALIVE_SECONDS
        )
        self._rest = httpx.Client(timeout=timeout, limits=limits, event_hooks={"response": [_raise_for_status]})
        self._auth = httpx.Client(timeout=timeout, limits=limits)
        self._breaker = Breaker(self._probe, max_silence=down_after)
        self._calls, self._sign_ins = (
            Bulkhead(size, max_silence=down_after / 2, may_answer=self._breaker.admits)
            for size in (max_calls, max(1, max_calls // 2))
        )

    @property
    def accounts(self) -> Accounts:
        """The accounts of the project."""
        return Accounts(self._auth_client, self._auth_call, self._auth, self._auth_url, self._key)

    @property
    def is_available(self) -> bool:
        """False while the database is known to be down. Makes no call."""
        return self._breaker.admits()

    @property
    def idle_calls(self) -> int:
        """The number of calls that could start now without waiting for another one. 0 while the database is down."""
        return self._calls.free if self.is_available else 0

    @property
    def slots(self) -> tuple[int, int]:
        """The number of calls that run now, and the number that can run at the same time."""
        return self._calls.size - self._calls.free, self._calls.size

    def read(self, token: str, function: str, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """Call a SQL function that changes nothing and return its JSON result.

        Raises:
            DatabaseUnavailableError: there was no answer, or the answer has an unexpected format.
            DatabaseRefusalError: the function or PostgREST refused.

        """
        return self._call(token, function, arguments, on_lost_answer=DatabaseUnavailableError)

    def change(self, token: str, function: str, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """Call a SQL function that changes rows in one transaction, and return its JSON result.

        Raises:
            OutcomeUnknownError: it was sent, but no usable answer came back.
            DatabaseUnavailableError: it was never sent.
            DatabaseRefusalError: it was refused; nothing was changed.

        """
        return self._call(token, function, arguments, on_lost_answer=OutcomeUnknownError)

    def latency(self) -> float:
        """Return how many seconds the database took to answer a recent probe.

        There is at most one probe per second, whatever the number of callers, and no caller waits longer than half of
        `down_after`.

        Raises:
            DatabaseUnavailableError: it did not answer in that time.

        """
        return self._breaker.latency()

    def sign_in(self, email: str, password: str, *, address: str = "") -> Session | None:
        """Open a session for a client at this IP address. Returns None when the e-mail or the password is wrong.

        Raises DatabaseUnavailableError.
        """
        credentials: SignInWithEmailAndPasswordCredentials = {"email": email, "password": password}
        return self._session(lambda auth: auth.sign_in_with_password(credentials), address=address)

    def sign_up_is_open(self) -> bool:
        """Return whether anybody can create an account. Raises DatabaseUnavailableError."""
        try:
            answer = self._auth.get(f"{self._auth_url}/settings", headers={"apikey": self._key})
            return answer.raise_for_status().json()["disable_signup"] is not True
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            raise DatabaseUnavailableError("Supabase does not say whether sign-up is open.") from None

    def refresh(self, refresh_token: str) -> Session | None:
        """Exchange a refresh token for a session; None when it is no longer valid. Raises DatabaseUnavailableError."""
        return self._session(lambda auth: auth.refresh_session(refresh_token))

    def sign_out(self, access_token: str) -> None:
        """End the session of the token. Raises DatabaseUnavailableError when the session may not have ended."""
        try:
            with self._auth_call():
                self._auth_client().admin.sign_out(access_token, "local")
        except (AuthError, httpx.HTTPError) as error:
            if not (isinstance(error, AuthError) and error.code in _NO_SESSION):
                raise DatabaseUnavailableError("The session could not be ended. Please try again.") from None

    def close(self) -> None:
        """Stop probing and close the connections. For processes that outlive this object, such as tests."""
        self._breaker.close()
        self._rest.close()
        self._auth.close()

    def _call(
        self, token: str, function: str, arguments: Mapping[str, Any], *, on_lost_answer: type[DatabaseUnavailableError]
    ) -> Any:  # noqa: ANN401 - any JSON
        headers = {"apikey": self._key} | ({"Authorization": f"Bearer {token}"} if token else {})
        client = SyncPostgrestClient(self._rest_url, headers=headers, http_client=self._rest, retry_enabled=False)
        try:
            with self._calls.slot(), self._breaker.call(), measured(function):
                result: Any = client.rpc(function, dict(arguments)).execute().data
        except _NEVER_SENT:
            raise DatabaseUnavailableError from None
        except (httpx.HTTPError, APIError, _NoAnswerError):
            raise on_lost_answer from None
        # The client returns a body that is not JSON as text, and an empty body as a list. Our functions return neither.
        if isinstance(result, str | list) and result != "ok":
            raise on_lost_answer
        return result

    def _session(self, request: Callable[[SyncGoTrueClient], AuthResponse], *, address: str = "") -> Session | None:
        try:
            with self._auth_call():
                return session_in(request(self._auth_client(address)))
        except AuthApiError as error:
            if error.status in {400, 401, 403, 404, 422}:
                return None
            raise DatabaseUnavailableError("Signing in is not possible right now. Please try again.") from None
        except (AuthError, httpx.HTTPError, ValueError, DatabaseUnavailableError):
            raise DatabaseUnavailableError("Signing in is not possible right now. Please try again.") from None

    @contextlib.contextmanager
    def _auth_call(self) -> Iterator[None]:
        """Hold the slots for one call to Supabase Auth inside the block. Raises DatabaseUnavailableError."""
        with self._sign_ins.slot(), self._calls.slot(), self._breaker.call(), measured("auth"):
            try:
                yield
            except AuthError as error:  # the client library also raises this for connection errors
                if isinstance(error.__cause__, httpx.RequestError):
                    raise error.__cause__ from None
                raise

    def _probe(self, seconds: float) -> float | None:
        """Make a cheap call with a timeout of `seconds`. Returns how many seconds it took, None without an answer."""
        started = time.perf_counter()
        try:
            health = f"{self._rest_url}/rpc/health"
            answer = self._rest.post(health, json={}, headers={"apikey": self._key}, timeout=seconds)
            return time.perf_counter() - started if answer.json() == "ok" else None
        except (httpx.HTTPError, DatabaseRefusalError, _NoAnswerError, ValueError):
            return None

    def _auth_client(self, address: str = "") -> SyncGoTrueClient:
        """Return a client for one call: a shared client would continue as the user who signed in last.

        The client sends the address of the caller, so that Supabase Auth applies its rate limits to that address
        instead of to ours (docs/limits.md says where it does).
        """
        return SyncGoTrueClient(
            url=self._auth_url,
            headers={"apikey": self._key} | ({"Sb-Forwarded-For": address} if address else {}),
            auto_refresh_token=False,
            persist_session=False,
            http_client=self._auth,
        )


class _NoAnswerError(Exception):
    """A 5xx status that does not come from the function: it is unknown how far the call got."""


def _raise_for_status(response: httpx.Response) -> None:
    """Raise our exception for an error status: the client library drops the status (an httpx response hook)."""
    if response.is_success:
        return
    try:
        problem = json.loads(response.read())
        code, message = str(problem["code"]), str(problem["message"])
    except (ValueError, KeyError, TypeError):
        raise _NoAnswerError from None
    if response.status_code >= 500 and not _ROLLED_BACK.fullmatch(code):
        raise _NoAnswerError
    details = problem.get("details")
    status = _STATUS_BY_CODE.get(code, response.status_code)
    raise DatabaseRefusalError(status, code, message, None if details is None else str(details))
