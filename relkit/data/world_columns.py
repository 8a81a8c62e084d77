"""Columns of a synthetic table, made from arrays without a loop over rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_MICROSECONDS_PER_WEEK = 7 * 86_400_000_000
_MICROSECONDS_PER_DAY = 86_400_000_000

Array = NDArray[Any]


def numbered(prefix: str, *parts: tuple[Array, int], between: str = "-") -> pa.Array:
    """Texts like SYN-T00000012-003: a prefix, then numbers of fixed widths.

    Args:
        prefix: What each begins with, ASCII.
        parts: Numbers, shape (n,), and how many digits they get.
        between: Stands between the numbers.

    Raises:
        OverflowError: a number does not fit; cut off, two ids could be the same.
    """
    count = len(parts[0][0])
    length = len(prefix) + sum(width for _, width in parts) + len(between) * (len(parts) - 1)
    letters = np.empty((count, length), np.uint8)
    letters[:, : len(prefix)] = np.frombuffer(prefix.encode("ascii"), np.uint8)
    end = len(prefix)
    for place, (numbers, width) in enumerate(parts):
        if place:
            letters[:, end : end + len(between)] = np.frombuffer(between.encode(), np.uint8)
            end += len(between)
        rest = np.asarray(numbers, np.int64)
        if count and rest.max() >= 10**width:
            raise OverflowError(f"{prefix}: {rest.max()} has more than {width} digits")
        for digit in range(width - 1, -1, -1):
            letters[:, end + digit] = 48 + rest % 10
            rest = rest // 10
        end += width
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(length)
    return pa.StringArray.from_buffers(
        count, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(letters))
    )


def labels(codes: Array, words: Sequence[str | None]) -> pa.Array:
    """The word of each code; a code below 0 has none."""
    found = np.asarray(codes)
    indices = pa.array(found.astype(np.int32), mask=found < 0)
    return pa.array(list(words), pa.string()).take(indices)


def constant(value: str | float | bool | None, count: int, kind: Any = None) -> pa.Array:
    """The same value in every row."""
    if value is None:
        return pa.nulls(count, kind or pa.string())
    return pa.repeat(pa.scalar(value, kind), count)


def moments(weeks: Array, start: dt.date) -> pa.Array:
    """Weeks since the start → timestamps; nan and infinity → none."""
    known = np.isfinite(weeks)
    zero = np.datetime64(start, "us").astype(np.int64)
    passed = np.floor(np.where(known, weeks, 0) * _MICROSECONDS_PER_WEEK).astype(np.int64)
    return pa.array(zero + passed, pa.timestamp("us"), mask=~known)


def days(weeks: Array, start: dt.date) -> pa.Array:
    """Weeks since the start → the midnight that their day begins with."""
    known = np.isfinite(weeks)
    zero = np.datetime64(start, "us").astype(np.int64)
    passed = np.floor(np.where(known, weeks, 0) * 7).astype(np.int64) * _MICROSECONDS_PER_DAY
    return pa.array(zero + passed, pa.timestamp("us"), mask=~known)


def flags(values: Array, known: Array | None = None) -> pa.Array:
    """True and False; none where not known."""
    return pa.array(np.asarray(values, bool), mask=None if known is None else ~known)


def numbers(values: Array, known: Array | None = None) -> pa.Array:
    """Numbers; none where not known."""
    return pa.array(np.asarray(values), mask=None if known is None else ~known)


def table(**columns: Any) -> pa.Table:
    """Columns of one length as a table."""
    return pa.table(columns)


def place_within(groups: Array) -> Array:
    """0, 1, 2 … within each run of equal values; `groups` is sorted."""
    count = len(groups)
    if not count:
        return np.zeros(0, np.int64)
    begins = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    lengths = np.diff(np.r_[begins, count])
    return np.asarray(np.arange(count) - np.repeat(begins, lengths))


def choose(rng: np.random.Generator, shares: Sequence[float], count: int) -> Array:
    """Codes 0, 1, … drawn with the given shares."""
    ends = np.cumsum(shares)[:-1]
    return np.asarray(np.searchsorted(ends, rng.random(count), side="right"), np.int8)


def join(parts: Sequence[Mapping[str, pa.Table]]) -> dict[str, pa.Table]:
    """Tables of several blocks, one after the other."""
    names = list(dict.fromkeys(name for part in parts for name in part))
    return {
        name: pa.concat_tables([part[name] for part in parts if name in part]) for name in names
    }
