"""The audit log: who did, or was refused, what security depends on (OWASP ASVS 5.0, V16). docs/audit.md has the events.

One line each on the logger `app.audit`, at every LOG_LEVEL. A line holds no password, token or e-mail address: an
account that somebody merely named is a pseudonym, the same for the same account.
"""

import hashlib
import json
import logging
import re
from typing import Final

from flask import current_app

from app.addresses import client_address

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:@/+-]+")


def record(event: str, outcome: str, **details: str | int | None) -> None:
    """Log one event of the current request or command.

    Args:
        event: what was tried, such as `sign-in`.
        outcome: `ok`, `refused`, `limited` or `failed`.
        details: further members; `user` is the id of whoever did it. Those that are None are left out.

    """
    known = {"address": client_address() or None, **details}
    fields = {"event": event, "outcome": outcome} | {name: value for name, value in known.items() if value is not None}
    words = " ".join(f"{name}={_quoted(value)}" for name, value in fields.items() if name not in {"event", "outcome"})
    logger.info("%s %s %s", event, outcome, words, extra={"audit": fields})


def pseudonym(text: str) -> str:
    """Return what stands for `text` in logs and in Redis: only this installation can tell which text it was.

    A keyed digest (BLAKE2, RFC 7693) of 128 bits; the key comes from SECRET_KEY.
    """
    key = hashlib.sha256(b"pseudonyms:" + current_app.config["SECRET_KEY"].encode()).digest()
    return hashlib.blake2b(text.encode("utf-8", "replace"), key=key, digest_size=16).hexdigest()


def account(email: str) -> str:
    """Return the pseudonym of an account; Supabase takes addresses in any case for the same."""
    return pseudonym(f"account:{email.strip().lower()}")


def _quoted(value: str | int) -> str:
    """Return a value as one word of a line for people: nothing in it can look like the next field or line."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
