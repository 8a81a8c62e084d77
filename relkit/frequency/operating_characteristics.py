"""How often would exactly this design decide rightly? Simulated experiments say.

Each simulated experiment has the plan's tiers, arms, sizes, prices, guardrails and rule.
What customers do today is taken from the time before the start; what contacts do to it
is set by a world, so what is best is known. Sums of arms are drawn, not customers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from relkit.errors import ParameterError, did_you_mean
from relkit.frequency.decision import ACTIONS, SWITCH
from relkit.frequency.design import ExperimentDesign
from relkit.frequency.plan import Guardrail
from relkit.frequency.plan_reading import rule_of, terms_of
from relkit.frequency.read_out import FrequencyReadOut, read_frequency_experiment
from relkit.frequency.sums import ArmSums
from relkit.frequency.tier_baseline import KINDS, PARTS, VALUE, TierBaseline
from relkit.intervals import Estimate, normal_quantile, wilson_interval

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
# What an outcome answers to: how much is bought, whether customers stay, how many complain.
ANSWERS_TO = {
    "margin": "buying",
    "revenue": "buying",
    "engagement": "buying",
    "repurchase": "leaving",
    "retained": "leaving",
    "complaints": "complaining",
    "unsubscribes": "complaining",
}
FINE = 400  # doses on which the best one is looked for


def flat(dose: Floats, best: float, top: float) -> dict[str, Floats]:
    """Contacts do nothing but cost."""
    one = np.ones_like(dose)
    return {"buying": one, "leaving": one, "complaining": one}


def smooth(dose: Floats, best: float, top: float) -> dict[str, Floats]:
    """Too few and too many are both worse: the fatigue of the synthetic world."""
    u = dose / best
    return {
        "buying": np.exp(0.20 * (np.maximum(2 * u - u * u, -6.0) - 1)),
        "leaving": np.exp(0.8 * (np.log1p(u) - math.log(2)) ** 2),
        "complaining": np.exp(0.35 * np.clip(u - 1, 0.0, 6.0)),
    }


def harmful(dose: Floats, best: float, top: float) -> dict[str, Floats]:
    """Every contact drives customers away."""
    part = np.log1p(dose) / math.log1p(top)
    return {
        "buying": np.exp(-0.4 * part),
        "leaving": np.exp(0.8 * part),
        "complaining": np.exp(0.7 * part),
    }


WORLDS: dict[str, Callable[[Floats, float, float], dict[str, Floats]]] = {
    "flat": flat,
    "smooth": smooth,
    "harmful": harmful,
}


@dataclass(frozen=True, slots=True)
class WorldOutcome:
    """What the design did in one world; intervals are those of the simulation.

    Attributes:
        world: 'flat', 'smooth' or 'harmful'.
        runs: Simulated experiments.
        false_switch: Share of experiments with a switch, in any tier, to an arm that is
            worth less than today's or breaks a guardrail in truth.
        false_by_tier: The same by tier.
        switched: Share of the experiments' tiers that were switched.
        captured: Gain of the switches ÷ gain of always knowing the best arm; None where
            no arm is better than today's.
        by_curve: The same if the arm of highest expected value were always taken, without
            the guardrails and the caution of the rule.
        covered: Share of the experiments' tiers whose bracket holds the best frequency.
        actions: Action → share of the experiments' tiers.
    """

    world: str
    runs: int
    false_switch: Estimate
    false_by_tier: Mapping[str, Estimate]
    switched: Estimate
    captured: Estimate | None
    by_curve: Estimate | None
    covered: Estimate
    actions: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class OperatingCharacteristics:
    """What the design does in each world.

    Attributes:
        worlds: One each.
        not_simulated: Guardrails on metrics that were not measured before the start; the
            rule was held to the others only.
    """

    worlds: tuple[WorldOutcome, ...]
    not_simulated: tuple[str, ...]

    def of(self, world: str) -> WorldOutcome:
        """The world of this name.

        Raises:
            ParameterError: it was not simulated.
        """
        for one in self.worlds:
            if one.world == world:
                return one
        raise ParameterError(f"no world '{world}' was simulated")

    def to_frame(self) -> pd.DataFrame:
        """One row a world: runs, each share with _low and _high, and a column an action."""
        import pandas as pd

        rows = []
        for one in self.worlds:
            row: dict[str, Any] = {"world": one.world, "runs": one.runs}
            for name in ("false_switch", "switched", "captured", "by_curve", "covered"):
                found: Estimate | None = getattr(one, name)
                row[name] = math.nan if found is None else found.value
                row[f"{name}_low"] = math.nan if found is None else found.low
                row[f"{name}_high"] = math.nan if found is None else found.high
            rows.append(row | dict(one.actions))
        return pd.DataFrame(rows)


def operating_characteristics(
    design: ExperimentDesign,
    runs: int = 50,
    seed: int = 0,
    worlds: Sequence[str] = tuple(WORLDS),
) -> OperatingCharacteristics:
    """Simulate the design many times in worlds whose truth is known.

    In the smooth world each tier's best frequency is drawn anew each time, evenly in its
    logarithm between the lowest and the highest dose that is offered. All gates are taken
    as passed. Arms with a step down take no part, as in the read-out. Sums are normal with
    the moments measured before the start; a sum of events that came out below 0 is 0.

    Args:
        design: Plan, sizes, and what customers do today.
        runs: Simulated experiments a world.
        seed: Of all draws.
        worlds: Of 'flat', 'smooth', 'harmful'.

    Raises:
        ParameterError: no such world, fewer than 2 runs, no guardrail that can be simulated,
            an arm of fewer than 2 customers.
    """
    faults = [
        f"no world '{name}'{did_you_mean(name, WORLDS)}" for name in worlds if name not in WORLDS
    ]
    if runs < 2:
        faults.append(f"runs={runs} must be at least 2, or nothing is known of its error")
    names = {m for tier in design.tiers for m in tier.metrics} - {VALUE}
    everywhere = {m for m in names if all(m in tier.metrics for tier in design.tiers)}
    rails = tuple(r for r in design.plan.guardrails if r.metric in everywhere)
    left = tuple(r.metric for r in design.plan.guardrails if r.metric not in everywhere)
    if not rails:
        faults.append("no guardrail of the plan was measured before the start")
    groups = [_Group(design, tiers, rails) for tiers in _same_arms(design)]
    faults += [fault for group in groups for fault in group.faults()]
    if faults:
        raise ParameterError("simulated experiments", faults)
    found = []
    for name in worlds:
        place = list(WORLDS).index(name)
        rows = [
            [row for group in groups for row in group.run(name, rng)]
            for rng in (np.random.default_rng([20268, seed, place, run]) for run in range(runs))
        ]
        found.append(_summed(name, rows))
    return OperatingCharacteristics(tuple(found), left)


@dataclass(frozen=True, slots=True)
class _Row:
    """One tier of one simulated experiment. Gains are of all its customers."""

    tier: str
    action: str
    false: bool
    covered: bool
    attainable: float
    by_rule: float
    by_curve: float


class _Group:
    """Tiers that have the same arms: they are read together, as they share a curve."""

    def __init__(
        self,
        design: ExperimentDesign,
        tiers: Sequence[TierBaseline],
        rails: tuple[Guardrail, ...],
    ) -> None:
        plan = design.plan
        arms = [
            name
            for name, arm in plan.arms.items()
            if arm.step_down_to is None and design.shares[tiers[0].tier].get(name, 0.0) > 0
        ]
        self.plan, self.tiers, self.rails = plan, tiers, rails
        self.arms = tuple(sorted(arms, key=lambda name: plan.doses[name]))
        self.doses = np.array([plan.doses[name] for name in self.arms])
        self.costs = np.array([plan.costs[name] for name in self.arms])
        self.today = [self.arms.index(plan.today[tier.tier]) for tier in tiers]
        self.metrics = tuple(dict.fromkeys([*PARTS, *(rail.metric for rail in rails)]))
        # Customers who are randomised together count for fewer.
        self.n = np.array(
            [
                [
                    tier.customers
                    * design.shares[tier.tier][arm]
                    / tier.metrics[VALUE].design_effect
                    for arm in self.arms
                ]
                for tier in tiers
            ]
        ).round()
        self.moments = [self._moments(tier) for tier in tiers]
        self.fine = np.unique(
            np.append(np.expm1(np.linspace(0, math.log1p(self.doses[-1]), FINE)), self.doses)
        )

    def faults(self) -> list[str]:
        return [
            f"tier {self.tiers[t].tier}, arm {self.arms[a]}: {self.n[t, a]:.0f} customers; at "
            "least 2 are required"
            for t, a in np.argwhere(self.n < 2)
        ]

    def _moments(self, tier: TierBaseline) -> tuple[Floats, Floats]:
        """Of the metrics and, last, the covariate."""
        at = [*(tier.outcomes.index(name) for name in self.metrics), len(tier.outcomes)]
        return tier.mean[at], tier.covariance[np.ix_(at, at)]

    def run(self, world: str, rng: np.random.Generator) -> list[_Row]:
        offered = self.doses[self.doses > 0]
        low, high = math.log(offered[0]), math.log(offered[-1])
        best = np.exp(rng.uniform(low, high, len(self.tiers)))
        means = [self._means(t, world, self.doses, float(best[t])) for t in range(len(self.tiers))]
        sums = self._draw(means, rng)
        answer = read_frequency_experiment(
            sums,
            [self.plan.arms[name] for name in self.arms],
            terms_of(self.plan),
            self.rails,
            rule_of(self.plan),
            {tier.tier: self.arms[now] for tier, now in zip(self.tiers, self.today, strict=True)},
            {"simulated": True},
            randomised=True,
        )
        return [
            self._judged(t, world, float(best[t]), means[t], answer) for t in range(len(self.tiers))
        ]

    def _means(self, t: int, world: str, doses: Floats, best: float) -> Floats:
        """True means by dose, (D, K): today's cadence does what was measured."""
        top = float(self.doses[-1])
        at, today = (WORLDS[world](d, best, top) for d in (doses, self.doses[[self.today[t]]]))
        mean = self.moments[t][0][:-1]
        columns = []
        for k, name in enumerate(self.metrics):
            kind = ANSWERS_TO[name]
            factor = at[kind] / today[kind]
            if kind == "leaving":  # a share; who leaves the more, stays the less
                columns.append(mean[k] ** factor)
            else:
                moved = mean[k] * factor
                columns.append(np.minimum(moved, 1.0) if KINDS[name] == "binary" else moved)
        return np.column_stack(columns)

    def _draw(self, means: Sequence[Floats], rng: np.random.Generator) -> ArmSums:
        k, shape = len(self.metrics), self.n.shape
        totals, products = np.empty((k + 1, *shape)), np.empty((k + 1, k + 1, *shape))
        for t, (today, covariance) in enumerate(self.moments):
            for a in range(shape[1]):
                n = self.n[t, a]
                scale = np.append(self._spread(means[t][a], today[:-1]), 1.0)
                spread = covariance * np.outer(scale, scale)
                values, vectors = np.linalg.eigh(spread)
                root = vectors * np.sqrt(np.maximum(values, 0.0))
                mean = np.append(means[t][a], today[-1])
                total = n * mean + math.sqrt(n) * root @ rng.standard_normal(k + 1)
                events = [i for i, m in enumerate(self.metrics) if KINDS[m] != "mean"]
                total[events] = np.maximum(total[events], 0.0)
                totals[:, t, a] = total
                products[:, :, t, a] = (n - 1) * spread + np.outer(total, total) / n
        return ArmSums(
            metrics=self.metrics,
            tiers=tuple(tier.tier for tier in self.tiers),
            arms=self.arms,
            n=self.n.astype(np.int64),
            sum_y=totals[:k],
            sum_yy=products[:k, :k],
            sum_x=totals[k],
            sum_x2=products[k, k],
            sum_xy=products[k, :k],
        )

    def _spread(self, mean: Floats, today: Floats) -> Floats:
        """By how much the standard deviations differ from today's."""
        ratio = np.divide(mean, today, out=np.ones_like(mean), where=today > 0)
        scale = []
        for k, name in enumerate(self.metrics):
            if KINDS[name] == "binary":
                was = today[k] * (1 - today[k])
                scale.append(math.sqrt(mean[k] * (1 - mean[k]) / was) if was > 0 else 1.0)
            else:
                scale.append(math.sqrt(ratio[k]) if KINDS[name] == "count" else ratio[k])
        return np.array(scale)

    def _net(self, t: int, means: Floats, costs: Floats) -> Floats:
        margin, complaints, retained = (means[:, self.metrics.index(p)] for p in PARTS)
        residual = self.plan.residual_value[self.tiers[t].tier]
        return np.asarray(
            margin - self.plan.complaint_cost * complaints + residual * retained - costs
        )

    def _judged(
        self, t: int, world: str, best: float, means: Floats, answer: FrequencyReadOut
    ) -> _Row:
        one = next(d for d in answer.decisions.tiers if d.tier == self.tiers[t].tier)
        at = answer.curves.tiers.index(one.tier)
        gain = self._net(t, means, self.costs)
        gain = self.tiers[t].customers * (gain - gain[self.today[t]])
        switched = one.action == SWITCH and one.arm is not None
        chosen = self.arms.index(one.arm) if switched and one.arm else self.today[t]
        fine = self._net(
            t,
            self._means(t, world, self.fine, best),
            np.interp(self.fine, self.doses, self.costs),
        )
        by_curve = int(answer.curves.expected[at].argmax())
        return _Row(
            tier=one.tier,
            action=one.action,
            false=switched and (bool(gain[chosen] < 0) or self._breaks(t, means, chosen)),
            covered=answer.brackets.covers(at, float(self.fine[fine.argmax()])),
            attainable=float(gain.max()),
            by_rule=float(gain[chosen]),
            by_curve=float(gain[by_curve]),
        )

    def _breaks(self, t: int, means: Floats, arm: int) -> bool:
        """Whether an arm is beyond the margin of a guardrail in truth."""
        for rail in self.rails:
            here, today = means[[arm, self.today[t]], self.metrics.index(rail.metric)]
            moved = here / today if rail.scale == "ratio" else here - today
            if moved > rail.margin if rail.more_is_worse else moved < rail.margin:
                return True
        return False


