"""What stands in a column → times in the source's time zone, and days."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from relkit.data.numbers import read_number
from relkit.data.values import Parsing, Reading, WrongType

if TYPE_CHECKING:
    import ibis.expr.types as ir

_ISO_TIME = (
    r"^\d{4}-\d{1,2}-\d{1,2}"
    r"([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?)?$"
)
_CENTURY = 100 * 366 * 24 * 3600
_OFFSET = r":\d{2}(\.\d+)?(Z|[+-]\d{2}(:?\d{2})?)$"

# The same for one text.
ISO_TIME = re.compile(_ISO_TIME)
OFFSET = re.compile(_OFFSET)


def read_time(parsing: Parsing, name: str, raw: str, reading: Reading) -> None:
    """Times as timestamps without a zone, in the source's time zone.

    Adds `NAME garbled` where a text is no time, and where that can be, `NAME offset`
    where it has an offset from UTC though the source has no time zone.

    Raises:
        WrongType: numbers without a date pattern, zoned times without a time
            zone, or a type that is no time at all.
    """
    column = parsing.rows[raw]
    kind = column.type()
    if kind.is_integer() and reading.dates is None:
        raise WrongType(
            f"{name} needs a time, the column is {kind}; for days like 20250131 set dates: '%Y%m%d'"
        )
    offset = None
    if kind.is_date() or kind.is_timestamp():
        zoned = kind.is_timestamp() and kind.timezone is not None
        if zoned and reading.time_zone is None:
            raise WrongType(f"{name} carries a time zone; say where a day is a day: time_zone")
        value = _at_zone(column, reading.time_zone) if zoned else column.cast("timestamp")
        present = column.notnull()
    elif kind.is_string() or kind.is_integer():
        text = parsing.text(name, column)
        present = text.notnull()
        if reading.dates is None:
            value, offset = _iso_time(parsing, name, text, reading)
        else:
            value = _by_pattern(text, reading)
    else:
        raise WrongType(f"{name} needs a time or text, the column is {kind}")
    value = parsing.let(name, value)
    garbled = value.isnull() & present
    garbled = garbled if offset is None else garbled & ~offset
    parsing.let(f"{name} garbled", garbled)


def read_day(parsing: Parsing, name: str, raw: str, reading: Reading) -> None:
    """Days; of a time, the day it lies in. Adds and raises as `read_time`."""
    read_time(parsing, name, raw, reading)
    parsing.let(name, parsing.rows[name].cast("date"))


def read_later_time(
    parsing: Parsing, name: str, raws: tuple[str, str], unit: str, reading: Reading
) -> None:
    """Times that a source gives as minutes or hours after another; empty where either is.

    Adds and raises as `read_time`; a length that is no number is garbled too.

    Args:
        parsing: The rows.
        name: Our column.
        raws: The columns of the time before and of what has passed since.
        unit: Of what has passed, 'minutes' or 'hours'.
        reading: How times and numbers are written.
    """
    start, passed = raws
    read_time(parsing, name, start, reading)
    read_number(parsing, f"{name} passed", (passed,), reading)
    rows = parsing.rows
    seconds = rows[f"{name} passed"] * {"minutes": 60, "hours": 3600}[unit]
    # Beyond a century it is no answer, and might be beyond what a timestamp holds.
    sane = seconds.abs() < _CENTURY
    whole = sane.ifelse(seconds, None).round().cast("int64")
    parsing.let(name, rows[name] + whole.as_interval("s"))
    garbled = rows[f"{name} garbled"] | rows[f"{name} passed wordy"] | (~sane).fill_null(False)
    parsing.let(f"{name} garbled", garbled)


def _iso_time(
    parsing: Parsing, name: str, text: ir.StringValue, reading: Reading
) -> tuple[ir.Value, ir.BooleanValue | None]:
    """ISO 8601, with or without a time of day; and where an offset from UTC is in the way."""
    # The engine's own cast is wider: it takes 'epoch', and drops an offset in silence.
    is_iso = parsing.let(f"{name} iso", text.re_search(_ISO_TIME).fill_null(False))
    offset = parsing.let(
        f"{name} {'offset' if reading.time_zone is None else 'zoned'}",
        is_iso & text.re_search(_OFFSET).fill_null(False),
    )
    plain = (is_iso & ~offset).ifelse(text, None).cast("string").try_cast("timestamp")
    if reading.time_zone is None:
        return plain, offset
    zoned = offset.ifelse(text, None).cast("string").try_cast("timestamp('UTC')")
    return plain.coalesce(_at_zone(zoned, reading.time_zone)), None


def _by_pattern(text: ir.StringValue, reading: Reading) -> ir.Value:
    import ibis

    zoned = "%z" in (reading.dates or "")
    if zoned and reading.time_zone is None:
        raise WrongType("dates reads an offset (%z); say where a day is a day: time_zone")
    result = "timestamp('UTC')" if zoned else "timestamp"

    # Reading files is DuckDB's work on any engine, so its own function may be named here.
    @ibis.udf.scalar.builtin(name="try_strptime", signature=(("string", "string"), result))
    def try_strptime(text, pattern):  # type: ignore[no-untyped-def]
        ...

    value = try_strptime(text, reading.dates)
    return _at_zone(value, reading.time_zone) if zoned else value


def _at_zone(value: ir.Value, zone: str | None) -> ir.Value:
    """The wall clock of `zone` at each instant."""
    import ibis

    @ibis.udf.scalar.builtin(
        name="timezone", signature=(("string", "timestamp('UTC')"), "timestamp")
    )
    def timezone(zone, instant):  # type: ignore[no-untyped-def]
        ...

    return timezone(zone, value)
