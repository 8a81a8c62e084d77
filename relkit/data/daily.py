"""A source's transactions kept by customer and day as well, where there are many.

Merging purchases by customer and day is most of the work of every summary, and always
the same. A source does it once, when it is opened, and with numbers in place of ids.
What a notebook filters or changes is another table, which is merged anew.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from relkit.data.engine import keep
from relkit.data.grains import by_customer_and_grain

if TYPE_CHECKING:
    import ibis.expr.types as ir

# Below, merging takes less than a second.
ROWS_WORTH_KEEPING = 1_000_000
_DAYS, _IDS = "relkit_days_of_{}", "relkit_ids_of_{}"


def keep_daily(engine: Any, transactions: ir.Table, rows: int) -> None:
    """Merge a source's transactions by customer and day, if there are enough to be worth it."""
    import ibis

    if rows < ROWS_WORTH_KEEPING:
        return
    name = transactions.get_name()
    ids = transactions.select("customer_id").distinct()
    number = ibis.row_number().over(ibis.window(order_by=ids.customer_id)).cast("int32")
    ids = keep(engine, _IDS.format(name), ids.mutate(number=number))
    numbered = transactions.inner_join(ids, "customer_id").drop("customer_id")
    numbered = numbered.rename(customer_id="number")
    # A day does not depend on the anchor, which only weeks have.
    cells = by_customer_and_grain(numbered, "day", anchor=dt.date(1970, 1, 1))
    cells = cells.mutate(
        purchases=cells.purchases.cast("int32"),
        bought=cells.bought.cast("decimal(18, 6)"),
        refunded=cells.refunded.cast("decimal(18, 6)"),
    )
    days = keep(engine, _DAYS.format(name), cells.order_by("customer_id", "grain_at"))
    engine.relkit_daily = {name: (days, ids)}


def kept_daily(transactions: Any) -> tuple[ir.Table, ir.Table] | None:
    """The days and the ids of a source's own transactions, unchanged; None of any other.

    Returns:
        `by_customer_and_grain` of the transactions with numbers as customer_id, and
        customer_id with its number, which are in one order.
    """
    import ibis
    import ibis.expr.operations as operations

    if not isinstance(transactions, ibis.Table):
        return None
    node = transactions.op()
    if not isinstance(node, operations.DatabaseTable):
        return None
    found: dict[str, tuple[ir.Table, ir.Table]] = getattr(node.source, "relkit_daily", {})
    return found.get(node.name)
