"""Cadences, gates and what hides a section, in words."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING

from relkit.frequency.decision import TierDecision
from relkit.intervals import Estimate
from relkit.report.statements import Statement, listed, say
from relkit.studies.experiment import ExperimentStudy

if TYPE_CHECKING:
    from relkit.frequency.plan import ExperimentPlan
    from relkit.frequency.trust import TrustGate

# Gates of what happened after the arms were drawn; each has one figure for all tiers.
DELIVERY = ("dose", "hold_out", "too_late", "tracking", "after_unsubscribing")


def arm_words(plan: ExperimentPlan, arm: str) -> Statement:
    """A cadence as a sentence says it: '1/3 a month', 'no contact'."""
    cadence = plan.arm(arm)
    if cadence.hold_out:
        return say("frequency.arm.none")
    times = str(Fraction(cadence.per_month).limit_denominator(12))
    alike = [one for one in plan.arms.values() if one.per_month == cadence.per_month]
    if len(alike) > 1 or abs(float(Fraction(times)) - cadence.per_month) > 1e-9:
        return say("frequency.arm.named", name=arm, times=f"{cadence.per_month:.3g}")
    return say("frequency.arm.monthly", times=times)


def gate_names(gates: Iterable[TrustGate]) -> Statement:
    """Names of gates, each once."""
    return listed(dict.fromkeys(f"frequency.gate.{gate.name}" for gate in gates), "; ")


def hidden(study: ExperimentStudy, section: str) -> Statement | None:
    """Why a section shows no number; None where it does."""
    if not study.red:
        return None
    return say(
        "frequency.hidden", section=f"frequency.section.{section}", gates=gate_names(study.red)
    )


def valueless(study: ExperimentStudy, section: str) -> Statement | None:
    """Why a section that needs the plan's value shows no number; None where it does."""
    if study.red:
        return hidden(study, section)
    if study.read_out is not None:
        return None
    missing = [one for one in study.missing if one.metric in study.lacking]
    return say(
        "frequency.no_value",
        section=f"frequency.section.{section}",
        metrics=listed(f"frequency.metric.{one.metric}" for one in missing),
        tables=listed(dict.fromkeys(f"quality.table.{one.table}" for one in missing)),
    )


def shown_decisions(study: ExperimentStudy) -> list[TierDecision]:
    """Decisions of tiers that may be shown, in the order of the plan."""
    if study.read_out is None:
        return []
    return [one for one in study.read_out.decisions.tiers if one.tier in study.shown]


def named_arm(decision: TierDecision) -> str:
    """The cadence that a decision's figures are of."""
    return decision.candidate if decision.arm is None else decision.arm


def scaled(estimate: Estimate, factor: float) -> Estimate:
    """An estimate in other units, such as a year in place of a window."""
    value, low, high = (factor * x for x in (estimate.value, estimate.low, estimate.high))
    return Estimate(value, low, high, estimate.n, estimate.level, estimate.kind)


def range_words(study: ExperimentStudy, tier: str) -> Statement:
    """Between which tested cadences the best lies."""
    assert study.read_out is not None
    row = study.read_out.brackets.to_frame().set_index("tier").loc[tier]
    if row["open_above"]:
        return say("frequency.range_open", low=str(row["low_arm"]))
    return say("frequency.range", low=str(row["low_arm"]), high=str(row["high_arm"]))


def compared_arm(study: ExperimentStudy, tier: str) -> str | None:
    """The cadence of a tier that time is shown for: the one that leads, else the nearest.

    The intervals shown with it hold for all cadences of the tier, so choosing it by the
    data does them no harm.
    """
    today = study.plan.today[tier]
    others = [arm for arm in study.plan.arms if arm != today]
    if study.read_out is None:
        return next((arm for arm in others if study.plan.arms[arm].hold_out), others[0])
    one = study.read_out.decisions[tier]
    if named_arm(one) != today:
        return named_arm(one)
    curves = study.read_out.curves
    row = dict(zip(curves.arms, curves.expected[curves.tiers.index(tier)], strict=True))
    return max((arm for arm in others if arm in row), key=lambda arm: row[arm], default=None)
