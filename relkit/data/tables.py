"""What each table must hold, declared as data, and the check that holds rows against it.

The check is one expression an engine evaluates: every row gets a number whose
binary digits say which faults it has, so counting them costs one pass at any size,
and all faults of all rows are known at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from relkit.data.values import (
    Fault,
    Parsing,
    Reading,
    Reason,
    WrongType,
    read_amount,
    read_id,
    read_kind,
    read_text,
    read_time,
)

if TYPE_CHECKING:
    import ibis.expr.types as ir

Kind = Literal["id", "time", "amount", "choice", "text"]
# The day after the zero of Unix time, the latest of the days that stand for "none".
EARLIEST = "1970-01-02"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: Our name for it.
        kind: What its values are; decides how they are read and what is a fault.
        required: Whether a source must map it. A column that is mapped must be
            filled in every row, unless its kind is text.
        choices: The words a 'choice' may hold.
    """

    name: str
    kind: Kind
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a rule needs to know beside the row itself.

    Attributes:
        today: The last day that can have happened.
        currency: The currency of the run, or None.
    """

    today: dt.date
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What must hold between the columns of one row.

    Attributes:
        reason: Why a row that breaks it is set aside.
        column: The column whose text shows the fault.
        needs: Columns that must be mapped for the rule to apply.
        broken: Rows → whether they break it.
    """

    reason: Reason
    column: str
    needs: tuple[str, ...]
    broken: Callable[[ir.Table, Circumstances], ir.BooleanValue]


@dataclass(frozen=True, slots=True)
class Table:
    """A table's contract.

    Attributes:
        name: As it is called in a source YAML.
        key: The column that names a row.
        columns: In the order that they are shown.
        rules: What must hold between the columns of one row.
        complete: Adds the columns that follow from others where they are not mapped.
    """

    name: str
    key: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    complete: Callable[[ir.Table, Container[str], Reading], dict[str, ir.Value]]

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


def _kind_and_sign(rows: ir.Table, mapped: Container[str], reading: Reading) -> dict[str, ir.Value]:
    """Without `kind` a negative amount is a refund; with it, refunds get their minus."""
    if "kind" not in mapped:
        return {"kind": (rows.amount < 0).ifelse("refund", "purchase")}
    if reading.refunds_are_positive:
        return {"amount": (rows.kind == "refund").ifelse(-rows.amount, rows.amount)}
    return {}


def _sign_disagrees(rows: ir.Table, _: Circumstances) -> ir.BooleanValue:
    wrong_purchase = (rows.kind == "purchase") & (rows.amount < 0)
    return wrong_purchase | ((rows.kind == "refund") & (rows.amount > 0))


def _in_the_future(rows: ir.Table, now: Circumstances) -> ir.BooleanValue:
    import ibis

    return rows.occurred_at >= ibis.timestamp(_next_midnight(now.today))


def _before_computers(rows: ir.Table, _: Circumstances) -> ir.BooleanValue:
    import ibis

    return rows.occurred_at < ibis.timestamp(f"{EARLIEST} 00:00:00")


def _other_currency(rows: ir.Table, now: Circumstances) -> ir.BooleanValue:
    if now.currency is None:
        return rows.currency.isnull()
    return (rows.currency != now.currency) | rows.currency.isnull()


def _next_midnight(day: dt.date) -> str:
    return f"{day + dt.timedelta(days=1)} 00:00:00"


TRANSACTIONS = Table(
    name="transactions",
    key="transaction_id",
    columns=(
        Column("transaction_id", "id"),
        Column("customer_id", "id", required=True),
        Column("occurred_at", "time", required=True),
        Column("amount", "amount", required=True),
        Column("kind", "choice", choices=("purchase", "refund")),
        Column("currency", "text"),
        Column("category", "text"),
    ),
    rules=(
        Rule(
            Reason(
                "occurred_at is in the future",
                "occurred_at 在未来",
                "days after today have not happened; is it dates: or the machine's clock?",
            ),
            column="occurred_at",
            needs=("occurred_at",),
            broken=_in_the_future,
        ),
        Rule(
            Reason(
                f"occurred_at is before {EARLIEST}",
                f"occurred_at 早于 {EARLIEST}",
                "programs write such days (0001-01-01, 1900-01-01, 1970-01-01) where they have "
                "none; fill in the real ones",
            ),
            column="occurred_at",
            needs=("occurred_at",),
            broken=_before_computers,
        ),
        Rule(
            Reason(
                "sign of amount disagrees with kind",
                "金额正负与 kind 不符",
                "purchases are not negative and refunds not positive; "
                "where refunds are written without a minus, set refunds_are_positive: true",
            ),
            column="amount",
            needs=("amount", "kind"),
            broken=_sign_disagrees,
        ),
        Rule(
            Reason(
                "currency is another",
                "币种不同",
                "one run has one currency; convert the amounts first, or leave these rows out",
            ),
            column="currency",
            needs=("currency",),
            broken=_other_currency,
        ),
    ),
    complete=_kind_and_sign,
)
TABLES: Mapping[str, Table] = {table.name: table for table in (TRANSACTIONS,)}

