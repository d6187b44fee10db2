"""The limits, and their representation in HTTP headers."""

from dataclasses import dataclass
from math import ceil
from typing import Final


@dataclass(frozen=True, slots=True)
class Policy:
    """A rate limit: `quota` requests in one burst. One becomes available again every `window / quota` seconds.

    Attributes:
        name: name of the policy in headers, logs and keys.
        quota: number of requests.
        window: seconds.

    """

    name: str
    quota: int
    window: int

    @property
    def interval_ms(self) -> int:
        """Milliseconds until one request becomes available again."""
        return self.window * 1000 // self.quota

    @property
    def window_ms(self) -> int:
        """Milliseconds until the whole quota becomes available again."""
        return self.interval_ms * self.quota

    def __str__(self) -> str:
        """Return the RateLimit-Policy field (draft-ietf-httpapi-ratelimit-headers-10, section 3)."""
        return f'"{self.name}";q={self.quota};w={self.window}'


@dataclass(frozen=True, slots=True)
class LimitState:
    """State of a client's limit after a request.

    Attributes:
        policy: the limit.
        allowed: whether the request was within it.
        wait_ms: milliseconds until the whole quota is available again; for a refused request, until one request is.

    """

    policy: Policy
    allowed: bool
    wait_ms: int

    @property
    def seconds(self) -> int:
        """The wait in whole seconds: the value of Retry-After."""
        return ceil(self.wait_ms / 1000)

    @property
    def left(self) -> int:
        """Number of further requests that are allowed now."""
        return (self.policy.window_ms - self.wait_ms) // self.policy.interval_ms if self.allowed else 0

    def __str__(self) -> str:
        """Return the RateLimit field (same draft, section 4)."""
        return f'"{self.policy.name}";r={self.left};t={self.seconds}'


SIGN_IN_HERE: Final = Policy("sign-in-account-here", quota=10, window=900)
"""Failed sign-ins to one account from one address."""
SIGN_IN_FROM: Final = Policy("sign-in-address", quota=20, window=300)
"""Failed sign-ins from one address, to any account. Supabase allows 30 in 5 minutes per address, and all our sellers
have the same address for it. This limit is lower, so that a single attacker cannot use up Supabase's."""
SIGN_IN_TO: Final = Policy("sign-in-account", quota=100, window=3600)
"""Failed sign-ins to one account from all addresses. It is high, because reaching it also locks out the owner."""
SIGN_UP: Final = Policy("sign-up-address", quota=10, window=3600)
"""New accounts from one address."""
RESET_FROM: Final = Policy("reset-address", quota=10, window=3600)
"""Requests for a new password from one address."""
MAILS_TO: Final = Policy("mails-to-account", quota=3, window=3600)
"""E-mails to one address that somebody without an account can cause, so that nobody floods a mailbox."""
EMAIL_CHANGES: Final = Policy("email-changes", quota=5, window=3600)
"""Requests of one user for a new e-mail address: each sends e-mails to addresses that the user may not own."""
CONFIRM: Final = Policy("confirm-address", quota=30, window=900)
"""Links of e-mails that are used from one address."""
WRITES: Final = Policy("writes", quota=600, window=60)
"""Changes by one user, through the API and at the desk."""
IMPORTS: Final = Policy("imports", quota=20, window=60)
"""Imports by one user."""
