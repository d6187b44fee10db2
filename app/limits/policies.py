"""What is limited, and how a policy and where somebody stands under it are told to clients."""

from dataclasses import dataclass
from math import ceil
from typing import Final


@dataclass(frozen=True, slots=True)
class Policy:
    """So many requests in such a time: `quota` at once, and each comes back after `window / quota` seconds.

    Attributes:
        name: of the policy, in headers, logs and keys.
        quota: requests.
        window: seconds.

    """

    name: str
    quota: int
    window: int

    @property
    def interval_ms(self) -> int:
        """Milliseconds in which one request comes back."""
        return self.window * 1000 // self.quota

    @property
    def window_ms(self) -> int:
        """Milliseconds in which the whole quota comes back."""
        return self.interval_ms * self.quota

    def __str__(self) -> str:
        """Return the RateLimit-Policy field (draft-ietf-httpapi-ratelimit-headers-10, section 3)."""
        return f'"{self.name}";q={self.quota};w={self.window}'


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a client stands under a policy, after a request.

    Attributes:
        policy: which.
        allowed: whether the request was within it.
        wait_ms: milliseconds until the whole quota is available again or, when it was not, until one request is.

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
        """How many more requests are within the policy now."""
        return (self.policy.window_ms - self.wait_ms) // self.policy.interval_ms if self.allowed else 0

    def __str__(self) -> str:
        """Return the RateLimit field (same draft, section 4)."""
        return f'"{self.policy.name}";r={self.left};t={self.seconds}'


SIGN_IN_HERE: Final = Policy("sign-in-account-here", quota=10, window=900)
"""Failed sign-ins of one account from one address: somebody who forgot a password, or guesses one."""
SIGN_IN_FROM: Final = Policy("sign-in-address", quota=20, window=300)
"""Failed sign-ins from one address, whatever the account. Less than the 30 in 5 minutes that Supabase allows: all our
sellers come from one address there, and no single guesser must use that up."""
SIGN_IN_TO: Final = Policy("sign-in-account", quota=100, window=3600)
"""Failed sign-ins of one account from everywhere. Loose: whoever uses it up keeps its owner out as well."""
WRITES: Final = Policy("writes", quota=600, window=60)
"""Changes by one user, through the API and at the desk."""
IMPORTS: Final = Policy("imports", quota=20, window=60)
"""Files taken in for one user."""
