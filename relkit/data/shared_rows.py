"""Rows that are not one event of one customer: an order over several, several customers in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relkit.data.checking import CheckedRows, Mapped
from relkit.data.keys import mark_rows, unknown_reason
from relkit.data.schemas import Contract
from relkit.data.values import Reason, is_nothing

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from relkit.data.keys import Keep

NOBODY = Reason(
    "customer_id names nobody", "customer_id 未指明客户", "fill it in, or leave it empty"
)


def spread_orders(raw: ir.Table, mapped: Mapped) -> ir.Table:
    """Rows of an order that leave its day, customer and amount empty get them.

    What stands in one row of the order stands in all, but for the amount: the others
    add 0 to it. An order that has none anywhere stays without, for the contract to find.

    Args:
        raw: Rows as the file has them.
        mapped: Which column is which of ours; transaction_id is one of them.
    """
    import ibis

    (order,) = mapped.columns["transaction_id"]
    group = ibis.window(group_by=raw[order].cast("string").strip())
    amounts = set(mapped.columns.get("amount", ()))
    others = {name for raws in mapped.columns.values() for name in raws} - amounts - {order}
    known = ~is_nothing(raw[order])
    filled: dict[str, ir.Value] = {}
    for name in sorted(amounts | others):
        column = raw[name]
        empty = is_nothing(column)
        there = empty.ifelse(None, column).cast(column.type()).max().over(group)
        instead = there.notnull().ifelse(ibis.literal("0").cast(column.type()), None)
        value = instead if name in amounts else there
        filled[name] = (empty & known).ifelse(value, column).cast(column.type())
    return raw.mutate(**filled)


def mark_nobody(checked: CheckedRows, mark: str) -> CheckedRows:
    """Rows in which marks stand between no ids at all."""
    return checked.add(NOBODY, "customer_id", _listed(checked.rows, mark).length() == 0)


def _listed(rows: ir.Table, mark: str) -> ir.ArrayValue:
    """The ids of a row, each once."""
    ids = rows.customer_id.split(mark).map(lambda each: each.strip())
    return ids.filter(lambda each: each != "").unique()


def customers_of(rows: ir.Table, mark: str) -> ir.Table:
    """One row for each customer that a row names, their ids set apart by `mark`."""
    return rows.mutate(customer_id=_listed(rows, mark)).unnest("customer_id")


def mark_unknown_among(
    checked: CheckedRows, mark: str, table: str, known: ir.Table, keep: Keep
) -> CheckedRows:
    """Rows of which not all customers are known; nothing of a row is dropped in silence.

    Args:
        checked: Rows with one or more customers each.
        mark: Between them.
        table: The other table's name.
        known: Its keys, in its first column.
        keep: Evaluates an expression once.
    """
    (key,) = known.columns
    keys = known.select(customer_id=known[key]).distinct()
    named = customers_of(checked.accepted().select("file", "row", "customer_id"), mark)
    unknown = named.anti_join(keys, "customer_id").select("file", "row").distinct()
    marks = keep("marks", unknown.mutate(unknown=True))
    reason = unknown_reason("customer_id", table)
    return mark_rows(checked, marks, {"unknown": (reason, "customer_id")})


def rows_of_customers(contract: Contract, rows: ir.Table, mark: str) -> ir.Table:
    """Accepted rows, one for each of their customers.

    The key of a row with several customers gets the customer's id behind it, since a
    key stands once in a table.
    """
    (key,) = contract.key
    several = _listed(rows, mark).length() > 1
    each = customers_of(rows.mutate(several=several), mark)
    own = each[key] + ":" + each.customer_id
    return each.mutate(**{key: each.several.ifelse(own, each[key])}).drop("several")
