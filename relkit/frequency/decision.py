"""What to do in each tier: switch, keep, go on, try another arm, or no verdict.

A switch needs everything at once: customers assigned by chance, every gate passed, every
guardrail within its margin, a probability of a gain, and little to lose if it is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from relkit.errors import ParameterError
from relkit.frequency.bracket import Brackets
from relkit.frequency.estimand import todays_arms
from relkit.frequency.guardrails import FAIL, PASS, GuardrailResults
from relkit.frequency.response import ResponseCurves
from relkit.frequency.shape_test import ShapeTest
from relkit.intervals import Estimate, normal_quantile

if TYPE_CHECKING:
    import pandas as pd

SWITCH, KEEP, EXTEND, ADD_ARM, NO_VERDICT = "switch", "keep", "extend", "add_arm", "no_verdict"
ACTIONS = (SWITCH, KEEP, EXTEND, ADD_ARM, NO_VERDICT)
GRADES = ("A", "B", "C")


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """When a difference is acted upon. Money is per customer and window.

    Attributes:
        tolerated_loss: The expected loss of a choice, if it is wrong, must stay below
            this; a number or tier → number; asked for, never assumed.
        probability: P(value of the new cadence > value of today's) for a switch.
    """

    tolerated_loss: float | Mapping[str, float]
    probability: float = 0.9

    def __post_init__(self) -> None:
        given = self.tolerated_loss
        named = given if isinstance(given, Mapping) else {"all tiers": given}
        faults = [
            f"tolerated_loss of {tier}={loss!r} must be a positive amount of money"
            for tier, loss in named.items()
            if not isinstance(loss, (int, float)) or not math.isfinite(loss) or loss <= 0
        ]
        if not 0.5 < self.probability < 1:
            faults.append(f"probability={self.probability!r} must be in (0.5, 1)")
        if faults:
            raise ParameterError("the decision rule", faults)

    def loss_of(self, tier: str) -> float:
        """What may be lost in a tier."""
        if not isinstance(self.tolerated_loss, Mapping):
            return float(self.tolerated_loss)
        if tier not in self.tolerated_loss:
            raise ParameterError(f"tolerated_loss of tier '{tier}' is missing; it is asked for")
        return float(self.tolerated_loss[tier])


@dataclass(frozen=True, slots=True)
class TierDecision:
    """What to do in one tier. Money is per customer and window.

    Attributes:
        tier: Name.
        current: Today's cadence.
        action: 'switch', 'keep', 'extend', 'add_arm' or 'no_verdict'.
        arm: The tested arm that the decision is for: the new one of a switch, today's
            of 'keep'; None where there is no recommendation.
        candidate: The arm of highest expected value among those that failed no guardrail.
        reasons: Keys, most important first; see REASONS.
        gain: Net value of `arm` (of `candidate` where there is none) less today's.
        probability_better: That it is worth more than today's.
        probability_best: That it is the best tested arm.
        expected_loss: Expected loss, against today's, if it is the wrong choice.
        guardrails: Of that arm: 'pass', 'fail' or 'undecided'.
        grade: 'A' assigned by chance and conclusive, 'B' assigned by chance and not
            conclusive, 'C' observational; None where a gate failed.
        hypothesis_only: Always so for observational data, whatever the figures.
        next_dose: Dose of an arm worth adding, or None.
        more_customers: How many times the customers are needed for the difference seen
            to be clear, where it is not; None where it is, or where none is seen.
    """

    tier: str
    current: str
    action: str
    arm: str | None
    candidate: str
    reasons: tuple[str, ...]
    gain: Estimate
    probability_better: float
    probability_best: float
    expected_loss: float
    guardrails: str
    grade: str | None
    hypothesis_only: bool
    next_dose: float | None
    more_customers: float | None


# Key -> what it says; the words for readers are in the report's texts.
REASONS = (
    "observational",  # customers were not assigned by chance
    "gate_failed",  # the data may not be read
    "clear_gain",  # all that a switch needs is there
    "no_effect_shown",  # the shape test found nothing
    "no_better_arm",  # today's cadence has the highest expected value
    "little_to_gain",  # what staying is expected to lose is within what is tolerated
    "better_arms_fail_guardrails",
    "guardrail_undecided",
    "gain_uncertain",  # P(better) below what is asked
    "loss_too_large",  # expected loss above what is borne
    "plain_difference_unclear",  # the two arms' own customers alone do not show it
    "best_at_the_edge",  # the highest tested arm may be the best
    "better_arm_between",  # an arm between two tested ones would be better
)


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decision of each tier.

    Attributes:
        tiers: One a tier.
        windows_per_year: From money per window to money per year.
    """

    tiers: tuple[TierDecision, ...]
    windows_per_year: float

    def __getitem__(self, tier: str) -> TierDecision:
        for one in self.tiers:
            if one.tier == tier:
                return one
        raise ParameterError(
            f"no tier '{tier}'; there are {', '.join(one.tier for one in self.tiers)}"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a tier: action, arm, candidate, gain, gain_low, gain_high (per window),
        gain_per_year, probabilities, expected_loss, guardrails, grade, next_dose, reasons."""
        import pandas as pd

        rows = []
        for one in self.tiers:
            row = {name: getattr(one, name) for name in TierDecision.__slots__ if name != "gain"}
            row |= {"gain": one.gain.value, "gain_low": one.gain.low, "gain_high": one.gain.high}
            row["gain_per_year"] = one.gain.value * self.windows_per_year
            rows.append(row)
        first = ["tier", "current", "action", "arm", "candidate", "gain", "gain_low", "gain_high"]
        frame = pd.DataFrame(rows)
        return frame[[*first, *(c for c in frame.columns if c not in first)]]


def decide(
    curves: ResponseCurves,
    shape: ShapeTest,
    guardrails: GuardrailResults,
    current: str | Mapping[str, str],
    rule: DecisionRule,
    gates: Mapping[str, bool],
    randomised: bool,
) -> Decisions:
    """The decision of each tier.

    Args:
        curves: Net values by tier and arm.
        shape: Whether frequency does anything at all.
        guardrails: Against today's cadence; of at least the arms on the curve.
        current: The arm with today's cadence, one for all or tier → arm.
        rule: When a difference is acted upon.
        gates: Name → whether it passed; a gate that holds for one tier only is named
            'tier: gate'. None at all counts as failed: unread gates are no passed ones.
        randomised: Whether customers were assigned by chance. Where not, the answer is
            'no_verdict', grade C, hypothesis only, whatever the figures and however
            they were adjusted.

    Raises:
        ParameterError: today's cadence is not on the curve, or a tolerated loss is missing.
    """
    rails = guardrails.in_order(curves.arms)
    at = todays_arms(current, curves.tiers, curves.arms).tolist()
    brackets = curves.brackets()
    facts = [
        _Facts.of(curves, shape, rails, brackets, t, at[t], rule) for t in range(len(curves.tiers))
    ]
    names = set(curves.tiers)
    decided = []
    for one in facts:
        others = names - {one.tier}
        seen = [ok for gate, ok in gates.items() if gate.split(": ")[0] not in others]
        decided.append(_decide_tier(one, bool(seen) and all(seen), randomised))
    return Decisions(tuple(decided), curves.value.terms.windows_per_year)


@dataclass(frozen=True, slots=True, eq=False)
class _Facts:
    """Of one tier, what the decision looks at."""

    curves: ResponseCurves
    rails: GuardrailResults
    brackets: Brackets
    rule: DecisionRule
    place: int
    current: int
    effect: bool
    better: np.ndarray
    loss: np.ndarray
    plain: np.ndarray

    @classmethod
    def of(
        cls,
        curves: ResponseCurves,
        shape: ShapeTest,
        rails: GuardrailResults,
        brackets: Brackets,
        place: int,
        current: int,
        rule: DecisionRule,
    ) -> _Facts:
        net = curves.value.net[place]
        error = curves.value.gross.standard_error[place]
        step = np.hypot(error, error[current])
        return cls(
            curves, rails, brackets, rule, place, current, shape.effect[place],
            curves.probability_better(place, current),
            curves.loss_against(place, current),
            (net - net[current]) / step,
        )  # fmt: skip

    @property
    def tier(self) -> str:
        return self.curves.tiers[self.place]

    @property
    def expected(self) -> np.ndarray:
        return np.asarray(self.curves.expected[self.place])

    def guardrail(self, arm: int) -> str:
        return self.rails.of_arm(self.place, arm)

    @property
    def candidates(self) -> list[int]:
        """Arms that failed no guardrail, of higher expected value than today's, best first."""
        order = np.argsort(-self.expected, kind="stable").tolist()
        return [
            arm for arm in order
            if self.expected[arm] > self.expected[self.current] and self.guardrail(arm) != FAIL
        ]  # fmt: skip

    def hindrances(self, arm: int) -> tuple[str, ...]:
        """What stands against a switch to an arm; nothing where all is well."""
        rule = self.rule
        found = []
        if self.guardrail(arm) != PASS:
            found.append("guardrail_undecided")
        if self.better[arm] < rule.probability:
            found.append("gain_uncertain")
        if self.loss[arm] >= rule.loss_of(self.tier):
            found.append("loss_too_large")
        # A smooth curve carries an arm along with its neighbours: where two arms are worth
        # nearly the same, it can be sure of the wrong one. Their own customers must say it too.
        if self.plain[arm] < normal_quantile(2 * rule.probability - 1):
            found.append("plain_difference_unclear")
        return tuple(found)


def _decide_tier(facts: _Facts, gates_passed: bool, randomised: bool) -> TierDecision:
    candidates = facts.candidates
    candidate = candidates[0] if candidates else facts.current
    if not randomised:
        return _verdict(facts, NO_VERDICT, None, candidate, ("observational",), "C")
    if not gates_passed:
        return _verdict(facts, NO_VERDICT, None, candidate, ("gate_failed",), None)
    clear = [arm for arm in candidates if not facts.hindrances(arm)]
    if clear:
        reasons = ("clear_gain", *_edge(facts, clear[0]))
        return _verdict(facts, SWITCH, clear[0], candidate, reasons, "A")
    against = facts.hindrances(candidate) if candidates else ()
    if not facts.effect:
        return _verdict(facts, NO_VERDICT, None, candidate, ("no_effect_shown", *against), "B")
    admissible = [*candidates, facts.current]
    draws = facts.curves.draws[:, facts.place]
    to_gain = float((draws[:, admissible].max(-1) - draws[:, facts.current]).mean())
    if to_gain >= facts.rule.loss_of(facts.tier):
        return _verdict(facts, EXTEND, None, candidate, against, "B")
    why = "little_to_gain" if candidates else "no_better_arm"
    if not candidates and _failed_better(facts):
        why = "better_arms_fail_guardrails"
    beyond = (*_edge(facts, facts.current), *_between(facts, facts.current))
    action, grade = (ADD_ARM, "B") if beyond else (KEEP, "A")
    return _verdict(facts, action, facts.current, candidate, (*beyond, why), grade)


def _failed_better(facts: _Facts) -> bool:
    """Whether arms of higher expected value were ruled out by a guardrail."""
    better = facts.expected > facts.expected[facts.current]
    return any(facts.guardrail(arm) == FAIL for arm in np.flatnonzero(better).tolist())


def _edge(facts: _Facts, arm: int) -> tuple[str, ...]:
    """Whether the arm is the highest tested and the best one may lie beyond it."""
    last = len(facts.curves.arms) - 1
    return ("best_at_the_edge",) if arm == last and facts.brackets.open_above[facts.place] else ()


def _between(facts: _Facts, arm: int) -> tuple[str, ...]:
    """Whether a cadence half way to a neighbour is likely worth more, beyond what is tolerated."""
    return ("better_arm_between",) if _dose_between(facts, arm) is not None else ()


def _dose_between(facts: _Facts, arm: int) -> float | None:
    """The half-way dose most likely to be that much better, if more likely than not."""
    doses, value = facts.curves.doses, facts.curves.value
    steps = np.log1p(doses)
    halves = np.expm1((steps[1:] + steps[:-1]) / 2)[max(arm - 1, 0) : arm + 1]
    at = np.concatenate([doses[[arm]], halves])
    drawn = facts.curves.draws_between(facts.place, at) - np.interp(at, doses, value.cost)
    chance = (drawn[:, 1:] - drawn[:, [0]] > facts.rule.loss_of(facts.tier)).mean(0)
    return float(halves[chance.argmax()]) if chance.max() > 0.5 else None


def _next_dose(facts: _Facts, reasons: tuple[str, ...], arm: int) -> float | None:
    if "best_at_the_edge" in reasons:
        steps = np.log1p(facts.curves.doses)
        return float(np.expm1(2 * steps[-1] - steps[-2]))
    return _dose_between(facts, arm) if "better_arm_between" in reasons else None


def _verdict(
    facts: _Facts,
    action: str,
    arm: int | None,
    candidate: int,
    reasons: tuple[str, ...],
    grade: str | None,
) -> TierDecision:
    curves, shown = facts.curves, candidate if arm is None else arm
    gain = curves.gain(facts.place, shown, facts.current)
    return TierDecision(
        tier=facts.tier,
        current=curves.arms[facts.current],
        action=action,
        arm=None if arm is None else curves.arms[arm],
        candidate=curves.arms[candidate],
        reasons=reasons,
        gain=gain,
        probability_better=float(facts.better[shown]),
        probability_best=float(curves.probability_best[facts.place, shown]),
        expected_loss=float(facts.loss[shown]),
        guardrails=facts.guardrail(shown),
        grade=grade,
        hypothesis_only=grade == "C",
        next_dose=_next_dose(facts, reasons, shown),
        more_customers=_more_customers(facts, shown),
    )


def _more_customers(facts: _Facts, arm: int) -> float | None:
    """Times the customers for the difference seen to be clear, if it is the true one."""
    drawn = facts.curves.draws[:, facts.place]
    spread = float((drawn[:, arm] - drawn[:, facts.current]).std())
    seen = float(facts.expected[arm] - facts.expected[facts.current])
    if arm == facts.current or seen <= 0 or facts.better[arm] >= facts.rule.probability:
        return None
    needed = normal_quantile(2 * facts.rule.probability - 1)
    return (needed * spread / seen) ** 2
