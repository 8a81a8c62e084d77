"""Faults that only show beside other rows: keys that repeat, keys of nothing, overlaps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from relkit.data.checking import CheckedRows
from relkit.data.schemas import Contract, midnight_after
from relkit.data.values import Reason

if TYPE_CHECKING:
    import ibis.expr.types as ir

    # Evaluates an expression once and gives the table that holds it.
    Keep = Callable[[str, ir.Table], ir.Table]

# Orders rows across files: beyond any number of rows that one file holds.
_ROWS_PER_FILE = 2**40

DUPLICATE = Reason("duplicate", "重复行", "one row of each is kept; export each row once")
OTHER_CUSTOMER = Reason(
    "transaction_id has several customers",
    "同一 transaction_id 对应多位客户",
    "the lines of one order belong to one customer",
)
OVERLAP = Reason(
    "owners overlap",
    "负责人任期重叠",
    "a customer has one owner at a time; correct starts_on or ends_on",
)
AFTER_AS_OF = Reason("after as_of", "晚于截止日", "set later_rows: set_aside to leave them out")


def _other_content(contract: Contract) -> Reason:
    key = " and ".join(contract.key)
    remedy = "give each row a key of its own, or keep only the row that is right"
    if contract.name == "transactions":
        remedy = "if the rows are the lines of one order, set line_items: true"
    if contract.name == "assignments":
        remedy = "a customer has one arm in an experiment; keep the one that was carried out"
    return Reason(f"{key} repeated with other content", f"{key} 重复但内容不同", remedy)


def mark_repeats(contract: Contract, checked: CheckedRows, keep: Keep) -> CheckedRows:
    """Rows whose key repeats.

    The first row of equal ones is accepted and the others are duplicates; where
    rows of one key differ none can be trusted, and all are set aside.

    Args:
        contract: Of the table.
        checked: Rows whose key was given by the source.
        keep: Evaluates an expression once.
    """
    good, key = checked.accepted(), list(contract.key)
    members = _members(good, key, keep)
    place = members.file.cast("int64") * _ROWS_PER_FILE + members.row
    members = members.mutate(place=place)
    contents = [c for c in members.columns if c not in ("file", "row", "faults", "place", *key)]
    per_key = members.group_by(key).agg(
        n=members.count(),
        first=members.place.min(),
        **{f"low_{name}": members[name].min() for name in contents},
        **{f"high_{name}": members[name].max() for name in contents},
        **{f"filled_{name}": members[name].count() for name in contents},
    )
    verdicts = per_key.select(*key, "first", same=_all_equal(per_key, contents))
    joined = members.inner_join(verdicts, key)
    repeat = joined.same & (joined.place != joined.first)
    marks = keep("marks", joined.select("file", "row", duplicate=repeat, other=~joined.same))
    return mark_rows(
        checked,
        marks,
        {"duplicate": (DUPLICATE, key[0]), "other": (_other_content(contract), key[0])},
    )


def _members(good: ir.Table, key: list[str], keep: Keep) -> ir.Table:
    """The rows whose key is not theirs alone."""
    # A number is grouped much faster than a text; two keys with one number are told apart after.
    number = good[key[0]].hash()
    for part in key[1:]:
        number = number ^ (good[part].cast("string") + part).hash()
    numbered = good.mutate(number=number)
    shared = numbered.group_by("number").agg(n=numbered.count()).filter(lambda t: t.n > 1)
    candidates = keep("members", numbered.semi_join(shared, "number").drop("number"))
    repeated = candidates.group_by(key).agg(n=candidates.count()).filter(lambda t: t.n > 1)
    return candidates.semi_join(repeated, key)


def _all_equal(per_key: ir.Table, names: list[str]) -> ir.BooleanValue:
    import ibis

    same: ir.BooleanValue = ibis.literal(True)
    for name in names:
        filled = per_key[f"filled_{name}"]
        equal = (filled == per_key.n) & (per_key[f"low_{name}"] == per_key[f"high_{name}"])
        same = same & (equal | (filled == 0)).fill_null(False)
    return same


def mark_shared_orders(contract: Contract, checked: CheckedRows, keep: Keep) -> CheckedRows:
    """Line items: rows of one key add up, so they must belong to one customer."""
    good, (key,) = checked.accepted(), contract.key
    spread = good.group_by(key).agg(low=good.customer_id.min(), high=good.customer_id.max())
    shared = good.semi_join(spread.filter(spread.low != spread.high), key)
    marks = keep("marks", shared.select("file", "row", other=shared.faults == 0))
    return mark_rows(checked, marks, {"other": (OTHER_CUSTOMER, key)})


def unknown_reason(column: str, table: str) -> Reason:
    return Reason(
        f"{column} is not in {table}",
        f"{column} 不在 {table} 表中",
        f"add it to {table}, or leave these rows out: raise max_set_aside",
    )


def mark_unknown(checked: CheckedRows, column: str, table: str, known: ir.Table) -> CheckedRows:
    """Rows that name what another table does not have.

    Args:
        checked: The rows.
        column: Their column with the key; empty ones name nothing and are no fault.
        table: The other table's name.
        known: Its keys, in its first column.
    """
    reason = unknown_reason(column, table)
    (key,) = known.columns
    keys = known.select(known_key=known[key]).distinct()
    joined = checked.rows.left_join(keys, checked.rows[column] == keys.known_key)
    marked = CheckedRows(joined, checked.faults)
    missing = joined.known_key.isnull() & joined[column].notnull()
    marked = marked.add(reason, column, missing)
    return CheckedRows(marked.rows.select(checked.rows.columns), marked.faults)


def mark_overlaps(checked: CheckedRows, keep: Keep) -> CheckedRows:
    """Owner history: terms of one customer that overlap; a day of handing over may be both's."""
    import ibis

    good = checked.accepted()
    open_end = ibis.date("9999-12-31")
    last = good.ends_on.fill_null(open_end) if "ends_on" in good.columns else open_end
    terms = good.select("file", "row", "customer_id", "starts_on", last=last)
    others = terms.view()
    pairs = terms.inner_join(
        others,
        [
            terms.customer_id == others.customer_id,
            terms.starts_on < others["last"],
            others.starts_on < terms["last"],
            (terms.file != others.file) | (terms.row != others.row),
        ],
    )
    marks = keep("marks", pairs.select("file", "row", overlaps=ibis.literal(True)).distinct())
    return mark_rows(checked, marks, {"overlaps": (OVERLAP, "starts_on")})


def mark_rows(
    checked: CheckedRows, marks: ir.Table, faults: Mapping[str, tuple[Reason, str]]
) -> CheckedRows:
    """The rows of `marks` (file, row and one flag a fault) get the faults that are flagged."""
    if marks.count().to_pyarrow().as_py() == 0:
        return checked
    named = marks.rename(marked_file="file", marked_row="row")
    rows = checked.rows.left_join(
        named, [checked.rows.file == named.marked_file, checked.rows.row == named.marked_row]
    )
    marked = CheckedRows(rows, checked.faults)
    for name, (reason, column) in faults.items():
        marked = marked.add(reason, column, marked.rows[name].fill_null(False))
    return CheckedRows(marked.rows.select(checked.rows.columns), marked.faults)


def mark_later(checked: CheckedRows, column: str, as_of: dt.date) -> CheckedRows:
    """Rows with the fault of lying after the day that the run looks at."""
    later = checked.rows[column].cast("timestamp") >= midnight_after(as_of)
    return checked.add(AFTER_AS_OF, column, later.fill_null(False))
