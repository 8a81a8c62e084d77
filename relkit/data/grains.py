"""What one buying occasion is: transactions merged by customer and stretch of time.

Everything the summaries count, they count in grains. A grain begins at an instant,
and lengths run from the beginning of one grain to the beginning of another, so that
with grain 'day' the time from Monday to Friday is four days, as published tables
have it.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal, get_args

from relkit.data.engine import refuse_changed_files
from relkit.data.values import exact_amount, parse_day
from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.privacy import shown_cell

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

Grain = Literal["exact", "hour", "day", "week"]
GRAINS: tuple[str, ...] = get_args(Grain)
_NEEDED = ("customer_id", "occurred_at", "amount")
_MICROSECONDS_PER_DAY = 86_400_000_000


def check_grain(grain: str) -> str:
    """The grain itself, if it is one of GRAINS.

    Raises:
        ParameterError: it is not.
    """
    if grain not in GRAINS:
        hint = did_you_mean(str(grain), GRAINS)
        raise ParameterError(f"grain={grain!r} must be one of {', '.join(GRAINS)}{hint}")
    return grain


def check_day(day: str | dt.date | None, name: str) -> dt.date:
    """A day as a date.

    Raises:
        ParameterError: none is given, or it is not written like 1998-06-30.
    """
    parsed = parse_day(day, name)
    if parsed is None:
        raise ParameterError(f"{name}=None must be a day written like 1998-06-30")
    return parsed


def as_table(transactions: ir.Table | pd.DataFrame) -> ir.Table:
    """Transactions as customer_id, kind, occurred_at, amount; lazy.

    Args:
        transactions: An Ibis table, or a frame, which is held against what its
            columns need since no source has done so.

    Raises:
        DataError: no table at all, a column is missing or of a type that cannot hold what
            it should, or a frame has empty or unreadable ids, times or amounts.
        SourceError: a file that the rows come from has changed since it was checked.
    """
    import ibis

    refuse_no_table(transactions, "transactions")
    names = [str(name) for name in transactions.columns]
    missing = [f"no column '{n}'{did_you_mean(n, names)}" for n in _NEEDED if n not in names]
    missing += [
        f"column '{n}' stands {names.count(n)} times" for n in _NEEDED if names.count(n) > 1
    ]
    if missing:
        raise DataError(
            f"transactions need {', '.join(_NEEDED)}; there are {', '.join(names)}", missing
        )
    if isinstance(transactions, ibis.Table):
        table = transactions
        refuse_changed_files(table)
        faults = _wrong_types(table)
    else:
        faults = _faults_of_frame(transactions)
    if faults:
        raise DataError("transactions cannot be counted; put right, or drop, what is said", faults)
    if not isinstance(transactions, ibis.Table):
        table = in_engine(transactions)
    if "kind" not in table.columns:
        table = table.mutate(kind=(table.amount < 0).ifelse("refund", "purchase"))
    return table.select(
        "kind",
        customer_id=table.customer_id.cast("string"),
        occurred_at=table.occurred_at.cast("timestamp"),
        amount=table.amount,
    )


def in_engine(frame: pd.DataFrame) -> ir.Table:
    """A frame as a table of an engine in this process."""
    import ibis
    import pyarrow as pa

    # Ids that are numbers in some rows and text in others are text.
    mixed = [
        name for name in frame.columns if name == "customer_id" and frame[name].dtype == object
    ]
    frame = frame.astype(dict.fromkeys(mixed, "str"))
    # By way of Arrow: Ibis asks pandas for an option that it warns of, at every frame.
    return ibis.memtable(pa.Table.from_pandas(frame, preserve_index=False))


def refuse_no_table(rows: object, name: str) -> None:
    """Refuse what is neither a frame nor an Ibis table.

    Raises:
        DataError: it is neither.
    """
    import ibis
    import pandas as pd

    if not isinstance(rows, (ibis.Table, pd.DataFrame)):
        kind = "nothing (None)" if rows is None else f"a {type(rows).__name__}"
        raise DataError(
            f"{name} must be a frame, or a table of a source like source.transactions; found {kind}"
        )


def _wrong_types(table: ir.Table) -> list[str]:
    """Columns of an engine's table whose type cannot hold what they should."""
    at, amount = table.occurred_at.type(), table.amount.type()
    faults = []
    if not (at.is_timestamp() or at.is_date()):
        faults.append(f"occurred_at is {at}; a timestamp or a date is required: cast it")
    if not amount.is_numeric():
        faults.append(f"amount is {amount}; a number is required: cast it")
    return faults


