"""Hold the keys that access tokens are checked with: the project's shared secret, its published key set, or both."""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Final

import httpx
from jwt import PyJWK
from jwt.utils import base64url_encode

from app.auth.jwks import TIMEOUT_SECONDS, KeySet, download_key_set

logger = logging.getLogger(__name__)

_SMALLEST_SECRET_BYTES: Final = 32  # RFC 7518 §3.2: at least as long as the hash
_RETRY_PAUSE_SECONDS: Final = 5.0
_REFRESH_SECONDS: Final = 25.0
_TRUSTED_SECONDS: Final = 55.0
_KEPT_SECONDS: Final = 24 * 3600.0
_LONGEST_WAIT_SECONDS: Final = TIMEOUT_SECONDS + 0.5
_UNSET_IT: Final = (
    "SUPABASE_JWT_SECRET is set, and this project publishes keys for its access tokens. Whoever reads the secret can "
    "act as any user and as service_role: unset it once tokens are signed with the published keys."
)


class UnknownKeyError(Exception):
    """No key of ours can check this token; the message says why and repeats nothing of the token."""


class KeysUnavailableError(Exception):
    """There are no published keys, or none of the last 24 h, so nothing can be said about the token (HTTP 503)."""

    retry_after: Final = int(_RETRY_PAUSE_SECONDS)


