"""Transactions merged by customer and grain, some customers at a time.

A summary of ten million customers is made in pieces, so that an engine merges what
fits into its memory, and the rows of the answer are written where they will stay.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from relkit.data.daily import Daily, kept_daily
from relkit.data.grains import as_table, by_customer_and_grain, rows_until

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Cells:
    """The rows of `by_customer_and_grain`, in pieces that have no customer in common.

    Attributes:
        pieces: Tables; of a source's own many transactions with refunds in rows of their own.
        daily: Where customer_id is a number in them, what the numbers stand for;
            grain_at is then a date.
    """

    pieces: tuple[ir.Table, ...]
    daily: Daily | None = None

    def per_customer(
        self, make: Callable[[ir.Table], ir.Table], types: Mapping[str, str]
    ) -> pd.DataFrame:
        """A row a customer, in the order of their ids.

        Args:
            make: Cells → a row a customer, `customer_id` and the columns of `types`.
            types: Column → its type in pandas; customer_id comes first and is text.
        """
        import pandas as pd

        if self.daily is None:
            (piece,) = self.pieces
            # An engine has a collation of its own.
            return in_memory([make(piece).order_by("customer_id")], {"customer_id": "str", **types})
        numbered = {"customer_id": "int32", **types}
        frame = in_memory([make(piece) for piece in self.pieces], numbered)
        # The ids come last and once: grouping by numbers takes half the time.
        ids, order = self.daily.named(frame.pop("customer_id").to_numpy())
        columns: dict[str, Any] = {"customer_id": ids}
        for name in types:
            # Column by column, so that no more than one of them is there twice.
            columns[name] = frame.pop(name).to_numpy()[order]
        return pd.DataFrame(columns, copy=False)

    def counted(
        self, make: Callable[[ir.Table], ir.Table], keys: Sequence[str], name: str
    ) -> pd.DataFrame:
        """How many there are of each kind; sorted by kind.

        Args:
            make: Cells → `keys` and the whole number `name`, a row a kind.
            keys: What the kinds are told by: numbers.
            name: Of the column with how many there are.
        """
        types = {**dict.fromkeys(keys, "float64"), name: "int64"}
        found = in_memory([make(piece) for piece in self.pieces], types)
        return found.groupby(list(keys), sort=True)[name].sum().reset_index()


def cells_until(
    transactions: ir.Table | pd.DataFrame, day: dt.date, grain: str, anchor: dt.date
) -> Cells:
    """Transactions up to the end of a day, merged.

    Args:
        transactions: As for `rfm_summary`.
        day: The last day that counts.
        grain: One of GRAINS.
        anchor: For 'week' the last day of one of the 7-day periods.

    Returns:
        A source's own many transactions in as many pieces as the engine has memory for,
        all others in one.
    """
    import ibis

    rows = as_table(transactions)
    daily = kept_daily(transactions) if grain == "day" else None
    if daily is None:
        return Cells((by_customer_and_grain(rows_until(rows, day), grain, anchor=anchor),))
    last = ibis.date(day)
    return Cells(tuple(days.filter(days.grain_at <= last) for days in daily.parts()), daily)


def in_memory(pieces: Iterable[ir.Table], types: Mapping[str, str]) -> pd.DataFrame:
    """The rows of all pieces, one below the other, as a frame.

    Args:
        pieces: Expressions that an engine evaluates, with these columns.
        types: Column → its type in pandas; 'str' is text.
    """
    import pandas as pd

    parts: dict[str, list[Any]] = {name: [] for name in types}
    for piece in pieces:
        found = piece.select(*types).to_pyarrow()
        for name, kind in types.items():
            parts[name].append(_column(found[name], kind))
    columns = {}
    for name in types:
        # Column by column, so that no more than one of them is there twice.
        own = parts.pop(name)
        columns[name] = own[0] if len(own) == 1 else np.concatenate(own)
    return pd.DataFrame(columns, copy=False)


def _column(column: Any, kind: str) -> Any:
    """Arrow's column with memory of its own; a missing number is NaN, a missing time NaT."""
    if kind == "str":
        return column.to_pandas().astype("str")
    # A copy in any case: the engine's buffers are up to twice as long as what is in them.
    return np.array(column.to_pandas().to_numpy(), dtype=kind)
