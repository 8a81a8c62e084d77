"""What a programme with two arms did: those who got it against those who did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from relkit.errors import ParameterError, did_you_mean
from relkit.frequency.effects import ArmEffects, arm_effects
from relkit.frequency.sums import ArmSums
from relkit.intervals import Estimate, normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class ProgrammeEffect:
    """What a programme changed, by intention to treat. Per customer.

    Attributes:
        metric: Name.
        programme: The arm that got it.
        control: The arm that did not.
        effect: Programme − control over all tiers, each weighing what it has of the
            customers, with its interval.
        control_mean: Of all customers if none had got it.
        by_tier: Each tier alone.
        randomised: Whether customers were assigned by chance.
    """

    metric: str
    programme: str
    control: str
    effect: Estimate
    control_mean: float
    by_tier: ArmEffects
    randomised: bool

    @property
    def grade(self) -> str:
        """'A' assigned by chance and clear, 'B' by chance and not clear, 'C' otherwise."""
        if not self.randomised:
            return "C"
        return "A" if self.effect.sign_is_clear else "B"

    @property
    def hypothesis_only(self) -> bool:
        """Whether the effect may not be read as one: customers were not assigned by chance."""
        return not self.randomised

    @property
    def relative(self) -> float | None:
        """The effect as a share of the control's mean; None where that is not above 0."""
        return self.effect.value / self.control_mean if self.control_mean > 0 else None

    def to_frame(self) -> pd.DataFrame:
        """Row 'all' and one a tier: metric, tier, n, control_mean, difference, low, high,
        grade, hypothesis_only."""
        import pandas as pd

        e, control = self.by_tier, self.by_tier.arms.index(self.control)
        treated = self.by_tier.arms.index(self.programme)
        rows: list[dict[str, Any]] = [
            {"tier": "all", "n": self.effect.n, "control_mean": self.control_mean}
            | {"difference": self.effect.value, "low": self.effect.low, "high": self.effect.high}
        ]
        for t, tier in enumerate(e.tiers):
            row = {"tier": tier, "n": int(e.n[t].sum()), "control_mean": e.mean[t, control]}
            row |= {"difference": e.difference[t, treated]}
            rows.append(row | {"low": e.low[t, treated], "high": e.high[t, treated]})
        frame = pd.DataFrame(rows).assign(grade=self.grade, hypothesis_only=self.hypothesis_only)
        frame.insert(0, "metric", self.metric)
        return frame


def programme_effects(
    sums: ArmSums,
    programme: str,
    control: str,
    randomised: bool,
    metrics: Sequence[str] | None = None,
    level: float = 0.95,
) -> list[ProgrammeEffect]:
    """What a programme changed: retention, value, or whatever was counted.

    Args:
        sums: Over the window, by tier and arm; other arms are left out.
        programme: The arm that got it.
        control: The arm that did not.
        randomised: Whether customers were assigned by chance; where not, the effect is a
            hypothesis only.
        metrics: Which; all of the sums' if None.
        level: Of the intervals, one a metric, each taken alone.

    Raises:
        ParameterError: no such arm or metric, or one arm against itself.

    Source: Imbens & Rubin (2015), "Causal Inference", ch. 9, for stratified experiments.
    """
    faults = [
        f"no arm '{arm}'{did_you_mean(arm, sums.arms)}"
        for arm in (programme, control)
        if arm not in sums.arms
    ]
    if programme == control:
        faults.append(f"programme and control are both '{control}'")
    chosen = list(metrics if metrics is not None else sums.metrics)
    faults += [
        f"no metric '{m}'{did_you_mean(m, sums.metrics)}" for m in chosen if m not in sums.metrics
    ]
    if faults:
        raise ParameterError(
            f"the data have the arms {', '.join(sums.arms)} and the metrics "
            f"{', '.join(sums.metrics)}",
            faults,
        )
    two = sums.of_arms([control, programme])
    return [_effect(two, metric, programme, control, randomised, level) for metric in chosen]


def _effect(
    sums: ArmSums, metric: str, programme: str, control: str, randomised: bool, level: float
) -> ProgrammeEffect:
    found = arm_effects(sums, metric, control, level)
    share = found.n.sum(1) / found.n.sum()
    value = float(share @ found.difference[:, 1])
    error = float(np.sqrt(share**2 @ (found.standard_error**2).sum(1)))
    half = normal_quantile(level) * error
    whole = Estimate(value, value - half, value + half, int(found.n.sum()), level)
    mean = float(share @ found.mean[:, 0])
    return ProgrammeEffect(metric, programme, control, whole, mean, found, randomised)
