"""The errors of this package. They do not know HTTP: `app.products.problems` turns them into problem documents."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import ClassVar
from uuid import UUID


class ProductsError(Exception):
    """Base of the errors that a caller can cause. The message is written for the user; nothing was changed."""


class NotFoundError(ProductsError):
    """The user has no product, deal, decision or match with this id."""


class Conflict(StrEnum):
    """How a change contradicts another product or deal."""

    ASIN = "asin"
    """Another product has this ASIN."""
    UPC = "upc"
    """Another product has this UPC."""
    SUPPLIER = "supplier"
    """The product already has a deal with this supplier."""
    TWO_PRODUCTS = "two-products"
    """The ASIN and the UPC belong to two different products."""
    OTHER_ASIN = "other-asin"
    """The product with this UPC has another ASIN."""
    DECIDED = "decided"
    """The product already has another ASIN."""
    CHANGED = "changed"
    """The product was changed after the decision that is to be undone."""
    TWO_ASINS = "two-asins"
    """The two products of a merge have different ASINs."""
    MERGED = "merged"
    """One of the products was merged into another one before."""
    OTHER = "other"
    """Another row of the user; the message says more."""


class ConflictError(ProductsError):
    """The change contradicts another product of the user, for example one with the same ASIN.

    Attributes:
        conflict: how it does.
        product_ids: the ids of the products that it contradicts, where they are known.

    """

    def __init__(self, message: str, conflict: Conflict, product_ids: Sequence[str] = ()) -> None:
        """Store the conflict; see the attributes."""
        super().__init__(message)
        self.conflict, self.product_ids = conflict, list(product_ids)


class DeletedError(ProductsError):
    """The deal has been deleted. It must be restored before it can be changed."""


class UndoTooLateError(ProductsError):
    """The decision is too old to be undone."""


class PreconditionFailedError(ProductsError):
    """The product or deal does not have one of the entity tags that the client sent.

    Attributes:
        etag: its current entity tag.

    """

    def __init__(self, message: str, etag: str) -> None:
        """Store the entity tag; see the attributes."""
        super().__init__(message)
        self.etag = etag


class KeyReusedError(ProductsError):
    """The idempotency key was used for another change."""


class InvalidCursorError(ProductsError):
    """The cursor was not made by this list, or it was made for another order.

    Attributes:
        parameter: the query parameter that contains it.

    """

    def __init__(self, parameter: str = "cursor") -> None:
        """Set the message, and store the parameter."""
        super().__init__("This cursor does not belong to this list and sort order; start again without one.")
        self.parameter = parameter


class DealsRefusedError(ProductsError):
    """An action on many deals is not possible for some of them, so it was not applied to any.

    Attributes:
        deals: the ids of these deals, by their position in the request.
        reason: what is wrong with each of them, as a format string for the id.

    """

    reason: ClassVar[str]

    def __init__(self, message: str, deals: Mapping[int, UUID]) -> None:
        """Store the deals; see the attributes."""
        super().__init__(message)
        self.deals = dict(deals)


class DealsNotFoundError(DealsRefusedError):
    """The user has no deals with these ids."""

    reason = "There is no deal {}"


class DealsDeletedError(DealsRefusedError):
    """These deals have been deleted, so they cannot be moved or marked."""

    reason = "Deal {} has been deleted"


class RestoreTooLateError(DealsRefusedError):
    """These deals were deleted too long ago to be restored."""

    reason = "It is too late to restore deal {}"


class UnreadableFileError(ProductsError):
    """The whole file cannot be used; the message says why."""


class TooManyRowsError(UnreadableFileError):
    """The file has more rows than one import may have."""


class UnannouncedChangeError(RuntimeError):
    """A programming error: rows were about to change outside of `changing_stats`, so the cache would become stale."""
