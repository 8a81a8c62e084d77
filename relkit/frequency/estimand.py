"""What a cadence is worth: margin, less complaints, plus those who stay, less its cost.

By intention to treat, per customer of a tier over the window:
y = margin − complaint cost · complaints + residual value · [retained]. What is modelled
is y; the cost of the contacts is known and subtracted afterwards, so that an estimate
pulled towards "frequency does nothing" is pulled towards fewer contacts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.frequency.cadence import Cadence
from relkit.frequency.sums import ArmMeans, ArmSums, Floats
from relkit.units import convert, periods_per_year

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ValueTerms:
    """What outcomes and contacts are worth. Nothing here has a default: it is asked for.

    Attributes:
        residual_value: Tier → what a customer still there at the end of the window is
            worth from then on.
        complaint_cost: What one complaint costs.
        contact_cost: (type, channel) → what one contact costs.
        weeks: Length of the window.
        dose_weights: Type → how many doses one contact is; where all contacts are of
            one type each may be left to count one dose.
        margin: The metric with the margin in the window.
        complaints: The metric with the number of complaints.
        retained: The metric that is 1 for customers still there, else 0.
    """

    residual_value: Mapping[str, float]
    complaint_cost: float
    contact_cost: Mapping[tuple[str, str], float]
    weeks: float
    dose_weights: Mapping[str, float] = field(default_factory=dict)
    margin: str = "margin"
    complaints: str = "complaints"
    retained: str = "retained"

    def __post_init__(self) -> None:
        named: list[tuple[str, Any]] = [("complaint_cost", self.complaint_cost)]
        for name in ("residual_value", "contact_cost", "dose_weights"):
            given = getattr(self, name)
            if not isinstance(given, Mapping):
                named.append((name, given))
            else:
                named += [(f"{name}[{key}]", value) for key, value in given.items()]
        faults = [
            f"{name}={value!r} must be given as a number from 0"
            for name, value in named
            if not _is_amount(value)
        ]
        if not _is_amount(self.weeks) or self.weeks <= 0:
            faults.append(f"weeks={self.weeks!r} must be a positive number")
        if faults:
            raise ParameterError("the terms of value", faults)

    @property
    def months(self) -> float:
        return convert(self.weeks, "week", "month")

    @property
    def windows_per_year(self) -> float:
        return periods_per_year("week") / self.weeks


@dataclass(frozen=True, slots=True, eq=False)
class ArmValue:
    """Value by tier and arm, arms in ascending order of dose.

    Attributes:
        gross: y by tier and arm, before the cost of contacts.
        doses: Doses a month, ascending, (A,).
        cost: Of an arm's contacts per customer in the window, (A,).
        terms: What it was made with.
    """

    gross: ArmMeans
    doses: Floats
    cost: Floats
    terms: ValueTerms

    @property
    def tiers(self) -> tuple[str, ...]:
        return self.gross.tiers

    @property
    def arms(self) -> tuple[str, ...]:
        return self.gross.arms

    @property
    def net(self) -> Floats:
        """Adjusted means less the cost, (T, A)."""
        return np.asarray(self.gross.mean - self.cost)

    def to_frame(self) -> pd.DataFrame:
        """One row a tier and arm: dose, n, gross, cost, net, standard_error, raw_gross."""
        frame = self.gross.to_frame()
        tiers = len(self.tiers)
        columns: dict[str, Any] = {
            "dose": np.tile(self.doses, tiers),
            "n": frame["n"],
            "gross": frame["mean"],
            "cost": np.tile(self.cost, tiers),
            "net": self.net.ravel(),
            "standard_error": frame["standard_error"],
            "raw_gross": frame["raw_mean"],
        }
        return frame[["tier", "arm"]].assign(**columns)


def value_by_arm(sums: ArmSums, cadences: Sequence[Cadence], terms: ValueTerms) -> ArmValue:
    """What each arm was worth per customer, by tier.

    Args:
        sums: Outcomes, with the metrics that `terms` names.
        cadences: The arms on the response curve; arms of the data that are not named
            here (a step-down arm, say) are left out.
        terms: Prices.

    Raises:
        ParameterError: a residual value, a cost or a weight is missing; two cadences have
            the same dose; a metric or an arm is not in the data.
        DataError: nothing varies, so that there is nothing to learn.
    """
    faults = _faults_of_terms(sums.tiers, cadences, terms)
    if faults:
        raise ParameterError("the plan does not say what value is", faults)
    weights = terms.dose_weights or None
    doses = np.array([cadence.dose(weights) for cadence in cadences])
    order = np.argsort(doses, kind="stable")
    arms = [cadences[i] for i in order]
    same = [
        f"arms '{one.name}' and '{other.name}' have the same dose; give their types other "
        "dose_weights, or leave one out"
        for one, other, gap in zip(arms, arms[1:], np.diff(doses[order]), strict=False)
        if gap <= 0
    ]
    if same:
        raise ParameterError("one dose scale cannot tell the arms apart", same)
    gross = sums.of_arms([arm.name for arm in arms]).means(
        {
            terms.margin: 1.0,
            terms.complaints: -terms.complaint_cost,
            terms.retained: [terms.residual_value[tier] for tier in sums.tiers],
        }
    )
    still = [tier for tier, spread in zip(sums.tiers, gross.spread, strict=True) if spread <= 0]
    if still:
        raise DataError(
            "all outcomes are the same; there is nothing to learn from",
            [f"tier {tier}: every customer has the same value" for tier in still],
        )
    # In a small arm all may be alike by chance; that does not make its mean certain.
    alike = gross.standard_error <= 0
    if alike.any():
        usual = gross.spread[:, None] / np.sqrt(gross.n)
        gross = replace(gross, standard_error=np.where(alike, usual, gross.standard_error))
    cost = np.array([arm.cost_per_month(terms.contact_cost) for arm in arms]) * terms.months
    return ArmValue(gross=gross, doses=doses[order], cost=cost, terms=terms)


def todays_arms(
    current: str | Mapping[str, str], tiers: Sequence[str], arms: Sequence[str]
) -> NDArray[np.intp]:
    """Place of today's cadence among the arms, by tier, (T,).

    Args:
        current: The arm that is today's cadence, one for all or tier → arm.
        tiers: Names.
        arms: Names.

    Raises:
        ParameterError: a tier has none, or it is none of the arms.
    """
    named = dict.fromkeys(tiers, current) if isinstance(current, str) else dict(current)
    faults = []
    for tier in tiers:
        arm = named.get(tier)
        if arm is None:
            faults.append(f"tier '{tier}': today's cadence is not said")
        elif arm not in arms:
            faults.append(
                f"tier '{tier}': today's cadence '{arm}' is none of the arms "
                f"{', '.join(arms)}{did_you_mean(arm, arms)}"
            )
    if faults:
        raise ParameterError(
            "without today's cadence as an arm nobody can say what a change would bring", faults
        )
    return np.array([list(arms).index(named[tier]) for tier in tiers])


def _faults_of_terms(
    tiers: Sequence[str], cadences: Sequence[Cadence], terms: ValueTerms
) -> list[str]:
    faults = [
        f"residual_value of tier '{tier}' is missing; it is asked for, never assumed"
        for tier in tiers
        if tier not in terms.residual_value
    ]
    names = [cadence.name for cadence in cadences]
    faults += [f"arm '{name}' stands twice" for name in sorted(set(names)) if names.count(name) > 1]
    if len(set(names)) < 2:
        faults.append(f"{len(set(names))} arm; an effect needs at least two")
    kinds = sorted({(c.type, c.channel) for cadence in cadences for c in cadence.contacts})
    faults += [
        f"contact_cost of {kind} by {channel} is missing; it is asked for, never assumed"
        for kind, channel in kinds
        if (kind, channel) not in terms.contact_cost
    ]
    types = sorted({kind for kind, _ in kinds})
    if len(types) > 1 or terms.dose_weights:
        faults += [
            f"dose_weights of '{kind}' is missing; with several types of contact the plan must "
            "say how many doses each is"
            for kind in types
            if kind not in terms.dose_weights
        ]
    return faults


def _is_amount(value: Any) -> bool:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(
        value, bool
    )
    return number and math.isfinite(value) and value >= 0
