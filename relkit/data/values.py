"""What stands in a column → ids, times, amounts; and what cannot be read as such.

Ids and times are normalised here, before anything is compared or counted: the id
17850.0 that a float column made of 17850 is one customer, not two, and 00:30+08
belongs to a day of its own zone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
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
_NOT_FINITE = r"(?i)^[-+]?(nan|inf|infinity)$"
# 18 digits, which engines add as fast as floats, hold amounts below this one to a millionth.
LARGEST_AMOUNT = 1e12
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
    """A reason, and the column whose text shows it ('' where none does)."""

    reason: Reason
    column: str


class WrongType(Exception):
    """A whole column is of a type that cannot hold what it is mapped to."""


@dataclass(slots=True)
class Parsing:
    """Rows on their way from what stands in a file to what it means.

    Each step adds columns that the next one reads, so that an engine works out
    every part once. Columns of a step are named after the value: `amount`, and
    `amount text`, `amount missing` beside it.

    Attributes:
        rows: The rows with all steps so far.
        faults: What can be wrong with a row; the columns `fault 0`, `fault 1`, …
            say for which rows it is.
    """

    rows: ir.Table
    faults: list[Fault] = field(default_factory=list)

    def let(self, name: str, value: ir.Value) -> ir.Value:
        """Add a column, and give it for the next step."""
        self.rows = self.rows.mutate(**{name: value})
        return self.rows[name]

    def text(self, name: str, raw: ir.Value) -> ir.StringValue:
        """The text without surrounding blanks; null where it says that nothing is there."""
        stripped = self.let(f"{name} stripped", raw.cast("string").strip())
        nothing = stripped.lower().isin(_NOTHING)
        return self.let(f"{name} text", nothing.ifelse(None, stripped).cast("string"))

    def fault(self, column: str, reason: Reason, broken: ir.BooleanValue) -> None:
        """Note which rows a fault holds for."""
        self.let(f"fault {len(self.faults)}", broken.fill_null(False))
        self.faults.append(Fault(reason, column))

    def faults_as_number(self) -> ir.IntegerValue:
        """The sum of 2**i over the faults i that a row has."""
        digits = (self.rows[f"fault {i}"].cast("int64") * 2**i for i in range(len(self.faults)))
        return sum(digits, start=0)


def read_id(parsing: Parsing, name: str, raw: str) -> None:
    """Ids as text: 17850.0 is '17850', 00123 keeps its zeros."""
    value = parsing.rows[raw]
    kind = value.type()
    if not (kind.is_string() or kind.is_numeric() or kind.is_uuid()):
        raise WrongType(f"{name} needs text or a whole number, the column is {kind}")
    if kind.is_floating():
        # A float beyond 2**53 has already lost digits; its text at least shows that.
        whole = (value == value.floor()) & (value.abs() < _LARGEST_WHOLE_FLOAT)
        value = whole.ifelse(value.try_cast("int64").cast("string"), value.cast("string"))
    text = parsing.text(name, value)
    value = parsing.let(name, text.re_replace(r"^(-?\d+)\.0+$", r"\1"))
    parsing.fault(
        name,
        Reason(
            f"{name} is empty",
            f"{name} 为空",
            "they cannot be attributed; fill them in, or raise max_set_aside to leave them out",
        ),
        value.isnull(),
    )
    parsing.fault(
        name,
        Reason(
            f"{name} is in scientific notation",
            f"{name} 为科学计数法",
            "a spreadsheet has cut its digits; export the column as text",
        ),
        value.re_search(r"^-?\d(\.\d+)?[eE]\+\d+$"),
    )


def read_text(parsing: Parsing, name: str, raw: str) -> None:
    """Free text, trimmed; empty is null and no fault."""
    parsing.let(name, parsing.text(name, parsing.rows[raw]))


def read_time(parsing: Parsing, name: str, raw: str, reading: Reading) -> None:
    """Times as timestamps without a zone, in the source's time zone.

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
    if kind.is_date() or kind.is_timestamp():
        missing = parsing.let(f"{name} missing", column.isnull())
        zoned = kind.is_timestamp() and kind.timezone is not None
        if zoned and reading.time_zone is None:
            raise WrongType(f"{name} carries a time zone; say where a day is a day: time_zone")
        value = _at_zone(column, reading.time_zone) if zoned else column.cast("timestamp")
    elif kind.is_string() or kind.is_integer():
        text = parsing.text(name, column)
        missing = parsing.let(f"{name} missing", text.isnull())
        if reading.dates is None:
            value = _iso_time(parsing, name, text, reading)
        else:
            value = _by_pattern(text, reading)
    else:
        raise WrongType(f"{name} needs a time or text, the column is {kind}")
    value = parsing.let(name, value)
    written = f"dates: '{reading.dates}'" if reading.dates else "ISO dates like 2025-01-31"
    empty = Reason(f"{name} is empty", f"{name} 为空", "every row needs its day")
    garbled = Reason(f"{name} is unreadable", f"{name} 无法识别", f"expected {written}")
    explained = parsing.rows[f"{name} missing"]
    if f"{name} offset" in parsing.rows.columns and reading.time_zone is None:
        explained = explained | parsing.rows[f"{name} offset"]
    parsing.fault(name, empty, missing)
    parsing.fault(name, garbled, value.isnull() & ~explained)


