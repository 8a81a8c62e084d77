"""Rows as they stand in a file → a table's columns, each row with the faults it has.

The check is one expression an engine evaluates: every row gets a number whose binary
digits say which faults it has, so counting them costs one pass at any size, and all
faults of all rows are known at once. What must hold comes from the contract, whose
pandera checks are asked for the expressions that pandera itself would evaluate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from relkit.data.numbers import read_number
from relkit.data.schemas import Contract
from relkit.data.times import read_day, read_time
from relkit.data.values import (
    Fault,
    Parsing,
    Reading,
    Reason,
    read_choice,
    read_flag,
    read_id,
    read_text,
)

if TYPE_CHECKING:
    import ibis.expr.types as ir

MISALIGNED = Reason(
    "row has too many or too few fields",
    "字段数与表头不符",
    "is a separator inside a text that is not in quotes?",
)
_FLAG_REMEDY = "write true or false, yes or no, 1 or 0; leave it empty where it is not known"


@dataclass(frozen=True, slots=True)
class Mapped:
    """Where a table's columns come from.

    Attributes:
        columns: Our column → the raw columns that it is read from; one, but for
            numbers like Quantity * Price.
        constants: Our column → what stands in every row.
        reading: How times and numbers are written.
    """

    columns: Mapping[str, tuple[str, ...]]
    constants: Mapping[str, str] = field(default_factory=dict)
    reading: Reading = field(default_factory=Reading)

    @property
    def given(self) -> tuple[str, ...]:
        return (*self.columns, *self.constants)


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


def check_rows(contract: Contract, raw: ir.Table, mapped: Mapped) -> CheckedRows:
    """Raw rows as the table's columns, each row with the faults it has on its own.

    Args:
        contract: What must hold.
        raw: Rows as the file has them: `file`, `row`, `misaligned`, the columns.
        mapped: Which of them is which of ours.

    Raises:
        WrongType: a column's type cannot hold what it is mapped to.
    """
    import ibis

    parsing = Parsing(raw)
    for name, text in mapped.constants.items():
        parsing.let(f"constant {name}", ibis.literal(text))
    theirs = dict(mapped.columns) | {name: (f"constant {name}",) for name in mapped.constants}
    unread = {
        name: _read_column(parsing, contract, name, theirs[name], mapped.reading)
        for name in contract.columns
        if name in theirs
    }
    if contract.complete is not None:
        for name, value in contract.complete(parsing.rows, theirs, mapped.reading).items():
            parsing.let(name, value)
    for name, faults in unread.items():
        _fault_column(parsing, contract, name, faults)
    if len(contract.key) == 1 and contract.key[0] not in theirs:
        # No id is given, so every row stands for itself and repeats cannot be told.
        parsing.let(contract.key[0], raw.file.cast("string") + ":" + raw.row.cast("string"))
    for check in contract.schema.checks:
        if set(check.statistics["needs"]) <= set(theirs):
            reason = Reason(check.error, check.title, check.description)
            rows = parsing.rows
            parsing.fault(check.statistics["column"], reason, ~check(rows).check_output)
    return _as_checked(contract, parsing)


def _as_checked(contract: Contract, parsing: Parsing) -> CheckedRows:
    rows, faults = parsing.rows, parsing.faults_as_number()
    # A shifted row has every fault there is; the shift is the one worth telling.
    faults = rows.misaligned.ifelse(1, faults * 2).cast("int64")
    names = [name for name in contract.columns if name in rows.columns]
    return CheckedRows(
        rows.select("file", "row", *names, faults=faults),
        (Fault(MISALIGNED, ""), *parsing.faults),
    )


_Unread = list[tuple[Reason, "ir.BooleanValue"]]


def _read_column(
    parsing: Parsing, contract: Contract, name: str, raws: tuple[str, ...], reading: Reading
) -> _Unread:
    """Add a column of ours, and say for which reasons a text could not be read."""
    match contract.kind(name):
        case "id":
            read_id(parsing, name, raws[0])
        case "choice":
            read_choice(parsing, name, raws[0], contract.choices(name), reading)
        case "text":
            read_text(parsing, name, raws[0])
        case "flag":
            garbled = read_flag(parsing, name, raws[0])
            return [
                (
                    Reason(f"{name} is not true or false", f"{name} 不是是或否", _FLAG_REMEDY),
                    garbled,
                )
            ]
        case "number":
            wordy = read_number(parsing, name, raws, reading)
            remedy = "numbers like 1234.50 are required"
            return [(Reason(f"{name} is text", f"{name} 不是数字", remedy), wordy)]
        case "time":
            return _unread_time(name, reading, *read_time(parsing, name, raws[0], reading))
        case "day":
            return _unread_time(name, reading, *read_day(parsing, name, raws[0], reading))
    return []


def _unread_time(
    name: str, reading: Reading, garbled: ir.BooleanValue, offset: ir.BooleanValue | None
) -> _Unread:
    written = f"dates: '{reading.dates}'" if reading.dates else "ISO dates like 2025-01-31"
    faults = [(Reason(f"{name} is unreadable", f"{name} 无法识别", f"expected {written}"), garbled)]
    if offset is not None:
        zone = "set time_zone, like Europe/Berlin or Asia/Shanghai: a day is a day there"
        reason = Reason(f"{name} has an offset from UTC", f"{name} 带有时区偏移", zone)
        faults.insert(0, (reason, offset))
    return faults


def _fault_column(parsing: Parsing, contract: Contract, name: str, unread: _Unread) -> None:
    """The faults of a column: empty where it may not be, not readable, what its checks find."""
    column = contract.schema.columns[name]
    if not column.nullable:
        empty = parsing.rows[name].isnull()
        for _, broken in unread:
            empty = empty & ~broken
        parsing.fault(name, _empty(contract, name), empty)
    for reason, broken in unread:
        parsing.fault(name, reason, broken)
    for check in column.checks:
        reason = Reason(check.error, check.title, check.description)
        parsing.fault(name, reason, ~check(parsing.rows, name).check_output)


def _empty(contract: Contract, name: str) -> Reason:
    remedy = {
        "id": "they cannot be attributed; fill them in, or raise max_set_aside to leave them out",
        "time": "every row needs its day",
        "day": "every row needs its day",
        "number": "an empty amount is not 0; fill it in",
        "choice": f"every row must say {' or '.join(contract.choices(name))}",
    }.get(contract.kind(name), "fill it in")
    return Reason(f"{name} is empty", f"{name} 为空", remedy)