# Orders rows across files: beyond any number of rows that one file holds.
_ROWS_PER_FILE = 2**40

MISALIGNED = Reason(
    "row has too many or too few fields",
    "字段数与表头不符",
    "is a separator inside a text that is not in quotes?",
)
DUPLICATE = Reason("duplicate", "重复行", "one row of each is kept; export each row once")
OTHER_CONTENT = Reason(
    "transaction_id repeated with other content",
    "transaction_id 重复但内容不同",
    "if the rows are the lines of one order, set line_items: true",
)
OTHER_CUSTOMER = Reason(
    "transaction_id has several customers",
    "同一 transaction_id 对应多位客户",
    "the lines of one order belong to one customer",
)
AFTER_AS_OF = Reason("after as_of", "晚于截止日", "set later_rows: set_aside to leave them out")


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """All rows of a table, each with its faults.

    Attributes:
        rows: `file`, `row`, the table's columns and `faults`, the sum of 2**i
            over the faults that the row has; 0 is an accepted row. In the engine.
        faults: What they are, in the order of their binary digits.
    """

    rows: ir.Table
    faults: tuple[Fault, ...]

    def accepted(self) -> ir.Table:
        return self.rows.filter(self.rows.faults == 0)

    def counts(self) -> dict[int, int]:
        """Rows per combination of faults, 0 being those without."""
        grouped = self.rows.group_by("faults").agg(n=self.rows.count()).to_pyarrow().to_pydict()
        return dict(sorted(zip(grouped["faults"], grouped["n"], strict=True)))

    def reasons_of(self, faults: int) -> list[Reason]:
        return [each.reason for bit, each in enumerate(self.faults) if faults >> bit & 1]

    def add(self, reason: Reason, column: str, broken: ir.BooleanValue) -> CheckedRows:
        """The same rows with one more fault, which only rows without any can get."""
        bit = 1 << len(self.faults)
        marked = self.rows.mutate(
            faults=((self.rows.faults == 0) & broken).ifelse(bit, self.rows.faults).cast("int64")
        )
        return CheckedRows(marked, (*self.faults, Fault(reason, column)))


def read_rows(
    table: Table,
    raw: ir.Table,
    columns: Mapping[str, tuple[str, ...]],
    reading: Reading,
    now: Circumstances,
) -> CheckedRows:
    """Raw rows as the table's columns, each row with the faults it has on its own.

    Args:
        table: The contract.
        raw: Rows as the file has them: `file`, `row`, `misaligned`, the columns.
        columns: Our column → the raw columns that it is read from; one, but for
            amounts like Quantity * Price.
        reading: How times and amounts are written.
        now: What the rules need to know.

    Raises:
        WrongType: a column's type cannot hold what it is mapped to.
    """
    parsing = Parsing(raw)
    for name, theirs in columns.items():
        _read_column(parsing, table.column(name), theirs, reading)
    for name, value in table.complete(parsing.rows, columns, reading).items():
        parsing.let(name, value)
    if table.key not in columns:
        # No id is given, so every row stands for itself and repeats cannot be told.
        parsing.let(table.key, raw.file.cast("string") + ":" + raw.row.cast("string"))
    for rule in table.rules:
        if set(rule.needs) <= set(columns):
            parsing.fault(rule.column, rule.reason, rule.broken(parsing.rows, now))
    rows, faults = parsing.rows, parsing.faults_as_number()
    # A shifted row has every fault there is; the shift is the one worth telling.
    faults = rows.misaligned.ifelse(1, faults * 2).cast("int64")
    names = [column.name for column in table.columns if column.name in rows.columns]
    return CheckedRows(
        rows.select("file", "row", *names, faults=faults),
        (Fault(MISALIGNED, ""), *parsing.faults),
    )


