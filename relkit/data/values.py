"""What stands in a column → ids, times, amounts; and what cannot be read as such.

Ids and times are normalised here, before anything is compared or counted: the id
17850.0 that a float column made of 17850 is one customer, not two, and 00:30+08
belongs to a day of its own zone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from relkit.errors import ParameterError

if TYPE_CHECKING:
    import ibis.expr.types as ir

# What programs write for "nothing here" where a column has no proper null.
_NOTHING = ("", "nan", "null", "none", "n/a", "#n/a", "<na>", "nat")
_ISO_TIME = (
    r"^\d{4}-\d{1,2}-\d{1,2}"
    r"([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?)?$"
)
_OFFSET = r":\d{2}(\.\d+)?(Z|[+-]\d{2}(:?\d{2})?)$"
_NUMBER = r"^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$"
_NOT_FINITE = r"^[-+]?(nan|inf|infinity)$"
# 38 digits hold sums of amounts below this one to a millionth, exactly.
LARGEST_AMOUNT = 1e15
_LARGEST_WHOLE_FLOAT = 2**53


@dataclass(frozen=True, slots=True)
class Reading:
    """How a source writes times and amounts.

    Attributes:
        decimal: Decimal mark.
        thousands: Mark between groups of three digits, or None.
        currency_sign: Text around amounts that is dropped, or None.
        dates: strptime pattern, or None for ISO 8601.
        time_zone: IANA name; times with an offset are converted to it, times
            without one are taken as written. None: no offset may occur.
        kinds: Their word → purchase or refund.
        refunds_are_positive: Whether refunds are written without a minus.
    """

    decimal: str = "."
    thousands: str | None = None
    currency_sign: str | None = None
    dates: str | None = None
    time_zone: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    refunds_are_positive: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row is set aside.

    Attributes:
        en, zh: The reason in a few words; `en` is also its key.
        remedy: What to do about it.
    """

    en: str
    zh: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A reason, the rows it holds for, and the column whose text shows it."""

    reason: Reason
    broken: ir.BooleanValue
    column: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A column's values, null where they cannot be read, and the faults that say why."""

    value: ir.Value
    faults: tuple[Fault, ...] = ()


class WrongType(Exception):
    """A whole column is of a type that cannot hold what it is mapped to."""


def _text(raw: ir.Value) -> ir.StringValue:
    """The text without surrounding blanks; null where it says that nothing is there."""
    stripped = raw.cast("string").strip()
    return stripped.lower().isin(_NOTHING).ifelse(None, stripped).cast("string")


def read_id(raw: ir.Value, name: str) -> Parsed:
    """Ids as text: 17850.0 is '17850', 00123 keeps its zeros."""
    kind = raw.type()
    if not (kind.is_string() or kind.is_numeric() or kind.is_uuid()):
        raise WrongType(f"{name} needs text or a whole number, the column is {kind}")
    if kind.is_floating():
        # A float beyond 2**53 has already lost digits; its text at least shows that.
        whole = (raw == raw.floor()) & (raw.abs() < _LARGEST_WHOLE_FLOAT)
        raw = whole.ifelse(raw.try_cast("int64").cast("string"), raw.cast("string"))
    value = _text(raw).re_replace(r"^(-?\d+)\.0+$", r"\1")
    empty = Reason(
        f"{name} is empty",
        f"{name} 为空",
        "they cannot be attributed; fill them in, or raise max_set_aside to leave them out",
    )
    rounded = Reason(
        f"{name} is in scientific notation",
        f"{name} 为科学计数法",
        "a spreadsheet has cut its digits; export the column as text",
    )
    return Parsed(
        value,
        (
            Fault(empty, value.isnull(), name),
            Fault(rounded, value.re_search(r"^-?\d(\.\d+)?[eE]\+\d+$").fill_null(False), name),
        ),
    )


def read_text(raw: ir.Value, name: str) -> Parsed:
    """Free text, trimmed; empty is null and no fault."""
    return Parsed(_text(raw))


def read_time(raw: ir.Value, name: str, reading: Reading) -> Parsed:
    """Times as timestamps without a zone, in the source's time zone.

    Raises:
        WrongType: numbers without a date pattern, zoned times without a time
            zone, or a type that is no time at all.
    """
    kind = raw.type()
    if kind.is_date():
        return _required(raw.cast("timestamp"), raw.isnull(), name, reading)
    if kind.is_timestamp():
        if kind.timezone is None:
            return _required(raw.cast("timestamp"), raw.isnull(), name, reading)
        if reading.time_zone is None:
            raise WrongType(
                f"{name} carries time zones; say in which one a day is a day: time_zone"
            )
        return _required(_at_zone(raw, reading.time_zone), raw.isnull(), name, reading)
    if kind.is_integer() and reading.dates is None:
        raise WrongType(
            f"{name} needs a time, the column is {kind}; for days like 20250131 set dates: '%Y%m%d'"
        )
    if not (kind.is_string() or kind.is_integer()):
        raise WrongType(f"{name} needs a time or text, the column is {kind}")
    text = _text(raw)
    if reading.dates is not None:
        value = _by_pattern(text, reading)
        return _required(value, text.isnull(), name, reading)
    iso = text.re_search(_ISO_TIME).ifelse(text, None).cast("string")
    offset = iso.re_search(_OFFSET).fill_null(False)
    plain = offset.ifelse(None, iso).cast("string").try_cast("timestamp")
    if reading.time_zone is None:
        nowhere = Reason(
            f"{name} has an offset from UTC",
            f"{name} 带有时区偏移",
            "set time_zone, like Europe/Berlin or Asia/Shanghai: a day is a day there",
        )
        parsed = _required(plain, text.isnull() | offset, name, reading, empty=text.isnull())
        return Parsed(parsed.value, (*parsed.faults, Fault(nowhere, offset, name)))
    zoned = offset.ifelse(iso, None).cast("string").try_cast("timestamp('UTC')")
    value = plain.coalesce(_at_zone(zoned, reading.time_zone))
    return _required(value, text.isnull(), name, reading)


