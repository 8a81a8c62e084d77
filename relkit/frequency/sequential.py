"""Looking every week without fooling oneself: intervals that hold at all looks together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from relkit.errors import DataError, ParameterError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ConfidenceSequence:
    """A difference at every look, with an interval that holds at all of them.

    Attributes:
        difference: At each look, (K,).
        standard_error: Of each, (K,).
        low: Lower ends, (K,); with the chance `level` all K intervals hold.
        high: Upper ends.
        level: That chance.
        tuned_to: The standard error at which the intervals are narrowest.
    """

    difference: Floats
    standard_error: Floats
    low: Floats
    high: Floats
    level: float
    tuned_to: float

    @property
    def first_clear(self) -> int | None:
        """The first look (from 0) whose interval leaves out 0; None if none does."""
        clear = (self.low > 0) | (self.high < 0)
        return int(np.argmax(clear)) if clear.any() else None

    def to_frame(self) -> pd.DataFrame:
        """One row a look, from 1: look, difference, standard_error, low, high."""
        import pandas as pd

        return pd.DataFrame(
            {
                "look": np.arange(1, len(self.difference) + 1),
                "difference": self.difference,
                "standard_error": self.standard_error,
                "low": self.low,
                "high": self.high,
            }
        )


def confidence_sequence(
    difference: Floats,
    standard_error: Floats,
    level: float = 0.95,
    tuned_to: float | None = None,
) -> ConfidenceSequence:
    """Intervals that may be looked at every week, and acted on at any look.

    A normal mixture: for the standard error s and a mixture of spread τ the half-width is
    s·√(((s² + τ²) ÷ τ²)·(2·ln(1 ÷ α) + ln((s² + τ²) ÷ s²))). It holds for estimates whose
    later values use all that the earlier ones used (the mean so far of the same
    customers, or of more and more of them), with sums large enough to be normal.

    Args:
        difference: Estimates in the order of the looks, (K,).
        standard_error: Of each, (K,), above 0.
        level: Chance that all intervals hold together.
        tuned_to: Standard error at which to be narrowest; that of the last look if None.
            It must not be chosen by looking at the differences.

    Raises:
        DataError: unequal lengths, none, or a standard error that is not above 0.
        ParameterError: level outside (0, 1).

    Source: Robbins (1970); Howard et al. (2021), eq. 14; Waudby-Smith et al. (2024) for
        means of any distribution.
    """
    if not 0 < level < 1:
        raise ParameterError(f"level={level} must be between 0 and 1")
    d, s = np.asarray(difference, float), np.asarray(standard_error, float)
    if d.ndim != 1 or d.shape != s.shape or not len(d):
        raise DataError("a sequence needs as many standard errors as differences, at least one")
    if not (np.isfinite(d).all() and (s > 0).all() and np.isfinite(s).all()):
        raise DataError("differences must be finite and standard errors above 0 at every look")
    tuned = float(s[-1]) if tuned_to is None else float(tuned_to)
    if not tuned > 0:
        raise ParameterError(f"tuned_to={tuned_to} must be above 0")
    alpha = 1 - level
    # Howard et al. (2021), section 3.6: the best mixture for a chosen amount of information.
    spread2 = tuned**2 * (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1))
    whole = s**2 + spread2
    half = s * np.sqrt(whole / spread2 * (-2 * math.log(alpha) + np.log(whole / s**2)))
    return ConfidenceSequence(d, s, d - half, d + half, level, tuned)