def _faults_of_frame(frame: pd.DataFrame) -> list[str]:
    """Empty ids, times and amounts, times that cannot be read, amounts that are none."""
    import pandas as pd
    from pandas.api import types

    empty = {name: frame[name].isna() for name in _NEEDED}
    faults = [
        f"{name} is empty in {_in_rows(int(rows.sum()))}; fill in or drop them"
        for name, rows in empty.items()
        if rows.any()
    ]
    at, amount = frame["occurred_at"], frame["amount"]
    if isinstance(at.dtype, pd.DatetimeTZDtype):
        faults.append(
            "occurred_at carries a time zone; say where a day is a day: "
            ".dt.tz_convert('Europe/Berlin').dt.tz_localize(None)"
        )
    elif types.is_numeric_dtype(at):
        faults.append(f"occurred_at is {at.dtype}; days or times are required: pd.to_datetime")
    elif not types.is_datetime64_dtype(at):
        read = pd.to_datetime(at.astype("str"), format="ISO8601", errors="coerce", utc=True)
        faults += _unreadable(
            at, read.isna() & ~empty["occurred_at"], "times like 2025-01-31 14:30"
        )
    if not types.is_numeric_dtype(amount) or types.is_bool_dtype(amount):
        read = pd.to_numeric(amount, errors="coerce")
        faults += _unreadable(amount, read.isna() & ~empty["amount"], "numbers like 12.50")
    return faults


def _unreadable(column: pd.Series, rows: pd.Series, required: str) -> list[str]:
    if not rows.any():
        return []
    first = int(rows.to_numpy().argmax())
    # A stray text may be anything, somebody's name or a whole letter.
    holds = "time" if column.name == "occurred_at" else "number"
    shown = shown_cell(holds, " ".join(str(column.iloc[first]).split()))
    return [
        f"{column.name} is unreadable in {_in_rows(int(rows.sum()))} "
        f"(first: row {first + 1}, '{shown}'); {required} are required"
    ]


def _in_rows(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def rows_until(rows: ir.Table, day: dt.date) -> ir.Table:
    """The rows up to the end of a day."""
    return rows.filter(rows.occurred_at < midnight_after(day))


def midnight(day: dt.date) -> ir.TimestampScalar:
    """The instant a day begins."""
    import ibis

    return ibis.timestamp(f"{day} 00:00:00")


def midnight_after(day: dt.date) -> ir.TimestampScalar:
    """The instant a day ends."""
    return midnight(day + dt.timedelta(days=1))


def grain_start(at: ir.TimestampValue, grain: str, anchor: dt.date) -> ir.TimestampValue:
    """The beginning of the grain that an instant lies in.

    Args:
        at: Instants.
        grain: One of GRAINS.
        anchor: For 'week' the last day of one of the 7-day periods.
    """
    match grain:
        case "exact":
            return at
        case "hour":
            return at.truncate("h")
        case "day":
            return at.truncate("D")
    first_day = midnight(anchor - dt.timedelta(days=6))
    days = at.truncate("D").delta(first_day, unit="day")
    return first_day + ((days / 7).floor().cast("int64") * 7).as_interval("D")


def last_grain(grain: str, day: dt.date) -> dt.datetime:
    """The beginning of the last grain of a day, which observation lasts until."""
    start = dt.datetime.combine(day, dt.time())
    match grain:
        case "exact":
            return start + dt.timedelta(days=1)
        case "hour":
            return start + dt.timedelta(hours=23)
        case "day":
            return start
    return start - dt.timedelta(days=6)


def days_between(later: ir.TimestampValue, earlier: ir.TimestampValue) -> ir.NumericValue:
    """Days from one instant to another, with their fraction; a day stands for its beginning."""
    passed = later.cast("timestamp").delta(earlier.cast("timestamp"), unit="microsecond")
    return passed / float(_MICROSECONDS_PER_DAY)


def by_customer_and_grain(rows: ir.Table, grain: str, anchor: dt.date) -> ir.Table:
    """Transactions merged: one row a customer and grain.

    Returns:
        customer_id, grain_at (its beginning), purchases (rows), bought and
        refunded (exact decimals), first_at and last_at of the purchases.
    """
    rows = rows.mutate(grain_at=grain_start(rows.occurred_at, grain, anchor))
    bought = rows.kind == "purchase"
    amount = exact_amount(rows.amount)
    return rows.group_by("customer_id", "grain_at").agg(
        purchases=bought.sum(),
        bought=amount.sum(where=bought),
        refunded=amount.sum(where=~bought),
        first_at=rows.occurred_at.min(where=bought),
        last_at=rows.occurred_at.max(where=bought),
    )