def _required(
    value: ir.Value,
    explained: ir.BooleanValue,
    name: str,
    reading: Reading,
    empty: ir.BooleanValue | None = None,
) -> Parsed:
    """A time column with its two usual faults; `explained` rows are not also unreadable."""
    written = f"dates: '{reading.dates}'" if reading.dates else "ISO dates like 2025-01-31"
    nothing = Reason(f"{name} is empty", f"{name} 为空", "every row needs its day")
    garbled = Reason(f"{name} is unreadable", f"{name} 无法识别", f"expected {written}")
    return Parsed(
        value,
        (
            Fault(nothing, explained if empty is None else empty, name),
            Fault(garbled, value.isnull() & ~explained, name),
        ),
    )


def _by_pattern(text: ir.StringValue, reading: Reading) -> ir.Value:
    import ibis

    zoned = "%z" in (reading.dates or "")
    if zoned and reading.time_zone is None:
        raise WrongType("dates reads an offset (%z); say in which zone a day is a day: time_zone")
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


def read_amount(raw: ir.Value, name: str, reading: Reading) -> Parsed:
    """Amounts as floats; an empty amount is no 0, and 'twelve' is no number.

    Raises:
        WrongType: neither numbers nor text.
    """
    import ibis

    kind = raw.type()
    if kind.is_numeric():
        value = raw.cast("float64")
        missing, text_in = value.isnull(), ibis.literal(False)
        if kind.is_floating():
            missing = missing | value.isnan()
    elif kind.is_string():
        text = _text(raw)
        plain = _plain_number(text, reading)
        value = plain.re_search(_NUMBER).ifelse(plain, None).cast("string").try_cast("float64")
        word = text.lower().re_search(_NOT_FINITE).fill_null(False)
        value = word.ifelse(float("inf"), value)
        missing, text_in = text.isnull(), value.isnull() & text.notnull()
    else:
        raise WrongType(f"{name} needs numbers, the column is {kind}")
    infinite = (value.isinf() | (value.abs() >= LARGEST_AMOUNT)).fill_null(False) & ~missing
    empty = Reason(f"{name} is empty", f"{name} 为空", "an empty amount is not 0; fill it in")
    words = Reason(f"{name} is text", f"{name} 不是数字", "numbers like 1234.50 are required")
    endless = Reason(f"{name} is not finite", f"{name} 不是有限数", "below 1e15 is required")
    return Parsed(
        value,
        (Fault(empty, missing, name), Fault(words, text_in, name), Fault(endless, infinite, name)),
    )


def _plain_number(text: ir.StringValue, reading: Reading) -> ir.StringValue:
    """The amount as a program writes it, or unchanged text that will not be a number."""
    import ibis

    if reading.currency_sign is not None:
        text = text.replace(reading.currency_sign, "").strip()
    if reading.thousands is not None:
        # Only whole groups of three: '12,50' must not become 1250 by a wrong mark.
        mark = "\\" + reading.thousands if reading.thousands in ".|'" else reading.thousands
        grouped = rf"^[-+]?\d{{1,3}}({mark}\d{{3}})+(\{reading.decimal}\d*)?$"
        text = text.re_search(grouped).ifelse(text.replace(reading.thousands, ""), text)
    if reading.decimal == ",":
        # A point is then no decimal mark either: '1.234' would silently be 1.234.
        text = text.contains(".").ifelse(ibis.literal("?"), text.replace(",", "."))
    return text


def read_kind(raw: ir.Value, name: str, choices: tuple[str, ...], reading: Reading) -> Parsed:
    """A word from a short list, in any case, or the source's own word for it."""
    word = _text(raw).lower()
    words = {theirs.strip().lower(): ours for theirs, ours in reading.kinds.items()}
    words = {choice: choice for choice in choices} | words
    value = word.cases(*words.items(), else_=None)
    listed = " or ".join(choices)
    empty = Reason(f"{name} is empty", f"{name} 为空", f"every row must say {listed}")
    other = Reason(
        f"{name} is not {listed}",
        f"{name} 不在允许范围内",
        "say which word means which in the mapping, like kinds: {Sale: purchase, Return: refund}",
    )
    return Parsed(
        value.cast("string"),
        (
            Fault(empty, word.isnull(), name),
            Fault(other, value.isnull() & word.notnull(), name),
        ),
    )


def exact_amount(amount: ir.Value) -> ir.Value:
    """Amounts to a millionth as decimals, whose sum is the same in every order of the rows."""
    return amount.cast("decimal(38, 6)")


def parse_day(day: str | dt.date | None, name: str) -> dt.date | None:
    """A day as a date; a timestamp stands for its day.

    Raises:
        ParameterError: not a day written like 1998-06-30.
    """
    if day is None:
        return None
    if isinstance(day, dt.datetime):
        return day.date()
    if isinstance(day, dt.date):
        return day
    try:
        return dt.datetime.fromisoformat(str(day)).date()
    except ValueError:
        raise ParameterError(f"{name}={day!r} must be a day written like 1998-06-30") from None
