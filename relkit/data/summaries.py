"""Transactions → what the models need, computed in the engine.

One Ibis expression a summary, so that one definition runs on a laptop's DuckDB and
on a company's engine, and the cost of what follows depends on customers alone.
Purchases are merged by customer and grain first and by customer then: counting
distinct days, or joining every purchase to the first one, is several times slower.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NoReturn, get_args

import numpy as np
import pandas as pd

from relkit.data.cells import Cells, cells_until
from relkit.data.grains import (
    as_table,
    check_day,
    check_grain,
    days_between,
    in_engine,
    last_grain,
    midnight_after,
    rows_until,
)
from relkit.data.values import exact_amount
from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.units import days_per

if TYPE_CHECKING:
    import ibis.expr.types as ir

_OUTCOME_TYPES = {
    "holdout_frequency": "int64",
    "holdout_spend": "float64",
    "holdout_recency": "float64",
}
Period = Literal["week", "month", "quarter", "year"]
PERIODS: tuple[str, ...] = get_args(Period)
_TRUNCATED_TO = {"week": "W", "month": "M", "quarter": "Q", "year": "Y"}
_PANDAS_PERIOD = {"week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}
_HISTORY = ["frequency", "recency", "T"]
_NONE = {"recency": -1.0, "T": -1.0}
_SUMMARY_TYPES = {
    "frequency": "int64",
    "recency": "float64",
    "T": "float64",
    "monetary_value": "float64",
    "first_at": "datetime64[us]",
    "last_at": "datetime64[us]",
    "purchases": "int64",
    "total_spend": "float64",
}


def rfm_summary(
    transactions: ir.Table | pd.DataFrame,
    as_of: str | dt.date,
    unit: str = "day",
    grain: str = "day",
) -> pd.DataFrame:
    """One row a customer: the sufficient statistics of BG/NBD and Gamma-Gamma.

    A purchase counts once per grain, the stretch of time that is one buying
    occasion:

    - 'day' (default): all purchases of a day are one; the published figures on
      CDNOW are counted so. Lengths are whole days.
    - 'exact': every purchase counts, unless at the very same instant; the right
      choice where several purchases a day are several occasions, since merging
      them biases the fit.
    - 'hour': all purchases of an hour are one.
    - 'week': an approximation; purchases are merged by 7-day periods that end
      on `as_of`, and lengths are whole weeks. It changes the fit.

    Args:
        transactions: An Ibis table, or a frame, with customer_id, occurred_at,
            amount and kind (without kind, a negative amount is a refund).
        as_of: The last day that counts; its rows count too.
        unit: Of `recency` and `T`: day, week, month or year; fractions are kept.
        grain: What one buying occasion is.

    Returns:
        Sorted by customer_id, with attrs `unit`, `as_of` (ISO text), `grain`, and
        `refund_only_customers`, who have no purchase and are left out:

        - customer_id: text;
        - frequency: repeat purchases, that is grains with a purchase after the
          first one;
        - recency: first to last purchase, in `unit`;
        - T: first purchase to the end of `as_of`, in `unit`, counted in whole
          grains (grain 'day': `as_of` minus the first day);
        - monetary_value: mean purchase total of the repeat grains, the first left
          out; NaN at frequency 0, where there is none. Refunds are not subtracted,
          as it is not known which purchase they belong to;
        - first_at, last_at: first and last purchase;
        - purchases: purchase rows, refunds not counted;
        - total_spend: all purchases less all refunds.

    Raises:
        ParameterError: unit, grain or as_of cannot be meant, or as_of lies before
            the first purchase.
        DataError: there is no purchase, or a frame without what is needed.

    Source: Fader, Hardie & Lee (2005), "Counting your customers the easy way",
        section 4.1, for frequency, recency and T; Fader & Hardie (2013), "The
        Gamma-Gamma model of monetary value", for monetary_value.
    """
    check_grain(grain)
    day, length = check_day(as_of, "as_of"), days_per(unit)
    cells = cells_until(transactions, day, grain, anchor=day)
    frame = cells.per_customer(lambda rows: _per_customer(rows, grain, day, length), _SUMMARY_TYPES)
    bought = frame["purchases"] > 0
    if not bought.any():
        _refuse_no_purchase(as_table(transactions), day)
    summary = frame if bought.all() else frame[bought].reset_index(drop=True)
    summary.attrs = {
        "unit": unit,
        "as_of": day.isoformat(),
        "grain": grain,
        "refund_only_customers": int((~bought).sum()),
    }
    return summary


def _per_customer(cells: ir.Table, grain: str, day: dt.date, length: float) -> ir.Table:
    """Cells of `by_customer_and_grain` → one row a customer; `length` is days a unit."""
    import ibis

    # A grain with nothing but refunds is no purchase, but its refunds count.
    with_purchase = cells.purchases > 0
    merged = cells.group_by("customer_id").agg(
        grains=with_purchase.sum(),
        first_grain=cells.grain_at.min(where=with_purchase),
        last_grain=cells.grain_at.max(where=with_purchase),
        first_bought=cells.bought.argmin(cells.grain_at, where=with_purchase),
        bought=cells.bought.sum(),
        refunded=cells.refunded.sum(),
        purchases=cells.purchases.sum(),
        first_at=cells.first_at.min(),
        last_at=cells.last_at.max(),
    )
    repeats = merged.grains - 1
    repeat_spend = (merged.bought - merged.first_bought).cast("float64")
    total = merged.bought.fill_null(0) + merged.refunded.fill_null(0)
    return merged.select(
        "customer_id",
        "purchases",
        "first_at",
        "last_at",
        frequency=repeats,
        recency=days_between(merged.last_grain, merged.first_grain) / length,
        T=days_between(ibis.timestamp(last_grain(grain, day)), merged.first_grain) / length,
        monetary_value=(repeats > 0).ifelse(repeat_spend / repeats, None).cast("float64"),
        total_spend=total.cast("float64"),
    )


def _refuse_no_purchase(rows: ir.Table, day: dt.date) -> NoReturn:
    """Says why there is nothing to summarise: no purchases at all, or as_of before them."""
    first = rows.occurred_at.min(where=rows.kind == "purchase").to_pyarrow().as_py()
    if first is None:
        raise DataError("transactions hold no purchase; at least one is required")
    raise ParameterError(
        f"as_of={day} lies before the first purchase, {first.date()}; choose a day on or after it"
    )


def count_unique_rows(summary: pd.DataFrame) -> pd.DataFrame:
    """Unique (frequency, recency, T) with the number of customers that share them.

    A likelihood needs each combination once: 1 M customers have some 100,000.

    Args:
        summary: As `rfm_summary` gives it. `rfm_counts` takes the transactions, and
            counts where they are.

    Returns:
        frequency, recency, T, customers; sorted; attrs as in `summary`.
    """
    rows = Cells((in_engine(summary[_HISTORY]),))
    counted = _with_whole_frequency(rows.counted(_unique_rows, _HISTORY, "customers"))
    counted.attrs = dict(summary.attrs)
    return counted


def rfm_counts(
    transactions: ir.Table | pd.DataFrame,
    as_of: str | dt.date,
    unit: str = "day",
    grain: str = "day",
) -> pd.DataFrame:
    """Unique (frequency, recency, T) of all customers, counted in the engine.

    What `count_unique_rows` makes of `rfm_summary`, without a row a customer leaving the
    engine: all that a fit needs, however many customers there are.

    Args:
        transactions, as_of, unit, grain: As for `rfm_summary`.

    Returns:
        frequency, recency, T, customers; sorted; attrs as `rfm_summary` has them.

    Raises:
        ParameterError, DataError: as for `rfm_summary`.
    """
    check_grain(grain)
    day, length = check_day(as_of, "as_of"), days_per(unit)
    cells = cells_until(transactions, day, grain, anchor=day)
    # Who only has refunds has one repeat less than none, and a history of their own.
    counted = cells.counted(
        lambda rows: _unique_rows(_per_customer(rows, grain, day, length).fill_null(_NONE)),
        _HISTORY,
        "customers",
    )
    counted = _with_whole_frequency(counted)
    without = counted["frequency"] < 0
    if without.all():
        _refuse_no_purchase(as_table(transactions), day)
    few = counted[~without].reset_index(drop=True)
    few.attrs = {
        "unit": unit,
        "as_of": day.isoformat(),
        "grain": grain,
        "refund_only_customers": int(counted["customers"][without].sum()),
    }
    return few


def _unique_rows(customers: ir.Table) -> ir.Table:
    return customers.group_by(_HISTORY).agg(customers=customers.count().cast("int64"))


def _with_whole_frequency(counted: pd.DataFrame) -> pd.DataFrame:
    return counted.astype({"frequency": "int64"})


def activity_by_period(
    transactions: ir.Table | pd.DataFrame, as_of: str | dt.date, period: str = "month"
) -> pd.DataFrame:
    """Customers, purchases and revenue per calendar period, without gaps.

    Args:
        transactions: As for `rfm_summary`.
        as_of: The last day that counts.
        period: week (Monday to Sunday), month, quarter or year.

    Returns:
        One row a period, the first to the one of `as_of`, those without a purchase
        included; attrs `period`, `as_of`:

        - start, end: first and last day of the period (midnight timestamps);
        - complete: whether the data cover it from its first to its last day;
        - active_customers: with a purchase; new_customers: with their first one;
          returning_customers: the other active ones;
        - purchases: purchase rows; revenue: purchases less refunds;
        - revenue_new: of customers whose first purchase lies in the period;
          revenue_returning: of all others, so that both add up to `revenue`.

    Raises:
        ParameterError, DataError: as for `rfm_summary`.
    """
    if period not in PERIODS:
        hint = did_you_mean(str(period), PERIODS)
        raise ParameterError(f"period={period!r} must be one of {', '.join(PERIODS)}{hint}")
    day, rows = check_day(as_of, "as_of"), as_table(transactions)
    counted = rows_until(rows, day)
    bought = counted.kind == "purchase"
    counted = counted.mutate(start=counted.occurred_at.truncate(_TRUNCATED_TO[period]))
    cells = counted.group_by("customer_id", "start").agg(
        purchases=bought.sum(),
        revenue=exact_amount(counted.amount).sum(),
        first_at=counted.occurred_at.min(),
    )
    firsts = cells.group_by("customer_id").agg(born=cells.start.min(where=cells.purchases > 0))
    joined = cells.inner_join(firsts, "customer_id")
    active, new = joined.purchases > 0, (joined.born == joined.start).fill_null(False)
    per_period = joined.group_by("start").agg(
        active_customers=active.sum(),
        new_customers=new.sum(),
        purchases=joined.purchases.sum(),
        revenue=joined.revenue.sum().cast("float64"),
        revenue_new=joined.revenue.sum(where=new).cast("float64"),
        revenue_returning=joined.revenue.sum(where=~new).cast("float64"),
        first_at=joined.first_at.min(),
    )
    return _without_gaps(per_period.to_pyarrow().to_pandas(), rows, day, period)


def _without_gaps(found: pd.DataFrame, rows: ir.Table, day: dt.date, period: str) -> pd.DataFrame:
    if not found["purchases"].any():
        _refuse_no_purchase(rows, day)
    first = found.pop("first_at").min()
    periods = pd.period_range(first, pd.Timestamp(day), freq=_PANDAS_PERIOD[period])
    activity = found.set_index("start").reindex(periods.start_time.as_unit("us"))
    activity = activity.fillna(0).rename_axis("start").reset_index()
    end = periods.end_time.normalize().as_unit("us")
    counts = ["active_customers", "new_customers", "purchases"]
    activity[counts] = activity[counts].astype("int64")
    activity.insert(1, "end", end)
    covered = (activity["start"] >= first.normalize()) & (end <= pd.Timestamp(day))
    activity.insert(2, "complete", covered)
    returning = activity["active_customers"] - activity["new_customers"]
    activity.insert(5, "returning_customers", returning)
    activity.attrs = {"period": period, "as_of": day.isoformat()}
    return activity


@dataclass(frozen=True, slots=True)
class HoldoutSummary:
    """The data cut in two: what a model may see, and what it has to predict.

    Attributes:
        calibration: `rfm_summary` as of the calibration's end, with what
            `summary_with_outcome` adds of the time after it.
        births: Unique first purchases of these customers: `age`, in units from the
            first grain of the data to the customer's first, and `customers`.
        tracking: Per whole unit since the start: `period` 1, 2, …, `elapsed`, in
            units from the first grain of the data to the last one of the period, and
            `actual`, repeat purchases of these customers in it. A customer of age a
            is observed for `elapsed` - a by then, as T counts it, so the expected
            repeats up to there are the sum of customers * E[X(elapsed - age)].
        calibration_length: Units from the first grain to the calibration's end;
            the T of a customer who was there from the beginning.
        holdout_length: Units from the calibration's end to `as_of`.
        unit: Of all lengths.
        start: First day with a purchase.
    """

    calibration: pd.DataFrame
    births: pd.DataFrame
    tracking: pd.DataFrame
    calibration_length: float
    holdout_length: float
    unit: str
    start: dt.date


def holdout_summary(
    transactions: ir.Table | pd.DataFrame,
    calibration_end: str | dt.date,
    as_of: str | dt.date,
    unit: str = "week",
    grain: str = "day",
) -> HoldoutSummary:
    """Summaries before `calibration_end`, and what the same customers did until `as_of`.

    Args:
        transactions: As for `rfm_summary`.
        calibration_end: Last day of the calibration; its rows belong to it.
        as_of: Last day of the holdout.
        unit: Of all lengths, and of the periods of `tracking`.
        grain: As for `rfm_summary`; a 'week' ends on `calibration_end`.

    Raises:
        ParameterError: the two days are in the wrong order, or calibration_end
            lies before the first or not before the last purchase.
        DataError: there is no purchase.
    """
    split, day = check_day(calibration_end, "calibration_end"), check_day(as_of, "as_of")
    check_grain(grain)
    length = days_per(unit)
    _check_split(rows_until(as_table(transactions), day), split, day)
    calibration = rfm_summary(transactions, split, unit, grain)
    known = _known(cells_until(transactions, day, grain, anchor=split), split)
    begin = _begin(known)
    return HoldoutSummary(
        calibration=_with_holdout(calibration, known, split, length),
        births=_births(known, begin, length),
        tracking=_tracking(known, begin, day, grain, length),
        calibration_length=(last_grain(grain, split) - begin) / dt.timedelta(days=1) / length,
        holdout_length=(day - split).days / length,
        unit=unit,
        start=begin.date(),
    )


def summary_with_outcome(
    transactions: ir.Table | pd.DataFrame,
    as_of: str | dt.date,
    until: str | dt.date,
    unit: str = "week",
    grain: str = "day",
) -> pd.DataFrame:
    """`rfm_summary` as of a day, and what the same customers did until a later one.

    Args:
        transactions, unit, grain: As for `rfm_summary`; a 'week' ends on `as_of`.
        as_of: The last day that the summary counts.
        until: The last day that the outcome counts.

    Returns:
        As `rfm_summary`, with

        - holdout_frequency: grains with a purchase after `as_of`, all of them repeats;
        - holdout_spend: their purchases; refunds not subtracted, as in monetary_value;
        - holdout_recency: first to last purchase by `until`, in `unit`.

    Raises:
        ParameterError, DataError: as for `rfm_summary`.
    """
    day, last = check_day(as_of, "as_of"), check_day(until, "until")
    if last < day:
        raise ParameterError(f"until={last} must not lie before as_of={day}")
    summary = rfm_summary(transactions, day, unit, grain)
    known = _known(cells_until(transactions, last, grain, anchor=day), day)
    return _with_holdout(summary, known, day, days_per(unit))


def default_calibration_end(transactions: ir.Table | pd.DataFrame, as_of: str | dt.date) -> dt.date:
    """The middle day between the first purchase and `as_of`.

    Raises:
        ParameterError, DataError: as for `rfm_summary`.
    """
    day, rows = check_day(as_of, "as_of"), as_table(transactions)
    first, _ = _purchase_span(rows_until(rows, day))
    if first is None:
        _refuse_no_purchase(rows, day)
    return first + (day - first) // 2


def _purchase_span(rows: ir.Table) -> tuple[dt.date, dt.date] | tuple[None, None]:
    bought = rows.filter(rows.kind == "purchase")
    ends = bought.agg(first=bought.occurred_at.min(), last=bought.occurred_at.max())
    found = ends.to_pyarrow().to_pylist()[0]
    if found["first"] is None:
        return None, None
    return found["first"].date(), found["last"].date()


def _check_split(rows: ir.Table, split: dt.date, day: dt.date) -> None:
    if split >= day:
        raise ParameterError(
            f"calibration_end={split} must lie before as_of={day}: the days between are the holdout"
        )
    first, last = _purchase_span(rows)
    if first is None or last is None:
        _refuse_no_purchase(rows, day)
    if not first <= split < last:
        raise ParameterError(
            f"calibration_end={split} lies outside the purchases, {first} to {last}; "
            f"choose a day in between, like their middle, {first + (last - first) // 2}"
        )


def _known(cells: Cells, split: dt.date) -> Cells:
    """Cells with a purchase of the customers first seen by `split`, with their birth."""

    def born(piece: ir.Table) -> ir.Table:
        bought = piece.filter(piece.purchases > 0)
        firsts = bought.group_by("customer_id").agg(born=bought.grain_at.min())
        return bought.inner_join(firsts.filter(firsts.born < midnight_after(split)), "customer_id")

    return Cells(tuple(born(piece) for piece in cells.pieces), cells.daily)


def _begin(known: Cells) -> dt.datetime:
    """The day of the first grain."""
    firsts = [piece.born.min().to_pyarrow().as_py() for piece in known.pieces]
    first = min(each for each in firsts if each is not None)
    return dt.datetime(first.year, first.month, first.day)


def _with_holdout(
    summary: pd.DataFrame, known: Cells, split: dt.date, length: float
) -> pd.DataFrame:
    found = known.per_customer(lambda rows: _outcome(rows, split, length), _OUTCOME_TYPES)
    # Who is not in there did not buy: here a 0 is what was seen, and no missing value.
    place = pd.Index(summary["customer_id"]).get_indexer(found["customer_id"])
    frequency, spend = np.zeros(len(summary), "int64"), np.zeros(len(summary))
    recency = summary["recency"].to_numpy(copy=True)
    frequency[place] = found["holdout_frequency"]
    spend[place] = found["holdout_spend"]
    recency[place] = found["holdout_recency"]
    return summary.assign(holdout_frequency=frequency, holdout_spend=spend, holdout_recency=recency)


def _outcome(known: ir.Table, split: dt.date, length: float) -> ir.Table:
    """What each customer with a purchase after `split` bought since then."""
    after = known.filter(known.grain_at >= midnight_after(split))
    return after.group_by("customer_id").agg(
        holdout_frequency=after.count(),
        holdout_spend=after.bought.sum().cast("float64"),
        holdout_recency=days_between(after.grain_at.max(), after.born.min()) / length,
    )


def _births(known: Cells, begin: dt.datetime, length: float) -> pd.DataFrame:
    import ibis

    def ages(rows: ir.Table) -> ir.Table:
        born = rows.filter(rows.grain_at == rows.born)
        age = days_between(born.born, ibis.timestamp(begin)) / length
        return born.group_by(age=age).agg(customers=born.count())

    return known.counted(ages, ["age"], "customers")


def _tracking(
    known: Cells, begin: dt.datetime, day: dt.date, grain: str, length: float
) -> pd.DataFrame:
    import ibis

    def periods_of(rows: ir.Table) -> ir.Table:
        repeats = rows.filter(rows.grain_at > rows.born)
        elapsed = days_between(repeats.grain_at, ibis.timestamp(begin)) / length
        return repeats.group_by(period=elapsed.floor() + 1).agg(actual=repeats.count())

    counted = known.counted(periods_of, ["period"], "actual").astype({"period": "int64"})
    whole = int(((day - begin.date()).days + 1) / length)
    periods = pd.RangeIndex(1, whole + 1, name="period")
    actual = counted.set_index("period")["actual"].reindex(periods).fillna(0).astype("int64")
    # The last grain of a period begins before the period ends, by the grain's own length.
    midnight = dt.datetime.combine(day, dt.time())
    short = (midnight + dt.timedelta(days=1) - last_grain(grain, day)) / dt.timedelta(days=1)
    return pd.DataFrame(
        {
            "period": periods,
            "elapsed": (periods.to_numpy(float) * length - short) / length,
            "actual": actual.to_numpy(),
        }
    )
