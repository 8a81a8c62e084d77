"""Contacts that nobody assigned by chance, in words: a hypothesis in every case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relkit.frequency.stopping_rule import GOES_ON, STOPS
from relkit.intervals import Estimate
from relkit.report.statements import Statement, say

if TYPE_CHECKING:
    from relkit.frequency.observational import DoseEffects
    from relkit.frequency.stopping_rule import StoppingRuleTest


def dose_hypothesis(found: DoseEffects) -> Statement:
    """The group of the highest mean against the reference, or the next where it is that."""
    place = _shown(found)
    difference = Estimate(
        float(found.difference[place]), float(found.low[place]), float(found.high[place]),
        int(found.n.sum()), found.level,
    )  # fmt: skip
    values = {"group": found.groups[place], "reference": found.reference}
    values |= {"outcome": found.outcome}
    if found.covariates:
        n = len(found.covariates)
        return say("observational.adjusted", difference=difference, n=n, **values)
    return say("observational.naive", difference=difference, **values)


def dose_grade(found: DoseEffects) -> Statement:
    """Why it is a hypothesis, and how little would explain it."""
    return say("observational.grade", strength=float(found.e_value[_shown(found)]))


def stopping_rule(found: StoppingRuleTest) -> Statement:
    """Whether contacts stop at success."""
    if found.status not in (STOPS, GOES_ON):
        return say("observational.order_unknown")
    key = "observational.stops" if found.status == STOPS else "observational.goes_on"
    return say(key, n=found.successes, followed=found.followed, expected=found.expected)


def _shown(found: DoseEffects) -> int:
    """The group of the highest mean that is not the reference."""
    others = [i for i, group in enumerate(found.groups) if group != found.reference]
    return max(others, key=lambda i: float(found.mean[i]))