def _iso_time(parsing: Parsing, name: str, text: ir.StringValue, reading: Reading) -> ir.Value:
    """ISO 8601, with or without a time of day, with or without an offset from UTC."""
    # The engine's own cast is wider: it takes 'epoch', and drops an offset in silence.
    is_iso = parsing.let(f"{name} iso", text.re_search(_ISO_TIME).fill_null(False))
    offset = parsing.let(f"{name} offset", is_iso & text.re_search(_OFFSET).fill_null(False))
    plain = (is_iso & ~offset).ifelse(text, None).cast("string").try_cast("timestamp")
    if reading.time_zone is None:
        parsing.fault(
            name,
            Reason(
                f"{name} has an offset from UTC",
                f"{name} 带有时区偏移",
                "set time_zone, like Europe/Berlin or Asia/Shanghai: a day is a day there",
            ),
            offset,
        )
        return plain
    zoned = offset.ifelse(text, None).cast("string").try_cast("timestamp('UTC')")
    return plain.coalesce(_at_zone(zoned, reading.time_zone))


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


def read_amount(parsing: Parsing, name: str, raws: Sequence[str], reading: Reading) -> None:
    """Amounts as floats; an empty amount is no 0, and 'twelve' is no number.

    Several columns are multiplied, like Quantity * Price; what is wrong with one of
    them is wrong with the product.

    Raises:
        WrongType: neither numbers nor text.
    """
    import ibis

    missing = wordy = endless = ibis.literal(False)
    product: ir.Value = ibis.literal(1.0)
    for place, raw in enumerate(raws):
        factor = f"{name} {place}"
        value = _number(parsing, factor, raw, reading)
        present = ~parsing.rows[f"{factor} missing"]
        product = product * value
        missing = missing | ~present
        wordy = wordy | (value.isnull() & present)
        endless = endless | ((value.isinf() | (value.abs() >= LARGEST_AMOUNT)) & present)
    value = parsing.let(name, product)
    endless = endless | (value.abs() >= LARGEST_AMOUNT)
    empty = Reason(f"{name} is empty", f"{name} 为空", "an empty amount is not 0; fill it in")
    words = Reason(f"{name} is text", f"{name} 不是数字", "numbers like 1234.50 are required")
    beyond = Reason(
        f"{name} is not finite", f"{name} 不是有限数", "a number below 1e12 is required"
    )
    parsing.fault(name, empty, missing)
    parsing.fault(name, words, wordy)
    parsing.fault(name, beyond, endless & ~missing)


def _number(parsing: Parsing, name: str, raw: str, reading: Reading) -> ir.Value:
    """A column as floats: null where it is text, infinite where it says so."""
    column = parsing.rows[raw]
    kind = column.type()
    if kind.is_numeric():
        value = parsing.let(name, column.cast("float64"))
        parsing.let(f"{name} missing", value.isnull() | value.isnan().fill_null(False))
        return value
    if not kind.is_string():
        raise WrongType(f"{name.split()[0]} needs numbers, the column is {kind}")
    # 'nan' and 'inf' are words that programs write for amounts that are none.
    stripped = parsing.let(f"{name} stripped", column.strip())
    word = parsing.let(f"{name} word", stripped.re_search(_NOT_FINITE).fill_null(False))
    text = parsing.text(name, stripped)
    parsing.let(f"{name} missing", text.isnull() & ~word)
    plain = parsing.let(f"{name} plain", _plain_number(text, reading))
    number = plain.re_search(_NUMBER).ifelse(plain, None).cast("string").try_cast("float64")
    return parsing.let(name, word.ifelse(float("inf"), number))


def _plain_number(text: ir.StringValue, reading: Reading) -> ir.StringValue:
    """The amount as a program writes it, or unchanged text that will not be a number."""
    import ibis

    if reading.currency_sign is not None:
        text = text.replace(reading.currency_sign, "").strip()
    if reading.thousands is not None:
        # Only whole groups of three: '12,50' must not become 1250 by a wrong mark.
        mark = f"[{reading.thousands}]" if reading.thousands != "\\" else r"\\"
        grouped = rf"^[-+]?\d{{1,3}}({mark}\d{{3}})+([{reading.decimal}]\d*)?$"
        text = text.re_search(grouped).ifelse(text.replace(reading.thousands, ""), text)
    if reading.decimal == ",":
        # A point is then no decimal mark either: '1.234' would silently be 1.234.
        text = text.contains(".").ifelse(ibis.literal("?"), text.replace(",", "."))
    return text


def read_kind(
    parsing: Parsing, name: str, raw: str, choices: tuple[str, ...], reading: Reading
) -> None:
    """A word from a short list, in any case, or the source's own word for it."""
    word = parsing.let(f"{name} word", parsing.text(name, parsing.rows[raw]).lower())
    words = {theirs.strip().lower(): ours for theirs, ours in reading.kinds.items()}
    words = {choice: choice for choice in choices} | words
    value = parsing.let(name, word.cases(*words.items(), else_=None).cast("string"))
    listed = " or ".join(choices)
    empty = Reason(f"{name} is empty", f"{name} 为空", f"every row must say {listed}")
    other = Reason(
        f"{name} is not {listed}",
        f"{name} 不在允许范围内",
        "say which word means which in the mapping, like kinds: {Sale: purchase, Return: refund}",
    )
    parsing.fault(name, empty, word.isnull())
    parsing.fault(name, other, value.isnull() & word.notnull())


def exact_amount(amount: ir.Value) -> ir.Value:
    """Amounts to a millionth as decimals, whose sum is the same in every order of the rows."""
    return amount.cast("decimal(18, 6)")


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
