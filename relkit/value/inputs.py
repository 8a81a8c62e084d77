"""Arrays or a summary, checked once: every fault at once, with its first rows.

All of this room takes the sufficient statistics of Fader & Hardie, either as a
frame (``rfm_summary``) or as plain arrays. Here they become float arrays that
the models can trust, so no model checks anything again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.privacy import shown_cell, shown_id
from relkit.units import check_horizon, days_per

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

FIRST_ROWS = 3
# recency and T are fractions such as 272 / 7; equal instants may differ by the
# rounding of that division, and by no more.
ROUNDING = 1e-9
# A purchase a minute for nineteen years; beyond it stands an amount or an id.
MOST_PURCHASES = 10_000_000
# Rows of a column that stay in the processor's cache while they are worked on.
ROWS_AT_ONCE = 8192
# Rows that are looked at to learn whether rows repeat.
SAMPLE = 20_000


@dataclass(frozen=True, slots=True)
class PurchaseHistory:
    """What the purchase model knows of each customer.

    Attributes:
        frequency: Repeat purchase periods, whole numbers, shape (n,).
        recency: First to last purchase, shape (n,), in ``unit``.
        T: First purchase to the end of observation, shape (n,), in ``unit``.
        weights: How many customers each row stands for, shape (n,).
        unit: The unit of recency and T where the summary says it.
        is_scalar: Whether one customer was given as plain numbers.
    """

    frequency: FloatArray
    recency: FloatArray
    T: FloatArray
    weights: FloatArray
    unit: str | None
    is_scalar: bool

    def answer(self, values: FloatArray) -> Any:
        """A number for a customer given as numbers, else the array."""
        return float(values[0]) if self.is_scalar else values


@dataclass(frozen=True, slots=True)
class SpendHistory:
    """What the spend model knows of each customer.

    Attributes:
        frequency: Repeat purchase periods, whole numbers, shape (n,).
        monetary_value: Mean spend of a repeat period, shape (n,); any number
            where frequency is 0. Negative where refunds outweigh.
        weights: How many customers each row stands for, shape (n,).
        is_scalar: Whether one customer was given as plain numbers.
    """

    frequency: FloatArray
    monetary_value: FloatArray
    weights: FloatArray
    is_scalar: bool

    def answer(self, values: FloatArray) -> Any:
        """A number for a customer given as numbers, else the array."""
        return float(values[0]) if self.is_scalar else values


def read_history(
    summary: pd.DataFrame | None,
    frequency: Any,
    recency: Any,
    T: Any,
    *,
    weights: Any = None,
    unit: str | None = None,
) -> PurchaseHistory:
    """Checked purchase histories from a summary or from arrays.

    Args:
        summary: Frame with columns frequency, recency and T; or None.
        frequency: Repeat purchase periods; number or array-like, or None.
        recency: First to last purchase; number or array-like, or None.
        T: First purchase to end of observation; number or array-like, or None.
        weights: Customers per row; 1 each where not given.
        unit: The unit that the model works in, if it is known.

    Raises:
        ParameterError: neither or both forms are given, or the units differ.
        DataError: the values cannot be a history; all faults are named.
    """
    columns, names = _columns(
        summary, {"frequency": frequency, "recency": recency, "T": T}, weights
    )
    found = _found_unit(summary)
    if unit is not None and found is not None and unit != found:
        raise ParameterError(
            f"the model works in units of one {unit} and the summary in units of one {found}; "
            f"make the summary with unit='{unit}'"
        )
    x, t_x, end = columns.values["frequency"], columns.values["recency"], columns.values["T"]
    if columns.faults or not _is_sound(x, t_x, end, columns.values["weights"]):
        columns.complain(_history_faults(columns, names))
    t_x = t_x if (t_x <= end).all() else np.minimum(t_x, end)
    return PurchaseHistory(x, t_x, end, columns.values["weights"], found, columns.is_scalar)


def _is_sound(x: FloatArray, t_x: FloatArray, end: FloatArray, weights: FloatArray) -> bool:
    """Whether no history has a fault, seen at a glance: nan fails every comparison."""
    if not len(x):
        return True
    counts = x.min() >= 0 and x.max() <= MOST_PURCHASES and bool((x == np.rint(x)).all())
    # Recency is between 0 and T, so that they are bounded as well.
    times = t_x.min() >= 0 and end.max() < math.inf and bool((t_x <= end).all())
    weighted = weights.min() >= 0 and weights.max() < math.inf
    return bool(counts and times and weighted and not t_x[x == 0].any())


def _history_faults(columns: _Columns, names: tuple[str, ...]) -> list[str]:
    """Every fault of purchase histories, with its first rows."""
    x, t_x, end = columns.values["frequency"], columns.values["recency"], columns.values["T"]
    with np.errstate(invalid="ignore"):
        return [
            *_count_faults(columns, names),
            *columns.rows("recency is negative", t_x < 0, "recency"),
            *columns.rows("T is negative", end < 0, "T"),
            *columns.rows(
                "recency is later than T", t_x > end * (1 + ROUNDING) + ROUNDING, "recency", "T"
            ),
            *columns.rows(
                "recency is above 0 without a repeat purchase",
                (x == 0) & (t_x > 0),
                "frequency",
                "recency",
            ),
        ]


def read_spend(
    summary: pd.DataFrame | None, frequency: Any, monetary_value: Any, *, weights: Any = None
) -> SpendHistory:
    """Checked spend histories from a summary or from arrays.

    Args:
        summary: Frame with columns frequency and monetary_value; or None.
        frequency: Repeat purchase periods; number or array-like, or None.
        monetary_value: Mean spend of a repeat period; number or array-like.
        weights: Customers per row; 1 each where not given.

    Raises:
        ParameterError: neither or both forms are given.
        DataError: the values cannot be a history; all faults are named.
    """
    columns, names = _columns(
        summary, {"frequency": frequency, "monetary_value": monetary_value}, weights
    )
    x, spend = columns.values["frequency"], columns.values["monetary_value"]
    # A customer without a repeat has no mean repeat spend; what stands there is unread.
    if not np.isfinite(spend).all():
        spend = np.where((x == 0) & ~np.isfinite(spend), 0.0, spend)
        columns.values["monetary_value"] = spend
    columns.complain(_count_faults(columns, names))
    return SpendHistory(x, spend, columns.values["weights"], columns.is_scalar)


def read_most(most: Any, name: str = "most") -> int:
    """A number of purchases to count up to, as a whole number.

    Raises:
        ParameterError: no whole number, negative, or more than any customer makes.
    """
    whole = isinstance(most, (int, np.integer)) and not isinstance(most, bool)
    if not whole or not 0 <= most <= MOST_PURCHASES:
        raise ParameterError(
            f"{name}={most!r} must be a whole number from 0 to {MOST_PURCHASES:,}: the largest "
            "number of purchases whose chance is wanted"
        )
    return int(most)


def read_horizon(horizon: Any, name: str = "horizon") -> float:
    """A positive, finite horizon as a float; numpy's numbers are welcome.

    Raises:
        ParameterError: not one number, zero, negative, nan or infinite.
    """
    if isinstance(horizon, np.ndarray) and horizon.ndim == 0:
        horizon = horizon.item()
    if isinstance(horizon, (np.ndarray, list, tuple, pd.Series)):
        raise ParameterError(f"{name} must be one number of units, not {len(horizon)} of them")
    if isinstance(horizon, bool) or not isinstance(horizon, Real):
        raise ParameterError(f"{name}={horizon!r} must be a number of units")
    return check_horizon(float(horizon), name)


def agreed_unit(given: str | None, summary: pd.DataFrame | None) -> str | None:
    """The unit of a fit: the argument, else what the summary says.

    Raises:
        ParameterError: the two differ, or there is no such unit.
    """
    found = _found_unit(summary)
    if given is not None:
        days_per(given)
        if found is not None and found != given:
            raise ParameterError(
                f"unit='{given}' but the summary was made with unit='{found}'; leave unit out"
            )
    return given if given is not None else found


@dataclass(slots=True)
class _Columns:
    """Values by column while they are checked."""

    values: dict[str, FloatArray]
    customer_id: pd.Series | None
    is_scalar: bool
    faults: list[str]

    def rows(self, what: str, mask: NDArray[np.bool_], *shown: str) -> list[str]:
        """One line on the rows of a mask with their first values, or none."""
        where = np.flatnonzero(mask)
        if not where.size:
            return []
        if self.is_scalar:
            values = ", ".join(f"{name}={self.values[name][0]:g}" for name in shown)
            return [f"{what}: {values}"]
        first = []
        for i in where[:FIRST_ROWS]:
            who = f"row {i}"
            if self.customer_id is not None:
                who = f"customer {shown_id(self.customer_id.iloc[i])}"
            values = ", ".join(f"{name} {self.values[name][i]:g}" for name in shown)
            first.append(f"{who}: {values}")
        return [f"{what} in {where.size:,} rows (first: {'; '.join(first)})"]

    def complain(self, faults: list[str]) -> None:
        """Raise all faults together, if there are any."""
        every = [*self.faults, *faults]
        if every:
            n = len(next(iter(self.values.values())))
            word = "fault" if len(every) == 1 else "faults"
            customers = "1 customer" if n == 1 else f"{n:,} customers"
            raise DataError(f"customer histories: {len(every)} {word} in {customers}", every)


def _found_unit(summary: pd.DataFrame | None) -> str | None:
    # Whatever else was given is refused by name when its columns are read.
    found = summary.attrs.get("unit") if isinstance(summary, pd.DataFrame) else None
    if found is not None:
        days_per(found)
    return found


def _columns(
    summary: pd.DataFrame | None, arrays: dict[str, Any], weights: Any
) -> tuple[_Columns, tuple[str, ...]]:
    """Raw columns as floats of one length; faults of form are raised or noted."""
    names = tuple(arrays)
    raw = _from_summary(summary, names) if summary is not None else arrays
    given = [name for name in names if arrays[name] is not None]
    if summary is not None and given:
        raise ParameterError(f"give a summary or arrays, not both; found {', '.join(given)} too")
    missing = [name for name in names if raw[name] is None]
    if missing:
        raise ParameterError(
            f"give a summary, or all of {', '.join(names)}; {', '.join(missing)} is missing"
        )
    if weights is not None:
        raw = {**raw, "weights": weights}
    is_scalar = all(np.ndim(raw[name]) == 0 for name in names)
    faults: list[str] = []
    values = {name: _floats(name, value, faults) for name, value in raw.items()}
    values = _one_length(values)
    values.setdefault("weights", np.ones(len(values[names[0]])))
    customer_id = None if summary is None else summary.get("customer_id")
    return _Columns(values, customer_id, is_scalar, faults), names


def _from_summary(summary: Any, names: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(summary, pd.DataFrame):
        raise ParameterError(
            f"summary must be a pandas DataFrame, not {type(summary).__name__}; "
            f"plain arrays go by name: {', '.join(f'{name}=…' for name in names)}"
        )
    columns = [str(column) for column in summary.columns]
    faults = [
        f"column {name} is missing{did_you_mean(name, columns)}"
        for name in names
        if name not in columns
    ]
    faults += [
        f"column {name} stands there {columns.count(name)} times; keep one"
        for name in names
        if columns.count(name) > 1
    ]
    if faults:
        raise DataError("the summary does not have the columns that the model needs", faults)
    return {name: summary[name] for name in names}


def _floats(name: str, value: Any, faults: list[str]) -> FloatArray:
    """A column as floats; what is no number becomes nan and is noted."""
    if isinstance(value, pd.Series) and isinstance(value.dtype, np.dtype):
        value = value.to_numpy()
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and value.ndim == 1:
        return value.astype(float, copy=False)
    series = value if isinstance(value, pd.Series) else pd.Series(_one_column(name, value))
    if series.dtype.kind in "mMc":
        kind = {"m": "lengths of time", "M": "times", "c": "complex numbers"}[series.dtype.kind]
        faults.append(f"{name} holds {kind}; numbers of units are required, such as days / 7")
        return np.zeros(len(series))
    numbers = pd.to_numeric(series, errors="coerce")
    text = numbers.isna() & series.notna()
    if text.any():
        example = series[text].iloc[0]
        shown = shown_cell("number", str(example))
        faults.append(f"{name} is no number in {int(text.sum()):,} rows (first: '{shown}')")
        # Noted already; nan would be told a second time.
        numbers = numbers.where(~text, 0)
    return numbers.to_numpy(dtype=float, na_value=math.nan)


def _one_column(name: str, value: Any) -> NDArray[Any]:
    """Numbers, a list of them or an array as one column.

    Raises:
        ParameterError: it has rows and columns, or rows of different lengths.
    """
    try:
        column = np.atleast_1d(np.asarray(value))
    except ValueError:
        column = np.empty((0, 0))
    if column.ndim != 1:
        raise ParameterError(f"{name} must be one number a customer, in one column")
    return column


def _one_length(values: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Single numbers repeated to the length of the arrays.

    Raises:
        ParameterError: arrays of different lengths.
    """
    lengths = {name: len(column) for name, column in values.items()}
    n = max(lengths.values()) if 0 not in lengths.values() else 0
    if any(length not in (n, 1) for length in lengths.values()):
        said = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise ParameterError(f"arrays must be of one length; found {said}")
    return {
        name: column if len(column) == n else np.full(n, column[0]) if n else column[:0]
        for name, column in values.items()
    }


