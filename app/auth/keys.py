"""The keys that verify access tokens: the project's shared secret, its published key set, or both."""

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
    "SUPABASE_JWT_SECRET is set, but this project publishes keys for its access tokens. Anybody who reads the secret "
    "can act as any user and as service_role. Unset it as soon as tokens are signed with the published keys."
)


class UnknownKeyError(Exception):
    """No key verifies this token. The message states the reason and quotes nothing of the token."""


class KeysUnavailableError(Exception):
    """No published keys are known, or they are older than 24 h, so the token cannot be verified (HTTP 503)."""

    retry_after: Final = int(_RETRY_PAUSE_SECONDS)


class KeyRing:
    """Selects the key that verifies a token. Each key has a fixed algorithm; the token's header only selects the key.

    HS256 uses the secret; ES256 and RS256 use the published key set. A project that moves from one to the other has
    both for a while. The secret is not dropped when published keys appear, because Supabase publishes a standby key
    before it signs the first token with it.

    Attributes:
        monotonic: the clock that measures the age of published keys, in seconds.
        published: the published keys; None without a key set URL.

    """

    def __init__(
        self,
        *,
        secret: str | None = None,
        jwks_url: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Use the HS256 `secret`, the `jwks_url`, or both. Uses no network: keys are fetched at the first use.

        Raises:
            ValueError: both are missing, or the secret is shorter than 32 bytes.

        """
        if not (secret or jwks_url):
            raise ValueError("access tokens cannot be checked without a secret or a key set URL")
        self._secret = _secret_key(secret) if secret else None
        self.monotonic = monotonic
        self.published = PublishedKeys(jwks_url, monotonic=monotonic) if jwks_url else None
        self._warned = False

    def find(self, *, algorithm: str, key_id: str | None) -> PyJWK:
        """Return the key for a token with `algorithm` and `key_id` in its header.

        Raises:
            UnknownKeyError: there is no such key.
            KeysUnavailableError: the published keys could not be fetched yet.

        """
        if algorithm == "HS256" and self._secret is not None:
            return self._secret
        if algorithm not in {"ES256", "RS256"} or self.published is None:
            raise UnknownKeyError("its algorithm is not accepted here")
        if key_id is None:
            raise UnknownKeyError("it does not name its signing key")
        key = self.published.find(algorithm=algorithm, key_id=key_id)
        self._warn_about_unneeded_secret()
        return key

    def _warn_about_unneeded_secret(self) -> None:
        """Log once that the project publishes keys, so that the secret can soon be removed."""
        if self._secret is not None and not self._warned:
            self._warned = True
            logger.warning(_UNSET_IT)


class PublishedKeys:
    """The key set at a URL: fetched on first use, refreshed in the background, kept while the endpoint is down.

    A key that is withdrawn from the set is no longer accepted after 60 s. While keys are in use, the set is fetched
    every 25 s, so one fetch may fail. A set that is older than 55 s is fetched again before it is used. While the
    endpoint is down, the keys are kept for at most 24 h.

    At most one fetch runs at a time, in its own thread and without a lock. Only a request that needs the result waits
    for it, at most 2.5 s. PyJWT's own client is not used: it drops its keys when the endpoint is down, and it makes
    all threads wait for the one that fetches.

    Attributes:
        due_at: time of the next refresh on the clock `monotonic`; infinite until the first key is needed.

    """

    def __init__(self, url: str, *, monotonic: Callable[[], float]) -> None:
        """Set the URL of the key set. `monotonic` returns seconds."""
        self.due_at = math.inf
        self._url = url
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._keys: KeySet | None = None  # always replaced as a whole, so it can be read without the lock
        self._on_withdrawal: Callable[[], None] | None = None
        self._running: threading.Event | None = None
        self._next_fetch_at = -math.inf
        self._trusted_until = math.inf
        self._kept_until = math.inf

    def on_withdrawal(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever a key was withdrawn, because tokens verified with it are no longer valid."""
        self._on_withdrawal = callback

    def find(self, *, algorithm: str, key_id: str) -> PyJWK:
        """Return the published key. Fetches the set for an unknown key, at most every 25 s.

        Raises:
            UnknownKeyError: it is not in the latest set.
            KeysUnavailableError: no set was fetched yet, or none for 24 h. The next fetch follows within 25 s.

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
            raise KeysUnavailableError("the keys that verify access tokens could not be fetched yet")
        if (algorithm, key_id) not in keys:
            raise UnknownKeyError("its signing key is not known")
        return keys[algorithm, key_id]

    def refresh(self) -> None:
        """Start a fetch if the last began 25 s ago. If the set is too old to use, wait for it, at most 2.5 s."""
        running = self._fetch_if_due()
        must_wait = self._monotonic() >= self._trusted_until
        if must_wait and running is not None and not running.wait(_LONGEST_WAIT_SECONDS):
            self._extend_trust()  # the endpoint hangs, which is treated as down
        with self._lock:
            if self._keys is not None and self._monotonic() >= self._kept_until:
                logger.warning(
                    "signing keys could not be fetched for %d hours; they are dropped", _KEPT_SECONDS // 3600
                )
                self._replace(None)

    def _fetch_if_due(self) -> threading.Event | None:
        """Start a fetch unless the last one began too recently. Return the event that a running fetch will set.

        When a fetch hangs, another one is started after the pause: an endpoint can send its headers for hours.
        """
        with self._lock:
            if self._monotonic() >= self._next_fetch_at:
                if self._running is not None:
                    self._extend_trust()
                done = threading.Event()
                threading.Thread(target=self._fetch, args=(done,), name="jwks-fetch", daemon=True).start()
                self._running = done
                self._next_fetch_at = self._monotonic() + _REFRESH_SECONDS
            return self._running

    def _fetch(self, done: threading.Event) -> None:
        """Fetch the set once and set `done`, also after an error."""
        fetched: KeySet | None = None
        try:
            fetched = download_key_set(self._url)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            # Log only the class: the message can quote what the endpoint sent.
            logger.warning("signing keys could not be fetched (%s); keeping those we have", type(error).__name__)
        finally:
            with self._lock:
                # If not, this fetch hung, a newer one has started, and this result may be outdated.
                if self._running is done:
                    self._settle(fetched)
            done.set()

    def _settle(self, fetched: KeySet | None) -> None:
        """Apply the result of the newest fetch; None keeps the previous keys. The caller holds the lock."""
        self._running = None
        self._extend_trust()
        if fetched is not None:
            if self._keys is None or self._keys.keys() != fetched.keys():
                logger.info("signing keys fetched: %d usable", len(fetched))
            self._replace(fetched)
            self._kept_until = self._monotonic() + _KEPT_SECONDS
        if self._keys is None:
            self._next_fetch_at = self._monotonic() + _RETRY_PAUSE_SECONDS
        else:
            self.due_at = self._monotonic() + _REFRESH_SECONDS

    def _extend_trust(self) -> None:
        """Use the set for the next 55 s without waiting: it was just fetched, or it cannot be fetched."""
        self._trusted_until = self._monotonic() + _TRUSTED_SECONDS

    def _replace(self, keys: KeySet | None) -> None:
        """Use `keys` from now on, and report a withdrawn key. The caller holds the lock."""
        before, self._keys = self._keys or {}, keys
        now = keys or {}
        if self._on_withdrawal and any(name not in now or now[name].key != key.key for name, key in before.items()):
            self._on_withdrawal()


def _secret_key(secret: str) -> PyJWK:
    """Return the shared secret as a key for HS256."""
    raw = secret.encode()
    if len(raw) < _SMALLEST_SECRET_BYTES:
        raise ValueError(f"the JWT secret must be at least {_SMALLEST_SECRET_BYTES} bytes long")
    return PyJWK({"kty": "oct", "k": base64url_encode(raw).decode()}, "HS256")
