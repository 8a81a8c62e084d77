"""Tiers as of any past day, from what was known by then, and what moved between two days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.data.grains import as_table, check_day, midnight_after
from relkit.data.summaries import rfm_summary
from relkit.data.values import exact_amount
from relkit.errors import FitError, ParameterError, RelkitError, did_you_mean
from relkit.segments.bridge import TierBridge, tier_bridge
from relkit.segments.migration import TierMigration
from relkit.segments.rules import TierRules, assign_tiers
from relkit.segments.scores import rfm_scores
from relkit.segments.tier_history import TierHistory, tier_history
from relkit.segments.tiers import rank_tiers
from relkit.studies.tier_columns import tier_columns

if TYPE_CHECKING:
    from relkit.value.lifetime_value import LifetimeValue

Table = Any  # an Ibis table or a frame; Ibis itself is at home in data/ only
BY = ("clv", "past_spend", "rfm_sum")


def tiers_as_of(
    transactions: Table,
    dates: Iterable[str | dt.date] | str | dt.date,
    by: str = "clv",
    shares: Sequence[float] = (0.10, 0.20),
    names: Sequence[str] | None = None,
    *,
    rules: TierRules | Callable[[pd.DataFrame], Any] | None = None,
    currency: str | None = None,
    model: str = "bg_nbd",
    horizon: float = 52,
    annual_discount_rate: float = 0.10,
    unit: str = "week",
    grain: str = "day",
) -> TierHistory:
    """Tiers as they would have been on past days: nothing later than a day decides its tiers.

    For each day the summary, the models and the tiers are made anew from the rows up to
    that day, so later rows can change nothing, and the same day gives the same tiers.

    Args:
        transactions: As for ``rk.rfm_summary``.
        dates: One day or several.
        by: clv (value to come by models fitted on that day), past_spend or rfm_sum.
        shares, names: As for ``rk.rank_tiers``.
        rules: Tiers of another kind, applied to each day's ``rk.tier_columns`` (with values
            where ``by`` is clv): what ``rk.read_tier_rules`` gives, or a function from the
            columns to tiers. ``shares`` and ``names`` are then not used, and who matches
            no rule stands below the last tier.
        currency: Of the amounts, where ``rules`` are held against it.
        model: Purchase model of the value, as for ``rk.fit_purchase_model``.
        horizon, annual_discount_rate: Of the value; horizon in ``unit``.
        unit, grain: As for ``rk.rfm_summary``.

    Raises:
        ParameterError: a day before the first purchase or given twice, or another ``by``.
        FitError: no model could be fitted on one of the days, which is named.
        DataError: as for ``rk.rfm_summary``.
    """
    if by not in BY:
        raise ParameterError(f"by={by!r} must be one of {', '.join(BY)}{did_you_mean(str(by), BY)}")
    given = [dates] if isinstance(dates, (str, dt.date)) else list(dates)
    days = sorted(check_day(day, "dates") for day in given)
    settings = (model, horizon, annual_discount_rate)
    found: list[tuple[dt.date, Any]] = []
    for day in days:
        summary = rfm_summary(transactions, as_of=day, unit=unit, grain=grain)
        value = _value(summary, day, settings) if by == "clv" else None
        if rules is None:
            tiers: Any = rank_tiers(summary["customer_id"], _key(summary, value, by), shares, names)
        else:
            columns = tier_columns(transactions, summary, value)
            tiers = _ruled(columns, rules, currency)
        found.append((day, tiers))
    return tier_history(found, by=by if rules is None else "rules")


def _ruled(
    columns: pd.DataFrame, rules: TierRules | Callable[[pd.DataFrame], Any], currency: str | None
) -> Any:
    if isinstance(rules, TierRules):
        return assign_tiers(columns, rules, currency)
    return rules(columns)


def _key(summary: pd.DataFrame, value: LifetimeValue | None, by: str) -> pd.Series:
    """What customers are ranked by, in the order of the summary."""
    if value is not None:
        return value.to_frame()["clv"]
    return summary["total_spend"] if by == "past_spend" else rfm_scores(summary).customers[by]


def _value(
    summary: pd.DataFrame, day: dt.date, settings: tuple[str, float, float]
) -> LifetimeValue:
    """Value to come by models that saw no more than the summary."""
    from relkit.value.gamma_gamma import fit_gamma_gamma
    from relkit.value.lifetime_value import customer_lifetime_value
    from relkit.value.purchase_models import fit_purchase_model

    model, horizon, rate = settings
    try:
        return customer_lifetime_value(
            fit_purchase_model(summary, model=model),
            fit_gamma_gamma(summary),
            summary,
            horizon=horizon,
            annual_discount_rate=rate,
        )
    except FitError as fault:
        raise FitError(
            f"no value as of {day}: {fault.heading}; leave this day out, or give by='past_spend'",
            fault.faults,
        ) from None


def revenue_between(
    transactions: Table, after: str | dt.date, until: str | dt.date
) -> pd.DataFrame:
    """What each customer brought from the day after one day to the end of another.

    Args:
        transactions: As for ``rk.rfm_summary``.
        after: The last day that no longer counts.
        until: The last day that counts.

    Returns:
        customer_id, revenue (purchases less refunds, exact sums); those with any row,
        sorted by id.

    Raises:
        ParameterError: until does not lie after ``after``.
    """
    start, end = check_day(after, "after"), check_day(until, "until")
    if end <= start:
        raise ParameterError(f"until={end} must lie after {start}")
    rows = as_table(transactions)
    chosen = rows.filter(
        (rows.occurred_at >= midnight_after(start)) & (rows.occurred_at < midnight_after(end))
    )
    sums = chosen.group_by("customer_id").agg(revenue=exact_amount(chosen.amount).sum())
    frame = sums.mutate(revenue=sums.revenue.cast("float64")).order_by("customer_id")
    found: pd.DataFrame = frame.to_pyarrow().to_pandas()
    return found.astype({"customer_id": "str", "revenue": "float64"})


def revenue_after(
    transactions: Table,
    dates: Iterable[str | dt.date],
    days: int,
    until: str | dt.date | None = None,
) -> pd.DataFrame:
    """What each customer brought in the ``days`` after each of several days.

    Args:
        transactions: As for ``rk.rfm_summary``.
        dates: Say, of a ``TierHistory``.
        days: Length of the time after each.
        until: Last day that the data cover; dates whose time ends later are left out.

    Returns:
        as_of, customer_id, revenue; what ``HeldTiers.price`` takes.

    Raises:
        ParameterError: days is not 1 or more, or no date is followed by as many days.
    """
    if isinstance(days, bool) or not isinstance(days, int) or days < 1:
        raise ParameterError(f"days={days!r} must be 1 or more whole days")
    starts = [check_day(day, "dates") for day in dates]
    ahead = dt.timedelta(days=days)
    last = _last_day(transactions) if until is None else check_day(until, "until")
    whole = [day for day in starts if day + ahead <= last]
    if not whole:
        raise ParameterError(
            f"no date is followed by {days} days of data, which end {last}; give earlier dates or "
            "fewer days"
        )
    parts = []
    for day in whole:
        found = revenue_between(transactions, day, day + ahead)
        found.insert(0, "as_of", pd.Timestamp(day).as_unit("us"))
        parts.append(found)
    return pd.concat(parts, ignore_index=True)


def _last_day(transactions: Table) -> dt.date:
    rows = as_table(transactions)
    last = rows.occurred_at.max().to_pyarrow().as_py()
    if last is None:
        raise RelkitError("transactions hold no row; at least one is required")
    day: dt.date = last.date()
    return day


@dataclass(frozen=True, slots=True, eq=False)
class TierChange:
    """What moved between two days, and between the two periods that end on them.

    Attributes:
        history: Tiers on the two days.
        migration: From which tier to which.
        bridge: The change of revenue, by what happened to customers and tiers.
        revenue_before: customer_id, revenue of the first period.
        revenue_after: The same of the second.
        compare_to: The earlier day, the last of the first period.
        as_of: The later day, the last of the second period.
        start: The day before the first period begins; both periods are equally long.
    """

    history: TierHistory
    migration: TierMigration
    bridge: TierBridge
    revenue_before: pd.DataFrame
    revenue_after: pd.DataFrame
    compare_to: dt.date
    as_of: dt.date
    start: dt.date


def tier_change(
    transactions: Table, compare_to: str | dt.date, as_of: str | dt.date, **settings: Any
) -> TierChange:
    """Tiers on two days and the bridge of revenue between the periods that end on them.

    The second period is the time between the two days, the first as long a time before it.
    Each day's tiers are made from what was known by then.

    Args:
        transactions: As for ``rk.rfm_summary``.
        compare_to: The earlier day.
        as_of: The later day.
        settings: As for ``rk.tiers_as_of``.

    Raises:
        ParameterError: as_of does not lie after compare_to, or as for ``rk.tiers_as_of``.
        DataError: neither period has revenue.
    """
    then, now = check_day(compare_to, "compare_to"), check_day(as_of, "as_of")
    if now <= then:
        raise ParameterError(f"as_of={now} must lie after compare_to={then}")
    start = then - (now - then)
    history = tiers_as_of(transactions, [then, now], **settings)
    before = revenue_between(transactions, start, then)
    after = revenue_between(transactions, then, now)
    bridge = tier_bridge(history.at(then), history.at(now), before, after, history.names)
    return TierChange(history, history.migration(), bridge, before, after, then, now, start)
