"""The connection to Supabase: every call as the user whose token it carries, every failure with a name.

One httpx client per process; per call a light PostgREST client with the caller's own token, never a shared one: a
shared client mixes up users under threads. The database enforces isolation; this process holds no service key.
"""

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from postgrest import APIError, SyncPostgrestClient
from supabase_auth import SyncGoTrueClient
from supabase_auth.errors import AuthApiError, AuthError
from supabase_auth.types import AuthResponse, SignInWithEmailAndPasswordCredentials

from app.database.breaker import Breaker
from app.database.bulkhead import Bulkhead
from app.database.errors import DatabaseRefusalError, DatabaseUnavailableError, OutcomeUnknownError

# Node closes idle connections after about 6 s; reusing one at that moment fails the request.
_KEEPALIVE_SECONDS = 4.0
# What Supabase Auth says of a session that ended before, or of one whose user is gone.
_NO_SESSION = {"session_not_found", "user_not_found"}
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# Any SQLSTATE but those that leave the outcome open: 08… (connection lost) and 40003 (completion unknown).
_ROLLED_BACK = re.compile(r"(?!08|40003)[0-9A-Z]{5}")
# PostgREST answers these SQLSTATEs with a status; Supabase Lite answers some of them with another.
_STATUS_BY_CODE = {"23505": 409, "42501": 403}


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in user's tokens; `expires_at` is epoch seconds."""

    access_token: str
    refresh_token: str
    expires_at: int
    email: str
    user_id: str


