"""A cross-check of the response by another method: a natural cubic spline, df 3.

A generalised linear model on the arms' means, one tier at a time, nothing shared and
nothing pulled together: where it disagrees with the response curve, somebody looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from relkit.errors import DataError
from relkit.frequency.estimand import ArmValue
from relkit.frequency.sums import Floats

if TYPE_CHECKING:
    import pandas as pd

KNOTS = 4  # df 3 and the level


@dataclass(frozen=True, slots=True, eq=False)
class SplineCheck:
    """Net value by tier and arm from a spline; money per customer and window.

    Attributes:
        tiers: Names, (T,).
        arms: Names, (A,).
        doses: (A,).
        knots: Doses at which the spline bends, (4,).
        fitted: Net value, (T, A).
        standard_error: Of the fitted value, (T, A).
        lack_of_fit: Chance of arm means as far from the spline as these if it is right,
            (T,); nan with four arms or fewer, which it meets exactly.
        best: Place of the arm of highest fitted net value, (T,).
    """

    tiers: tuple[str, ...]
    arms: tuple[str, ...]
    doses: Floats
    knots: Floats
    fitted: Floats
    standard_error: Floats
    lack_of_fit: Floats
    best: np.ndarray

    def to_frame(self) -> pd.DataFrame:
        """One row a tier and arm: dose, fitted, standard_error, lack_of_fit, best."""
        import pandas as pd

        rows = []
        for t, tier in enumerate(self.tiers):
            for a, arm in enumerate(self.arms):
                row = {"tier": tier, "arm": arm, "dose": self.doses[a]}
                row |= {"fitted": self.fitted[t, a], "standard_error": self.standard_error[t, a]}
                rows.append(row | {"lack_of_fit": self.lack_of_fit[t], "best": a == self.best[t]})
        return pd.DataFrame(rows)


def spline_check(value: ArmValue) -> SplineCheck:
    """A natural cubic spline in log(1 + dose) through the arms of each tier.

    Weighted least squares with the arms' own errors: the generalised linear model with
    identity link on the sums. The unknowns are the heights at the knots.

    Raises:
        DataError: fewer than three arms.
    """
    from scipy.special import gammaincc

    arms = len(value.arms)
    if arms < 3:
        raise DataError(f"a spline needs three arms; there are {arms}")
    knots = np.quantile(np.log1p(value.doses), np.linspace(0, 1, min(KNOTS, arms)))
    basis = natural_spline(np.log1p(value.doses), knots)
    y, weight = value.gross.mean, 1 / value.gross.standard_error**2
    information = np.einsum("ak,ta,al->tkl", basis, weight, basis)
    covariance = np.linalg.inv(information)
    heights = np.einsum("tkl,al,ta->tk", covariance, basis, weight * y)
    fitted = heights @ basis.T
    error = np.sqrt(np.einsum("ak,tkl,al->ta", basis, covariance, basis))
    left = (weight * (y - fitted) ** 2).sum(1)
    free = arms - len(knots)
    lack = gammaincc(free / 2, left / 2) if free else np.full(len(value.tiers), np.nan)
    net = fitted - value.cost
    return SplineCheck(
        tiers=value.tiers,
        arms=value.arms,
        doses=value.doses,
        knots=np.expm1(knots),
        fitted=net,
        standard_error=error,
        lack_of_fit=np.asarray(lack),
        best=net.argmax(1),
    )


def natural_spline(at: Floats, knots: Floats) -> Floats:
    """Natural cubic splines that are 1 at one knot and 0 at the others, (len(at), knots).

    Second derivatives at the inner knots solve the usual tridiagonal equations and are
    0 at the ends.
    """
    count = len(knots)
    gap = np.diff(knots)
    system, right = np.eye(count), np.zeros((count, count))
    for k in range(1, count - 1):
        system[k, k - 1 : k + 2] = gap[k - 1], 2 * (gap[k - 1] + gap[k]), gap[k]
        right[k, k - 1] += 6 / gap[k - 1]
        right[k, k] -= 6 / gap[k - 1] + 6 / gap[k]
        right[k, k + 1] += 6 / gap[k]
    bend = np.linalg.solve(system, right)
    place = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, count - 2)
    h = gap[place]
    b = (at - knots[place]) / h
    a = 1 - b
    heights = np.eye(count)
    line = a[:, None] * heights[place] + b[:, None] * heights[place + 1]
    curve = (a**3 - a)[:, None] * bend[place] + (b**3 - b)[:, None] * bend[place + 1]
    return line + curve * (h**2)[:, None] / 6
