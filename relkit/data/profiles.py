"""What the values of a column look like: days, numbers, signs of money, how often they repeat."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from relkit.data.sampling import Sample
from relkit.data.times import ISO_TIME, OFFSET

SIGNS = ("¥", "￥", "€", "£", "$", "元")
_DAYS = ("%Y%m%d", "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y",
         "%d-%m-%Y", "%Y年%m月%d日")  # fmt: skip
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S %z")
_PLAIN = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)")
_GROUPED = {
    ",": re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?"),
    ".": re.compile(r"[-+]?\d{1,3}(\.\d{3})+(,\d*)?"),
}
_COMMA = re.compile(r"[-+]?\d+(,\d+)?")
_EARLIEST = 1970
# Types of columns that may say anything.
_TEXTS = ("", "string", "large_string")


@dataclass(frozen=True, slots=True)
class Profile:
    """What a column's first values look like.

    Attributes:
        name: Of the column.
        values: Those that are there.
        empty: How many are not.
        distinct: How many different ones there are.
        dates: Patterns that read all values; '' is ISO 8601. None fits no day.
        zoned: Whether times carry an offset from UTC.
        numbers: (decimal, thousands or '', sign or '') that read all values; several
            where 1,234 may be both.
        whole: Whether all are whole numbers as they stand.
    """

    name: str
    values: tuple[str, ...]
    empty: int
    distinct: int
    dates: tuple[str, ...]
    zoned: bool
    numbers: tuple[tuple[str, str, str], ...]
    whole: bool

    @property
    def unique(self) -> bool:
        return self.distinct == len(self.values) > 0

    def described(self) -> str:
        """Without a value, since those may be about people."""
        rows = len(self.values)
        said = "no values" if not rows else f"{self.distinct:,} different in {rows:,} rows"
        return said + (f", {self.empty:,} empty" if self.empty else "")


def profile_columns(sample: Sample) -> tuple[Profile, ...]:
    """A profile of each column of a sample."""
    listed = zip(sample.names, sample.columns, sample.types, strict=True)
    return tuple(_profile(name, values, type_) for name, values, type_ in listed)


def _profile(name: str, values: Sequence[str], type_: str) -> Profile:
    there = tuple(value for value in values if value)
    timed = type_.startswith(("timestamp", "date"))
    dates = _dates(there) if type_ in _TEXTS else ()
    if timed:
        dates = ("",)
    elif type_.startswith(("int", "uint")):
        dates = tuple(pattern for pattern in _dates(there) if pattern == "%Y%m%d")
    return Profile(
        name=name,
        values=there,
        empty=len(values) - len(there),
        distinct=len(set(there)),
        dates=dates,
        zoned="tz=" in type_
        or any("%z" in pattern for pattern in dates)
        or (not timed and any(OFFSET.search(value) for value in there)),
        numbers=() if timed else _numbers(there, type_ in _TEXTS),
        whole=bool(there) and all(re.fullmatch(r"\d+(\.0)?", value) for value in there),
    )


def _dates(values: Sequence[str]) -> tuple[str, ...]:
    if not values:
        return ()
    if all(ISO_TIME.fullmatch(value) for value in values):
        return ("",)
    patterns = [day + time for day in _DAYS for time in _TIMES]
    return tuple(p for p in patterns if all(_reads(value, p) for value in values))


def _reads(value: str, pattern: str) -> bool:
    if pattern == "%Y%m%d" and len(value) != len("20250131"):
        return False
    try:
        return _EARLIEST <= dt.datetime.strptime(value, pattern).year <= dt.date.max.year // 3
    except ValueError:
        return False


def _numbers(values: Sequence[str], text: bool) -> tuple[tuple[str, str, str], ...]:
    """The ways to read all values as numbers; a plain one comes alone."""
    signs = [sign for sign in SIGNS if any(sign in value for value in values)]
    if not values or len(signs) > 1:
        return ()
    sign = signs[0] if signs else ""
    bare = [value.replace(sign, "").strip() for value in values] if sign else list(values)
    if all(_PLAIN.fullmatch(value) for value in bare):
        # Where every point has three digits behind it, 1.234 may be a thousand and more.
        pointed = [value for value in bare if "." in value]
        grouped = text and pointed and all(_GROUPED["."].fullmatch(value) for value in pointed)
        return ((".", "", sign), (",", ".", sign)) if grouped else ((".", "", sign),)
    ways = []
    if all(_PLAIN.fullmatch(v) or _GROUPED[","].fullmatch(v) for v in bare):
        ways.append((".", ",", sign))
    if all(_COMMA.fullmatch(value) for value in bare):
        ways.append((",", "", sign))
    elif all(_COMMA.fullmatch(v) or _GROUPED["."].fullmatch(v) for v in bare):
        ways.append((",", ".", sign))
    return tuple(ways)
