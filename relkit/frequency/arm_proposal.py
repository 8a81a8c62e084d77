"""Which arms a tier gets and how large they are, within what can be sent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from relkit.errors import ParameterError
from relkit.frequency.assignment import allowed_arms
from relkit.frequency.plan import DAYS_PER_MONTH, ExperimentPlan

if TYPE_CHECKING:
    import pandas as pd

WEEKS_PER_MONTH = DAYS_PER_MONTH / 7
LEAST_SHARE = 0.05  # a smaller arm is left out: it could say nothing


@dataclass(frozen=True, slots=True, eq=False)
class ArmProposal:
    """Arms and their sizes by tier.

    Attributes:
        shares: Tier → arm → share of its customers; sums to 1.
        customers: Tier → customers.
        per_week: Tier → arm → contacts a week that it makes.
        todays_load: Contacts a week if everybody had today's cadence.
        equal_load: Contacts a week with equal shares of all arms under the fatigue caps.
        capacity: Contacts that can be made in a week; None if unlimited.
        over_cap: (tier, arm) above the tier's fatigue cap.
        over_capacity: (tier, arm) left out because too much would have to be sent.
    """

    shares: Mapping[str, Mapping[str, float]]
    customers: Mapping[str, int]
    per_week: Mapping[str, Mapping[str, float]]
    todays_load: float
    equal_load: float
    capacity: float | None
    over_cap: tuple[tuple[str, str], ...]
    over_capacity: tuple[tuple[str, str], ...]

    @property
    def load(self) -> float:
        """Contacts a week, of all tiers."""
        return math.fsum(math.fsum(arms.values()) for arms in self.per_week.values())

    def to_frame(self) -> pd.DataFrame:
        """One row a tier and arm: share, customers (expected), contacts_per_week."""
        import pandas as pd

        rows = [
            (tier, arm, share, share * self.customers[tier], self.per_week[tier][arm])
            for tier, arms in self.shares.items()
            for arm, share in arms.items()
        ]
        return pd.DataFrame(
            rows, columns=["tier", "arm", "share", "customers", "contacts_per_week"]
        )


def propose_arms(
    plan: ExperimentPlan, customers: Mapping[str, int], favour_today: bool = False
) -> ArmProposal:
    """Arms under the fatigue caps, in sizes that see most within the weekly capacity.

    Shares minimise the sum over tiers and arms of weight ÷ share, which is the variance
    of the arms' means, under the capacity: √(weight ÷ (a + b · contacts)).

    Args:
        plan: Its arms, fatigue caps, capacity.
        customers: Tier → customers.
        favour_today: Whether today's arm weighs as much as all others together, since
            each of them is compared with it (Dunnett 1955); else all are equal.

    Raises:
        ParameterError: a tier that the plan does not give a number for, fatigue caps that
            leave no two arms, or a capacity in which no experiment has room.
    """
    faults = [f"tier '{tier}' has no customers" for tier in plan.tiers if not customers.get(tier)]
    arms = {tier: list(allowed_arms(plan, tier)) for tier in plan.tiers}
    for tier in plan.tiers:
        if plan.today[tier] not in arms[tier] or len(arms[tier]) < 2:
            faults.append(
                f"tier '{tier}': the fatigue cap leaves {', '.join(arms[tier]) or 'no arm'}; "
                f"today's arm '{plan.today[tier]}' and another one are required"
            )
    if faults:
        raise ParameterError("arms cannot be proposed", faults)
    over = [(t, arm) for t in plan.tiers for arm in plan.arms if arm not in arms[t]]
    weekly = {name: arm.per_month / WEEKS_PER_MONTH for name, arm in plan.arms.items()}
    equal = sum(customers[t] * np.mean([weekly[a] for a in arms[t]]) for t in plan.tiers)
    dropped: list[tuple[str, str]] = []
    while True:
        shares = _within(plan, arms, customers, weekly, favour_today)
        small = [] if shares is None else [t for t in arms if min(shares[t].values()) < LEAST_SHARE]
        if shares is not None and not small:
            break
        dropped.append(_drop(plan, arms, customers, weekly, small or list(arms)))
    per_week = {
        t: {a: share * customers[t] * weekly[a] for a, share in shares[t].items()} for t in shares
    }
    return ArmProposal(
        shares=shares,
        customers={tier: int(customers[tier]) for tier in plan.tiers},
        per_week=per_week,
        todays_load=math.fsum(customers[t] * weekly[plan.today[t]] for t in plan.tiers),
        equal_load=float(equal),
        capacity=plan.contacts_per_week,
        over_cap=tuple(over),
        over_capacity=tuple(dropped),
    )


def _drop(
    plan: ExperimentPlan,
    arms: dict[str, list[str]],
    customers: Mapping[str, int],
    weekly: Mapping[str, float],
    among: list[str],
) -> tuple[str, str]:
    """Take out the arm that sends most, never today's and never the last one beside it."""
    places = [
        (customers[tier] * weekly[arm] / len(arms[tier]), tier, arm)
        for tier in among
        for arm in arms[tier]
        if arm != plan.today[tier] and len(arms[tier]) > 2
    ]
    if not places:
        least = math.fsum(customers[t] * min(weekly[a] for a in arms[t]) for t in plan.tiers)
        raise ParameterError(
            f"contacts_per_week={plan.contacts_per_week:g} leaves no room for two arms a tier; "
            f"even with the fewest contacts {least:,.0f} a week would go out. Put fewer customers "
            "into the experiment, or raise the capacity"
        )
    _, tier, arm = max(places)
    arms[tier].remove(arm)
    return tier, arm


