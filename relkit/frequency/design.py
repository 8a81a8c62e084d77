"""What an experiment of this plan can say of each tier, before anybody is contacted.

Three things are asked of a tier: is a change of its value that matters large enough to be
seen, would a harmless arm pass its guardrails, and if not, what would have to change:
customers, weeks, or fewer arms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from relkit.errors import ParameterError
from relkit.frequency.assignment import allowed_arms
from relkit.frequency.plan import HARMS, ExperimentPlan, Guardrail
from relkit.frequency.power import (
    Baseline,
    DetectableEffect,
    guardrail_power,
    minimum_detectable_effect,
    power_of,
)
from relkit.frequency.tier_baseline import NOT_SUPPLIED, VALUE, TierBaseline

if TYPE_CHECKING:
    import pandas as pd

YES, VALUE_ONLY, GUARDRAILS_ONLY, NO = "yes", "value_only", "guardrails_only", "no"
Shares = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class SmallestEffect:
    """What can be seen of a metric in a tier.

    Attributes:
        tier: Its name.
        metric: One of METRICS.
        baseline: What it is today.
        n_arm: Customers in the smallest arm.
        n_today: Customers in today's arm.
        comparisons: Arms compared with today's.
        detectable: The smallest change for the worse (for value: for the better) that is
            found with the design's power.
    """

    tier: str
    metric: str
    baseline: Baseline
    n_arm: float
    n_today: float
    comparisons: int
    detectable: DetectableEffect


@dataclass(frozen=True, slots=True)
class GuardrailReach:
    """Whether a harmless arm could show that it is harmless.

    Attributes:
        tier: Its name.
        guardrail: What must not get worse.
        mean: The metric today; nan where it is not measured.
        n_arm: Customers in the smallest arm.
        power: Chance that an arm equal to today's passes; nan where not measured.
        times: Times the customers for the design's power; nan where not measured.
        needed_per_arm: Customers an arm then; nan where not measured.
        weeks_of_window: Weeks the window would have to last for the same with these
            customers, for counts of events; None for what does not add up over time.
        status: 'reached', 'not_reached', 'never_happened' or 'not_supplied'.
    """

    tier: str
    guardrail: Guardrail
    mean: float
    n_arm: float
    power: float
    times: float
    needed_per_arm: float
    weeks_of_window: float | None
    status: str


@dataclass(frozen=True, slots=True)
class TierAnswer:
    """Can this tier answer, and if not, what would do.

    Attributes:
        tier: Its name.
        answer: 'yes', 'value_only' (a gain is seen, but no switch can pass its
            guardrails), 'guardrails_only' or 'no'.
        customers: In the experiment.
        per_arm: In the smallest arm.
        arms: Number of arms.
        today_value: Value per customer and window before the cost of contacts.
        worth_seeing: The change of it that is to be seen.
        value_power: Chance to see it.
        smallest_value: The smallest change of value that is seen; nan if none.
        guardrail_power: Chance that a harmless arm passes all that can be measured, the
            least of them; nan where none can be measured.
        times: Times the customers with which it could answer; 1 where it can; nan where
            a guardrail cannot be measured.
        customers_needed: That many in all.
        weeks_of_arrivals: Weeks until so many have come at today's pace; None where
            nobody comes or nobody is missing.
        arms_kept: The most arms, today's among them, with which it could answer as it
            is; none where even two are too many.
    """

    tier: str
    answer: str
    customers: int
    per_arm: float
    arms: int
    today_value: float
    worth_seeing: float
    value_power: float
    smallest_value: float
    guardrail_power: float
    times: float
    customers_needed: float
    weeks_of_arrivals: float | None
    arms_kept: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ExperimentDesign:
    """What can be seen, tier by tier.

    Attributes:
        plan: What is planned.
        shares: Tier → arm → share of its customers.
        tiers: As they are today.
        power: Chance with which an effect is to be found.
        alpha: Chance of any false alarm over the arms of a tier.
        worth: Share of today's value whose change is to be seen.
        effects: By tier and metric.
        guardrails: By tier and guardrail.
        answers: By tier.
    """

    plan: ExperimentPlan
    shares: Shares
    tiers: tuple[TierBaseline, ...]
    power: float
    alpha: float
    worth: float
    effects: tuple[SmallestEffect, ...]
    guardrails: tuple[GuardrailReach, ...]
    answers: tuple[TierAnswer, ...]

    @property
    def customers(self) -> int:
        """In all tiers."""
        return sum(tier.customers for tier in self.tiers)

    def to_frame(self) -> pd.DataFrame:
        """One row a tier: the fields of `TierAnswer`, arms_kept as text."""
        rows = [_fields(one) for one in self.answers]
        return _frame([row | {"arms_kept": ", ".join(row["arms_kept"])} for row in rows])

    def effects_frame(self) -> pd.DataFrame:
        """One row a tier and metric: today, explained, design_effect, n_arm, n_today, difference,
        relative, detectable."""
        return _frame(
            {
                "tier": one.tier,
                "metric": one.metric,
                "kind": one.baseline.kind,
                "today": one.baseline.mean,
                "explained": one.baseline.explained,
                "design_effect": one.baseline.design_effect,
                "n_arm": one.n_arm,
                "n_today": one.n_today,
                "difference": one.detectable.difference,
                "relative": one.detectable.relative,
                "detectable": one.detectable.detectable,
            }
            for one in self.effects
        )

    def guardrails_frame(self) -> pd.DataFrame:
        """One row a tier and guardrail: the fields of `GuardrailReach`, the guardrail spelled."""
        rows = [_fields(one) for one in self.guardrails]
        return _frame(
            {
                "tier": row["tier"],
                "metric": row["guardrail"].metric,
                "scale": row["guardrail"].scale,
                "margin": row["guardrail"].margin,
                **{name: row[name] for name in row if name not in ("tier", "guardrail")},
            }
            for row in rows
        )


def design_experiment(
    plan: ExperimentPlan,
    tiers: Sequence[TierBaseline],
    shares: Shares | None = None,
    power: float = 0.80,
    alpha: float = 0.05,
    worth: float = 0.10,
) -> ExperimentDesign:
    """What this plan can say with these customers.

    Args:
        plan: Its tiers, arms, guardrails.
        tiers: One baseline for each tier of the plan.
        shares: Tier → arm → share of its customers; equal shares of the arms under the
            tier's fatigue cap if None.
        power: Chance with which an effect is to be found.
        alpha: Chance of any false alarm over a tier's arms (Šidák).
        worth: A change of value by this share of today's is to be seen; a judgement.

    Raises:
        ParameterError: a tier without baseline, a tier with one arm, a worth that is no share.
    """
    by_name = {tier.tier: tier for tier in tiers}
    faults = [f"tier '{name}' has no baseline" for name in plan.tiers if name not in by_name]
    if not 0 < worth < 1:
        faults.append(f"worth={worth} must be a share between 0 and 1; give 10 % as 0.10")
    planned = shares or {
        name: dict.fromkeys(arms, 1 / len(arms))
        for name in plan.tiers
        for arms in [allowed_arms(plan, name)]
    }
    for name in plan.tiers:
        arms = [arm for arm, share in planned.get(name, {}).items() if share > 0]
        if len(arms) < 2 or plan.today[name] not in arms:
            faults.append(f"tier '{name}' needs today's arm '{plan.today[name]}' and another one")
    if faults:
        raise ParameterError("the design of the experiment", faults)
    ordered = tuple(by_name[name] for name in plan.tiers)
    effects, rails, answers = [], [], []
    for tier in ordered:
        sizes = Sizes.of(tier, planned[tier.tier], plan.today[tier.tier])
        effects += [_smallest(tier, m, b, sizes, power, alpha) for m, b in tier.metrics.items()]
        reach = [_reach(tier, rail, sizes, power, plan) for rail in plan.guardrails]
        rails += reach
        answers.append(_answer(plan, tier, sizes, reach, power, alpha, worth))
    return ExperimentDesign(
        plan, planned, ordered, power, alpha, worth, tuple(effects), tuple(rails), tuple(answers)
    )


@dataclass(frozen=True, slots=True)
class Sizes:
    """Customers in the smallest arm and in today's, and how many arms there are."""

    arm: float
    today: float
    arms: int

    @classmethod
    def of(cls, tier: TierBaseline, shares: Mapping[str, float], today: str) -> Sizes:
        others = [share for arm, share in shares.items() if arm != today and share > 0]
        # Rounded: shares such as 1/6 leave 1,347 as 1,346.9999999.
        smallest, own = (round(s * tier.customers, 6) for s in (min(others), shares[today]))
        return cls(max(smallest, 1.0), max(own, 1.0), len(others) + 1)

    @classmethod
    def equal(cls, tier: TierBaseline, arms: int) -> Sizes:
        each = max(tier.customers / arms, 1.0)
        return cls(each, each, arms)


