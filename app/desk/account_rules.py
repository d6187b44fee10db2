"""The rules for passwords and e-mail addresses, and what the refusals of Supabase Auth mean for the user."""

import re
from typing import Final

from app.database import AccountRefusedError

MIN_PASSWORD: Final = 10
"""Minimum number of characters. A project can require more (docs/deployment.md)."""

_MAX_PASSWORD_BYTES: Final = 72  # bcrypt ignores the rest, so Supabase Auth refuses longer ones
_ADDRESS: Final = re.compile(r"[^@\s\x00]{1,64}@[^@\s\x00]{1,255}")
_TEXTS: Final = {
    "weak_password": "This password is too easy to guess. Use a longer one.",
    "same_password": "This is your current password. Choose another one.",
    "user_already_exists": "This address cannot be used. If you have an account already, sign in.",
    "email_address_invalid": "This is not a valid e-mail address.",
    "email_address_not_authorized": "This address cannot be used.",
    "signup_disabled": "New accounts cannot be created at the moment.",
    "email_provider_disabled": "New accounts cannot be created at the moment.",
    "over_email_send_rate_limit": "Too many e-mails were sent. Please try again in an hour.",
    "over_request_rate_limit": "Too many attempts. Please try again in some minutes.",
}


def password_mistake(password: str) -> str:
    """Return what is wrong with a new password, or an empty text."""
    if len(password) < MIN_PASSWORD:
        return f"Use at least {MIN_PASSWORD} characters."
    if len(password) > _MAX_PASSWORD_BYTES:
        return f"Use at most {_MAX_PASSWORD_BYTES} characters."
    if len(password.encode("utf-8", "replace")) > _MAX_PASSWORD_BYTES or "\0" in password:
        return "This password is too long. Letters other than A to Z count as two or more characters."
    return ""


def address_mistake(email: str) -> str:
    """Return what is wrong with an e-mail address, or an empty text."""
    return "" if _ADDRESS.fullmatch(email) else "Enter your e-mail address, such as name@example.com."


def refusal_text(error: AccountRefusedError) -> str:
    """Return what a refusal of Supabase Auth means for the user."""
    return _TEXTS.get(error.code, "This was not accepted. Please check it and try again.")
