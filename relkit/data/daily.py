"""A source's transactions kept by customer and day as well, where there are many.

Merging purchases by customer and day is most of the work of every summary, and always
the same. It is done once, when it is first asked for, with numbers in place of ids, and
in the order of the customers: so whatever follows takes some customers at a time, and
needs the memory of those alone. What a notebook filters or changes is another table,
which is merged anew.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from relkit.data.engine import add, batches, drop, keep
from relkit.data.grains import by_customer_and_grain
from relkit.data.values import exact_amount

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import numpy as np
    import pandas as pd

# Below, merging takes less than a second.
ROWS_WORTH_KEEPING = 1_000_000
# As many as an engine merges within the memory that it has for few.
ROWS_AT_A_TIME = 1_000_000


@dataclass(frozen=True, slots=True)
class Daily:
    """Transactions by customer and day.

    Attributes:
        days: `by_customer_and_grain` of the transactions, grain 'day', with numbers
            as customer_id, grain_at a date, and last_at null where it is first_at: so
            they take half the memory. `parts` fills it in.
        ids: customer_id with its number, which are in one order; numbers from 0.
        customers: How many there are.
        slices: The numbers cut in pieces of some `ROWS_AT_A_TIME` rows.
    """

    days: ir.Table
    ids: ir.Table
    customers: int
    slices: tuple[tuple[int, int], ...]

    def parts(self) -> Iterator[ir.Table]:
        """The days, some customers at a time, in the order of their numbers."""
        for first, last in self.slices:
            days = self.days.filter(self.days.customer_id.between(first, last))
            yield days.mutate(last_at=days.last_at.coalesce(days.first_at))

    def names(self, numbers: np.ndarray[Any, Any]) -> pd.Series:
        """The ids that increasing numbers stand for."""
        import pyarrow as pa

        # Text with long offsets is what pandas wants; another kind would be copied once more.
        kind = pa.large_string()
        found = batches(self.ids.order_by("number").select("customer_id"))
        ids = pa.chunked_array([batch.column(0).cast(kind) for batch in found], kind)
        if len(numbers) < len(ids):
            ids = ids.take(pa.array(numbers))
        return ids.to_pandas().astype("str")


def offer_daily(engine: Any, transactions: ir.Table, rows: int) -> None:
    """Let summaries merge a source's transactions once, if there are enough to be worth it."""
    if rows >= ROWS_WORTH_KEEPING:
        offered: dict[str, int | Daily] = getattr(engine, "relkit_daily", {})
        engine.relkit_daily = offered | {transactions.op().name: rows}


def kept_daily(transactions: Any) -> Daily | None:
    """The days of a source's own transactions, unchanged; None of any other."""
    import ibis
    import ibis.expr.operations as operations

    if not isinstance(transactions, ibis.Table):
        return None
    node = transactions.op()
    if not isinstance(node, operations.DatabaseTable):
        return None
    offered: dict[str, int | Daily] = getattr(node.source, "relkit_daily", {})
    found = offered.get(node.name)
    if isinstance(found, int):
        found = offered[node.name] = _merged(node.source, transactions, found)
    return found


def _merged(engine: Any, transactions: ir.Table, rows: int) -> Daily:
    import ibis

    name = transactions.op().name
    ids = transactions.select("customer_id").distinct()
    number = ibis.row_number().over(ibis.window(order_by=ids.customer_id)).cast("int32")
    ids = ids.mutate(number=number).order_by("number")
    ids = keep(engine, f"relkit_ids_of_{name}", ids, stored=True)
    customers = int(ids.count().to_pyarrow().as_py())
    pieces = max(1, -(-rows // ROWS_AT_A_TIME))
    edges = [customers * piece // pieces for piece in range(pieces + 1)]
    slices = tuple((low, high - 1) for low, high in pairwise(edges))
    # One after the other: joining and sorting at once would need the memory of both.
    joined = keep(engine, f"relkit_numbered_{name}", _numbered(transactions, ids), stored=True)
    in_order = joined.order_by("customer_id")
    ordered = keep(engine, f"relkit_ordered_{name}", in_order, stored=True)
    drop(engine, joined)
    days = None
    for first, last in slices:
        some = ordered.filter(ordered.customer_id.between(first, last))
        merged = _days(some)
        if days is None:
            days = keep(engine, f"relkit_days_of_{name}", merged, stored=True)
        else:
            add(engine, days, merged)
    assert days is not None
    drop(engine, ordered)
    return Daily(days, ids, customers, slices)


def _numbered(transactions: ir.Table, ids: ir.Table) -> ir.Table:
    """Transactions in the order of their customers, small."""
    rows = transactions.inner_join(ids, "customer_id")
    return rows.select(
        customer_id=rows.number,
        occurred_at=rows.occurred_at,
        amount=exact_amount(rows.amount),
        bought=rows.kind == "purchase",
    )


def _days(rows: ir.Table) -> ir.Table:
    rows = rows.mutate(kind=rows.bought.ifelse("purchase", "refund")).drop("bought")
    # A day does not depend on the anchor, which only weeks have.
    cells = by_customer_and_grain(rows, "day", anchor=dt.date(1970, 1, 1))
    return cells.mutate(
        grain_at=cells.grain_at.cast("date"),
        last_at=cells.last_at.nullif(cells.first_at),
        purchases=cells.purchases.cast("int32"),
        bought=cells.bought.cast("decimal(18, 6)"),
        refunded=cells.refunded.cast("decimal(18, 6)"),
    )
