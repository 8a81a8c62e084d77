"""An estimate with its interval and the number of cases behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from statistics import NormalDist

from relkit.errors import DataError, ParameterError


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure that knows how sure it is.

    Attributes:
        value: The point estimate.
        low: Lower end of the interval.
        high: Upper end of the interval.
        n: Cases behind it (customers, answers, …).
        level: Nominal coverage of the interval, 0.95 unless said otherwise.
        kind: 'confidence' for an expectation, 'prediction' for what will really
            happen; they differ, and the reader is told which is meant.
    """

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95
    kind: str = "confidence"

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise DataError(
                f"an estimate of {self.value} must lie inside its interval "
                f"({self.low}, {self.high})"
            )

    @property
    def sign_is_clear(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


def normal_quantile(level: float) -> float:
    """Half-width of a two-sided interval in standard errors: 1.96 for 0.95.

    Raises:
        ParameterError: no number, or outside (0, 1).
    """
    if not isinstance(level, Real) or not 0 < level < 1:
        raise ParameterError(f"level={level!r} must be in (0, 1); give 95 % as 0.95")
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson_interval(successes: int, n: int, level: float = 0.95) -> Estimate:
    """A share with its Wilson score interval.

    Args:
        successes: Cases that count, 0 to n.
        n: All cases; at least 1, since a share of nothing is not 0.
        level: Nominal coverage.

    Raises:
        DataError: n is 0, or successes lies outside 0 to n.

    Source: Wilson (1927), "Probable inference, the law of succession, and
        statistical inference", JASA 22, equation for the limits of p.
    """
    if n < 1 or not 0 <= successes <= n:
        raise DataError(f"{successes} of {n} is no share; at least one case is required")
    z = normal_quantile(level)
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # The limits are exact at the ends, where rounding would put them past the share.
    low = 0.0 if successes == 0 else min(middle - half, share)
    high = 1.0 if successes == n else max(middle + half, share)
    return Estimate(share, low, high, n, level)
