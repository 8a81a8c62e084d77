"""Functions of a customer's x and T at every customer, computed at a few points only.

What a model expects of an active customer depends on x and T alone and bends gently
in log(c + T), c a scale of the model. So it is computed at Chebyshev points of cells
of that logarithm, one row of cells per x, and read off for a million customers,
as many functions at once as are wanted. Cells lie on a fixed grid, so the answer for a
customer hardly depends on who else is asked about.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from relkit.value.inputs import ROWS_AT_ONCE, FloatArray, IntArray, sums_by, unique_rows


class Cells(NamedTuple):
    """How a logarithm is cut: width of a cell, and terms of the series in each."""

    width: float
    degrees: int


# The functions are analytic within pi / 2 of the real axis of the logarithm at least.
# So coefficients of a series fall by a factor of 12.6 each in a narrow cell and of 3.4
# in a wide one: both err by about 1e-12 at most. Narrow ones are soonest read off for
# many, wide ones have the fewest points where the logarithm spans much.
NARROW = Cells(0.5, 12)
WIDE = Cells(2.0, 20)


@dataclass(frozen=True, slots=True)
class HistoryGrid:
    """Points from which a smooth function is known at every customer.

    Attributes:
        x: Repeat purchases of the points, shape (m,).
        T: First purchase to now of the points, shape (m,); where cells reach below 0
            it is negative, but never near minus the scale.
    """

    x: FloatArray
    T: FloatArray
    _place: IntArray
    _within: FloatArray | None
    _degrees: int

    @classmethod
    def of(
        cls, x: FloatArray, T: FloatArray, scale: float | FloatArray, cells: Cells = NARROW
    ) -> HistoryGrid:
        """The points that these customers need.

        Args:
            x: Repeat purchases, shape (n,).
            T: First purchase to now, shape (n,).
            scale: What T is smooth against, ``time_scale`` of the model; where it is
                an array, shape (n,), it is a function of x.
            cells: Width of the cells of log(scale + T), and terms in each.
        """
        width, degrees = cells
        within = np.log(scale + T) / width
        floor = np.floor(within)
        within -= floor
        lowest = floor.min() if len(floor) else 0.0
        span = int(floor.max() - lowest) + 1 if len(floor) else 1
        keys = x.astype(np.int64)
        keys *= span
        floor -= lowest
        keys += floor.astype(np.int64)
        place, found = _factorized(keys)
        if len(found) * degrees >= len(x):
            (distinct_x, distinct_T), place = unique_rows(x, T)
            return cls(distinct_x, distinct_T, place, None, degrees)
        start = found % span + lowest
        nodes = np.exp(width * (start[:, None] + 0.5 + 0.5 * np.cos(_angles(degrees))))
        if isinstance(scale, np.ndarray):
            of_cell = np.empty(len(found))
            of_cell[place] = scale
            nodes -= of_cell[:, None]
        else:
            nodes -= scale
        within *= 2
        within -= 1
        return cls(
            np.repeat((found // span).astype(float), degrees), nodes.ravel(), place, within, degrees
        )

    def spread(self, values: FloatArray) -> FloatArray:
        """Functions known at the points, shape (m, k), at every customer, (n, k).

        Relative to the largest value in a cell the error is about 1e-12.
        """
        if self._within is None:
            at_customers: FloatArray = values[self._place]
            return at_customers
        series = _to_series(self._degrees) @ values.reshape(-1, self._degrees, values.shape[1])
        answer = np.empty((len(self._place), values.shape[1]))
        for rows, cell, basis in self._parts(self._within):
            answer[rows] = basis @ series[cell]
        return answer

    def gather(self, weights: FloatArray) -> FloatArray:
        """Weights of customers, shape (n, k), as weights of the points, shape (m, k).

        The transpose of ``spread``: the weighted sum over customers of a function is
        the sum of these weights times its values at the points.
        """
        size, k, degrees = len(self.x), weights.shape[1], self._degrees
        if self._within is None:
            return np.column_stack([sums_by(self._place, weights[:, i], size) for i in range(k)])
        sums = np.zeros((size // degrees, degrees, k))
        for rows, cell, basis in self._parts(self._within):
            sums[cell] += basis.T @ weights[rows]
        at_points: FloatArray = (_to_series(degrees).T @ sums).reshape(size, k)
        return at_points

    def _parts(self, within: FloatArray) -> Iterator[tuple[IntArray, int, FloatArray]]:
        """Customers of one cell each, the cell, and their Chebyshev polynomials."""
        narrow = len(self.x) // self._degrees < 2**16
        order = np.argsort(self._place.astype(np.uint16) if narrow else self._place, kind="stable")
        for begin in range(0, len(order), ROWS_AT_ONCE):
            rows = order[begin : begin + ROWS_AT_ONCE]
            basis = _chebyshev(within[rows], self._degrees)
            cell = self._place[rows]
            start = 0
            for end in [*(np.flatnonzero(np.diff(cell)) + 1).tolist(), len(rows)]:
                yield rows[start:end], int(cell[start]), basis[start:end]
                start = end


def _factorized(keys: IntArray) -> tuple[IntArray, IntArray]:
    """The place of each key among the distinct ones, and those; keys are not negative."""
    most = int(keys.max()) + 1 if len(keys) else 0
    if most > len(keys):
        place, found = pd.factorize(keys)
        return place.astype(np.intp, copy=False), found
    # Few possible keys need no hashing.
    found = np.flatnonzero(np.bincount(keys, minlength=most))
    places = np.zeros(most, dtype=np.intp)
    places[found] = np.arange(len(found))
    return places[keys], found


def _to_series(degrees: int) -> FloatArray:
    """Values at the Chebyshev points of a cell to the coefficients of its series."""
    matrix: FloatArray = np.cos(np.outer(np.arange(degrees), _angles(degrees))) * (2 / degrees)
    matrix[0] /= 2
    return matrix


def _angles(degrees: int) -> FloatArray:
    angles: FloatArray = math.pi * (np.arange(degrees) + 0.5) / degrees
    return angles


def _chebyshev(where: FloatArray, degrees: int) -> FloatArray:
    """Chebyshev polynomials at points in [-1, 1], shape (n,) -> (n, degrees)."""
    basis = np.empty((degrees, len(where)))
    basis[0], basis[1] = 1.0, where
    double = 2 * where
    for degree in range(2, degrees):
        np.multiply(double, basis[degree - 1], out=basis[degree])
        basis[degree] -= basis[degree - 2]
    return basis.T
