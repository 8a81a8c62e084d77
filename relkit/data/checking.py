"""Rows as they stand in a file → a table's columns, each row with the faults it has.

The check is one expression an engine evaluates: every row gets a number whose binary
digits say which faults it has, so counting them costs one pass at any size, and all
faults of all rows are known at once. What must hold comes from the contract, whose
pandera checks are asked for the expressions that pandera itself would evaluate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from relkit.data.engine import batches, unfused
from relkit.data.numbers import read_number
from relkit.data.schemas import Contract
from relkit.data.times import read_day, read_later_time, read_time
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
            expressions like Quantity * Price.
        joined_by: Our column → what stands between them: '*', '-', 'minutes' or 'hours'.
        constants: Our column → what stands in every row.
        reading: How times and numbers are written.
    """

    columns: Mapping[str, tuple[str, ...]]
    constants: Mapping[str, str] = field(default_factory=dict)
    reading: Reading = field(default_factory=Reading)
    joined_by: Mapping[str, str] = field(default_factory=dict)

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
        read_again: Whether the rows are worked out from their files each time.
    """

    rows: ir.Table
    faults: tuple[Fault, ...]
    read_again: bool = False

    def accepted(self) -> ir.Table:
        return self.rows.filter(self.rows.faults == 0)

    def counts(self) -> dict[int, int]:
        """Rows per combination of faults, 0 being those without."""
        grouped = self.rows.group_by("faults").agg(n=self.rows.count()).to_pyarrow().to_pydict()
        return dict(sorted(zip(grouped["faults"], grouped["n"], strict=True)))

    def reasons_of(self, faults: int) -> list[Reason]:
        return [each.reason for bit, each in enumerate(self.faults) if faults >> bit & 1]

    def without_faults(self) -> CheckedRows:
        """The same rows, of which it is known that none has a fault."""
        import ibis

        # A constant spares whoever asks for a column the checks of all the others.
        rows = self.rows.mutate(faults=ibis.literal(0, "int64"))
        return CheckedRows(rows, self.faults, read_again=True)

    def add(self, reason: Reason, column: str, broken: ir.BooleanValue) -> CheckedRows:
        """The same rows with one more fault, which only rows without any can get."""
        bit = 1 << len(self.faults)
        marked = self.rows.mutate(
            faults=((self.rows.faults == 0) & broken).ifelse(bit, self.rows.faults).cast("int64")
        )
        return CheckedRows(marked, (*self.faults, Fault(reason, column)), self.read_again)


def some_repeat(rows: ir.Table, key: Sequence[str], count: int) -> bool:
    """Whether two of `count` rows may have the same key: False is certain, True nearly so."""
    numbers, filled = np.empty(count, "uint64"), 0
    for batch in batches(rows.select(number=numbered(rows, key))):
        # As 64 digits; whether the first one is a sign does not matter here.
        found = batch.column(0).to_numpy().view("uint64")
        numbers[filled : filled + len(found)] = found
        filled += len(found)
    # Sorting numbers takes a tenth of the time and memory of grouping texts.
    numbers.sort()
    return bool((numbers[1:] == numbers[:-1]).any())


def numbered(rows: ir.Table, key: Sequence[str]) -> ir.IntegerValue:
    """A number for each row's key: equal keys have one number, others hardly ever."""
    number = rows[key[0]].hash()
    for part in key[1:]:
        number = number ^ (rows[part].cast("string") + part).hash()
    return number


def all_known(rows: ir.Table, column: str, known: ir.Table) -> bool:
    """Whether each value of a column is in the first column of another table."""
    (key,) = known.columns
    named = rows.select(column).drop_null().distinct()
    with unfused():
        missing = named.anti_join(known, named[column] == known[key]).count().to_pyarrow()
    return bool(missing.as_py() == 0)


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
    given = [name for name in contract.columns if name in theirs]
    for name in given:
        _read_column(parsing, contract, name, theirs[name], mapped)
    if contract.complete is not None:
        for name, value in contract.complete(parsing.rows, theirs, mapped.reading).items():
            parsing.let(name, value)
    if len(contract.key) == 1 and contract.key[0] not in theirs:
        # No id is given, so every row stands for itself and repeats cannot be told.
        parsing.let(contract.key[0], raw.file.cast("string") + ":" + raw.row.cast("string"))
    for name in given:
        _fault_column(parsing, contract, name, mapped.reading)
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


def _read_column(
    parsing: Parsing, contract: Contract, name: str, raws: tuple[str, ...], mapped: Mapped
) -> None:
    reading, joined_by = mapped.reading, mapped.joined_by.get(name, "*")
    match contract.kind(name):
        case "id":
            read_id(parsing, name, raws[0])
        case "choice":
            read_choice(parsing, name, raws[0], contract.choices(name), reading)
        case "text":
            read_text(parsing, name, raws[0])
        case "flag":
            read_flag(parsing, name, raws[0])
        case "number":
            read_number(parsing, name, raws, reading, joined_by)
        case "time" if len(raws) == 2:
            read_later_time(parsing, name, (raws[0], raws[1]), joined_by, reading)
        case "time":
            read_time(parsing, name, raws[0], reading)
        case "day":
            read_day(parsing, name, raws[0], reading)


def _fault_column(parsing: Parsing, contract: Contract, name: str, reading: Reading) -> None:
    """The faults of a column: empty where it may not be, not readable, what its checks find."""
    column, rows = contract.schema.columns[name], parsing.rows
    unread = _unread(contract, name, reading)
    unread = [(mark, reason) for mark, reason in unread if mark in rows.columns]
    if not column.nullable:
        empty = rows[name].isnull()
        for mark, _ in unread:
            empty = empty & ~rows[mark]
        parsing.fault(name, _empty(contract, name), empty)
    for mark, reason in unread:
        parsing.fault(name, reason, rows[mark])
    for check in column.checks:
        reason = Reason(check.error, check.title, check.description)
        parsing.fault(name, reason, ~check(rows, name).check_output)


def _unread(contract: Contract, name: str, reading: Reading) -> list[tuple[str, Reason]]:
    """Where a text cannot be read: the column that marks it, and the reason."""
    match contract.kind(name):
        case "flag":
            reason = Reason(f"{name} is not true or false", f"{name} 不是是或否", _FLAG_REMEDY)
            return [(f"{name} garbled", reason)]
        case "number":
            remedy = "numbers like 1234.50 are required"
            return [(f"{name} wordy", Reason(f"{name} is text", f"{name} 不是数字", remedy))]
        case "time" | "day":
            zone = "set time_zone, like Europe/Berlin or Asia/Shanghai: a day is a day there"
            written = f"dates: '{reading.dates}'" if reading.dates else "ISO dates like 2025-01-31"
            offset = Reason(f"{name} has an offset from UTC", f"{name} 带有时区偏移", zone)
            garbled = Reason(f"{name} is unreadable", f"{name} 无法识别", f"expected {written}")
            return [(f"{name} offset", offset), (f"{name} garbled", garbled)]
    return []


def _empty(contract: Contract, name: str) -> Reason:
    remedy = {
        "id": "they cannot be attributed; fill them in, or raise max_set_aside to leave them out",
        "time": "every row needs its day",
        "day": "every row needs its day",
        "number": "an empty amount is not 0; fill it in",
        "choice": f"every row must say {' or '.join(contract.choices(name))}",
    }.get(contract.kind(name), "fill it in")
    return Reason(f"{name} is empty", f"{name} 为空", remedy)
