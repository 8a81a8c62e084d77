"""Amounts as whole cents, so that parts add up to their total and not to nearly that.

Sums of binary fractions depend on the order of the rows; sums of whole numbers do not.
Every amount is rounded to the cent first, each customer's for itself, and everything
that is added or subtracted from then on is a whole number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relkit.errors import DataError

Cents = NDArray[np.int64]

# Up to here a double still tells one cent from the next.
_LARGEST = 2.0**53


def to_cents(amounts: ArrayLike, what: str) -> Cents:
    """Amounts as whole cents, halves away from zero.

    Args:
        amounts: Shape (n,), in units of money.
        what: What they are, for the error.

    Raises:
        DataError: an amount is no finite number, or all together are too large (beyond
            90 million million) for a double to hold their cents.
    """
    values = np.asarray(amounts, dtype=float)
    bad = ~np.isfinite(values)
    if bad.any():
        raise DataError(
            f"{what} is not a finite number in {bad.sum():,} rows (first: row {bad.argmax()}); "
            "fill these in, or leave the customers out"
        )
    scaled = np.abs(values) * 100
    if scaled.sum() > _LARGEST:
        raise DataError(
            f"{what} comes to {values.sum():,.0f}, too much to be held to the cent; "
            "give it in thousands or in a larger currency"
        )
    # 1.005 is 1.00499… in binary: nine more digits are what people mean by a half.
    whole = np.floor(np.round(scaled, 6) + 0.5)
    cents: Cents = (np.sign(values) * whole).astype(np.int64)
    return cents


def in_money(cents: int | np.integer) -> float:
    """Whole cents as an amount; the double nearest to it."""
    return int(cents) / 100


def sums_by(places: NDArray[np.intp], cents: Cents, size: int) -> Cents:
    """Cents added up by place, shape (size,); exact, unlike sums of floats."""
    sums = np.zeros(size, dtype=np.int64)
    np.add.at(sums, places, cents)
    return sums
