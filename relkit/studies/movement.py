"""How a customer base moves: its value on two days, and what came back as refunds."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.data.grains import as_table
from relkit.data.summaries import default_calibration_end, rfm_summary
from relkit.errors import DataError, ParameterError
from relkit.value.lifetime_value import customer_lifetime_value, value_change

if TYPE_CHECKING:
    from relkit.value.bgnbd import BGNBDFit
    from relkit.value.gamma_gamma import GammaGammaFit
    from relkit.value.lifetime_value import ValueChange

    Table = Any  # an Ibis table; Ibis itself is at home in data/ only


def refund_share(transactions: Table) -> float:
    """Refunds as a share of purchases, both by amount; 0 where there are none.

    Values to come are counted before refunds, since nothing says which purchase a
    refund belongs to; this is how much that leaves out.

    Args:
        transactions: Table or frame with amount and kind (without kind, a negative
            amount is a refund).

    Raises:
        DataError: there are refunds, and purchases sum to nothing.
    """
    rows = as_table(transactions)
    refunds = rows.kind == "refund"
    sums = rows.agg(back=rows.amount.sum(where=refunds), bought=rows.amount.sum(where=~refunds))
    found = sums.to_pyarrow().to_pylist()[0]
    back, bought = -(found["back"] or 0.0), found["bought"] or 0.0
    if back > 0 and bought <= 0:
        raise DataError(
            f"refunds of {back:,.2f} stand against purchases of 0; look whether the amounts of "
            "purchases are mapped to the right column"
        )
    return float(back / bought) if back > 0 else 0.0


def comparison_day(transactions: Table, as_of: date | str, given: date | str | None = None) -> date:
    """The earlier day that a review compares with.

    The day that is given; else half a year before ``as_of``, but not before the
    middle of the data, since a base that was just being built has no past to lose.
    """
    if given is not None:
        return pd.Timestamp(given).date()
    half_a_year_ago = (pd.Timestamp(as_of) - pd.Timedelta(days=182)).date()
    return max(half_a_year_ago, default_calibration_end(transactions, as_of))


def value_since(
    transactions: Table,
    purchases: BGNBDFit,
    spend: GammaGammaFit,
    *,
    compare_to: date | str,
    as_of: date | str,
    horizon: float,
    annual_discount_rate: float,
    grain: str = "day",
) -> ValueChange:
    """What the customers' next ``horizon`` is worth, seen from two days.

    Both days are valued with the same fitted models, so that the difference is
    what customers did, and not what a second fit happened to find.

    Args:
        transactions: Lazy table with customer_id, occurred_at, amount.
        purchases: Fitted purchase model, in the unit that the values are to be in.
        spend: Fitted spend model.
        compare_to: The earlier day.
        as_of: The later day.
        horizon: How far ahead each day looks, in the fit's unit.
        annual_discount_rate: Share a year, 0.10 for 10 %.

    Raises:
        ParameterError: compare_to does not lie between the first purchase and as_of.
    """
    unit = purchases.unit
    if unit is None:
        raise ParameterError("the purchase model does not say its unit; fit it on rk.rfm_summary")
    now = rfm_summary(transactions, as_of=as_of, unit=unit, grain=grain)
    _check_comparison(compare_to, now["first_at"].min(), as_of)
    before = rfm_summary(transactions, as_of=compare_to, unit=unit, grain=grain)
    then, later = (
        customer_lifetime_value(
            purchases, spend, summary, horizon=horizon, annual_discount_rate=annual_discount_rate
        )
        for summary in (before, now)
    )
    return value_change(then, later)


def _check_comparison(compare_to: date | str, first_at: pd.Timestamp, as_of: date | str) -> None:
    day, first, last = (pd.Timestamp(moment).date() for moment in (compare_to, first_at, as_of))
    if not first < day < last:
        middle = first + (last - first) / 2
        raise ParameterError(
            f"compare_to={day} must lie after the first purchase, {first}, and before "
            f"as_of={last}; choose a day in between, like their middle, {middle}"
        )
