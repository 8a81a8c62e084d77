"""Between which tested cadences the best frequency lies, if the curve has one peak.

Never a single number: a curve fitted through six arms puts its peak where the family of
curves wants it, and is the surer of it the more data there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from relkit.frequency.sums import Floats

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Brackets:
    """Where the best frequency lies, by tier.

    With one peak, the best dose lies between the neighbours of the best arm; so it lies
    between the left neighbour of the lowest and the right neighbour of the highest arm
    that may be the best.

    Attributes:
        tiers: Names, (T,).
        arms: Names, (A,).
        doses: Of the arms, ascending, (A,).
        best_set: Whether an arm is in the smallest set that holds the best arm with
            probability `level`, (T, A).
        low: Lower end, a tested dose, (T,).
        high: Upper end, a tested dose, (T,).
        open_above: The highest arm may be the best: the best dose may lie beyond what
            was tested, (T,).
        open_below: The same of the lowest arm, where that is not 'no contact', (T,).
        level: Probability.
    """

    tiers: tuple[str, ...]
    arms: tuple[str, ...]
    doses: Floats
    best_set: NDArray[np.bool_]
    low: Floats
    high: Floats
    open_above: NDArray[np.bool_]
    open_below: NDArray[np.bool_]
    level: float

    def covers(self, tier: int, dose: float) -> bool:
        """Whether a dose lies inside; beyond the arms only where the bracket is open."""
        low = -np.inf if self.open_below[tier] else self.low[tier]
        high = np.inf if self.open_above[tier] else self.high[tier]
        return bool(low <= dose <= high)

    def to_frame(self) -> pd.DataFrame:
        """One row a tier: low_dose, high_dose, low_arm, high_arm, best_arms, open_*."""
        import pandas as pd

        name = dict(zip(self.doses.tolist(), self.arms, strict=True))
        return pd.DataFrame(
            {
                "tier": self.tiers,
                "low_arm": [name[dose] for dose in self.low.tolist()],
                "high_arm": [name[dose] for dose in self.high.tolist()],
                "low_dose": self.low,
                "high_dose": self.high,
                "open_below": self.open_below,
                "open_above": self.open_above,
                "best_arms": [tuple(np.array(self.arms)[row].tolist()) for row in self.best_set],
            }
        )


def brackets(
    tiers: tuple[str, ...],
    arms: tuple[str, ...],
    doses: Floats,
    probability_best: Floats,
    level: float = LEVEL,
) -> Brackets:
    """The bracket of each tier.

    Args:
        tiers: Names, (T,).
        arms: Names in ascending order of dose, (A,).
        doses: (A,).
        probability_best: That an arm is the best of its tier, (T, A).
        level: Probability of the set of arms that may be the best.
    """
    best = best_arm_set(probability_best, level)
    last = len(arms) - 1
    lowest, highest = best.argmax(-1), last - best[:, ::-1].argmax(-1)
    return Brackets(
        tiers=tiers,
        arms=arms,
        doses=doses,
        best_set=best,
        low=doses[np.maximum(lowest - 1, 0)],
        high=doses[np.minimum(highest + 1, last)],
        open_above=highest == last,
        open_below=(lowest == 0) & (doses[0] > 0),
        level=level,
    )


def best_arm_set(probability_best: Floats, level: float = LEVEL) -> NDArray[np.bool_]:
    """The fewest arms that hold the best one with probability `level`, (T, A)."""
    order = np.argsort(-probability_best, axis=-1, kind="stable")
    sorted_up = np.take_along_axis(probability_best, order, -1)
    # In the set as long as those before it do not reach the level.
    before = np.cumsum(sorted_up, -1) - sorted_up
    inside = np.zeros(probability_best.shape, bool)
    np.put_along_axis(inside, order, before < level, -1)
    return inside
