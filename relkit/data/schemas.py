"""What a contract is made of: a pandera schema, whose checks an engine can evaluate too.

A column, its type, the words it may hold and what must be true of it are said once, as
pandera says them. The same checks run in two ways: pandera's own `validate`, for a frame
that an analyst holds, and `relkit.data.checking`, which asks each check for its expression
and evaluates all of them in one pass, at any size.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import ibis
import ibis.expr.datatypes as types
import pandera.ibis as pa

from relkit.data.values import Reading, Reason

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

Kind = Literal["id", "time", "day", "number", "choice", "text", "flag"]
_TYPES: Mapping[str, Any] = {
    "id": types.string,
    "time": types.Timestamp(),
    "day": types.date,
    "number": types.float64,
    "choice": types.string,
    "text": types.string,
    "flag": types.boolean,
}
# 18 digits, which engines add as fast as floats, hold amounts below this one to a millionth.
LARGEST_NUMBER = 1e12
# The day after the zero of Unix time, the latest of the days that stand for "none".
EARLIEST = "1970-01-02"
_SCIENTIFIC = r"^-?\d(\.\d+)?[eE]\+\d+$"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a check needs to know beside the row itself.

    Attributes:
        today: The last day that can have happened; None is the day it is by now
            anywhere on earth.
        currency: The currency of the run, or None.
    """

    today: dt.date | None = None
    currency: str | None = None

    def next_midnight(self) -> ir.TimestampScalar:
        """The instant after which nothing can have happened yet."""
        # 14 hours ahead of UTC is where days begin first.
        ahead = dt.datetime.now(dt.timezone(dt.timedelta(hours=14)))
        return midnight_after(self.today or ahead.date())


def midnight_after(day: dt.date) -> ir.TimestampScalar:
    """The instant a day ends."""
    return ibis.timestamp(f"{day + dt.timedelta(days=1)} 00:00:00")


@dataclass(frozen=True, slots=True)
class Contract:
    """What a table must hold.

    Attributes:
        name: As it is called in a source YAML.
        schema: The pandera schema: columns, types, choices, checks.
        key: The columns that name a row.
        dated_by: The column that says when a row happened, or None where rows do not.
        later: Column of a later event → what is known only since then, itself included.
        complete: Adds the columns that follow from others where they are not mapped.
    """

    name: str
    schema: pa.DataFrameSchema
    key: tuple[str, ...]
    dated_by: str | None = None
    later: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    complete: Callable[[ir.Table, Container[str], Reading], dict[str, ir.Value]] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.schema.columns)

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if self.schema.columns[name].required)

    def kind(self, column: str) -> Kind:
        kind: Kind = self.schema.columns[column].metadata["kind"]
        return kind

    def choices(self, column: str) -> tuple[str, ...]:
        return tuple(self.schema.columns[column].metadata.get("choices", ()))

    @property
    def references(self) -> Mapping[str, str]:
        """Column → the table whose key it has to be in."""
        metadata = {name: column.metadata for name, column in self.schema.columns.items()}
        return {name: said["of"] for name, said in metadata.items() if said.get("of")}

    def validate(self, rows: pd.DataFrame | ir.Table, lazy: bool = True) -> ir.Table:
        """Rows of one's own held against the contract, by pandera.

        Args:
            rows: A frame, or an Ibis table of any engine, with the contract's columns:
                ids as text, times without a zone. Columns of no contract are ignored.
            lazy: Whether to collect all faults, or to stop at the first.

        Returns:
            The rows as an Ibis table.

        Raises:
            pandera.errors.SchemaErrors: with `failure_cases`, a frame of all faults;
                SchemaError where not lazy.
        """
        table = rows if isinstance(rows, ibis.Table) else ibis.memtable(rows.reset_index(drop=True))
        # Engines state the precision of a time in its type; the contract does not care.
        plain = {
            name: table[name].cast("timestamp")
            for name, kind in table.schema().items()
            if kind.is_timestamp() and kind.timezone is None
        }
        return self.schema.validate(table.mutate(**plain) if plain else table, lazy=lazy)

    def to_frame(self) -> pd.DataFrame:
        """One row a column: its kind, whether it is required and may be empty, its choices."""
        import pandas as pd

        rows = [
            {
                "column": name,
                "kind": self.kind(name),
                "key": name in self.key,
                "required": column.required,
                "may_be_empty": column.nullable,
                "choices": ", ".join(self.choices(name)),
                "refers_to": self.references.get(name, ""),
            }
            for name, column in self.schema.columns.items()
        ]
        return pd.DataFrame(rows)


def contract(
    name: str,
    key: Sequence[str],
    columns: Mapping[str, pa.Column],
    rules: Sequence[pa.Check] = (),
    **more: Any,
) -> Contract:
    """A contract; `more` are its other attributes."""
    for part in key:
        columns[part].nullable = False
    schema = pa.DataFrameSchema(
        dict(columns), checks=list(rules), unique=list(key), name=name, strict=False
    )
    later = MappingProxyType(dict(more.pop("later", {})))
    return Contract(name, schema, tuple(key), later=later, **more)


# Columns


def _column(
    kind: Kind, checks: Sequence[pa.Check], required: bool, filled: bool, **said: Any
) -> pa.Column:
    return pa.Column(
        _TYPES[kind],
        checks=list(checks),
        required=required,
        nullable=not (filled or required),
        metadata={"kind": kind, **said},
    )


