"""What others claim of contact frequency, and what it would take to test it here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relkit.frequency.claims import Claim
from relkit.frequency.design import ExperimentDesign, Sizes
from relkit.frequency.power import power_of, required_size
from relkit.frequency.tier_baseline import TierBaseline

if TYPE_CHECKING:
    import pandas as pd

# Outcomes of published claims that are metrics of ours.
CLAIMED = {"repurchase": "repurchase", "complaints": "complaints", "retention": "retained"}


@dataclass(frozen=True, slots=True)
class ClaimSize:
    """What it would take to test a claim in a tier.

    Attributes:
        key: Of the claim; its words are under `claim.<key>`.
        tier: Its name.
        metric: What it is about.
        today: The metric today.
        difference: What is claimed, as a difference to today's.
        needed_per_arm: Customers in each of two arms; None where today's figure and the
            claim together are beyond what a share can be.
        n_arm: Customers in the design's smallest arm.
        power: Chance to see it with those; None likewise.
    """

    key: str
    tier: str
    metric: str
    today: float
    difference: float
    needed_per_arm: int | None
    n_arm: float
    power: float | None


def claim_sizes(design: ExperimentDesign, claims: Iterable[Claim]) -> tuple[ClaimSize, ...]:
    """What it would take to test what others claim, in every tier.

    Only claims that say a change of a metric that was measured; a test of one arm against
    today's.
    """
    found = []
    for claim in claims:
        metric = CLAIMED.get(claim.outcome)
        for point in claim.points:
            if metric is None or point.change is None or point.of not in ("ratio", "difference"):
                continue
            for tier in design.tiers:
                if metric in tier.metrics:
                    by = point.change * (tier.metrics[metric].mean if point.of == "ratio" else 1)
                    found.append(_claim_size(design, claim.key, tier, metric, by))
    return tuple(found)


def claims_frame(sizes: Iterable[ClaimSize]) -> pd.DataFrame:
    """One row a claim and tier: the fields of `ClaimSize`."""
    import pandas as pd

    names = list(ClaimSize.__slots__)
    return pd.DataFrame([[getattr(one, name) for name in names] for one in sizes], columns=names)


def _claim_size(
    design: ExperimentDesign, key: str, tier: TierBaseline, metric: str, by: float
) -> ClaimSize:
    baseline, today = tier.metrics[metric], design.plan.today[tier.tier]
    sizes = Sizes.of(tier, design.shares[tier.tier], today)
    needed, chance = None, None
    if baseline.kind != "binary" or baseline.mean + by <= 1:
        needed = required_size(baseline, by, design.power, design.alpha)
        chance = power_of(baseline, by, sizes.arm, sizes.today, design.alpha)
    return ClaimSize(key, tier.tier, metric, baseline.mean, by, needed, sizes.arm, chance)