class Database:
    """Supabase as this process sees it. Thread-safe.

    While it is down every call is a DatabaseUnavailableError within milliseconds; a change is then never sent. Sign-ins
    ask another service of the same project. It may hang alone, so they get half of the places at most.
    """

    def __init__(self, url: str, key: str, *, timeout: float, most_calls: int, down_after: float = 2.0) -> None:
        """Describe the project; nothing is connected yet.

        Args:
            url: the project's.
            key: the publishable key.
            timeout: seconds for each step of a call: connecting, sending, receiving.
            most_calls: how many calls are made at the same time; further ones wait their turn.
            down_after: seconds without any answer, while calls wait, after which the database counts as down.

        """
        self._key, self._rest_url, self._auth_url = key, f"{url}/rest/v1", f"{url}/auth/v1"
        connections = most_calls + 1  # one for probes
        limits = httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_KEEPALIVE_SECONDS
        )
        self._rest = httpx.Client(timeout=timeout, limits=limits, event_hooks={"response": [_raise_for_status]})
        self._auth = httpx.Client(timeout=timeout, limits=limits)
        self._breaker = Breaker(self._probe, patience=down_after)
        self._places, self._sign_in_places = (
            Bulkhead(places, patience=down_after / 2, hopeful=self._breaker.admits)
            for places in (most_calls, max(1, most_calls // 2))
        )

    @property
    def answers(self) -> bool:
        """Whether a call is worth making, as far as is known; asks nobody."""
        return self._breaker.admits()

    def read(self, token: str, function: str, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """Call a SQL function that changes nothing and return its JSON result.

        Raises:
            DatabaseUnavailableError: no answer, or none of the expected form.
            DatabaseRefusalError: the function or PostgREST said no.

        """
        return self._call(token, function, arguments, lost=DatabaseUnavailableError)

    def change(self, token: str, function: str, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """Call a SQL function that changes rows in one transaction, and return its JSON result.

        Raises:
            OutcomeUnknownError: it was sent, but no usable answer came back.
            DatabaseUnavailableError: it was never sent.
            DatabaseRefusalError: it was refused; nothing was changed.

        """
        return self._call(token, function, arguments, lost=OutcomeUnknownError)

    def latency(self) -> float:
        """Return how long the database took to answer a probe a moment ago, in seconds.

        However many ask there is one probe a second, and nobody waits for longer than half of `down_after`.

        Raises:
            DatabaseUnavailableError: it did not answer in that time.

        """
        return self._breaker.latency()

    def sign_in(self, email: str, password: str, *, address: str = "") -> Session | None:
        """Open a session for a client at this IP address; None when e-mail or password are wrong.

        Raises DatabaseUnavailableError.
        """
        credentials: SignInWithEmailAndPasswordCredentials = {"email": email, "password": password}
        return self._session(lambda auth: auth.sign_in_with_password(credentials), address=address)

    def sign_up_is_open(self) -> bool:
        """Say whether anybody can make an account for themselves. Raises DatabaseUnavailableError."""
        try:
            answer = self._auth.get(f"{self._auth_url}/settings", headers={"apikey": self._key})
            return answer.raise_for_status().json()["disable_signup"] is not True
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            raise DatabaseUnavailableError("Supabase does not say whether sign-up is open.") from None

    def refresh(self, refresh_token: str) -> Session | None:
        """Exchange a refresh token for a session; None when it is no longer good. Raises DatabaseUnavailableError."""
        return self._session(lambda auth: auth.refresh_session(refresh_token))

    def sign_out(self, access_token: str) -> None:
        """End the session the token belongs to. Raises DatabaseUnavailableError: it may not have ended."""
        try:
            with self._signing_in():
                self._gotrue().admin.sign_out(access_token, "local")
        except (AuthError, httpx.HTTPError) as error:
            if not (isinstance(error, AuthError) and error.code in _NO_SESSION):
                raise DatabaseUnavailableError("The session could not be ended. Please try again.") from None

    def close(self) -> None:
        """Close the connections; for whoever outlives an application, as tests do."""
        self._breaker.close()
        self._rest.close()
        self._auth.close()

    def _call(
        self, token: str, function: str, arguments: Mapping[str, Any], *, lost: type[DatabaseUnavailableError]
    ) -> Any:  # noqa: ANN401 - any JSON
        headers = {"apikey": self._key} | ({"Authorization": f"Bearer {token}"} if token else {})
        client = SyncPostgrestClient(self._rest_url, headers=headers, http_client=self._rest, retry_enabled=False)
        try:
            with self._places.place(), self._breaker.call():
                result: Any = client.rpc(function, dict(arguments)).execute().data
        except _NEVER_SENT:
            raise DatabaseUnavailableError from None
        except (httpx.HTTPError, APIError, _NoAnswerError):
            raise lost from None
        # The client passes what is no JSON on as text, and an empty body as a list; our functions return neither.
        if isinstance(result, str | list) and result != "ok":
            raise lost
        return result

    def _session(self, ask: Callable[[SyncGoTrueClient], AuthResponse], *, address: str = "") -> Session | None:
        try:
            with self._signing_in():
                session = ask(self._gotrue(address)).session
        except AuthApiError as error:
            if error.status in {400, 401, 403, 404, 422}:
                return None
            raise DatabaseUnavailableError("Signing in is not possible right now. Please try again.") from None
        except (AuthError, httpx.HTTPError, ValueError, DatabaseUnavailableError):
            raise DatabaseUnavailableError("Signing in is not possible right now. Please try again.") from None
        if session is None:
            return None
        expires_at = session.expires_at or int(time.time()) + session.expires_in
        user = session.user
        return Session(session.access_token, session.refresh_token, expires_at, user.email or "", user.id)

    @contextlib.contextmanager
    def _signing_in(self) -> Iterator[None]:
        """Make one call of the accounts' service inside. Raises DatabaseUnavailableError instead of waiting in vain."""
        with self._sign_in_places.place(), self._places.place(), self._breaker.call():
            try:
                yield
            except AuthError as error:  # the client library's name for each failure, those of the connection too
                if isinstance(error.__cause__, httpx.RequestError):
                    raise error.__cause__ from None
                raise

    def _probe(self, seconds: float) -> float | None:
        """Make the database answer within `seconds`; return how many it took, None when it did not."""
        started = time.perf_counter()
        try:
            health = f"{self._rest_url}/rpc/health"
            answer = self._rest.post(health, json={}, headers={"apikey": self._key}, timeout=seconds)
            return time.perf_counter() - started if answer.json() == "ok" else None
        except (httpx.HTTPError, DatabaseRefusalError, _NoAnswerError, ValueError):
            return None

    def _gotrue(self, address: str = "") -> SyncGoTrueClient:
        """Return a client for one call: a shared one would go on as whoever signed in last.

        It names the address it calls for, so that Supabase Auth can apply its own limits to that instead of to ours
        (docs/limits.md says where it does).
        """
        return SyncGoTrueClient(
            url=self._auth_url,
            headers={"apikey": self._key} | ({"Sb-Forwarded-For": address} if address else {}),
            auto_refresh_token=False,
            persist_session=False,
            http_client=self._auth,
        )


class _NoAnswerError(Exception):
    """A 5xx that does not come from the function: nobody can say how far the call got."""


def _raise_for_status(response: httpx.Response) -> None:
    """Turn an error status into our exceptions before the client library loses it (an httpx response hook)."""
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
