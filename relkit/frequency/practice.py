"""Contact practice judged from touches alone: is frequency taken for care, do tiers differ,
how much is automated.

Nothing here says what contacts *do*: those who buy and those who complain are contacted for it.
What is seen is described; what it is good for needs an experiment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from relkit.errors import DataError, ParameterError
from relkit.frequency.practice_responses import (
    BETTER,
    UNCLEAR,
    WORSE,
    clustered_share,
    design_effect,
    newcombe,
)
from relkit.intervals import Estimate, normal_quantile, wilson_interval

if TYPE_CHECKING:
    import pandas as pd

RAISED, CLEAR, NOT_MEASURED = "raised", "clear", "not_measured"
# Flag -> what it asks; the words for readers are in the report's texts.
FLAGS = (
    "same_cadence",  # F06: tiers are contacted alike
    "low_tier_most",  # a lower tier is contacted more often than a higher one
    "over_automated",  # F06: too little is done by people
    "frequency_as_care",  # F06: more contacts, no more buying or more complaints
)
HARMS = ("complainers", "unsubscribed")


@dataclass(frozen=True, slots=True)
class PracticeFlag:
    """One question to a contact practice.

    Attributes:
        name: One of FLAGS.
        status: 'raised', 'clear', 'unclear' (the data leave it open) or 'not_measured'.
        tier, other: The tiers that it is about, or None.
        estimate: What was measured, or None.
        bound: What it was held against, or None.
    """

    name: str
    status: str
    tier: str | None = None
    other: str | None = None
    estimate: Estimate | None = None
    bound: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PracticeAudit:
    """A contact practice, described and questioned.

    Attributes:
        tiers: One row a tier, in the order given: tier, customers, contacted_share,
            per_month (contacts a customer and month), low, high, spread (standard deviation
            over its customers), automated (share), automated_low, automated_high, known
            (contacts of which it is said).
        doses: One row a tier, outcome and side ('fewer', 'more'): the customers of the lower
            and of the upper bands that were contacted at all: customers, cases, share, low,
            high; the two sides hold about as many customers.
        care: One row a tier and outcome: customers, difference (more − fewer), low, high,
            status ('better', 'worse', 'unclear'); the intervals hold together.
        flags: One a question.
        level: Of the intervals.
    """

    tiers: pd.DataFrame
    doses: pd.DataFrame
    care: pd.DataFrame
    flags: tuple[PracticeFlag, ...]
    level: float

    def __getitem__(self, name: str) -> PracticeFlag:
        for one in self.flags:
            if one.name == name:
                return one
        raise ParameterError(f"no flag '{name}'; there are {', '.join(FLAGS)}")

    @property
    def raised(self) -> tuple[PracticeFlag, ...]:
        """The flags that are up."""
        return tuple(one for one in self.flags if one.status == RAISED)

    def to_frame(self) -> pd.DataFrame:
        """One row a flag: name, status, tier, other, value, low, high, bound."""
        import pandas as pd

        rows = [
            (one.name, one.status, one.tier, one.other,
             *((one.estimate.value, one.estimate.low, one.estimate.high) if one.estimate
               else (math.nan,) * 3), one.bound)
            for one in self.flags
        ]  # fmt: skip
        columns = ["name", "status", "tier", "other", "value", "low", "high", "bound"]
        return pd.DataFrame(rows, columns=columns)


def audit_practice(
    tiers: pd.DataFrame,
    doses: pd.DataFrame,
    months: float,
    order: Sequence[str],
    least_ratio: float = 1.5,
    most_automated: float = 0.8,
    level: float = 0.95,
) -> PracticeAudit:
    """Question a contact practice by the counts of its touches.

    Args:
        tiers, doses, months: As `practice_counts` gives them.
        order: Tiers from the most to the least valuable.
        least_ratio: The most contacted tier should get so many times the contacts of the
            least contacted; below it, tiers are contacted alike. The company's own bound.
        most_automated: Share of automated contacts that is too much. The company's own.
        level: Of the intervals; those of several tiers hold together.

    Raises:
        ParameterError: bounds that cannot be, or tiers that are not in the counts.
        DataError: fewer than two tiers with contacts.
    """
    names = [str(tier) for tier in order]
    faults = [f"no tier '{t}' in the counts" for t in names if t not in set(tiers["tier"])]
    faults += [f"tier '{t}' is not in order" for t in tiers["tier"] if t not in names]
    if not least_ratio > 1:
        faults.append(f"least_ratio={least_ratio!r} must be above 1")
    if not 0 < most_automated < 1:
        faults.append(f"most_automated={most_automated!r} must be a share between 0 and 1")
    if faults:
        raise ParameterError("the practice audit", faults)
    rows = tiers.set_index("tier").loc[names]
    if (rows["contacts"] > 0).sum() < 2:
        raise DataError("fewer than two tiers were contacted; there is nothing to compare")
    described = _described(rows, months, level)
    sides, care = _care(doses, names, level)
    flags = (
        *_cadence_flags(rows, months, least_ratio, level),
        _automation_flag(rows, most_automated, level),
        _care_flag(care, level),
    )
    return PracticeAudit(described, sides, care, flags, level)


def _described(rows: pd.DataFrame, months: float, level: float) -> pd.DataFrame:
    import pandas as pd

    z, found = normal_quantile(level), []
    for tier, row in rows.iterrows():
        mean, error, spread = _mean(row, months)
        automated = _automated(row, level)
        found.append({
            "tier": tier, "customers": int(row["customers"]),
            "contacted_share": row["contacted"] / row["customers"],
            "per_month": mean, "low": max(mean - z * error, 0.0), "high": mean + z * error,
            "spread": spread,
            "automated": automated.value if automated else math.nan,
            "automated_low": automated.low if automated else math.nan,
            "automated_high": automated.high if automated else math.nan,
            "known": int(row["known"]),
        })  # fmt: skip
    return pd.DataFrame(found)


def _mean(row: pd.Series, months: float) -> tuple[float, float, float]:
    """Contacts a customer and month, its standard error, and the spread over customers."""
    n = float(row["customers"])
    mean = row["contacts"] / n
    spread = max(row["sum_contacts2"] / n - mean**2, 0.0) * (n / (n - 1) if n > 1 else 1.0)
    return mean / months, math.sqrt(spread / n) / months, math.sqrt(spread) / months


def _automated(row: pd.Series, level: float) -> Estimate | None:
    if not row["known"] > 0:
        return None
    effect = design_effect(
        *(float(row[name]) for name in (
            "automated", "known", "sum_automated2", "sum_automated_known", "sum_known2"))
    )  # fmt: skip
    return clustered_share(row["automated"], row["known"], effect, level)


def _cadence_flags(
    rows: pd.DataFrame, months: float, least_ratio: float, level: float
) -> tuple[PracticeFlag, PracticeFlag]:
    """Whether tiers differ at all, and whether in the right direction."""
    means = {tier: _mean(row, months)[:2] for tier, row in rows.iterrows()}
    contacted = [tier for tier in means if means[tier][0] > 0]
    pairs = list(combinations(contacted, 2))
    z = normal_quantile(1 - (1 - level) / len(pairs))
    ratios = {}
    for high, low in pairs:
        (a, error_a), (b, error_b) = means[high], means[low]
        half = z * math.hypot(error_a / a, error_b / b)
        log = math.log(a / b)
        ratios[high, low] = (log, log - half, log + half)
    # Of every pair the larger side on top: how far apart any two tiers are.
    apart = {p: r if r[0] >= 0 else (-r[0], -r[2], -r[1]) for p, r in ratios.items()}
    pair, far = max(apart.items(), key=lambda item: item[1][0])
    silent = [tier for tier in means if tier not in contacted]
    n = int(rows["customers"].sum())
    estimate = _ratio(far, n, level)
    top, bottom = pair if ratios[pair][0] >= 0 else pair[::-1]
    bound = math.log(least_ratio)
    # A tier that nobody contacts differs from the others, whatever the rest do.
    if silent or any(low > bound for _, low, _ in apart.values()):
        status = CLEAR
    else:
        status = RAISED if all(high < bound for *_, high in apart.values()) else UNCLEAR
    same = PracticeFlag("same_cadence", status, str(top), str(bottom), estimate, least_ratio)
    turned = min(ratios.items(), key=lambda item: item[1][2])
    (high, low), (log, below, above) = turned
    estimate = _ratio((-log, -above, -below), n, level)
    wrong = RAISED if above < 0 else CLEAR if below > -math.log(1.1) else UNCLEAR
    return same, PracticeFlag("low_tier_most", wrong, str(low), str(high), estimate, 1.0)


def _ratio(logs: tuple[float, float, float], n: int, level: float) -> Estimate:
    value, low, high = (math.exp(end) for end in logs)
    return Estimate(value, low, high, n, level)


def _automation_flag(rows: pd.DataFrame, most: float, level: float) -> PracticeFlag:
    share = _automated(rows.sum(numeric_only=True), level)
    if share is None:
        return PracticeFlag("over_automated", NOT_MEASURED, bound=most)
    status = RAISED if share.low > most else CLEAR if share.high < most else UNCLEAR
    return PracticeFlag("over_automated", status, estimate=share, bound=most)


def _care(doses: pd.DataFrame, names: list[str], level: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of the contacted customers of a tier, those with more contacts beside those with fewer."""
    import pandas as pd

    outcomes = [name for name in ("bought", *HARMS) if name in doses]
    # The intervals of all tiers and outcomes hold together.
    each = 1 - (1 - level) / max(len(names) * len(outcomes), 1)
    sides, care = [], []
    for tier in names:
        bands = doses[(doses["tier"] == tier) & (doses["high"] > 0)].sort_values("high")
        if len(bands) < 2:
            continue
        seen = bands["customers"].cumsum().to_numpy(float)
        # Cut where the two sides are most nearly equal.
        cut = int(np.abs(seen[:-1] - seen[-1] / 2).argmin()) + 1
        for outcome in outcomes:
            shares = {}
            for side, part in (("fewer", bands.iloc[:cut]), ("more", bands.iloc[cut:])):
                n, cases = int(part["customers"].sum()), int(part[outcome].sum())
                share = shares[side] = wilson_interval(cases, n, each)
                sides.append((tier, outcome, side, n, cases, share.value, share.low, share.high))
            low, high = newcombe(shares["more"], shares["fewer"])
            good = -1 if outcome in HARMS else 1
            status = UNCLEAR
            if low > 0 or high < 0:
                status = BETTER if (low > 0) == (good > 0) else WORSE
            gap = shares["more"].value - shares["fewer"].value
            care.append((tier, outcome, int(seen[-1]), gap, low, high, status))
    columns = ["tier", "outcome", "side", "customers", "cases", "share", "low", "high"]
    return (
        pd.DataFrame(sides, columns=columns),
        pd.DataFrame(
            care, columns=["tier", "outcome", "customers", "difference", "low", "high", "status"]
        ),
    )


def _care_flag(care: pd.DataFrame, level: float) -> PracticeFlag:
    """Raised where those contacted more complain or leave more, and buy no more, in some tier."""
    if care.empty or not care["outcome"].isin(HARMS).any():
        return PracticeFlag("frequency_as_care", NOT_MEASURED)
    harmed = care[care["outcome"].isin(HARMS) & (care["status"] == WORSE)]
    if not harmed.empty:
        worst = harmed.iloc[int(harmed["difference"].to_numpy().argmax())]
        estimate = Estimate(
            float(worst["difference"]), float(worst["low"]), float(worst["high"]),
            int(worst["customers"]), level,
        )  # fmt: skip
        return PracticeFlag("frequency_as_care", RAISED, str(worst["tier"]), None, estimate, 0.0)
    bought = care[care["outcome"] == "bought"]
    if not bought.empty and (bought["status"] == BETTER).all():
        return PracticeFlag("frequency_as_care", CLEAR)
    return PracticeFlag("frequency_as_care", UNCLEAR)
