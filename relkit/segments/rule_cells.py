"""What a set of conditions covers, proved: every axis cut at its thresholds.

Between two neighbouring thresholds no comparison changes its answer, so a variable
falls into finitely many cells (the thresholds themselves among them), and what holds
in one point of a product of cells holds in all of it. Whole numbers have only cells
that contain one. So a statement about every possible customer becomes a finite check,
exact for open and closed bounds alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from relkit.segments.rule_text import (
    AllOf,
    Comparison,
    Condition,
    comparisons,
    plain_number,
    quoted,
)
from relkit.segments.rule_variables import Variable

# More cells than these are not tried: a proof must not cost more than the report.
MOST_CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """The numbers from ``low`` to ``high``; an end is in it where it is closed."""

    low: float
    high: float
    low_closed: bool
    high_closed: bool

    def answer(self, sign: str, value: float) -> bool:
        """Whether a comparison holds all over the span; it must not change inside."""
        low, high = self.low, self.high
        if sign == "<":
            return high < value or (high == value and not self.high_closed)
        if sign == "<=":
            return high <= value
        if sign == ">":
            return low > value or (low == value and not self.low_closed)
        if sign == ">=":
            return low >= value
        inside = low == value == high
        return inside if sign == "=" else not inside


@dataclass(frozen=True, slots=True)
class Bound:
    """What a box says of one variable.

    Attributes:
        variable: Which.
        span: For numbers.
        words: For words: these, or, with ``others``, all but these.
        others: See words.
    """

    variable: Variable
    span: Span | None = None
    words: tuple[str, ...] = ()
    others: bool = False

    def conditions(self) -> list[tuple[str, float | str]]:
        """(sign, value) pairs that must all hold; with several words, one of them."""
        if self.span is None:
            return [("!=" if self.others else "=", word) for word in self.words]
        span, low, high = self.span, self.variable.low, self.variable.high
        if span.low == span.high:
            return [("=", span.low)]
        pairs: list[tuple[str, float | str]] = []
        reached = not self.variable.ranked  # a rank never is 0 or 1
        if span.low > low or (span.low == low > -math.inf and reached and not span.low_closed):
            pairs.append((">=" if span.low_closed else ">", span.low))
        if span.high < high or (span.high == high < math.inf and reached and not span.high_closed):
            pairs.append(("<=" if span.high_closed else "<", span.high))
        return pairs

    def text(self) -> str:
        """As a rule file would have it."""
        name = self.variable.name
        between = " or " if self.span is None and not self.others else " and "
        return between.join(
            f"{name} {sign} {self._value(value)}" for sign, value in self.conditions()
        )

    def _value(self, value: float | str) -> str:
        if isinstance(value, str):
            return quoted(value)
        if self.variable.kind == "flag":
            return "yes" if value else "no"
        if self.variable.ranked:
            return f"{plain_number(round(100 * value, 12))} %"
        return plain_number(value)


@dataclass(frozen=True, slots=True)
class Box:
    """A region in which all points are alike: a bound for each variable that matters.

    Attributes:
        bounds: Empty where the region is everything.
    """

    bounds: tuple[Bound, ...]

    def text(self) -> str:
        """As a rule file would have it, such as ``R > 60 and R < 90``."""
        parts = [bound.text() for bound in self.bounds]
        several = len(parts) > 1
        return " and ".join(f"({p})" if several and " or " in p else p for p in parts) or "always"


@dataclass(frozen=True, slots=True)
class Axis:
    """A variable's cells, in order; words have one each and one for all others.

    Attributes:
        variable: The first name of what it measures.
        names: Every name that stands for the same thing.
        spans: Of numbers and flags.
        words: Of words; the last cell is any other word.
    """

    variable: Variable
    names: tuple[str, ...]
    spans: tuple[Span, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return len(self.spans) or len(self.words) + 1

    def answers(self, comparison: Comparison) -> np.ndarray:
        """Whether a comparison holds, cell by cell, shape (size,)."""
        sign, value = comparison.sign, comparison.value
        if self.spans:
            return np.array([span.answer(sign, float(value)) for span in self.spans])
        equal = np.array([word == value for word in (*self.words, None)])
        return equal if sign == "=" else ~equal

    def cell_of(self, values: np.ndarray) -> np.ndarray:
        """The cell that each value lies in, shape (n,); -1 where it is missing."""
        if not self.spans:
            place = {word: cell for cell, word in enumerate(self.words)}
            found = [-1 if v is None else place.get(v, len(self.words)) for v in values]
            return np.array(found, dtype=np.int64)
        cells = np.zeros(len(values), dtype=np.int64)
        for span in self.spans[:-1]:
            cells += values > span.high if span.high_closed else values >= span.high
        cells[np.isnan(values)] = -1
        return cells

    def bound(self, cells: np.ndarray) -> Bound | None:
        """What chosen cells say of the variable; None where they are all.

        Args:
            cells: Shape (size,), bool; neighbours, where cells have an order.
        """
        if cells.all():
            return None
        if self.spans:
            chosen = np.flatnonzero(cells)
            first, last = self.spans[chosen[0]], self.spans[chosen[-1]]
            whole = Span(first.low, last.high, first.low_closed, last.high_closed)
            return Bound(self.variable, whole)
        others = bool(cells[-1])
        words = tuple(w for w, chosen in zip(self.words, cells, strict=False) if chosen != others)
        return Bound(self.variable, None, words, others)


def axes_of(conditions: Sequence[Condition], variables: Sequence[Variable]) -> list[Axis]:
    """An axis for each thing that the conditions measure, in the order of ``variables``."""
    said: dict[tuple[str, bool], list[Comparison]] = {}
    by_name = {variable.name: variable for variable in variables}
    for condition in conditions:
        for comparison in comparisons(condition):
            said.setdefault(by_name[comparison.variable].definition, []).append(comparison)
    axes = []
    for definition in dict.fromkeys(v.definition for v in variables if v.definition in said):
        named = [v for v in variables if v.definition == definition]
        used = {c.variable for c in said[definition]}
        names = tuple(v.name for v in named)
        first = next(v for v in named if v.name in used)
        axes.append(_axis(first, names, said[definition]))
    return axes


def _axis(variable: Variable, names: tuple[str, ...], said: Sequence[Comparison]) -> Axis:
    if variable.kind == "words":
        return Axis(variable, names, words=tuple(dict.fromkeys(str(c.value) for c in said)))
    spans = _spans(variable, sorted({float(c.value) for c in said}))
    merged: list[Span] = []
    last: tuple[bool, ...] | None = None
    for span in spans:
        answers = tuple(span.answer(c.sign, float(c.value)) for c in said)
        if answers == last:
            before = merged.pop()
            span = Span(before.low, span.high, before.low_closed, span.high_closed)
        merged.append(span)
        last = answers
    return Axis(variable, names, tuple(merged))


def _spans(variable: Variable, cuts: Sequence[float]) -> list[Span]:
    """Points and the open stretches between them, as far as the variable reaches."""
    low, high = variable.low, variable.high
    if variable.kind == "flag":
        return [Span(0.0, 0.0, True, True), Span(1.0, 1.0, True, True)]
    inner = [cut for cut in cuts if low < cut < high]
    edges = [low, *inner, high]
    spans = [Span(cut, cut, True, True) for cut in inner]
    spans += [Span(a, b, False, False) for a, b in pairwise(edges)]
    if not variable.ranked:  # a rank reaches neither end
        spans += [Span(end, end, True, True) for end in {low, high} if math.isfinite(end)]
    spans.sort(key=lambda span: (span.low, span.high))
    return [s for s in map(_whole, spans) if s] if variable.kind == "whole" else spans


def _whole(span: Span) -> Span | None:
    """The whole numbers of a span, from the first to the last of them; None if there are none."""
    low, high = span.low, span.high
    if math.isfinite(low):
        low = float(math.ceil(low) if span.low_closed else math.floor(low) + 1)
    if math.isfinite(high):
        high = float(math.floor(high) if span.high_closed else math.ceil(high) - 1)
    return Span(low, high, math.isfinite(low), math.isfinite(high)) if low <= high else None


def cells(axes: Sequence[Axis]) -> int:
    """How many cells the product of axes has."""
    return math.prod(axis.size for axis in axes)


def region(condition: Condition, axes: Sequence[Axis]) -> np.ndarray:
    """Where a condition holds, as bools over the product of the axes."""
    shape = tuple(axis.size for axis in axes)
    place = {name: number for number, axis in enumerate(axes) for name in axis.names}
    return np.broadcast_to(_region(condition, axes, place), shape)


def _region(condition: Condition, axes: Sequence[Axis], place: Mapping[str, int]) -> np.ndarray:
    if isinstance(condition, Comparison):
        number = place[condition.variable]
        shape = [1] * len(axes)
        shape[number] = axes[number].size
        return axes[number].answers(condition).reshape(shape)
    parts = [_region(part, axes, place) for part in condition.parts]
    result = parts[0]
    for part in parts[1:]:
        result = result & part if isinstance(condition, AllOf) else result | part
    return result


@dataclass(frozen=True, slots=True)
class Cover:
    """Boxes that together are exactly a region.

    Attributes:
        boxes: Each as large as it can be within the region.
        slices: The cells of each box, an array of bools for each axis.
        complete: Whether the boxes are all; False where there were more than asked for.
    """

    boxes: tuple[Box, ...]
    slices: tuple[tuple[np.ndarray, ...], ...]
    complete: bool


def cover(inside: np.ndarray, axes: Sequence[Axis], most: int) -> Cover:
    """A region as largest boxes, at most ``most`` of them.

    Args:
        inside: Bools over the product of the axes.
        axes: Its axes.
        most: Boxes at most.
    """
    left = inside.copy()
    held = np.zeros(inside.shape, dtype=np.int32)  # how many boxes hold each cell
    boxes: list[Box] = []
    slices: list[tuple[np.ndarray, ...]] = []
    while left.any() and len(boxes) < most:
        seed = np.unravel_index(int(left.argmax()), left.shape) if left.ndim else ()
        chosen = _grown(inside, axes, tuple(int(cell) for cell in seed))
        left[np.ix_(*chosen)] = False
        held[np.ix_(*chosen)] += 1
        bounds = (axis.bound(cells) for axis, cells in zip(axes, chosen, strict=True))
        boxes.append(Box(tuple(bound for bound in bounds if bound is not None)))
        slices.append(chosen)
    for number in reversed(range(len(boxes))):  # what the others hold too says nothing more
        if (held[np.ix_(*slices[number])] > 1).all():
            held[np.ix_(*slices[number])] -= 1
            del boxes[number], slices[number]
    return Cover(tuple(boxes), tuple(slices), not left.any())


def _grown(
    inside: np.ndarray, axes: Sequence[Axis], seed: tuple[int, ...]
) -> tuple[np.ndarray, ...]:
    """The cells of a largest box around a cell; later axes are freed first."""
    chosen = [np.arange(axis.size) == cell for axis, cell in zip(axes, seed, strict=True)]

    def fits(number: int, cells: np.ndarray) -> bool:
        if not cells.any():
            return False
        tried = [*chosen[:number], cells, *chosen[number + 1 :]]
        return bool(inside[np.ix_(*tried)].all())

    for number in reversed(range(len(axes))):
        if fits(number, ~chosen[number]):  # the whole axis: it says nothing
            chosen[number] = np.ones(axes[number].size, dtype=bool)
    for number, axis in enumerate(axes):
        for cell in _outwards(axis, seed[number]):
            one = np.arange(axis.size) == cell
            beside = not axis.spans or chosen[number][max(cell - 1, 0) : cell + 2].any()
            if not chosen[number][cell] and beside and fits(number, one):
                chosen[number] = chosen[number] | one
    return tuple(chosen)


def _outwards(axis: Axis, seed: int) -> list[int]:
    """The other cells of an axis, the near ones first."""
    return [*range(seed + 1, axis.size), *range(seed - 1, -1, -1)]
