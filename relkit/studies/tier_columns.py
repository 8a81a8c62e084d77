"""The columns that tier rules speak of, in one frame."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.data.grains import as_table
from relkit.data.values import exact_amount
from relkit.errors import DataError, ParameterError
from relkit.units import days_per

if TYPE_CHECKING:
    from relkit.value.lifetime_value import LifetimeValue

    Table = Any  # an Ibis table; Ibis itself is at home in data/ only


def tier_columns(
    transactions: Table,
    summary: pd.DataFrame,
    clv: LifetimeValue | None = None,
    repurchase_days: float = 30,
    as_of: str | date | None = None,
) -> pd.DataFrame:
    """A row a customer with everything that the shipped rules can ask for.

    Args:
        transactions: Table or frame that the summary was made of.
        summary: As made by ``rk.rfm_summary``.
        clv: Value to come of the same customers; without it there are no such columns.
        repurchase_days: How soon a second day of purchase counts as a repurchase.
        as_of: Last day that counts; taken from the summary where it is not given.

    Returns:
        The summary's columns, and days_since_last (days), days_to_second_purchase (days
        from the first to the next day with a purchase; missing where there is none),
        repurchased_within_<days>_days (bool), purchases_last_12_months and
        spend_last_12_months (refunds subtracted), and with ``clv`` probability_alive,
        expected_purchases, expected_spend, clv, value_at_risk.

    Raises:
        DataError: the summary and the values are not of the same customers.
        ParameterError: ``repurchase_days``, or the summary does not say its unit or day.
    """
    unit, day = summary.attrs.get("unit"), as_of or summary.attrs.get("as_of")
    if unit is None or day is None:
        raise ParameterError(
            "the summary does not say its unit or its as_of; make it with rk.rfm_summary"
        )
    if not 0 < repurchase_days < float("inf"):
        raise ParameterError(f"repurchase_days={repurchase_days} must be a positive number of days")
    frame = summary.reset_index(drop=True)
    since = ((frame["T"] - frame["recency"]) * days_per(unit)).round(9)
    rows, end = as_table(transactions), pd.Timestamp(day).normalize() + pd.Timedelta(days=1)
    second = frame["customer_id"].map(_second_purchase(rows, end))
    year = _since(rows, end - pd.DateOffset(years=1), end).reindex(frame["customer_id"])
    frame = frame.assign(
        days_since_last=since,
        days_to_second_purchase=second.astype(float),
        **{f"repurchased_within_{repurchase_days:g}_days": second <= repurchase_days},
        purchases_last_12_months=year["purchases"].fillna(0).to_numpy(int),
        spend_last_12_months=year["spend"].fillna(0.0).to_numpy(float),
    )
    if clv is None:
        return frame
    values = clv.to_frame()
    if len(values) != len(frame) or not frame["customer_id"].isin(values["customer_id"]).all():
        raise DataError(
            f"the summary has {len(frame):,} customers and the values {len(values):,}, and they "
            "must be the same; make both for one as_of"
        )
    new = [name for name in values if name == "customer_id" or name not in frame]
    return frame.merge(values[new], on="customer_id", how="left", validate="one_to_one")


def _since(rows: Table, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Purchases, and spend less refunds, from ``start`` until before ``end``, by customer."""
    inside = rows.filter(
        (rows.occurred_at >= start.to_pydatetime()) & (rows.occurred_at < end.to_pydatetime())
    )
    sums = inside.group_by("customer_id").agg(
        purchases=(inside.kind != "refund").sum(),
        # A float sum depends on the order of the rows, and so would who reaches a limit.
        spend=exact_amount(inside.amount).sum().cast("float64"),
    )
    frame = sums.to_pandas()
    return frame.set_index(frame.pop("customer_id").astype("str"))


def _second_purchase(rows: Table, end: pd.Timestamp) -> pd.Series:
    """Days from the first to the second day with a purchase, by customer."""
    bought = rows.filter((rows.kind != "refund") & (rows.occurred_at < end.to_pydatetime()))
    days = bought.select("customer_id", day=bought.occurred_at.date()).distinct()
    first = days.group_by("customer_id").agg(first=days.day.min())
    both = days.join(first, "customer_id")
    later = both.filter(both.day > both.first)
    found = later.group_by("customer_id").agg(first=later.first.min(), second=later.day.min())
    frame = found.to_pandas()
    gap = pd.to_datetime(frame["second"]) - pd.to_datetime(frame["first"])
    days_between = (gap / pd.Timedelta(days=1)).to_numpy(float)
    return pd.Series(days_between, index=pd.Index(frame["customer_id"].astype("str")))
