"""An experiment in time: effects by weeks in arm, looks that fool nobody, carry-over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from relkit.data.experiment_periods import PeriodSums, experiment_periods
from relkit.frequency.carry_over import CarryOver, early_late_effect, step_down_effect
from relkit.frequency.plan_reading import planned_sums
from relkit.frequency.sequential import confidence_sequence
from relkit.intervals import normal_quantile

if TYPE_CHECKING:
    import pandas as pd

    from relkit.data.experiment_outcomes import ExperimentOutcomes
    from relkit.data.sources import Source
    from relkit.frequency.plan import ExperimentPlan
    from relkit.frequency.sums import ArmMeans, ArmSums, Floats

LEVEL = 0.95
# Of two arms together; fewer complaints are not normal enough to be looked at.
LEAST_EVENTS = 20
WEEKS_A_LOOK = {"weekly": 1, "monthly": 4}


@dataclass(frozen=True, slots=True, eq=False)
class ExperimentTime:
    """Value without residual value, since who stays shows at the end only.

    Money per customer and week: margin, less complaints, less contacts, arm − today's.

    Attributes:
        steps: tier, arm, first_week, last_week, n, difference, low, high: of each step
            taken alone, 95 %.
        looks: tier, arm, week, n, difference, standard_error, low, high (all looks and
            all arms of a tier hold together, 95 %), alone_low, alone_high (one look
            alone: what a naive reader would use).
        log: tier, arm, looks, first_alone, first_clear, first_harm: weeks, empty where
            never. first_harm: complaints shown to be beyond their margin at some look.
        carry_over: Comparisons that the plan's arms allow, one a tier and comparison:
            comparison, tier, arm, beside, difference, low, high, margin, status.
        step_down: Whether an arm was stepped down.
        long_hold_out: Whether a hold-out is there to be held against.
        complaints: Whether complaints are in the value.
        harm_watched: Whether a guardrail on complaints was watched at each look.
    """

    steps: pd.DataFrame
    looks: pd.DataFrame
    log: pd.DataFrame
    carry_over: pd.DataFrame
    step_down: bool
    long_hold_out: bool
    complaints: bool
    harm_watched: bool


def experiment_time(
    source: Source, plan: ExperimentPlan, outcomes: ExperimentOutcomes, weeks_a_step: int = 4
) -> ExperimentTime:
    """Effects by weeks since each customer's own assignment.

    Args:
        source: The outcomes' source.
        plan: Its prices, guardrails, looks and arms.
        outcomes: Of the experiment.
        weeks_a_step: Length of the steps; the last may be shorter.
    """
    window = plan.window_weeks
    each_look = WEEKS_A_LOOK.get(plan.stop.looks, window)
    looks = experiment_periods(source, outcomes, _ends(window, each_look))
    steps = experiment_periods(source, outcomes, _ends(window, weeks_a_step))
    halves = experiment_periods(source, outcomes, _ends(window, max(window // 2, 1))[:2])
    each = [_arm_sums(plan, looks, period, so_far=True) for period in range(len(looks.ends))]
    running = _running(plan, looks, each)
    watched = [g for g in plan.guardrails if g.metric == "complaints" and g.scale == "ratio"]
    harm = _harm(plan, looks, each, watched[0].margin) if watched and _has(looks) else {}
    down = any(arm.step_down_to is not None for arm in plan.arms.values())
    out = any(arm.hold_out for arm in plan.arms.values())
    return ExperimentTime(
        steps=_steps(plan, steps),
        looks=running,
        log=_log(running, harm),
        carry_over=_carry_over(plan, halves),
        step_down=down,
        long_hold_out=out,
        complaints=_has(looks),
        harm_watched=bool(watched) and _has(looks),
    )


def _has(sums: PeriodSums) -> bool:
    return "complaints" in sums.metrics


def _ends(window: int, each: int) -> list[int]:
    return [*range(each, window, each), window]


def _weights(plan: ExperimentPlan, sums: PeriodSums) -> dict[str, float]:
    weights = {"margin": 1.0}
    return weights | {"complaints": -plan.complaint_cost} if _has(sums) else weights


def _arm_sums(plan: ExperimentPlan, sums: PeriodSums, period: int, so_far: bool) -> ArmSums:
    frame = sums.so_far if so_far else sums.within
    rows = frame[frame["period"] == period].drop(columns="period")
    return planned_sums(plan, rows, sums.metrics)


def _weekly_cost(plan: ExperimentPlan) -> Floats:
    return np.array(list(plan.costs.values())) / plan.window_weeks


def _today(plan: ExperimentPlan, tier: str) -> int:
    return list(plan.arms).index(plan.today[tier])


def _differences(plan: ExperimentPlan, means: ArmMeans, weeks: float) -> tuple[Floats, Floats]:
    """Net value of each arm less today's per customer and week, and its error, (T, A)."""
    at = np.array([[_today(plan, tier)] for tier in means.tiers])
    net = means.mean / weeks - _weekly_cost(plan)
    error = means.standard_error / weeks
    gap = net - np.take_along_axis(net, at, 1)
    return gap, np.hypot(error, np.take_along_axis(error, at, 1))


