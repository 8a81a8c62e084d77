"""An experiment read by its plan: the sums that the data gave, the prices that the plan says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from relkit.errors import DataError, did_you_mean
from relkit.frequency.decision import DecisionRule
from relkit.frequency.estimand import ValueTerms
from relkit.frequency.plan import ExperimentPlan
from relkit.frequency.read_out import FrequencyReadOut, read_frequency_experiment
from relkit.frequency.sums import ArmSums

if TYPE_CHECKING:
    import pandas as pd

MARGIN, REVENUE = "margin", "revenue"


def terms_of(plan: ExperimentPlan) -> ValueTerms:
    """The plan's prices, as the estimand takes them."""
    return ValueTerms(
        residual_value=plan.residual_value,
        complaint_cost=plan.complaint_cost,
        contact_cost=plan.contact_cost,
        weeks=plan.window_weeks,
        dose_weights=plan.dose_weights,
    )


def rule_of(plan: ExperimentPlan) -> DecisionRule:
    """When the plan lets a difference be acted upon."""
    return DecisionRule(plan.tolerated_loss, plan.probability)


def planned_sums(plan: ExperimentPlan, totals: pd.DataFrame, metrics: Sequence[str]) -> ArmSums:
    """Sums of the plan's tiers and arms, with margin beside revenue.

    Args:
        plan: What was planned.
        totals: `ExperimentOutcomes.totals()`: tier, arm, n, sum_x, sum_x2, and for each
            metric sum_m, sum_x_m, and sum_m_k for each pair.
        metrics: Metrics in the totals, in their order there; with 'revenue' among them
            'margin' is added, by the plan's share.

    Raises:
        DataError: arms that are not planned, or that nobody was in; tiers of the plan
            without customers; columns that are missing.
    """
    frame = totals.assign(tier=totals["tier"].astype(str), arm=totals["arm"].astype(str))
    frame = _fitting(plan, frame)
    shape = len(plan.tiers), len(plan.arms)
    index = frame.set_index(["tier", "arm"])
    cells = [(tier, arm) for tier in plan.tiers for arm in plan.arms]

    def cell(name: str) -> np.ndarray:
        if name not in index.columns:
            hint = did_you_mean(name, map(str, index.columns))
            raise DataError(f"the totals have no column '{name}'{hint}")
        return index[name].loc[cells].to_numpy(float).reshape(shape)

    names = list(metrics)
    pairs = [
        [cell(f"sum_{names[min(i, j)]}_{names[max(i, j)]}") for j in range(len(names))]
        for i in range(len(names))
    ]
    sums = ArmSums(
        metrics=tuple(names),
        tiers=plan.tiers,
        arms=tuple(plan.arms),
        n=cell("n").astype(np.int64),
        sum_y=np.stack([cell(f"sum_{name}") for name in names]),
        sum_yy=np.stack([np.stack(row) for row in pairs]),
        sum_x=cell("sum_x"),
        sum_x2=cell("sum_x2"),
        sum_xy=np.stack([cell(f"sum_x_{name}") for name in names]),
    )
    return _with_scaled(sums, REVENUE, MARGIN, plan.margin_share) if REVENUE in names else sums


def read_planned_experiment(
    plan: ExperimentPlan, sums: ArmSums, gates: Mapping[str, bool], randomised: bool = True
) -> FrequencyReadOut:
    """The whole read-out of an experiment by its plan.

    Args:
        plan: What was planned.
        sums: From `planned_sums`, with margin, complaints and retained.
        gates: Name → whether it passed; 'tier: gate' for a gate of one tier.
        randomised: Whether customers were assigned by chance.
    """
    cadences = [arm for arm in plan.arms.values() if arm.step_down_to is None]
    return read_frequency_experiment(
        sums,
        cadences,
        terms_of(plan),
        plan.guardrails,
        rule_of(plan),
        plan.today,
        gates,
        randomised,
    )


def _fitting(plan: ExperimentPlan, frame: pd.DataFrame) -> pd.DataFrame:
    faults = [
        f"tier '{tier}' is not in the plan{did_you_mean(tier, plan.tiers)}; "
        "the plan's tiers are frozen, assignments of other tiers are another experiment"
        for tier in sorted(set(frame["tier"]) - set(plan.tiers))
    ]
    faults += [
        f"arm '{arm}' is not in the plan{did_you_mean(arm, plan.arms)}"
        for arm in sorted(set(frame["arm"]) - set(plan.arms))
    ]
    there = set(zip(frame["tier"], frame["arm"], strict=True))
    for tier in plan.tiers:
        empty = [arm for arm in plan.arms if (tier, arm) not in there]
        if len(empty) == len(plan.arms):
            faults.append(f"nobody is in tier '{tier}'")
        elif empty:
            listed = ", ".join(f"'{arm}'" for arm in empty)
            faults.append(f"tier '{tier}': nobody got {listed}, which the plan has")
    if faults:
        raise DataError(f"the data are not what experiment {plan.experiment} planned", faults)
    return frame


def _with_scaled(sums: ArmSums, of: str, name: str, factor: float) -> ArmSums:
    """The sums with one more metric, `factor` times another of each customer."""
    k = sums.metrics.index(of)
    crossed = factor * sums.sum_yy[k]
    wider = np.concatenate([sums.sum_yy, crossed[:, None]], axis=1)
    last = np.concatenate([crossed, factor**2 * sums.sum_yy[k, k][None]])
    return ArmSums(
        metrics=(*sums.metrics, name),
        tiers=sums.tiers,
        arms=sums.arms,
        n=sums.n,
        sum_y=np.concatenate([sums.sum_y, factor * sums.sum_y[k][None]]),
        sum_yy=np.concatenate([wider, last[None]]),
        sum_x=sums.sum_x,
        sum_x2=sums.sum_x2,
        sum_xy=np.concatenate([sums.sum_xy, factor * sums.sum_xy[k][None]]),
    )
