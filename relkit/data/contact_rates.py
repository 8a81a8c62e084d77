"""Touches → how often each customer was contacted, computed in the engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from relkit.data.grains import check_day, in_engine, midnight, midnight_after, refuse_no_table
from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.units import days_per

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

SPLITS = ("channel", "content_type", "dimension", "depth")
_DIRECTIONS = ("outbound", "inbound", "both")


def contact_rates(
    touches: ir.Table | pd.DataFrame,
    start: str | dt.date,
    end: str | dt.date,
    by: Sequence[str] = (),
    unit: str = "month",
    direction: str = "outbound",
    customers: ir.Table | pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Contacts per customer and unit of time in a window of days.

    Args:
        touches: customer_id, occurred_at, and where known direction and delivered.
            A touch whose delivery failed is no contact; where it is not known whether
            it was delivered, it is one.
        start, end: First and last day of the window; both count.
        by: Of channel, content_type, dimension, depth: a rate for each combination
            that a customer had. A touch without a value has the combination null.
        unit: Of the rate: day, week, month or year.
        direction: 'outbound', 'inbound' or 'both'. Without a column direction all
            touches are outbound.
        customers: Who could have been contacted, with customer_id: those without a
            contact are then in the frame with rate 0. Only without `by`.

    Returns:
        Sorted, with attrs `unit`, `start`, `end` (ISO text) and `units`, the length of
        the window: customer_id, the columns of `by`, contacts, contacts_per_unit.

    Raises:
        ParameterError: a window that ends before it starts, or an unknown word.
        DataError: a column is missing.
    """
    first, last = check_day(start, "start"), check_day(end, "end")
    _check_options(first, last, by, direction, customers is not None)
    length = ((last - first).days + 1) / days_per(unit)
    rows = _contacts(_as_table(touches, ("customer_id", "occurred_at", *by)), direction)
    rows = rows.filter(rows.occurred_at >= midnight(first), rows.occurred_at < midnight_after(last))
    keys = ["customer_id", *by]
    counted = rows.group_by(keys).agg(contacts=rows.count().cast("int64"))
    if customers is not None:
        everyone = _as_table(customers, ("customer_id",))
        everyone = everyone.select(customer_id=everyone.customer_id.cast("string")).distinct()
        joined = everyone.left_join(counted, "customer_id")
        counted = joined.select("customer_id", contacts=joined.contacts.fill_null(0))
    frame = counted.to_pyarrow().to_pandas().astype({"customer_id": "str", "contacts": "int64"})
    # Sorted here and not in the engine, as each engine has a collation of its own.
    frame = frame.sort_values(keys, ignore_index=True)
    frame["contacts_per_unit"] = frame["contacts"] / length
    frame.attrs = {"unit": unit, "start": str(first), "end": str(last), "units": length}
    return frame


def _check_options(
    first: dt.date, last: dt.date, by: Sequence[str], direction: str, zeros: bool
) -> None:
    if last < first:
        raise ParameterError(f"end={last} must not lie before start={first}")
    for name in by:
        if name not in SPLITS:
            raise ParameterError(
                f"by={name!r} must be of {', '.join(SPLITS)}{did_you_mean(str(name), SPLITS)}"
            )
    if direction not in _DIRECTIONS:
        hint = did_you_mean(str(direction), _DIRECTIONS)
        raise ParameterError(f"direction={direction!r} must be outbound, inbound or both{hint}")
    if zeros and by:
        raise ParameterError("customers goes without by: no one has a rate in every combination")


def _as_table(rows: ir.Table | pd.DataFrame, needed: Sequence[str]) -> ir.Table:
    import ibis

    refuse_no_table(rows, "touches or customers")
    names = [str(name) for name in rows.columns]
    missing = [f"no column '{n}'{did_you_mean(n, names)}" for n in needed if n not in names]
    if missing:
        raise DataError(f"{', '.join(needed)} are needed; there are {', '.join(names)}", missing)
    return rows if isinstance(rows, ibis.Table) else in_engine(rows)


def _contacts(rows: ir.Table, direction: str) -> ir.Table:
    """The touches that count, ids as text and times without a zone."""
    rows = rows.mutate(
        customer_id=rows.customer_id.cast("string"), occurred_at=rows.occurred_at.cast("timestamp")
    )
    if "delivered" in rows.columns:
        rows = rows.filter(rows.delivered.cast("boolean").fill_null(True))
    if direction != "both" and "direction" in rows.columns:
        return rows.filter(rows.direction.fill_null("outbound") == direction)
    return rows.limit(0) if direction == "inbound" else rows
