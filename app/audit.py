"""The audit log: security events, allowed and refused (OWASP ASVS 5.0, V16). docs/audit.md lists them.

Each event is one line on the logger `app.audit`, at every LOG_LEVEL. A line contains no password, token or e-mail
address. An account that a caller only named appears as a pseudonym, which is always the same for the same account.
"""

import hashlib
import json
import logging
import re
from typing import Final

from flask import current_app

from app.addresses import client_address
from app.metrics.catalogue import AUDIT_EVENTS

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:@/+-]+")


def record(event: str, outcome: str, **details: str | int | None) -> None:
    """Log one event of the current request or command.

    Args:
        event: the attempted action, such as `sign-in`. It is a label of a metric, so it is never a caller's text.
        outcome: `ok`, `refused`, `limited` or `failed`.
        details: further members; `user` is the id of the acting user. Members with the value None are omitted.

    """
    AUDIT_EVENTS.add(1, event, outcome)
    known = {"address": client_address() or None, **details}
    fields = {"event": event, "outcome": outcome} | {name: value for name, value in known.items() if value is not None}
    words = " ".join(f"{name}={_quoted(value)}" for name, value in fields.items() if name not in {"event", "outcome"})
    logger.info("%s %s %s", event, outcome, words, extra={"audit": fields})


def pseudonym(text: str) -> str:
    """Return a pseudonym of `text` for logs and Redis keys. Only this installation can compute it from the text.

    A keyed digest (BLAKE2, RFC 7693) of 128 bits; the key comes from SECRET_KEY.
    """
    key = hashlib.sha256(b"pseudonyms:" + current_app.config["SECRET_KEY"].encode()).digest()
    return hashlib.blake2b(text.encode("utf-8", "replace"), key=key, digest_size=16).hexdigest()


def account(email: str) -> str:
    """Return the pseudonym of an account. Upper and lower case are the same, as they are for Supabase."""
    return pseudonym(f"account:{email.strip().lower()}")


def _quoted(value: str | int) -> str:
    """Return a value as one word of a text log line, quoted if it could be mistaken for the next field or line."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
