"""Functions of a customer's x and T at every customer, computed at a few points only.

What a model expects of an active customer depends on x and T alone and bends gently
in log(c + T), c a scale of the model. So it is computed at Chebyshev points of cells
of that logarithm, one row of cells per x, and read off for a million customers,
as many functions at once as are wanted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from relkit.value.inputs import FloatArray, IntArray, sums_by, unique_rows
from relkit.value.purchase_integral import CELL, DEGREES

# Rows of a basis that stay in the processor's cache while cells are multiplied.
ROWS_AT_ONCE = 8192


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

    @classmethod
    def of(cls, x: FloatArray, T: FloatArray, scale: float) -> HistoryGrid:
        """The points that these customers need.

        Args:
            x: Repeat purchases, shape (n,).
            T: First purchase to now, shape (n,).
            scale: What T is smooth against, ``time_scale`` of the model.
        """
        position = np.log(scale + T) / CELL
        floor = np.floor(position)
        lowest = floor.min() if len(floor) else 0.0
        span = int(floor.max() - lowest) + 1 if len(floor) else 1
        place, cells = pd.factorize(x.astype(np.int64) * span + (floor - lowest).astype(np.int64))
        if len(cells) * DEGREES >= len(x):
            (distinct_x, distinct_T), place = unique_rows(x, T)
            return cls(distinct_x, distinct_T, place, None)
        start = cells % span + lowest
        nodes = np.exp(CELL * (start[:, None] + 0.5 + 0.5 * np.cos(_angles())))
        return cls(
            np.repeat((cells // span).astype(float), DEGREES),
            nodes.ravel() - scale,
            place.astype(np.intp, copy=False),
            2 * (position - floor) - 1,
        )

    def spread(self, values: FloatArray) -> FloatArray:
        """Functions known at the points, shape (m, k), at every customer, (n, k).

        Relative to the largest value in a cell the error is about 1e-12.
        """
        if self._within is None:
            at_customers: FloatArray = values[self._place]
            return at_customers
        series = _to_series() @ values.reshape(-1, DEGREES, values.shape[1])
        answer = np.empty((len(self._place), values.shape[1]))
        for rows, cell, basis in self._parts(self._within):
            answer[rows] = basis @ series[cell]
        return answer

    def gather(self, weights: FloatArray) -> FloatArray:
        """Weights of customers, shape (n, k), as weights of the points, shape (m, k).

        The transpose of ``spread``: the weighted sum over customers of a function is
        the sum of these weights times its values at the points.
        """
        size, k = len(self.x), weights.shape[1]
        if self._within is None:
            return np.column_stack([sums_by(self._place, weights[:, i], size) for i in range(k)])
        sums = np.zeros((size // DEGREES, DEGREES, k))
        for rows, cell, basis in self._parts(self._within):
            sums[cell] += basis.T @ weights[rows]
        at_points: FloatArray = (_to_series().T @ sums).reshape(size, k)
        return at_points

    def _parts(self, within: FloatArray) -> Iterator[tuple[IntArray, int, FloatArray]]:
        """Customers of one cell each, the cell, and their Chebyshev polynomials."""
        narrow = self._place.astype(np.uint16) if len(self.x) // DEGREES < 2**16 else self._place
        order = np.argsort(narrow, kind="stable")
        for begin in range(0, len(order), ROWS_AT_ONCE):
            rows = order[begin : begin + ROWS_AT_ONCE]
            basis = _chebyshev(within[rows])
            cell = self._place[rows]
            start = 0
            for end in [*(np.flatnonzero(np.diff(cell)) + 1).tolist(), len(rows)]:
                yield rows[start:end], int(cell[start]), basis[start:end]
                start = end


def _to_series() -> FloatArray:
    """Values at the Chebyshev points of a cell to the coefficients of its series."""
    matrix: FloatArray = np.cos(np.outer(np.arange(DEGREES), _angles())) * (2 / DEGREES)
    matrix[0] /= 2
    return matrix


def _angles() -> FloatArray:
    angles: FloatArray = math.pi * (np.arange(DEGREES) + 0.5) / DEGREES
    return angles


def _chebyshev(where: FloatArray) -> FloatArray:
    """Chebyshev polynomials at points in [-1, 1], shape (n,) -> (n, DEGREES)."""
    basis = np.empty((DEGREES, len(where)))
    basis[0], basis[1] = 1.0, where
    double = 2 * where
    for degree in range(2, DEGREES):
        np.multiply(double, basis[degree - 1], out=basis[degree])
        basis[degree] -= basis[degree - 2]
    return basis.T
