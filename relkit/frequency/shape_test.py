"""Does the frequency of contact do anything at all? A maximum over many shapes.

The largest of the standardised contrasts of a tier's arm means with a step, a line, a
peak or a single odd arm, held against what that largest is when nothing does anything.
No shape is assumed: a test on one (the U-curve, say) misses the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from relkit.frequency.estimand import ArmValue
from relkit.frequency.sums import Floats

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05
DRAWS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class ShapeTest:
    """Any effect at all of the frequency, by tier.

    Attributes:
        tiers: Names, (T,).
        statistic: Largest standardised contrast, (T,).
        shape: The contrast that it is of, as 'step', 'line', 'peak' or 'arm', (T,).
        p_value: Chance of one as large in this tier without any effect, (T,).
        adjusted_p_value: Chance of one as large in any of the tiers, (T,); the smallest
            is that of 'no effect in any tier'.
        level: Share of experiments without effect in which any tier may show one.
    """

    tiers: tuple[str, ...]
    statistic: Floats
    shape: tuple[str, ...]
    p_value: Floats
    adjusted_p_value: Floats
    level: float

    @property
    def effect(self) -> tuple[bool, ...]:
        """Whether an effect shows, by tier; adjusted for looking at several tiers."""
        return tuple((self.adjusted_p_value < self.level).tolist())

    def to_frame(self) -> pd.DataFrame:
        """One row a tier: statistic, shape, p_value, adjusted_p_value, effect."""
        import pandas as pd

        return pd.DataFrame(
            {
                "tier": self.tiers,
                "statistic": self.statistic,
                "shape": self.shape,
                "p_value": self.p_value,
                "adjusted_p_value": self.adjusted_p_value,
                "effect": self.effect,
            }
        )


def shape_test(
    value: ArmValue, level: float = LEVEL, draws: int = DRAWS, seed: int = 0
) -> ShapeTest:
    """Whether frequency does anything to the value before contact costs.

    Costs are known, not tested: without any effect net values differ by them.

    Args:
        value: By tier and arm.
        level: Share of false alarms allowed in all tiers together.
        draws: Experiments without effect that the largest contrast is held against.
        seed: Of the draws.
    """
    return shape_test_of_means(
        value.tiers, value.doses, value.gross.mean, value.gross.standard_error, level, draws, seed
    )


def shape_test_of_means(
    tiers: tuple[str, ...],
    doses: Floats,
    mean: Floats,
    standard_error: Floats,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> ShapeTest:
    """The same for any outcome: means and standard errors by tier and arm, (T, A)."""
    names, shapes = contrasts(doses)
    weight = 1 / standard_error**2
    total = weight.sum(-1)[:, None]
    # Each shape centred and scaled so that its contrast is standard normal without effect.
    middle = np.einsum("ca,ta->tc", shapes, weight) / total
    centred = shapes[None] - middle[..., None]
    length = np.sqrt(np.einsum("tca,ta->tc", centred**2, weight))
    unit = centred / length[..., None]
    found = np.abs(np.einsum("tca,ta->tc", unit * weight[:, None], mean))
    rng = np.random.default_rng([20264, seed])
    noise = rng.standard_normal((draws, *mean.shape))
    by_error = unit / standard_error[:, None]
    null = np.stack(
        [np.abs(noise[:, t] @ by_error[t].T).max(-1) for t in range(len(tiers))], axis=1
    )
    largest = found.max(-1)
    return ShapeTest(
        tiers=tiers,
        statistic=largest,
        shape=tuple(names[i] for i in found.argmax(-1)),
        # One added: the experiment itself is one of those without effect.
        p_value=(1 + (null >= largest).sum(0)) / (draws + 1),
        adjusted_p_value=(1 + (null.max(1)[:, None] >= largest).sum(0)) / (draws + 1),
        level=level,
    )


def contrasts(doses: Floats) -> tuple[list[str], Floats]:
    """Names, and the shapes that are looked for, (C, A)."""
    place, arms = np.log1p(doses), len(doses)
    names, rows = ["line"], [place]
    for k in range(1, arms):
        names.append("step")
        rows.append((np.arange(arms) >= k).astype(float))
    for k in range(1, arms - 1):
        # Up to the peak and down again, each flank as high as the other.
        up = (place - place[0]) / (place[k] - place[0])
        down = (place[-1] - place) / (place[-1] - place[k])
        names.append("peak")
        rows.append(np.minimum(up, down))
    for k in range(1, arms - 1):
        names.append("arm")
        rows.append((np.arange(arms) == k).astype(float))
    return names, np.array(rows)