def _count_faults(columns: _Columns, names: tuple[str, ...]) -> list[str]:
    """Faults of single columns: unknown, infinite, not a count, bad weight."""
    faults: list[str] = []
    for name in (*names, "weights"):
        column = columns.values[name]
        if np.isfinite(column).all():
            continue
        faults += columns.rows(f"{name} is empty", np.isnan(column), name)
        faults += columns.rows(f"{name} is infinite", np.isinf(column), name)
    x, weights = columns.values["frequency"], columns.values["weights"]
    finite = np.isfinite(x)
    faults += columns.rows("frequency is negative", x < 0, "frequency")
    faults += columns.rows(
        "frequency is not a whole number", finite & (x != np.round(x)), "frequency"
    )
    faults += columns.rows(
        f"frequency is above {MOST_PURCHASES:,}; is it another column",
        finite & (x > MOST_PURCHASES),
        "frequency",
    )
    faults += columns.rows("weights is negative", weights < 0, "weights")
    return faults


def customers(weights: FloatArray) -> int:
    """How many customers the rows stand for."""
    return round(float(weights.sum()))


def unique_rows(*columns: FloatArray) -> tuple[tuple[FloatArray, ...], IntArray]:
    """Distinct rows in sorted order, and for each given row its place there.

    Sorted, so that sums over the distinct rows do not depend on the row order.
    """
    n = len(columns[0])
    key = np.zeros(n, dtype=np.int64)
    values: list[FloatArray] = []
    for column in columns:
        codes, distinct = pd.factorize(column, sort=True)
        # Dense again after each column, so that the product cannot overflow.
        key, _ = pd.factorize(key * np.int64(max(len(distinct), 1)) + codes, sort=True)
        values.append(column)
    size = int(key.max()) + 1 if n else 0
    first = np.empty(size, dtype=np.intp)
    first[key] = np.arange(n)
    return tuple(column[first] for column in values), key.astype(np.intp)


def counted_rows(
    weights: FloatArray, *columns: FloatArray
) -> tuple[tuple[FloatArray, ...], FloatArray]:
    """Distinct rows with their weights, where rows repeat often enough to pay the sorting.

    Merged rows are sorted, so that sums over them do not depend on the order of the
    given ones. Whether it pays is learned from a sample, if there are many rows.
    """
    n = len(weights)
    if n > 2 * SAMPLE:
        some = slice(None, None, n // SAMPLE)
        (first, *_), place = unique_rows(*(column[some] for column in columns))
        if len(first) > 0.8 * len(place):
            return columns, weights
    rows, place = unique_rows(*columns)
    return rows, sums_by(place, weights, len(rows[0]))


def sums_by(place: IntArray, values: FloatArray, size: int = 0) -> FloatArray:
    """Sums of values by place, shape (at least size,); floats even where there are none."""
    return np.bincount(place, values, size).astype(float, copy=False)