def id_(column: str, required: bool = False, of: str | None = None) -> pa.Column:
    """An id as text; `of` is the table whose key it is."""
    reason = Reason(
        f"{column} is in scientific notation",
        f"{column} 为科学计数法",
        "a spreadsheet has cut its digits; export the column as text",
    )
    # Few ids have a plus, and looking for one is many times faster than a pattern.
    check = column_check(
        reason, lambda ids: ids.contains("+").ifelse(~ids.re_search(_SCIENTIFIC), True)
    )
    return _column("id", [check], required, filled=required, of=of)


def time(
    column: str, now: Circumstances, required: bool = False, day: bool = False, past: bool = True
) -> pa.Column:
    """A time, or a day; `past` where it cannot lie ahead nor before computers."""
    kind: Kind = "day" if day else "time"
    checks = [in_the_past(column, now), since_computers(column)] if past else []
    return _column(kind, checks, required, filled=required)


def number(
    column: str, required: bool = False, low: float | None = None, high: float | None = None
) -> pa.Column:
    """A finite number, between two limits where they are given."""
    finite = Reason(
        f"{column} is not finite", f"{column} 不是有限数", "a number below 1e12 is required"
    )
    checks = [column_check(finite, lambda values: values.abs() < LARGEST_NUMBER)]
    if low is not None:
        under = Reason(
            f"{column} is below {low:g}",
            f"{column} 小于 {low:g}",
            f"{low:g} is the least it can be",
        )
        checks.append(column_check(under, lambda values: values >= low))
    if high is not None:
        over = Reason(
            f"{column} is above {high:g}",
            f"{column} 大于 {high:g}",
            f"{high:g} is the most it can be",
        )
        checks.append(column_check(over, lambda values: values <= high))
    return _column("number", checks, required, filled=required)


def choice(
    column: str, words: Sequence[str], required: bool = False, filled: bool = False
) -> pa.Column:
    """One of a few words."""
    listed = " or ".join(words) if len(words) == 2 else f"one of {', '.join(words)}"
    example = ", ".join(f"Word{i}: {word}" for i, word in enumerate(words[:2], start=1))
    remedy = f"say which word means which in the mapping, like words: {{{column}: {{{example}}}}}"
    if column == "kind" and "purchase" in words:
        remedy = (
            "say which word means which in the mapping, "
            "like kinds: {Sale: purchase, Return: refund}"
        )
    reason = Reason(f"{column} is not {listed}", f"{column} 不在允许范围内", remedy)
    check = column_check(reason, lambda values: values.isin(list(words)))
    return _column("choice", [check], required, filled or required, choices=tuple(words))


def flag() -> pa.Column:
    """True, false, or not known."""
    return _column("flag", [], required=False, filled=False)


def text(required: bool = False) -> pa.Column:
    """Free text."""
    return _column("text", [], required, filled=required)


# Checks


def column_check(reason: Reason, holds: Callable[[Any], ir.BooleanValue]) -> pa.Check:
    """What must hold for each value of a column; an empty one is no fault of this check."""
    return pa.Check(
        lambda data: holds(data.table[data.key]),
        name=reason.en,
        error=reason.en,
        title=reason.zh,
        description=reason.remedy,
    )


def rule(
    reason: Reason,
    needs: Sequence[str],
    holds: Callable[[ir.Table], ir.BooleanValue],
    column: str | None = None,
) -> pa.Check:
    """What must hold between the columns of one row, where `needs` are all mapped.

    Args:
        reason: Why a row that breaks it is set aside.
        needs: The columns it is about; a row where one of them is empty keeps the rule,
            unless `holds` says otherwise.
        holds: Rows → whether they keep it.
        column: The column whose text shows the fault; the first of `needs` if None.
    """

    def holds_where_given(data: Any) -> ir.BooleanValue:
        if not set(needs) <= set(data.table.columns):
            return ibis.literal(True)
        return holds(data.table)

    return pa.Check(
        holds_where_given,
        name=reason.en,
        error=reason.en,
        title=reason.zh,
        description=reason.remedy,
        statistics={"column": column or needs[0], "needs": tuple(needs)},
    )


def in_the_past(column: str, now: Circumstances) -> pa.Check:
    reason = Reason(
        f"{column} is in the future",
        f"{column} 在未来",
        "days after today have not happened; is it dates: or the machine's clock?",
    )
    return column_check(reason, lambda at: at.cast("timestamp") < now.next_midnight())


def since_computers(column: str) -> pa.Check:
    reason = Reason(
        f"{column} is before {EARLIEST}",
        f"{column} 早于 {EARLIEST}",
        "programs write such days (0001-01-01, 1900-01-01, 1970-01-01) where they have "
        "none; fill in the real ones",
    )
    return column_check(
        reason, lambda at: at.cast("timestamp") >= ibis.timestamp(f"{EARLIEST} 00:00:00")
    )


def in_order(earlier: str, later: str, strict: bool = False) -> pa.Check:
    """One time not before another; `strict`: after it."""
    reason = Reason(
        f"{later} is not after {earlier}" if strict else f"{later} is before {earlier}",
        f"{later} 不晚于 {earlier}" if strict else f"{later} 早于 {earlier}",
        "are the two columns mapped the right way round, and in one time zone?",
    )

    def holds(rows: ir.Table) -> ir.BooleanValue:
        return rows[later] > rows[earlier] if strict else rows[later] >= rows[earlier]

    return rule(reason, (later, earlier), holds)