def _pairs(plan: ExperimentPlan) -> list[tuple[int, str, int, str]]:
    """(place, tier, place, arm) of every arm but today's."""
    return [
        (t, tier, a, arm)
        for t, tier in enumerate(plan.tiers)
        for a, arm in enumerate(plan.arms)
        if arm != plan.today[tier]
    ]


def _steps(plan: ExperimentPlan, sums: PeriodSums) -> pd.DataFrame:
    import pandas as pd

    rows = []
    begin = 0
    for period, (end, weeks) in enumerate(zip(sums.ends, sums.weeks, strict=True)):
        means = _arm_sums(plan, sums, period, so_far=False).means(_weights(plan, sums))
        gap, error = _differences(plan, means, weeks)
        for t, tier, a, arm in _pairs(plan):
            half = normal_quantile(LEVEL) * error[t, a]
            n = int(means.n[t, [a, _today(plan, tier)]].sum())
            row = (tier, arm, begin + 1, end, n, gap[t, a], gap[t, a] - half, gap[t, a] + half)
            rows.append(row)
        begin = end
    names = ["tier", "arm", "first_week", "last_week", "n", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def _running(plan: ExperimentPlan, sums: PeriodSums, each: list[ArmSums]) -> pd.DataFrame:
    """The mean so far at every look, with its confidence sequence."""
    import pandas as pd

    gaps, errors = [], []
    for one, end in zip(each, sums.ends, strict=True):
        means = one.means(_weights(plan, sums))
        gap, error = _differences(plan, means, end)
        gaps.append(gap)
        errors.append(error)
    gap, error = np.array(gaps), np.array(errors)
    # All arms of a tier hold at once: each gets its part of the error allowed.
    level = 1 - (1 - LEVEL) / (len(plan.arms) - 1)
    z = normal_quantile(LEVEL)
    parts = []
    for t, tier, a, arm in _pairs(plan):
        seen = error[:, t, a] > 0
        if not seen.any():
            continue
        d, s = gap[seen, t, a], error[seen, t, a]
        found = confidence_sequence(d, s, level)
        columns = {"week": np.array(sums.ends)[seen], "n": _both(plan, sums, tier, arm)}
        columns |= {"difference": d, "standard_error": s, "low": found.low, "high": found.high}
        columns |= {"alone_low": d - z * s, "alone_high": d + z * s}
        parts.append(pd.DataFrame({"tier": tier, "arm": arm, **columns}))
    return pd.concat(parts, ignore_index=True)


def _both(plan: ExperimentPlan, sums: PeriodSums, tier: str, arm: str) -> int:
    rows = sums.within[(sums.within["period"] == 0) & (sums.within["tier"].astype(str) == tier)]
    return int(rows.loc[rows["arm"].astype(str).isin([arm, plan.today[tier]]), "n"].sum())


def _harm(
    plan: ExperimentPlan, sums: PeriodSums, looks: list[ArmSums], margin: float
) -> dict[tuple[str, str], int | None]:
    """First look at which complaints are beyond their margin, all looks and arms together."""
    level = 1 - 2 * (1 - LEVEL) / (len(plan.arms) - 1)  # one side is looked at
    each = [one.means("complaints") for one in looks]
    found: dict[tuple[str, str], int | None] = {}
    for t, tier, a, arm in _pairs(plan):
        b = _today(plan, tier)
        events = np.array([(m.raw_mean[t] * m.n[t])[[a, b]].sum() for m in each])
        ends = np.array(sums.ends)
        d = np.array([m.mean[t, a] - margin * m.mean[t, b] for m in each]) / ends
        error = [np.hypot(m.standard_error[t, a], margin * m.standard_error[t, b]) for m in each]
        s = np.array(error) / ends
        seen = (events >= LEAST_EVENTS) & (s > 0)
        found[tier, arm] = None
        if seen.any():
            low = confidence_sequence(d[seen], s[seen], level).low
            if (low > 0).any():
                found[tier, arm] = int(ends[seen][np.argmax(low > 0)])
    return found


def _log(looks: pd.DataFrame, harm: dict[tuple[str, str], int | None]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for (tier, arm), own in looks.groupby(["tier", "arm"], sort=False):
        alone = own.loc[(own["alone_low"] > 0) | (own["alone_high"] < 0), "week"]
        clear = own.loc[(own["low"] > 0) | (own["high"] < 0), "week"]
        row = {"tier": tier, "arm": arm, "looks": len(own)}
        row["first_alone"] = int(alone.iloc[0]) if len(alone) else None
        row["first_clear"] = int(clear.iloc[0]) if len(clear) else None
        row["first_harm"] = harm.get((str(tier), str(arm)))
        rows.append(row)
    frame = pd.DataFrame(rows)
    names = ["first_alone", "first_clear", "first_harm"]
    return frame.astype(dict.fromkeys(names, "Int64"))


def _carry_over(plan: ExperimentPlan, halves: PeriodSums) -> pd.DataFrame:
    """What the arms of the plan allow to compare; no row where they allow nothing."""
    import pandas as pd

    first = _arm_sums(plan, halves, 0, so_far=False)
    parts = []
    if len(halves.ends) > 1:
        second = _arm_sums(plan, halves, 1, so_far=False)
        out = next((name for name, arm in plan.arms.items() if arm.hold_out), None)
        for t, tier in enumerate(plan.tiers):
            margin = plan.tolerated_loss[tier] / plan.window_weeks
            weights = _weights(plan, halves)
            for name, arm in plan.arms.items():
                if arm.step_down_to is not None:
                    found = step_down_effect(
                        second, name, arm.step_down_to, weights, halves.weeks[1], margin
                    )
                    parts.append(_row(found, t))
            today = plan.today[tier]
            if out is not None and today != out:
                found = early_late_effect(
                    first, second, today, out, weights, halves.weeks[0], halves.weeks[1], margin
                )
                parts.append(_row(found, t))
    names = ["comparison", "tier", "arm", "beside", "difference", "low", "high", "margin", "status"]
    return pd.DataFrame(parts, columns=names)


def _row(found: CarryOver, t: int) -> dict[str, object]:
    figures = {"difference": found.difference[t], "low": found.low[t], "high": found.high[t]}
    head = {"comparison": found.comparison, "tier": found.tiers[t]}
    head |= {"arm": found.arm, "beside": found.beside}
    return head | figures | {"margin": found.margin, "status": found.status[t]}
