"""Functions of a customer's x and T at every customer, computed at a few points only.

What a model expects of an active customer depends on x and T alone and bends gently
in log(c + T), c a scale of the model. So it is computed at Chebyshev points of cells
of that logarithm, one row of cells per x, and read off for a million customers,
as many functions at once as are wanted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from relkit.value.inputs import FloatArray, IntArray, unique_rows
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
        angles = math.pi * (np.arange(DEGREES) + 0.5) / DEGREES
        start = cells % span + lowest
        nodes = np.exp(CELL * (start[:, None] + 0.5 + 0.5 * np.cos(angles)))
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
        k = values.shape[1]
        angles = math.pi * (np.arange(DEGREES) + 0.5) / DEGREES
        to_series = np.cos(np.outer(np.arange(DEGREES), angles)) * (2 / DEGREES)
        to_series[0] /= 2
        series = to_series @ values.reshape(-1, DEGREES, k)
        narrow = self._place.astype(np.uint16) if len(series) < 2**16 else self._place
        order = np.argsort(narrow, kind="stable")
        answer = np.empty((len(order), k))
        for begin in range(0, len(order), ROWS_AT_ONCE):
            rows = order[begin : begin + ROWS_AT_ONCE]
            basis = _chebyshev(self._within[rows])
            cell = self._place[rows]
            ends = np.append(np.flatnonzero(np.diff(cell)) + 1, len(rows))
            start = 0
            for end in ends.tolist():
                answer[rows[start:end]] = basis[start:end] @ series[cell[start]]
                start = end
        return answer


def _chebyshev(where: FloatArray) -> FloatArray:
    """Chebyshev polynomials at points in [-1, 1], shape (n,) -> (n, DEGREES)."""
    basis = np.empty((DEGREES, len(where)))
    basis[0], basis[1] = 1.0, where
    double = 2 * where
    for degree in range(2, DEGREES):
        np.multiply(double, basis[degree - 1], out=basis[degree])
        basis[degree] -= basis[degree - 2]
    return basis.T
