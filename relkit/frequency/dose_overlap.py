"""How alike dose groups are, and what something unmeasured could do to their differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from relkit.frequency.dose_frames import DoseFrame

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
# Conventions: a tenth of a standard deviation, and one customer in twenty.
UNLIKE = 0.1
OUTSIDE = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class DoseOverlap:
    """Groups held against all customers, before and after weighting.

    Attributes:
        groups: Names, (A,).
        covariates: Names, (K,).
        n: Customers, (A,).
        effective_n: Customers that the weighted group is worth, (A,); `n` unweighted.
        least_propensity: Smallest modelled chance to be in the group, (A,), of any
            customer; None where groups were not modelled.
        outside: Share of all customers with hardly any chance to be in the group, whom
            the group says nothing about, (A,); None likewise.
        before: Mean of the group less that of all, in standard deviations of all, (A, K).
        after: The same with weights; None where there are none.
    """

    groups: tuple[str, ...]
    covariates: tuple[str, ...]
    n: NDArray[np.int64]
    effective_n: Floats
    least_propensity: Floats | None
    outside: Floats | None
    before: Floats
    after: Floats | None

    @property
    def unlike_before(self) -> float:
        """Largest difference of a group from all, in standard deviations."""
        return float(np.abs(self.before).max())

    @property
    def unlike_after(self) -> float | None:
        """The same after weighting."""
        return None if self.after is None else float(np.abs(self.after).max())

    @property
    def holds(self) -> bool:
        """Whether groups could be made alike in what was measured, with customers to do so."""
        if self.after is None or self.outside is None:
            return self.unlike_before <= UNLIKE
        return float(np.abs(self.after).max()) <= UNLIKE and float(self.outside.max()) <= OUTSIDE

    def to_frame(self) -> pd.DataFrame:
        """One row a group and covariate: group, covariate, n, effective_n, outside, before,
        after; `outside` and `after` are empty without weights."""
        import pandas as pd

        groups, names = np.meshgrid(self.groups, self.covariates, indexing="ij")
        k = len(self.covariates)
        columns: dict[str, Any] = {"group": groups.ravel(), "covariate": names.ravel()}
        columns |= {"n": self.n.repeat(k), "effective_n": self.effective_n.repeat(k)}
        columns["outside"] = None if self.outside is None else self.outside.repeat(k)
        columns["before"] = self.before.ravel()
        columns["after"] = None if self.after is None else self.after.ravel()
        return pd.DataFrame(columns)


def sampled_overlap(data: DoseFrame) -> DoseOverlap:
    """Groups as they are, without a model."""
    ones = np.ones((len(data.y), len(data.groups)))
    n = data.n
    before = _unlike(data, ones)
    return DoseOverlap(data.groups, data.covariates, n, n.astype(float), None, None, before, None)


def overlap_of(data: DoseFrame, propensity: Floats, least: float) -> DoseOverlap:
    """Groups weighted by the modelled chances to be in them.

    Args:
        data: Customers.
        propensity: Of each customer to be in each group, (n, A), cut at `least`.
        least: Where they were cut.
    """
    own = data.group[:, None] == np.arange(len(data.groups))
    weights = np.where(own, 1 / propensity, 0.0)
    effective = weights.sum(0) ** 2 / (weights**2).sum(0)
    outside = (propensity <= least * (1 + 1e-9)).mean(0)
    return DoseOverlap(
        data.groups, data.covariates, data.n, effective, propensity.min(0), outside,
        _unlike(data, np.ones_like(propensity)), _unlike(data, 1 / propensity),
    )  # fmt: skip


def _unlike(data: DoseFrame, weights: Floats) -> Floats:
    """Weighted mean of each group less the mean of all, in standard deviations of all."""
    mean, spread = data.x.mean(0), data.x.std(0, ddof=1)
    own = data.group[:, None] == np.arange(len(data.groups))
    used = np.where(own, weights, 0.0)
    return np.asarray((used.T @ data.x / used.sum(0)[:, None] - mean) / spread)


def e_value(difference: Floats, low: Floats, high: Floats, spread: float) -> tuple[Floats, Floats]:
    """How strong something unmeasured must be to explain a difference, and its interval.

    The difference in standard deviations is carried over to a risk ratio, exp(.91 d).

    Args:
        difference: (A,).
        low, high: Ends of its interval, (A,).
        spread: Standard deviation of the outcome within groups.

    Returns:
        E-values of the differences and of the ends nearest to 0, (A,) each, from 1; 1
        where the interval holds 0.

    Source: VanderWeele & Ding (2017), formula and table 2; Chinn (2000) for the .91.
    """
    nearest = np.where(low > 0, low, np.where(high < 0, high, 0.0))
    strong, weak = (
        np.exp(np.minimum(0.91 * np.abs(d) / spread, 300)) for d in (difference, nearest)
    )
    return strong + np.sqrt(strong * (strong - 1)), weak + np.sqrt(weak * (weak - 1))
