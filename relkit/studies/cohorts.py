"""Cohorts by the time of the first purchase: are those who come lately like the others?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.data.summaries import PERIODS, rfm_summary
from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.value.stationarity import Stationarity, assess_stationarity

if TYPE_CHECKING:
    from datetime import date

    Table = Any  # an Ibis table; Ibis itself is at home in data/ only

_PANDAS_PERIOD = {"week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}


def acquisition_cohorts(summary: pd.DataFrame, period: str = "quarter") -> pd.Series:
    """The calendar period of each customer's first purchase.

    Args:
        summary: Frame with first_at, as ``rfm_summary`` gives it.
        period: week (named by its Monday), month, quarter or year.

    Returns:
        Text that sorts in time: 1997-01-06, 1997-01, 1997-Q1 or 1997; shape (n,), in
        the order of the summary.

    Raises:
        ParameterError: no such period.
        DataError: the summary has no first_at, or rows without one.
    """
    if period not in PERIODS:
        hint = did_you_mean(str(period), PERIODS)
        raise ParameterError(f"period={period!r} must be one of {', '.join(PERIODS)}{hint}")
    if "first_at" not in summary.columns:
        raise DataError(
            "the summary has no column first_at, by which cohorts are made; use rk.rfm_summary, "
            "or rk.fit_by_group with cohorts of your own"
        )
    first = pd.to_datetime(summary["first_at"], errors="coerce")
    unknown = first.isna()
    if unknown.any():
        raise DataError(
            f"first_at is no time in {int(unknown.sum()):,} rows (first: "
            f"{summary['first_at'][unknown].iloc[0]!r}); use rk.rfm_summary"
        )
    if isinstance(first.dtype, pd.DatetimeTZDtype):
        # A cohort is a period of the wall clock there.
        first = first.dt.tz_localize(None)
    born = first.dt.to_period(_PANDAS_PERIOD[period])
    if period == "week":
        return born.dt.start_time.dt.strftime("%Y-%m-%d")
    return born.astype(str).str.replace("Q", "-Q", regex=False)


def cohort_stationarity(
    customers: Table,
    *,
    period: str = "quarter",
    model: str = "bg_nbd",
    as_of: date | str | None = None,
    unit: str = "week",
    grain: str = "day",
    **settings: Any,
) -> Stationarity:
    """Whether customers acquired at different times share one set of parameters.

    Args:
        customers: A summary (``rfm_summary``), or transactions, which need ``as_of``.
        period: What one cohort is: week, month, quarter or year of the first purchase.
        model: 'bg_nbd', 'mbg_nbd' or 'pareto_nbd'.
        as_of: Last day that counts, for transactions.
        unit: Unit of time, for transactions; a summary says its own.
        grain: What one buying occasion is, for transactions.
        **settings: horizon, tolerance, smallest_drift and significance, as for
            ``assess_stationarity``.

    Returns:
        The verdict with its figures; ``.to_frame()`` has a row a cohort.

    Raises:
        ParameterError: no such period or model, transactions without as_of.
        DataError: no customers, or values that cannot be a history.
    """
    is_summary = isinstance(customers, pd.DataFrame) and "frequency" in customers.columns
    if is_summary and as_of is not None:
        raise ParameterError(f"as_of={as_of} is for transactions; the summary has its own")
    if not is_summary and as_of is None:
        raise ParameterError("transactions need as_of, the last day that counts, like 1998-06-30")
    summary = (
        customers
        if isinstance(customers, pd.DataFrame) and is_summary
        else rfm_summary(customers, as_of=as_of or "", unit=unit, grain=grain)
    )
    return assess_stationarity(
        summary, acquisition_cohorts(summary, period).to_numpy(), model=model, **settings
    )
