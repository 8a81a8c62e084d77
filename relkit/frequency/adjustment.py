"""Cadence that follows the customer: one bounded step a period, each with its reason.

Whether following the customer is worth anything cannot be read from customers who were
followed: who is active is contacted more because of it. So these rules are an arm to test,
beside an arm with the same number of contacts at fixed intervals (`arms_to_test`).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.frequency.cadence import Cadence, Contact
from relkit.frequency.policy import PER_YEAR
from relkit.intervals import normal_quantile

if TYPE_CHECKING:
    import pandas as pd

ACTIVITIES = ("frozen", "mild", "active")
RESPONSES = ("down", "steady", "up")
# Why a customer's cadence is what it is; the words for readers are in the report's texts.
REASONS = (
    "at_level",
    "activity_up",
    "activity_down",
    "response_up",
    "response_down",
    "complaint",
    "stage_bound",
    "activity_unknown",
    "done_this_period",
)


@dataclass(frozen=True, slots=True)
class AdjustmentRules:
    """How a cadence follows activity, response and stage.

    Attributes:
        levels: From the fewest contacts to the most.
        base: Activity → name of the level that it calls for; not fewer contacts for more
            activity. The response moves it by one level.
        stages: Stage → names of the lowest and the highest level; stages that are not
            listed are free.
    """

    levels: tuple[Cadence, ...]
    base: Mapping[str, str]
    stages: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [level.name for level in self.levels]
        doses = [level.per_month for level in self.levels]
        faults = []
        if len(names) < 2 or len(set(names)) < len(names):
            faults.append("levels: two or more cadences with different names are needed")
        if any(b <= a for a, b in pairwise(doses)):
            faults.append("levels must go from the fewest contacts a month to the most")
        used = [*self.base.values(), *(name for pair in self.stages.values() for name in pair)]
        for name in dict.fromkeys(used):
            if name not in names:
                faults.append(f"no level '{name}'{did_you_mean(name, names)}")
        if set(self.base) != set(ACTIVITIES):
            faults.append(f"base needs a level for each of {', '.join(ACTIVITIES)}")
        elif not faults:
            wanted = [names.index(self.base[activity]) for activity in ACTIVITIES]
            if wanted != sorted(wanted):
                faults.append("base: more activity must not call for fewer contacts")
        if not faults:
            faults += [
                f"stages: {stage}: the lowest level {low} is above the highest {high}"
                for stage, (low, high) in self.stages.items()
                if names.index(low) > names.index(high)
            ]
        if faults:
            raise ParameterError("the adjustment rules", faults)

    @property
    def names(self) -> list[str]:
        """Of the levels, in their order."""
        return [level.name for level in self.levels]


def activity_ladder(
    type: str = "message",
    channel: str = "any",
    stages: Mapping[str, tuple[str, str]] | None = None,
) -> AdjustmentRules:
    """Active customers weekly, mild ones quarterly, frozen ones a greeting (F13).

    The source names no number for the greeting; one a year is assumed, and a monthly level
    stands between quarterly and weekly, so that one step is never a leap of thirteen.
    """
    rates = {
        "greeting": 1 / 12,
        "quarterly": 1 / 3,
        "monthly": 1.0,
        "weekly": PER_YEAR["week"] / 12,
    }
    levels = tuple(Cadence(n, (Contact(type, channel, r),)) for n, r in rates.items())
    base = {"frozen": "greeting", "mild": "quarterly", "active": "weekly"}
    return AdjustmentRules(levels, base, dict(stages or {}))


@dataclass(frozen=True, slots=True, eq=False)
class Adjustment:
    """One period's adjustment.

    Attributes:
        customers: One row a customer, as they were given: customer_id, level_before, level,
            target (where the rules lead in the end), step (-1, 0, 1), reason (one of
            REASONS), adjusted_on. It goes into the next period as it is.
        period: First day of the period.
        rules: As they were applied.
    """

    customers: pd.DataFrame
    period: dt.date
    rules: AdjustmentRules

    def to_frame(self) -> pd.DataFrame:
        """One row a customer."""
        return self.customers.copy()

    def counts(self) -> pd.DataFrame:
        """Customers by reason: reason, step, customers; most first."""
        sizes = self.customers.groupby(["reason", "step"]).size().rename("customers")
        frame = sizes.reset_index()
        return frame.sort_values(
            ["customers", "reason"], ascending=[False, True], ignore_index=True
        )

    def shares(self) -> dict[str, float]:
        """Level → share of the customers."""
        counted = self.customers["level"].value_counts(normalize=True)
        return {name: float(counted.get(name, 0.0)) for name in self.rules.names}


def adjust_cadences(customers: pd.DataFrame, rules: AdjustmentRules, period: dt.date) -> Adjustment:
    """Move each customer's cadence by one level at most towards where the rules lead.

    The level that is led to is the activity's, one higher where responses went up and one
    lower where they went down, never outside the levels or the bounds of the stage. After a
    complaint it is below the present one. Whose activity is unknown stays.

    Args:
        customers: customer_id, level (a name), activity (one of ACTIVITIES, or empty), and
            where known response (one of RESPONSES), stage, complaint (whether there was one
            in the period), adjusted_on (first day of the period of the last adjustment: who
            was adjusted in this period already stays).
        rules: How.
        period: First day of the period.

    Raises:
        DataError: a column is missing, a customer twice, unknown words, or an adjustment
            later than this period.
    """
    _check(customers, rules)
    names, top = rules.names, len(rules.levels) - 1
    level = customers["level"].map({name: i for i, name in enumerate(names)}).to_numpy(int)
    base, known = _bases(customers, rules, level)
    shift = np.zeros(len(level), int)
    if "response" in customers:
        signs = {"down": -1, "steady": 0, "up": 1}
        shift = customers["response"].map(signs).fillna(0).to_numpy(int)
    wanted = np.where(known, base + shift, level)
    complaint = np.zeros(len(level), bool)
    if "complaint" in customers:
        complaint = customers["complaint"].fillna(False).to_numpy(bool)
    wanted = np.where(complaint, np.minimum(wanted, level - 1), wanted)
    low, high = _bounds(customers, rules)
    target = np.clip(np.clip(wanted, 0, top), low, high)
    done = _done(customers, period)
    step = np.where(done, 0, np.sign(target - level))
    free = np.sign(np.clip(wanted, 0, top) - level)
    reasons = np.select(
        [done, free != np.sign(target - level), complaint & (step < 0), ~known, step == 0,
         (np.sign(base - level) == step) & (step > 0), (np.sign(base - level) == step),
         step > 0],
        ["done_this_period", "stage_bound", "complaint", "activity_unknown", "at_level",
         "activity_up", "activity_down", "response_up"],
        "response_down",
    )  # fmt: skip
    words = np.array(names, dtype=object)
    frame = customers.assign(
        level_before=words[level],
        level=words[level + step],
        target=words[target],
        step=step,
        reason=reasons.astype(object),
        adjusted_on=period.isoformat(),
    )
    return Adjustment(frame.reset_index(drop=True), period, rules)


def arms_to_test(
    rules: AdjustmentRules, shares: Mapping[str, float], name: str = "adaptive"
) -> tuple[Cadence, Cadence]:
    """The rules as an arm of an experiment, and the arm that it must be tested against.

    Both have the same contacts a month on average, one as the rules say for each customer,
    the other the same for all; so a difference is due to following the customer, and not to
    the number of contacts.

    Args:
        rules: To be tested.
        shares: Level → share of the customers that are expected on it; they sum to 1.
        name: Of the arm; the other one is called `<name>_fixed`.

    Raises:
        ParameterError: shares that are none, or of levels that there are not.
    """
    names = rules.names
    faults = [f"no level '{one}'{did_you_mean(one, names)}" for one in shares if one not in names]
    if abs(math.fsum(shares.values()) - 1) > 1e-9 or min(shares.values(), default=-1) < 0:
        faults.append(f"the shares sum to {math.fsum(shares.values()):.4g}; 1 is required")
    if faults:
        raise ParameterError("shares of the levels", faults)
    sums: dict[tuple[str, str], float] = {}
    for level in rules.levels:
        for contact in level.contacts:
            kind = contact.type, contact.channel
            sums[kind] = sums.get(kind, 0.0) + shares.get(level.name, 0.0) * contact.per_month
    contacts = tuple(Contact(*kind, rate) for kind, rate in sums.items() if rate > 0)
    return Cadence(name, contacts), Cadence(f"{name}_fixed", contacts)


def activity_of(
    days_since_last: ArrayLike, active_within: float, mild_within: float
) -> NDArray[np.object_]:
    """Active, mild or frozen by the days since a customer last did anything.

    Args:
        days_since_last: Shape (n,); nan where it is not known, which stays unknown.
        active_within, mild_within: Days, ascending.

    Returns:
        Shape (n,), of ACTIVITIES or None.

    Raises:
        ParameterError: bounds that are not ascending.
    """
    if not 0 < active_within < mild_within:
        raise ParameterError(
            f"active_within={active_within} must be above 0 and below mild_within={mild_within}"
        )
    days = np.asarray(days_since_last, float)
    found = np.where(
        days <= active_within, "active", np.where(days <= mild_within, "mild", "frozen")
    )
    words = found.astype(object)
    words[np.isnan(days)] = None
    return words


def response_direction(
    before: ArrayLike, sent_before: ArrayLike, now: ArrayLike, sent_now: ArrayLike,
    level: float = 0.9,
) -> NDArray[np.object_]:  # fmt: skip
    """Whether a customer answers more often than before, beyond what chance does.

    Args:
        before, sent_before: Answers and contacts of the period before, shape (n,).
        now, sent_now: Of this period.
        level: Of the two-sided score test of two shares.

    Returns:
        Shape (n,), of RESPONSES; 'steady' where nothing is shown, nothing was sent included.

    Raises:
        DataError: more answers than contacts.
    """
    a, n, b, m = (np.asarray(one, float) for one in (before, sent_before, now, sent_now))
    wrong = (a < 0) | (b < 0) | (a > n) | (b > m)
    if wrong.any():
        raise DataError(f"{int(wrong.sum()):,} customers have more answers than contacts")
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = (a + b) / (n + m)
        error = np.sqrt(whole * (1 - whole) * (1 / n + 1 / m))
        z = np.where(error > 0, (b / m - a / n) / error, 0.0)
    z = np.nan_to_num(z)
    bound = normal_quantile(level)
    found = np.where(z > bound, "up", np.where(z < -bound, "down", "steady"))
    return found.astype(object)


def _check(customers: pd.DataFrame, rules: AdjustmentRules) -> None:
    needed = ("customer_id", "level", "activity")
    missing = [f"no column '{n}'" for n in needed if n not in customers]
    if missing:
        raise DataError(f"customers need {', '.join(needed)}", missing)
    faults = []
    twice = int(customers["customer_id"].duplicated().sum())
    if twice:
        faults.append(f"{twice:,} customers stand twice")
    words = {"level": rules.names, "activity": ACTIVITIES, "response": RESPONSES}
    for column, known in words.items():
        if column not in customers:
            continue
        cells = customers[column]
        if column == "level" and cells.isna().any():
            faults.append(f"level is empty for {int(cells.isna().sum()):,} customers")
        for word in sorted({str(word) for word in cells.dropna().unique()} - set(known)):
            hint = did_you_mean(word, known)
            faults.append(f"{column} '{word}' must be one of {', '.join(known)}{hint}")
    if faults:
        raise DataError("the cadences cannot be adjusted", faults)


def _bases(
    customers: pd.DataFrame, rules: AdjustmentRules, level: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    places = {activity: rules.names.index(name) for activity, name in rules.base.items()}
    mapped = customers["activity"].map(places)
    known = mapped.notna().to_numpy()
    return np.where(known, mapped.fillna(0).to_numpy(int), level), known


def _bounds(customers: pd.DataFrame, rules: AdjustmentRules) -> tuple[NDArray[Any], NDArray[Any]]:
    n, top = len(customers), len(rules.levels) - 1
    if "stage" not in customers:
        return np.zeros(n, int), np.full(n, top)
    ends = [
        {stage: rules.names.index(pair[end]) for stage, pair in rules.stages.items()}
        for end in (0, 1)
    ]
    low = customers["stage"].map(ends[0]).fillna(0).to_numpy(int)
    return low, customers["stage"].map(ends[1]).fillna(top).to_numpy(int)


def _done(customers: pd.DataFrame, period: dt.date) -> NDArray[np.bool_]:
    if "adjusted_on" not in customers:
        return np.zeros(len(customers), bool)
    last = customers["adjusted_on"].map(str, na_action="ignore")
    later = (last > period.isoformat()).fillna(False)
    if later.any():
        raise DataError(
            f"{int(later.sum()):,} customers were adjusted after {period}; periods go forward"
        )
    return np.asarray((last == period.isoformat()).fillna(False), bool)
