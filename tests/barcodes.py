"""Barcode numbers with a correct check digit, computed without the library that the application uses."""

__all__ = ["upc", "with_check_digit"]


def upc(number: int, *, length: int = 8) -> str:
    """Return the barcode number of this length that contains `number` and its check digit."""
    return with_check_digit(f"{number:0{length - 1}}")


def with_check_digit(digits: str) -> str:
    """Append the check digit: from the right, every second digit counts three times, and the sum must end with 0."""
    odd, even = (sum(map(int, digits[start::-2])) for start in (len(digits) - 1, len(digits) - 2))
    return f"{digits}{-(3 * odd + even) % 10}"