def _smallest(
    tier: TierBaseline, metric: str, baseline: Baseline, sizes: Sizes, power: float, alpha: float
) -> SmallestEffect:
    direction = 1 if metric in HARMS or metric == VALUE else -1
    found = minimum_detectable_effect(
        baseline, sizes.arm, sizes.today, power, alpha, sizes.arms - 1, direction
    )
    return SmallestEffect(
        tier.tier, metric, baseline, sizes.arm, sizes.today, sizes.arms - 1, found
    )


def _held(baseline: Baseline, guardrail: Guardrail) -> Baseline:
    """As the guardrail is tested: a ratio is not adjusted by the covariate."""
    return replace(baseline, explained=0.0) if guardrail.scale == "ratio" else baseline


def _reach(
    tier: TierBaseline, rail: Guardrail, sizes: Sizes, power: float, plan: ExperimentPlan
) -> GuardrailReach:
    baseline = tier.metrics.get(rail.metric)
    if baseline is None:
        why = tier.unmeasured.get(rail.metric, NOT_SUPPLIED)
        nan = math.nan
        return GuardrailReach(tier.tier, rail, nan, sizes.arm, nan, nan, nan, None, why)
    held = _held(baseline, rail)
    chance = guardrail_power(held, rail, sizes.arm, sizes.today)
    times = _times(lambda k: guardrail_power(held, rail, sizes.arm * k, sizes.today * k) >= power)
    # Events add up over time, so a longer window is like more customers.
    weeks = plan.window_weeks * times if baseline.kind == "count" else None
    status = "reached" if chance >= power else "not_reached"
    return GuardrailReach(
        tier.tier, rail, baseline.mean, sizes.arm, chance, times, sizes.arm * times, weeks, status
    )


