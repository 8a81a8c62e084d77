"""What stands in a column → finite numbers; several columns are multiplied or subtracted."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from relkit.data.values import Parsing, Reading, WrongType

if TYPE_CHECKING:
    import ibis.expr.types as ir

_NUMBER = r"^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$"
_NOT_FINITE = r"(?i)^[-+]?(nan|inf|infinity)$"


def read_number(
    parsing: Parsing, name: str, raws: Sequence[str], reading: Reading, joined_by: str = "*"
) -> None:
    """Numbers as floats; an empty one is no 0, and 'twelve' is none.

    Several columns are multiplied, like Quantity * Price, or with `joined_by` "-"
    taken from the first; what is wrong with one of them is wrong with the result.
    Adds `NAME wordy` where a text is no number.

    Raises:
        WrongType: neither numbers nor text.
    """
    factors = [f"{name} {place}" for place in range(len(raws))]
    for factor, raw in zip(factors, raws, strict=True):
        _number(parsing, factor, raw, reading)
    rows = parsing.rows
    join = operator.sub if joined_by == "-" else operator.mul
    result = reduce(join, (rows[factor] for factor in factors))
    wordy = reduce(operator.or_, (rows[f"{factor} wordy"] for factor in factors))
    parsing.let(name, result)
    parsing.let(f"{name} wordy", wordy)


def _number(parsing: Parsing, name: str, raw: str, reading: Reading) -> None:
    """A column as floats, null where it is text and infinite where it says so; and which are."""
    import ibis

    column = parsing.rows[raw]
    kind = column.type()
    if kind.is_numeric():
        value = column.cast("float64")
        if kind.is_floating():
            value = value.isnan().ifelse(None, value)
        parsing.let(name, value)
        parsing.let(f"{name} wordy", ibis.literal(False))
        return
    if not kind.is_string():
        raise WrongType(f"{name.split()[0]} needs numbers, the column is {kind}")
    # 'nan' and 'inf' are words that programs write for amounts that are none.
    stripped = parsing.let(f"{name} stripped", column.strip())
    word = parsing.let(f"{name} word", stripped.re_search(_NOT_FINITE).fill_null(False))
    text = parsing.text(name, stripped)
    plain = parsing.let(f"{name} plain", _plain_number(text, reading))
    number = plain.re_search(_NUMBER).ifelse(plain, None).cast("string").try_cast("float64")
    value = parsing.let(name, word.ifelse(float("inf"), number))
    parsing.let(f"{name} wordy", value.isnull() & parsing.rows[f"{name} text"].notnull())


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