class KeyRing:
    """Choose the key for a token. The algorithm belongs to the key; what a token claims only selects.

    HS256 goes to the secret; ES256 and RS256 go to the published key set. A project that moves from one to the
    other has both for a while. The secret is not dropped when published keys appear: Supabase publishes a standby key
    before the first token is signed with it, and until then every token needs the secret.

    Attributes:
        monotonic: the clock by which published keys grow old, in seconds.
        published: the published keys, where there are any.

    """

    def __init__(
        self,
        *,
        secret: str | None = None,
        jwks_url: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the HS256 `secret`, the `jwks_url`, or both. Touches no network: keys are fetched when first needed.

        Raises:
            ValueError: neither was given, or the secret is shorter than 32 bytes.

        """
        if not (secret or jwks_url):
            raise ValueError("access tokens cannot be checked without a secret or a key set URL")
        self._secret = _secret_key(secret) if secret else None
        self.monotonic = monotonic
        self.published = PublishedKeys(jwks_url, monotonic=monotonic) if jwks_url else None
        self._told = False

    def find(self, *, algorithm: str, key_id: str | None) -> PyJWK:
        """Return the key for a token whose header says `algorithm` and `key_id`.

        Raises:
            UnknownKeyError: there is none.
            KeysUnavailableError: whether there is one cannot be said yet.

        """
        if algorithm == "HS256" and self._secret is not None:
            return self._secret
        if algorithm not in {"ES256", "RS256"} or self.published is None:
            raise UnknownKeyError("its algorithm is not accepted here")
        if key_id is None:
            raise UnknownKeyError("it does not name its signing key")
        key = self.published.find(algorithm=algorithm, key_id=key_id)
        self._tell_if_the_secret_can_go()
        return key

    def _tell_if_the_secret_can_go(self) -> None:
        """Log once that the project publishes keys: the secret is soon a danger without a use."""
        if self._secret is not None and not self._told:
            self._told = True
            logger.warning(_UNSET_IT)


class PublishedKeys:
    """The key set at a URL: fetched when needed, refreshed behind the requests, kept when the endpoint fails.

    A key that is withdrawn from the set is gone within 60 s: while keys are in use the set is fetched every 25 s, so
    one fetch may fail; and a set that was not looked at for 55 s is fetched again before it is used. While the endpoint
    is down the keys are kept, for at most 24 h.

    One fetch runs at a time, in a thread of its own, and no lock is held during it. Only a request that cannot be
    answered without the result waits for it, at most 2.5 s. PyJWT's own client was not enough: it drops its keys
    when the endpoint is down and makes every thread queue behind the fetching one.

    Attributes:
        due_at: when `refresh` has something to do, on the clock given; infinite until a key was needed.

    """

    def __init__(self, url: str, *, monotonic: Callable[[], float]) -> None:
        """Remember where to fetch from. `monotonic` returns seconds."""
        self.due_at = math.inf
        self._url = url
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._keys: KeySet | None = None  # replaced whole, so it can be read without the lock
        self._on_withdrawal: Callable[[], None] | None = None
        self._running: threading.Event | None = None
        self._next_fetch_at = -math.inf
        self._trusted_until = math.inf
        self._kept_until = math.inf

    def on_withdrawal(self, forget: Callable[[], None]) -> None:
        """Call `forget` whenever a key has left the set: what was checked with it is no longer true."""
        self._on_withdrawal = forget

    def find(self, *, algorithm: str, key_id: str) -> PyJWK:
        """Return the published key, fetching when it is not known (at most every 25 s).

        Raises:
            UnknownKeyError: it is not in the set we last saw.
            KeysUnavailableError: no set was ever seen, or none for a day; another fetch follows within 25 s.

        """
        if self._monotonic() >= self.due_at:
            self.refresh()
        key = (self._keys or {}).get((algorithm, key_id))
        if key is not None:
            return key
        running = self._fetch_if_due()
        if running is not None:
            running.wait(_LONGEST_WAIT_SECONDS)
        keys = self._keys
        if keys is None:
            raise KeysUnavailableError("the keys that access tokens are checked with could not be fetched yet")
        if (algorithm, key_id) not in keys:
            raise UnknownKeyError("its signing key is not known")
        return keys[algorithm, key_id]

    def refresh(self) -> None:
        """Start a fetch if none was begun for 25 s; wait for it, at most 2.5 s, if the set is too old to go by."""
        running = self._fetch_if_due()
        must_wait = self._monotonic() >= self._trusted_until
        if must_wait and running is not None and not running.wait(_LONGEST_WAIT_SECONDS):
            self._trust_for_now()  # it hangs, which is as good as down
        with self._lock:
            if self._keys is not None and self._monotonic() >= self._kept_until:
                logger.warning("signing keys could not be fetched for %d hours; going by none", _KEPT_SECONDS // 3600)
                self._replace(None)

    def _fetch_if_due(self) -> threading.Event | None:
        """Start a fetch unless the last began too recently; return the end of the one that runs, if any does.

        A fetch that hangs (an endpoint can drip its headers for hours) is succeeded by another after the pause.
        """
        with self._lock:
            if self._monotonic() >= self._next_fetch_at:
                if self._running is not None:
                    self._trust_for_now()
                done = threading.Event()
                threading.Thread(target=self._fetch, args=(done,), name="jwks-fetch", daemon=True).start()
                self._running = done
                self._next_fetch_at = self._monotonic() + _REFRESH_SECONDS
            return self._running

    def _fetch(self, done: threading.Event) -> None:
        """Fetch the set once; whatever happens, let those who wait go on."""
        fetched: KeySet | None = None
        try:
            fetched = download_key_set(self._url)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            # The class only: messages can quote what a stranger's server sent.
            logger.warning("signing keys could not be fetched (%s); keeping those we have", type(error).__name__)
        finally:
            with self._lock:
                if self._running is done:  # else it hung, another one followed, and what it brings may be old
                    self._settle(fetched)
            done.set()

    def _settle(self, fetched: KeySet | None) -> None:
        """Take over what the newest fetch brought; None keeps the last good keys. The lock is held."""
        self._running = None
        self._trust_for_now()
        if fetched is not None:
            if self._keys is None or self._keys.keys() != fetched.keys():
                logger.info("signing keys fetched: %d usable", len(fetched))
            self._replace(fetched)
            self._kept_until = self._monotonic() + _KEPT_SECONDS
        if self._keys is None:
            self._next_fetch_at = self._monotonic() + _RETRY_PAUSE_SECONDS
        else:
            self.due_at = self._monotonic() + _REFRESH_SECONDS

    def _trust_for_now(self) -> None:
        """Let no request wait for a while: the set was just fetched, or cannot be."""
        self._trusted_until = self._monotonic() + _TRUSTED_SECONDS

    def _replace(self, keys: KeySet | None) -> None:
        """Go by `keys` from now on, and say so when one of those before is gone. The lock is held."""
        before, self._keys = self._keys or {}, keys
        now = keys or {}
        if self._on_withdrawal and any(name not in now or now[name].key != key.key for name, key in before.items()):
            self._on_withdrawal()


def _secret_key(secret: str) -> PyJWK:
    """Bind the shared secret to HS256."""
    raw = secret.encode()
    if len(raw) < _SMALLEST_SECRET_BYTES:
        raise ValueError(f"the JWT secret must be at least {_SMALLEST_SECRET_BYTES} bytes long")
    return PyJWK({"kty": "oct", "k": base64url_encode(raw).decode()}, "HS256")
