"""The currency of an account: it is shown with every amount. Amounts are never converted.

Supabase Auth keeps the choice among the data of the user. Each sign-in and each renewal of the token returns it. The
cookie holds it in between, so no page needs a call for it.
"""

from decimal import Decimal
from typing import Final

from flask import session

DEFAULT: Final = "USD"
CURRENCIES: Final = {
    "AED": "UAE dirham",
    "AUD": "Australian dollar",
    "BRL": "Brazilian real",
    "CAD": "Canadian dollar",
    "CHF": "Swiss franc",
    "CNY": "Chinese yuan",
    "CZK": "Czech koruna",
    "DKK": "Danish krone",
    "EGP": "Egyptian pound",
    "EUR": "Euro",
    "GBP": "British pound",
    "HKD": "Hong Kong dollar",
    "HUF": "Hungarian forint",
    "IDR": "Indonesian rupiah",
    "ILS": "Israeli new shekel",
    "INR": "Indian rupee",
    "JPY": "Japanese yen",
    "KRW": "South Korean won",
    "MXN": "Mexican peso",
    "MYR": "Malaysian ringgit",
    "NOK": "Norwegian krone",
    "NZD": "New Zealand dollar",
    "PHP": "Philippine peso",
    "PLN": "Polish zloty",
    "RON": "Romanian leu",
    "SAR": "Saudi riyal",
    "SEK": "Swedish krona",
    "SGD": "Singapore dollar",
    "THB": "Thai baht",
    "TRY": "Turkish lira",
    "TWD": "New Taiwan dollar",
    "USD": "US dollar",
    "VND": "Vietnamese dong",
    "ZAR": "South African rand",
}
"""The currencies that an account can have, by their code of ISO 4217."""

_ENTRY: Final = "currency"
_SYMBOLS: Final = {"USD": "$", "EUR": "€", "GBP": "£"}
"""The currencies whose symbol is clear. The others are shown with their code."""
_WITHOUT_CENTS: Final = {"JPY", "KRW", "VND"}
"""The currencies that have no smaller unit (ISO 4217, table A.1: minor unit 0)."""


def keep(code: str) -> None:
    """Remember the currency of the user in the session. An unknown code counts as the default."""
    session[_ENTRY] = code if code in CURRENCIES else DEFAULT


def currency() -> str:
    """Return the code of the currency of the user."""
    return str(session.get(_ENTRY, DEFAULT))


def money(amount: str | None) -> str:
    """Return an amount in the currency of the user, such as $1,234.50 or JPY 1,234; a dash for None.

    An amount that was entered with cents shows them in every currency.
    """
    if amount is None:
        return "—"
    code, number = currency(), Decimal(amount)
    symbol = _SYMBOLS.get(code, f"{code}\N{NO-BREAK SPACE}")
    whole = code in _WITHOUT_CENTS and number == number.to_integral_value()
    return f"{symbol}{number:,.{0 if whole else 2}f}"