def _same_arms(design: ExperimentDesign) -> list[list[TierBaseline]]:
    groups: dict[tuple[str, ...], list[TierBaseline]] = {}
    for tier in design.tiers:
        arms = tuple(sorted(a for a, share in design.shares[tier.tier].items() if share > 0))
        groups.setdefault(arms, []).append(tier)
    return list(groups.values())


def _summed(world: str, rows: Sequence[Sequence[_Row]]) -> WorldOutcome:
    runs, every = len(rows), [row for one in rows for row in one]
    tiers = [row.tier for row in rows[0]]
    actions = {a: sum(row.action == a for row in every) / len(every) for a in ACTIONS}
    return WorldOutcome(
        world=world,
        runs=runs,
        false_switch=wilson_interval(sum(any(r.false for r in one) for one in rows), runs),
        false_by_tier={
            tier: wilson_interval(sum(r.false for r in every if r.tier == tier), runs)
            for tier in tiers
        },
        switched=_mean([[row.action == SWITCH for row in one] for one in rows]),
        captured=_ratio(rows, "by_rule"),
        by_curve=_ratio(rows, "by_curve"),
        covered=_mean([[row.covered for row in one] for one in rows]),
        actions=actions,
    )


def _mean(each: Sequence[Sequence[bool]]) -> Estimate:
    """A share of tiers; its interval from the experiments, whose tiers share a curve.

    Wilson's, on as many cases as the spread between experiments leaves.
    """
    by_run = np.array(each, float).mean(1)
    share, runs, tiers = float(by_run.mean()), len(by_run), len(each[0])
    cases = float(runs * tiers)
    variance = float(by_run.var(ddof=1)) / runs
    if 0 < share < 1 and variance > 0:
        cases = min(share * (1 - share) / variance, cases)
    z2 = normal_quantile(0.95) ** 2
    middle = (share + z2 / (2 * cases)) / (1 + z2 / cases)
    half = math.sqrt(z2 * (share * (1 - share) / cases + z2 / (4 * cases**2))) / (1 + z2 / cases)
    low, high = max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))
    return Estimate(share, low, high, runs)


def _ratio(rows: Sequence[Sequence[_Row]], name: str) -> Estimate | None:
    """Gain ÷ attainable gain over all experiments, its error by the delta method."""
    gain = np.array([sum(getattr(row, name) for row in one) for one in rows])
    most = np.array([sum(row.attainable for row in one) for one in rows])
    if most.sum() <= 0:
        return None
    share = float(gain.sum() / most.sum())
    error = float((gain - share * most).std(ddof=1)) / math.sqrt(len(rows)) / float(most.mean())
    half = normal_quantile(0.95) * error
    # No more than all can be gained; rounding may put a share of all just past it.
    return Estimate(share, share - half, max(share, min(share + half, 1.0)), len(rows))
