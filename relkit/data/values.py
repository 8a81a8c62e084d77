"""What stands in a column → ids, words, flags; and what cannot be read as such.

Values are normalised before anything is compared or counted: the id 17850.0 that a
float column made of 17850 is one customer, not two. `times` and `numbers` read the rest.
"""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

from relkit.errors import ParameterError

if TYPE_CHECKING:
    import ibis.expr.types as ir

# What programs write for "nothing here" where a column has no proper null.
_NOTHING = ("", "nan", "null", "none", "n/a", "#n/a", "<na>", "nat")
_LONGEST_NOTHING = 4
# What words: calls a value that is not there.
EMPTY = "(empty)"
# The highest code of a blank; those above are letters and signs.
_BLANK = 32
TRUE_WORDS = ("true", "t", "yes", "y", "1", "1.0", "是", "有")
FALSE_WORDS = ("false", "f", "no", "n", "0", "0.0", "否", "无")
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
        words: Column → their word → ours, for columns that hold one of a few words.
        refunds_are_positive: Whether refunds are written without a minus.
    """

    decimal: str = "."
    thousands: str | None = None
    currency_sign: str | None = None
    dates: str | None = None
    time_zone: str | None = None
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
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
        faults: What can be wrong with a row.
        broken: For each fault, whether a row has it; of the rows as they are when
            the first fault is noted, so columns are added before.
    """

    rows: ir.Table
    faults: list[Fault] = field(default_factory=list)
    broken: list[ir.BooleanValue] = field(default_factory=list)

    def let(self, name: str, value: ir.Value) -> ir.Value:
        """Add a column, and give it for the next step."""
        self.rows = self.rows.mutate(**{name: value})
        return self.rows[name]

    def text(self, name: str, raw: ir.Value) -> ir.StringValue:
        """The text without surrounding blanks; null where it says that nothing is there."""
        plain = raw.cast("string")
        # Looking at both ends is four times faster than stripping what has no blanks.
        bare = (plain.ascii_str() > _BLANK) & (plain.right(1).ascii_str() > _BLANK)
        stripped = self.let(f"{name} stripped", bare.ifelse(plain, plain.strip()))
        # Most texts are longer, and their length is known without looking at them.
        short = stripped.length() <= _LONGEST_NOTHING
        # A case stays inside this one; a list would be joined to all rows, long and short.
        word = stripped.lower().cases(*((nothing, True) for nothing in _NOTHING), else_=False)
        nothing = short.ifelse(word, False)
        return self.let(f"{name} text", nothing.ifelse(None, stripped).cast("string"))

    def fault(self, column: str, reason: Reason, broken: ir.BooleanValue) -> None:
        """Note which rows a fault holds for."""
        self.broken.append(broken)
        self.faults.append(Fault(reason, column))

    def faults_as_number(self) -> ir.IntegerValue:
        """The sum of 2**i over the faults i that a row has."""
        import ibis

        def digit(broken: ir.BooleanValue, bit: int) -> ir.IntegerValue:
            number = broken.fill_null(False).ifelse(ibis.literal(2**bit, "int64"), 0)
            return number.cast("int64")

        digits = [digit(broken, bit) for bit, broken in enumerate(self.broken)]
        return reduce(operator.add, digits)


def is_nothing(value: ir.Value) -> ir.BooleanValue:
    """Whether nothing stands there, or a program's word for it."""
    return value.cast("string").strip().lower().isin(_NOTHING).fill_null(True)


def read_id(parsing: Parsing, name: str, raw: str) -> None:
    """Ids as text: 17850.0 is '17850', 00123 keeps its zeros."""
    value = parsing.rows[raw]
    kind = value.type()
    if not (kind.is_string() or kind.is_numeric() or kind.is_uuid()):
        raise WrongType(f"{name} needs text or a whole number, the column is {kind}")
    if kind.is_integer() or kind.is_uuid():
        parsing.let(name, value.cast("string"))
        return
    if kind.is_floating():
        # A float beyond 2**53 has already lost digits; its text at least shows that.
        whole = (value == value.floor()) & (value.abs() < _LARGEST_WHOLE_FLOAT)
        value = whole.ifelse(value.try_cast("int64").cast("string"), value.cast("string"))
    text = parsing.text(name, value)
    fraction = text.endswith("0") & text.contains(".")
    parsing.let(name, fraction.ifelse(text.re_replace(r"^(-?\d+)\.0+$", r"\1"), text))


def read_text(parsing: Parsing, name: str, raw: str) -> None:
    """Free text, trimmed; empty is null."""
    parsing.let(name, parsing.text(name, parsing.rows[raw]))


def read_choice(
    parsing: Parsing, name: str, raw: str, choices: tuple[str, ...], reading: Reading
) -> None:
    """A word from a short list, in any case, or the source's own word for it.

    A word of the source that ends with * stands for all that begin like it; of those
    the first that fits holds, and whole words come before. `(empty)` stands for nothing.
    Another word stays as it is, for the contract to find.
    """
    import ibis

    text = parsing.text(name, parsing.rows[raw]).lower()
    given = {theirs.strip().lower(): ours for theirs, ours in reading.words.get(name, {}).items()}
    if EMPTY in given:
        text = text.fill_null(EMPTY)
    word = parsing.let(f"{name} word", text)
    beginnings = {each[:-1]: ours for each, ours in given.items() if each.endswith("*")}
    words = {choice: choice for choice in choices}
    words |= {each: ours for each, ours in given.items() if not each.endswith("*")}
    begun = [(word.startswith(start), ours) for start, ours in beginnings.items()]
    whole = [(word == theirs, ours) for theirs, ours in words.items()]
    parsing.let(name, ibis.cases(*whole, *begun, else_=word).cast("string"))


def read_flag(parsing: Parsing, name: str, raw: str) -> None:
    """True or false; empty is not known, which is neither.

    Adds `NAME garbled` where a text is neither.
    """
    import ibis

    column = parsing.rows[raw]
    if column.type().is_boolean():
        parsing.let(name, column)
        parsing.let(f"{name} garbled", ibis.literal(False))
        return
    word = parsing.let(f"{name} word", parsing.text(name, column).lower())
    answers = [(word, True) for word in TRUE_WORDS] + [(word, False) for word in FALSE_WORDS]
    value = parsing.let(name, word.cases(*answers, else_=None).cast("boolean"))
    parsing.let(f"{name} garbled", value.isnull() & word.notnull())


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