def _read_column(
    parsing: Parsing, column: Column, theirs: tuple[str, ...], reading: Reading
) -> None:
    match column.kind:
        case "id":
            read_id(parsing, column.name, theirs[0])
        case "time":
            read_time(parsing, column.name, theirs[0], reading)
        case "choice":
            read_kind(parsing, column.name, theirs[0], column.choices, reading)
        case "text":
            read_text(parsing, column.name, theirs[0])
        case "amount":
            read_amount(parsing, column.name, theirs, reading)


def mark_repeats(table: Table, checked: CheckedRows, keep: Callable[..., ir.Table]) -> CheckedRows:
    """Rows with the faults that only show beside other rows: a key that repeats.

    The first row of equal ones is accepted and the others are duplicates; where
    rows of one key differ none can be trusted, and all are set aside.

    Args:
        table: The contract.
        checked: Rows whose key was given by the source.
        keep: Evaluates an expression once and gives the table that holds it.
    """
    good = checked.accepted()
    repeated = good.group_by(table.key).agg(n=good.count()).filter(lambda t: t.n > 1)
    members = keep("members", good.semi_join(repeated, table.key))
    place = members.file.cast("int64") * _ROWS_PER_FILE + members.row
    members = members.mutate(place=place)
    contents = [
        c for c in members.columns if c not in ("file", "row", "faults", "place", table.key)
    ]
    per_key = members.group_by(table.key).agg(
        n=members.count(),
        first=members.place.min(),
        **{f"low_{name}": members[name].min() for name in contents},
        **{f"high_{name}": members[name].max() for name in contents},
        **{f"filled_{name}": members[name].count() for name in contents},
    )
    verdicts = per_key.select(table.key, "first", same=_all_equal(per_key, contents))
    joined = members.inner_join(verdicts, table.key)
    repeat = joined.same & (joined.place != joined.first)
    marks = keep("marks", joined.select("file", "row", duplicate=repeat, other=~joined.same))
    return _join_marks(
        checked,
        marks,
        {"duplicate": (DUPLICATE, table.key), "other": (OTHER_CONTENT, table.key)},
    )


def _all_equal(per_key: ir.Table, names: list[str]) -> ir.BooleanValue:
    import ibis

    same: ir.BooleanValue = ibis.literal(True)
    for name in names:
        filled = per_key[f"filled_{name}"]
        equal = (filled == per_key.n) & (per_key[f"low_{name}"] == per_key[f"high_{name}"])
        same = same & (equal | (filled == 0)).fill_null(False)
    return same


def mark_shared_orders(
    table: Table, checked: CheckedRows, keep: Callable[..., ir.Table]
) -> CheckedRows:
    """Line items: rows of one key add up, so they must belong to one customer."""
    good = checked.accepted()
    spread = good.group_by(table.key).agg(low=good.customer_id.min(), high=good.customer_id.max())
    shared = good.semi_join(spread.filter(spread.low != spread.high), table.key)
    marks = keep("marks", shared.select("file", "row", other=shared.faults == 0))
    return _join_marks(checked, marks, {"other": (OTHER_CUSTOMER, table.key)})


def _join_marks(
    checked: CheckedRows, marks: ir.Table, faults: Mapping[str, tuple[Reason, str]]
) -> CheckedRows:
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


def mark_later(checked: CheckedRows, as_of: dt.date) -> CheckedRows:
    """Rows with the fault of lying after the day that the run looks at."""
    import ibis

    later = checked.rows.occurred_at >= ibis.timestamp(_next_midnight(as_of))
    return checked.add(AFTER_AS_OF, "occurred_at", later)


__all__ = [
    "AFTER_AS_OF",
    "TABLES",
    "TRANSACTIONS",
    "CheckedRows",
    "Circumstances",
    "Column",
    "Rule",
    "Table",
    "WrongType",
    "mark_later",
    "mark_repeats",
    "mark_shared_orders",
    "read_rows",
]