def _within(
    plan: ExperimentPlan,
    arms: Mapping[str, list[str]],
    customers: Mapping[str, int],
    weekly: Mapping[str, float],
    favour_today: bool,
) -> dict[str, dict[str, float]] | None:
    """The best shares within the capacity; None where nothing fits."""
    cost = {t: np.array([customers[t] * weekly[a] for a in arms[t]]) for t in arms}
    weight = {
        t: np.array(
            [len(arms[t]) - 1.0 if favour_today and a == plan.today[t] else 1.0 for a in arms[t]]
        )
        for t in arms
    }

    def at(price: float) -> dict[str, NDArray[np.float64]]:
        return {t: _shares_at(weight[t], price * cost[t]) for t in arms}

    def load(price: float) -> float:
        return math.fsum(float(shares @ cost[t]) for t, shares in at(price).items())

    price, capacity = 0.0, plan.contacts_per_week
    least = math.fsum(float(cost[t].min()) for t in arms)
    if capacity is not None and least >= capacity:
        return None
    if capacity is not None and load(0.0) > capacity:
        high = 1e-9
        while load(high) > capacity:
            high *= 4
            if high > 1e12:
                return None
        low = 0.0
        for _ in range(60):
            price = (low + high) / 2
            low, high = (price, high) if load(price) > capacity else (low, price)
        price = high
    return {t: dict(zip(arms[t], map(float, s), strict=True)) for t, s in at(price).items()}


def _shares_at(weight: NDArray[np.float64], toll: NDArray[np.float64]) -> NDArray[np.float64]:
    """√(weight ÷ (a + toll)) with the a that makes them sum to 1."""
    toll = toll - toll.min()
    # The sum falls in a and is convex; from where one share alone is 1, Newton's steps
    # come to the root without passing it.
    at = float((weight - toll).max())
    for _ in range(100):
        shares = np.sqrt(weight / (at + toll))
        step = 2 * (shares.sum() - 1) / (shares / (at + toll)).sum()
        at += float(step)
        if step <= 1e-13 * at:
            break
    shares = np.sqrt(weight / (at + toll))
    return np.asarray(shares / shares.sum())
