"""How often customers happened to be contacted before a day, and what they did after it.

Contacts, outcomes and what was known beforehand lie one after the other in time, so that
none can have made an earlier one. Nobody drew lots; see `relkit.frequency.observational`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relkit.data.contact_rates import contact_rates
from relkit.data.experiment_outcomes import METRICS
from relkit.data.grains import check_day
from relkit.data.outcomes_before import outcomes_before
from relkit.data.summaries import rfm_summary
from relkit.errors import DataError, ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from relkit.data.sources import Source

COVARIATES = ("purchases_before", "spend_before", "weeks_since_first", "weeks_since_last")
# What follows from contacts by its nature is no outcome of them.
_LEFT_OUT = ("contacts", "unsubscribes")


@dataclass(frozen=True, slots=True, eq=False)
class DoseHistory:
    """One row a customer who had bought before the contacts were counted.

    Attributes:
        frame: customer_id, contacts, per_month, the covariates, the outcomes.
        covariates: Known before the contacts: purchases_before, spend_before (all
            purchases less refunds), weeks_since_first, weeks_since_last.
        outcomes: After the cut-off: purchases, repurchase, revenue, retained, and
            complaints and engagement where there are tables.
        cut_off: The day on which contacts stop counting and outcomes begin to count.
        weeks_before: In which contacts are counted.
        weeks_after: In which outcomes are counted.
    """

    frame: pd.DataFrame
    covariates: tuple[str, ...]
    outcomes: tuple[str, ...]
    cut_off: dt.date
    weeks_before: int
    weeks_after: int


def dose_history(
    source: Source,
    cut_off: str | dt.date,
    weeks_before: int,
    weeks_after: int,
    retained_within_weeks: int,
    tiers: pd.DataFrame | None = None,
) -> DoseHistory:
    """Contacts before a day and outcomes after it, of customers as they come.

    Args:
        source: Transactions and touches; tickets and engagement if any.
        cut_off: The first day on which outcomes count.
        weeks_before: How long before it contacts are counted.
        weeks_after: How long after it outcomes are counted.
        retained_within_weeks: A customer is retained who bought in so many last weeks.
        tiers: customer_id, tier as it was when contacts began to be counted; added as a
            column, and who has none is left out.

    Raises:
        ParameterError: weeks that cannot be, or a cut-off that is no day.
        DataError: touches are not supplied, nobody bought before the contacts, or the
            data end before the outcomes do.
    """
    day = check_day(cut_off, "cut_off")
    for name, weeks in (("weeks_before", weeks_before), ("weeks_after", weeks_after)):
        if isinstance(weeks, bool) or not isinstance(weeks, int) or weeks < 1:
            raise ParameterError(f"{name}={weeks!r} must be a whole number from 1")
    if not source.has("touches"):
        raise DataError(
            "not supplied: touches; how often customers were contacted must be known, map the "
            "table in the source's YAML"
        )
    begun = day - dt.timedelta(weeks=weeks_before)
    eve, last = begun - dt.timedelta(days=1), day - dt.timedelta(days=1)
    known = _known(source, eve)
    if tiers is not None:
        labels = tiers[["customer_id", "tier"]].astype({"customer_id": "str"})
        known = known.merge(labels, on="customer_id", validate="one_to_one")
    if known.empty:
        raise DataError(
            f"nobody had bought by {eve}; choose a later cut_off, or fewer weeks_before"
        )
    rates = contact_rates(source.touches, begun, last, customers=known[["customer_id"]])
    rates = rates.rename(columns={"contacts_per_unit": "per_month"})
    people = known[["customer_id"]].assign(tier="all")
    start = dt.datetime.combine(day, dt.time())
    after = outcomes_before(source, people, start, weeks_after, 0, retained_within_weeks)
    outcomes = tuple(m for m in METRICS if m in after.metrics and m not in _LEFT_OUT)
    did = after.to_frame()[["customer_id", *outcomes]]
    frame = known.merge(rates, on="customer_id", validate="one_to_one")
    frame = frame.merge(did, on="customer_id", validate="one_to_one")
    first = ["customer_id", *(["tier"] if tiers is not None else []), "contacts", "per_month"]
    frame = frame[[*first, *COVARIATES, *outcomes]].sort_values("customer_id", ignore_index=True)
    return DoseHistory(frame, COVARIATES, outcomes, day, weeks_before, weeks_after)


def _known(source: Source, eve: dt.date) -> pd.DataFrame:
    """What was known of each customer at the end of a day; who had not bought is left out."""
    summary = rfm_summary(source.transactions, eve, unit="week")
    return summary[["customer_id"]].assign(
        purchases_before=summary["purchases"].astype(float),
        spend_before=summary["total_spend"].astype(float),
        weeks_since_first=summary["T"].astype(float),
        weeks_since_last=(summary["T"] - summary["recency"]).astype(float),
    )
