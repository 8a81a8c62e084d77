"""The whole reading of an experiment, from sums to a decision per tier, in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relkit.frequency.bracket import Brackets
from relkit.frequency.cadence import Cadence
from relkit.frequency.decision import DecisionRule, Decisions, decide
from relkit.frequency.estimand import ArmValue, ValueTerms, todays_arms, value_by_arm
from relkit.frequency.guardrails import GuardrailResults, check_guardrails
from relkit.frequency.plan import Guardrail
from relkit.frequency.response import ResponseCurves, fit_response
from relkit.frequency.shape_test import ShapeTest, shape_test
from relkit.frequency.spline import SplineCheck, spline_check
from relkit.frequency.sums import ArmSums

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class FrequencyReadOut:
    """What an experiment says and what to do.

    Attributes:
        current: Tier → the arm with today's cadence.
        value: Value by tier and arm.
        shape: Does frequency do anything at all.
        curves: The response of each tier.
        brackets: Between which tested doses the best lies.
        spline: Another method on the same data, as a cross-check; None with two arms.
        guardrails: What must not get worse.
        decisions: One a tier.
    """

    current: Mapping[str, str]
    value: ArmValue
    shape: ShapeTest
    curves: ResponseCurves
    brackets: Brackets
    spline: SplineCheck | None
    guardrails: GuardrailResults
    decisions: Decisions

    def to_frame(self) -> pd.DataFrame:
        """The deciders' table: `decisions.to_frame()` with each tier's bracket."""
        decided = self.decisions.to_frame()
        ends = self.brackets.to_frame()[["tier", "low_dose", "high_dose", "open_above"]]
        return decided.merge(ends, on="tier", validate="one_to_one")


def read_frequency_experiment(
    sums: ArmSums,
    cadences: Sequence[Cadence],
    terms: ValueTerms,
    guardrails: Sequence[Guardrail],
    rule: DecisionRule,
    current: str | Mapping[str, str],
    gates: Mapping[str, bool],
    randomised: bool,
) -> FrequencyReadOut:
    """Read an experiment: value, shape, response, bracket, guardrails, decision.

    Args:
        sums: Outcomes over the window by tier and arm.
        cadences: The arms on the response curve, today's among them.
        terms: Prices: residual value a tier, complaint, contacts.
        guardrails: What must not get worse; at least one.
        rule: When a difference is acted upon.
        current: The arm with today's cadence, one for all or tier → arm.
        gates: Name → whether it passed; 'tier: gate' for a gate of one tier.
        randomised: Whether customers were assigned by chance.

    Raises:
        ParameterError: something the decision needs was not given.
        DataError: the sums cannot carry it.
    """
    today = (
        dict(zip(sums.tiers, [current] * len(sums.tiers), strict=True))
        if isinstance(current, str)
        else dict(current)
    )
    todays_arms(today, sums.tiers, [cadence.name for cadence in cadences])
    value = value_by_arm(sums, cadences, terms)
    shape = shape_test(value)
    curves = fit_response(value)
    rails = check_guardrails(sums.of_arms(value.arms), guardrails, today)
    return FrequencyReadOut(
        current=today,
        value=value,
        shape=shape,
        curves=curves,
        brackets=curves.brackets(),
        spline=spline_check(value) if len(value.arms) > 2 else None,
        guardrails=rails,
        decisions=decide(curves, shape, rails, today, rule, gates, randomised),
    )
