"""Does what was sent last month still act? Step-down arms and long hold-outs.

A test of one month sees an effect before fatigue has built up, and takes the best
frequency for higher than it is. Two comparisons show it: customers whose contacts were
stepped down beside those who always had few, and the effect early beside the effect late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from relkit.errors import DataError, ParameterError
from relkit.frequency.sums import ArmSums, Floats
from relkit.intervals import normal_quantile

if TYPE_CHECKING:
    import pandas as pd

LASTING, FADED, UNDECIDED = "lasting", "faded", "undecided"
Weights = Mapping[str, float | Sequence[float]] | str


@dataclass(frozen=True, slots=True, eq=False)
class CarryOver:
    """A difference that would be 0 if nothing carried over, by tier.

    Attributes:
        comparison: 'step_down' or 'early_late'.
        arm: The arm that was looked at.
        beside: The arm that it is held against.
        tiers: Names, (T,).
        difference: Per customer and week, (T,).
        low: Lower end of the interval, (T,).
        high: Upper end, (T,).
        status: 'lasting' (the interval leaves out 0), 'faded' (it lies within the
            margin around 0) or 'undecided', (T,). A small clear difference within the
            margin is 'faded': it is there, and does not matter.
        margin: What does not matter, per customer and week.
        level: Of the interval.
    """

    comparison: str
    arm: str
    beside: str
    tiers: tuple[str, ...]
    difference: Floats
    low: Floats
    high: Floats
    status: tuple[str, ...]
    margin: float
    level: float

    def to_frame(self) -> pd.DataFrame:
        """One row a tier: comparison, arm, beside, difference, low, high, status."""
        import pandas as pd

        columns = ("difference", "low", "high", "status")
        frame = pd.DataFrame({"tier": self.tiers, **{c: getattr(self, c) for c in columns}})
        return frame.assign(comparison=self.comparison, arm=self.arm, beside=self.beside)


def step_down_effect(
    after: ArmSums,
    stepped: str,
    steady: str,
    weights: Weights,
    weeks: float,
    margin: float,
    level: float = 0.95,
) -> CarryOver:
    """What remains of many contacts after they were stepped down.

    Both arms now get the same; the difference is what the former contacts left behind.

    Args:
        after: Sums over the time after the step only.
        stepped: The arm that was stepped down.
        steady: The arm that always had the lower cadence.
        weights: A metric, or metric → its weight, as of `ArmSums.means`.
        weeks: Length of the time after the step.
        margin: A difference per customer and week that does not matter.
        level: Of the interval.

    Raises:
        ParameterError: no such arm or metric; weeks or margin not positive.
    """
    _positive(weeks=weeks, margin=margin)
    difference, error = _difference(after, stepped, steady, weights)
    return _answer(
        "step_down", stepped, steady, after.tiers, difference / weeks, error / weeks, margin, level
    )


def early_late_effect(
    early: ArmSums,
    late: ArmSums,
    arm: str,
    hold_out: str,
    weights: Weights,
    early_weeks: float,
    late_weeks: float,
    margin: float,
    level: float = 0.95,
) -> CarryOver:
    """How the effect of an arm changed between the first and a later part of a long test.

    The same customers are in both parts. Their errors are added as if they were
    independent, which is too wide where customers who bring more early bring more late.

    Args:
        early: Sums over the first part.
        late: Sums over the later part, of the same customers.
        arm: The arm that is looked at.
        hold_out: The arm that it is held against, contacted never or as before.
        weights: A metric, or metric → its weight.
        early_weeks: Length of the first part.
        late_weeks: Length of the later part.
        margin: A change per customer and week that does not matter.
        level: Of the interval.

    Raises:
        ParameterError: no such arm or metric; weeks or margin not positive.
        DataError: the parts have other customers.
    """
    _positive(early_weeks=early_weeks, late_weeks=late_weeks, margin=margin)
    if early.tiers != late.tiers or early.arms != late.arms or (early.n != late.n).any():
        raise DataError("the early and the late part must be of the same tiers, arms and customers")
    first, first_error = _difference(early, arm, hold_out, weights)
    last, last_error = _difference(late, arm, hold_out, weights)
    change = last / late_weeks - first / early_weeks
    error = np.hypot(last_error / late_weeks, first_error / early_weeks)
    return _answer("early_late", arm, hold_out, early.tiers, change, error, margin, level)


def _positive(**given: float) -> None:
    faults = [f"{name}={value!r} must be above 0" for name, value in given.items() if not value > 0]
    if faults:
        raise ParameterError("carry-over", faults)


def _difference(sums: ArmSums, one: str, other: str, weights: Weights) -> tuple[Floats, Floats]:
    means = sums.of_arms([one, other]).means(weights)
    return means.mean[:, 0] - means.mean[:, 1], np.hypot(*means.standard_error.T)


def _answer(
    comparison: str,
    arm: str,
    beside: str,
    tiers: tuple[str, ...],
    difference: Floats,
    error: Floats,
    margin: float,
    level: float,
) -> CarryOver:
    half = normal_quantile(level) * error
    low, high = difference - half, difference + half
    within = (low > -margin) & (high < margin)
    apart = (low > 0) | (high < 0)
    status = np.where(within, FADED, np.where(apart, LASTING, UNDECIDED))
    return CarryOver(
        comparison, arm, beside, tiers, difference, low, high, tuple(status.tolist()), margin, level
    )
