"""Where the conclusion turns: residual value, complaint cost and contact cost varied.

Two answers. How far a price must move until the decision (with everything it needs) is
another one, found by bisection; and, exactly, at which price the new cadence and
today's are worth the same, from the differences between the arms alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from relkit.errors import ParameterError
from relkit.frequency.cadence import Cadence
from relkit.frequency.decision import DecisionRule, Decisions, TierDecision, decide
from relkit.frequency.estimand import ValueTerms, todays_arms, value_by_arm
from relkit.frequency.guardrails import check_guardrails
from relkit.frequency.plan import Guardrail
from relkit.frequency.response import fit_response
from relkit.frequency.shape_test import shape_test
from relkit.frequency.sums import ArmSums

if TYPE_CHECKING:
    import pandas as pd

TERMS = ("residual_value", "complaint_cost", "contact_cost")
FACTORS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
# Two factors that differ by less count as one point.
NEAR = 0.05
# Fewer than in the read-out itself: some dozens of decisions are made here.
DRAWS, NULL_DRAWS = 2_000, 4_000


@dataclass(frozen=True, slots=True)
class Flip:
    """A factor on a price at which a tier's decision becomes another one.

    Attributes:
        tier: Name.
        term: 'residual_value', 'complaint_cost' or 'contact_cost'.
        factor: On the plan's price; within 5 %.
        below: Action and arm just below the factor, arm None where there is none.
        above: Action and arm just above.
    """

    tier: str
    term: str
    factor: float
    below: tuple[str, str | None]
    above: tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The price at which a cadence is worth exactly what today's is.

    Attributes:
        tier: Name.
        arm: The cadence beside today's.
        term: 'residual_value', 'complaint_cost' or 'contact_cost'.
        factor: On the plan's price; None where no price from 0 does it.
    """

    tier: str
    arm: str
    term: str
    factor: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivity:
    """Decisions under other prices.

    Attributes:
        factors: That each price was multiplied by.
        decisions: (term, factor) → decisions.
        flips: Where a tier's decision changes within the factors.
        break_even: Of each tier's candidate; none where today's cadence is the candidate.
    """

    factors: tuple[float, ...]
    decisions: Mapping[tuple[str, float], Decisions]
    flips: tuple[Flip, ...]
    break_even: tuple[BreakEven, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row a term, factor and tier: action, arm, gain, probability_better."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for (term, factor), decisions in self.decisions.items():
            for one in decisions.tiers:
                row = {"term": term, "factor": factor, "tier": one.tier, "action": one.action}
                row |= {"arm": one.arm, "candidate": one.candidate, "gain": one.gain.value}
                rows.append(row | {"probability_better": one.probability_better})
        return pd.DataFrame(rows)

    def flips_to_frame(self) -> pd.DataFrame:
        """One row a flip: tier, term, factor, action and arm below and above."""
        import pandas as pd

        columns = ["tier", "term", "factor"]
        columns += ["action_below", "arm_below", "action_above", "arm_above"]
        rows = [(f.tier, f.term, f.factor, *f.below, *f.above) for f in self.flips]
        return pd.DataFrame(rows, columns=columns)

    def break_even_to_frame(self) -> pd.DataFrame:
        """One row a tier and term: arm, factor (empty where no price does it)."""
        import pandas as pd

        rows = [(b.tier, b.arm, b.term, b.factor) for b in self.break_even]
        return pd.DataFrame(rows, columns=["tier", "arm", "term", "factor"])


def sensitivity(
    sums: ArmSums,
    cadences: Sequence[Cadence],
    terms: ValueTerms,
    guardrails: Sequence[Guardrail],
    rule: DecisionRule,
    current: str | Mapping[str, str],
    gates: Mapping[str, bool],
    randomised: bool,
    factors: Sequence[float] = FACTORS,
) -> Sensitivity:
    """The decision again and again, with one price at a time multiplied by a factor.

    Args:
        sums, cadences, terms, guardrails, rule, current, gates, randomised: As of
            `read_frequency_experiment`.
        factors: From 0, with 1 among them.

    Raises:
        ParameterError: factors below 0, fewer than two, or none that is 1.
    """
    tried = tuple(sorted({float(factor) for factor in factors}))
    if len(tried) < 2 or tried[0] < 0 or 1.0 not in tried:
        raise ParameterError(
            f"factors={tuple(factors)} must be from 0, at least two, one of them 1"
        )
    names = [cadence.name for cadence in cadences]
    rails = check_guardrails(sums.of_arms(names), guardrails, current)
    known: dict[tuple[str, float], Decisions] = {}

    def at(term: str, factor: float) -> Decisions:
        # With the plan's own prices every term gives the same answer.
        key = (TERMS[0] if factor == 1 else term, factor)
        if key not in known:
            value = value_by_arm(sums, cadences, with_factor(terms, term, factor))
            curves, shape = fit_response(value, DRAWS), shape_test(value, draws=NULL_DRAWS)
            known[key] = decide(curves, shape, rails, current, rule, gates, randomised)
        return known[key]

    decisions = {(term, factor): at(term, factor) for term in TERMS for factor in tried}
    flips = [flip for term in TERMS for flip in _flips(partial(at, term), term, tried)]
    return Sensitivity(
        factors=tried,
        decisions=decisions,
        flips=tuple(flips),
        break_even=tuple(_break_even(sums, cadences, terms, at(TERMS[0], 1.0), current)),
    )


def with_factor(terms: ValueTerms, term: str, factor: float) -> ValueTerms:
    """The terms with one price multiplied."""
    if term == "complaint_cost":
        return replace(terms, complaint_cost=terms.complaint_cost * factor)
    if term == "residual_value":
        residual = {tier: value * factor for tier, value in terms.residual_value.items()}
        return replace(terms, residual_value=residual)
    if term == "contact_cost":
        return replace(terms, contact_cost={k: c * factor for k, c in terms.contact_cost.items()})
    raise ParameterError(f"term={term!r} must be one of {', '.join(TERMS)}")


def _conclusion(one: TierDecision) -> tuple[str, str | None]:
    return one.action, one.arm


def _flips(at: Callable[[float], Decisions], term: str, factors: tuple[float, ...]) -> list[Flip]:
    """Between neighbouring factors with other conclusions, where it turns."""
    found = []
    for low, high in pairwise(factors):
        for place, one in enumerate(at(low).tiers):
            below, above = _conclusion(one), _conclusion(at(high).tiers[place])
            if below == above:
                continue
            left, right = low, high
            while right - left > NEAR * right:
                middle = (left + right) / 2 if left == 0 else float(np.sqrt(left * right))
                between = _conclusion(at(middle).tiers[place])
                if between == below:
                    left = middle
                else:
                    # A third conclusion on the way: the first turn is the one sought.
                    right, above = middle, between
                if right < NEAR * factors[1]:
                    break
            found.append(Flip(one.tier, term, (left + right) / 2, below, above))
    return found


def _break_even(
    sums: ArmSums,
    cadences: Sequence[Cadence],
    terms: ValueTerms,
    decisions: Decisions,
    current: str | Mapping[str, str],
) -> list[BreakEven]:
    """Where the difference of the adjusted means, linear in each price, is 0."""
    arms = {cadence.name: place for place, cadence in enumerate(cadences)}
    chosen = sums.of_arms(list(arms))
    each = [chosen.means(m).mean for m in (terms.margin, terms.complaints, terms.retained)]
    cost = np.array([c.cost_per_month(terms.contact_cost) for c in cadences]) * terms.months
    today = todays_arms(current, chosen.tiers, chosen.arms)
    found = []
    for t, one in enumerate(decisions.tiers):
        new, old = arms[one.arm or one.candidate], int(today[t])
        if new == old:
            continue
        margin, complaints, retained = (float(m[t, new] - m[t, old]) for m in each)
        parts = {
            "residual_value": terms.residual_value[one.tier] * retained,
            "complaint_cost": -terms.complaint_cost * complaints,
            "contact_cost": -float(cost[new] - cost[old]),
        }
        for term, part in parts.items():
            rest = margin + sum(other for name, other in parts.items() if name != term)
            factor = -rest / part if part else None
            valid = factor is not None and factor >= 0
            found.append(BreakEven(one.tier, cadences[new].name, term, factor if valid else None))
    return found
