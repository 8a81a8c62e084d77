"""What an experiment of its size can see, tier by tier: in value, and of each guardrail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from relkit.frequency.plan import ExperimentPlan, Guardrail
from relkit.frequency.plan_reading import terms_of
from relkit.frequency.power import Baseline, guardrail_power, minimum_detectable_effect
from relkit.frequency.sums import ArmMeans, ArmSums

if TYPE_CHECKING:
    import pandas as pd

POWER = 0.80
SHARES = ("retained", "repurchase", "unsubscribes")
COUNTS = ("complaints",)


@dataclass(frozen=True, slots=True)
class TierPower:
    """What one tier can answer. Money per customer and window.

    Attributes:
        tier: Name.
        n: Customers in the smallest arm.
        n_today: Customers in today's arm.
        value: Smallest difference in value before contact costs that is found with the
            chance `POWER`, all arms compared at once; None where it cannot be said.
        guardrails: Metric → chance that a harmless arm is shown to be harmless; None
            where it cannot be said.
    """

    tier: str
    n: int
    n_today: int
    value: float | None
    guardrails: dict[str, float | None]

    @property
    def can_pass(self) -> bool:
        """Whether harmless arms pass every guardrail with the chance `POWER`."""
        return all(chance is not None and chance >= POWER for chance in self.guardrails.values())


def tier_power(plan: ExperimentPlan, sums: ArmSums) -> tuple[TierPower, ...]:
    """Each tier's power, by the customers it has and the spread within its arms.

    What arms did to each other takes no part: means are those of today's arm, spreads
    those within arms.

    Args:
        plan: Its prices, guardrails and today's arms.
        sums: Outcomes over the window.
    """
    terms = terms_of(plan)
    stays = [plan.residual_value[tier] for tier in sums.tiers]
    weights: dict[str, float | Sequence[float]] = {terms.margin: 1.0, terms.retained: stays}
    if terms.complaints in sums.metrics:
        weights[terms.complaints] = -plan.complaint_cost
    means = sums.means(weights)
    found = []
    for t, tier in enumerate(sums.tiers):
        today = sums.arms.index(plan.today[tier])
        others = np.delete(sums.n[t], today)
        smallest, there = int(others.min()), int(sums.n[t, today])
        known = terms.complaints in sums.metrics or not plan.complaint_cost
        base = _baseline(means, "net_value", t, today) if known else None
        value = None
        if base is not None:
            effect = minimum_detectable_effect(
                base, smallest, there, POWER, comparisons=len(sums.arms) - 1
            )
            value = effect.difference if effect.detectable else None
        rails = {rail.metric: _rail(sums, rail, t, today) for rail in plan.guardrails}
        found.append(TierPower(tier, smallest, there, value, rails))
    return tuple(found)


def power_frame(power: Sequence[TierPower]) -> pd.DataFrame:
    """One row a tier: tier, n, n_today, value, and power_<metric> for each guardrail."""
    import pandas as pd

    rows = []
    for one in power:
        row = {"tier": one.tier, "n": one.n, "n_today": one.n_today, "value": one.value}
        rows.append(row | {f"power_{m}": chance for m, chance in one.guardrails.items()})
    return pd.DataFrame(rows)


def _baseline(means: ArmMeans, metric: str, tier: int, today: int) -> Baseline | None:
    mean, spread = float(means.raw_mean[tier, today]), float(means.spread[tier])
    explained = min(float(means.explained[tier]), 0.999)
    if metric in SHARES:
        return Baseline("binary", mean, explained=explained) if 0 < mean < 1 else None
    if spread <= 0:
        return None
    if metric in COUNTS:
        return Baseline("count", mean, spread**2, explained) if mean > 0 else None
    return Baseline("mean", mean, spread**2, explained)


def _rail(sums: ArmSums, rail: Guardrail, tier: int, today: int) -> float | None:
    if rail.metric not in sums.metrics:
        return None
    base = _baseline(sums.means(rail.metric), rail.metric, tier, today)
    if base is None or (rail.scale == "ratio" and base.mean <= 0):
        return None
    others = np.delete(sums.n[tier], today)
    return guardrail_power(base, rail, float(others.min()), float(sums.n[tier, today]))