def _answer(
    plan: ExperimentPlan,
    tier: TierBaseline,
    sizes: Sizes,
    reach: Sequence[GuardrailReach],
    power: float,
    alpha: float,
    worth: float,
) -> TierAnswer:
    value = tier.metrics[VALUE]
    wanted = worth * abs(value.mean)
    seen = power_of(value, wanted, sizes.arm, sizes.today, alpha, sizes.arms - 1)
    found = minimum_detectable_effect(value, sizes.arm, sizes.today, power, alpha, sizes.arms - 1)
    measured = [one for one in reach if not math.isnan(one.power)]
    rails_hold = len(measured) == len(reach) and all(one.status == "reached" for one in reach)
    sees = seen >= power
    answer = YES if sees and rails_hold else VALUE_ONLY if sees else NO
    answer = GUARDRAILS_ONLY if rails_hold and not sees else answer
    times = _times(
        lambda k: (
            power_of(value, wanted, sizes.arm * k, sizes.today * k, alpha, sizes.arms - 1) >= power
        )
    )
    times = max([1.0, times, *(one.times for one in measured)])
    times = times if len(measured) == len(reach) else math.nan
    needed = math.nan if math.isnan(times) else math.ceil(times * tier.customers - 1e-6)
    missing = needed - tier.customers
    weeks = missing / tier.arrivals_per_week if missing > 0 and tier.arrivals_per_week else None
    return TierAnswer(
        tier=tier.tier,
        answer=answer,
        customers=tier.customers,
        per_arm=sizes.arm,
        arms=sizes.arms,
        today_value=value.mean,
        worth_seeing=wanted,
        value_power=seen,
        smallest_value=found.difference,
        guardrail_power=min((one.power for one in measured), default=math.nan),
        times=times,
        customers_needed=needed,
        weeks_of_arrivals=weeks,
        arms_kept=_arms_kept(plan, tier, reach, power, alpha, wanted),
    )


def _arms_kept(
    plan: ExperimentPlan,
    tier: TierBaseline,
    reach: Sequence[GuardrailReach],
    power: float,
    alpha: float,
    wanted: float,
) -> tuple[str, ...]:
    """The most arms in equal shares that could answer; those nearest to today's are kept."""
    if any(math.isnan(one.power) for one in reach):
        return ()
    doses, today = plan.doses, plan.today[tier.tier]
    nearest = sorted(
        allowed_arms(plan, tier.tier),
        key=lambda arm: (arm != today, abs(math.log1p(doses[arm]) - math.log1p(doses[today]))),
    )
    for count in range(len(nearest), 1, -1):
        n = Sizes.equal(tier, count)
        sees = power_of(tier.metrics[VALUE], wanted, n.arm, n.today, alpha, count - 1) >= power
        if sees and all(
            guardrail_power(_held(tier.metrics[r.metric], r), r, n.arm, n.today) >= power
            for r in (one.guardrail for one in reach)
        ):
            return tuple(arm for arm in plan.arms if arm in nearest[:count])
    return ()


def _times(reached: Callable[[float], bool]) -> float:
    """The least factor on all sizes with which something is reached; to six digits."""
    low, high = -30.0, 30.0
    if not reached(math.exp(high)):
        return math.inf
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(math.exp(middle)) else (middle, high)
    return math.exp(high)


def _fields(one: object) -> dict[str, Any]:
    return {name: getattr(one, name) for name in type(one).__slots__}  # type: ignore[attr-defined]


def _frame(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows))
