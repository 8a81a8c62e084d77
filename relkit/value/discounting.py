"""Expected purchases, each discounted from its own time to now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from relkit.units import periods_per_year
from relkit.value.history_grid import HistoryGrid
from relkit.value.inputs import FloatArray
from relkit.value.purchase_model import PurchaseModel
from relkit.value.purchase_slopes import alive_slopes, expectation_with_slopes

# Up to this discount over the whole horizon (a year at 10 %) Gauss-Legendre serves:
# against a rule of 241 points, 120 models of both kinds with shapes from .05 to 30 and
# x to 20,000 err below 1e-10, horizons of decades below 2e-8 at such small rates.
NEAR = 0.1
NEAR_NODES = 32
# Beyond it a double exponential rule: below 1e-10 for ten years, 1e-8 for two hundred,
# and without end 1e-10 where the rate is .5 % a year, 1e-11 where it is 10 %.
FAR_NODES = 80
FAR_REACH = 3.1
ENDLESS_NODES = 96
ENDLESS_REACH = (-3.6, 3.8)
# Points of a grid and customers that are worked on together, to bound the memory.
POINTS_AT_ONCE = 8_192


def continuous_rate(annual_discount_rate: float, unit: str) -> float:
    """The rate per unit whose exponential is ``units.discount_factor``."""
    return math.log1p(annual_discount_rate) / periods_per_year(unit)


def discounted_while_active(
    model: PurchaseModel[Any], x: FloatArray, T: FloatArray, horizon: float, rate: float
) -> FloatArray:
    """Expected purchases given active at T, each discounted; x, T (m,) -> (m,).

    By parts: with X(t) expected by t, the integral of exp(-rate t) dX(t) is
    exp(-rate horizon) X(horizon) + rate * integral of exp(-rate t) X(t) dt.

    Args:
        model: Purchase model.
        x: Repeat purchases.
        T: First purchase to now.
        horizon: How far ahead, in the unit of T; may be infinite if rate is above 0.
        rate: Continuous discount rate per unit of T.
    """
    if rate == 0:
        return model.purchases_if_alive(x, T, np.array([horizon]))[:, 0]
    return weighted_purchases(model, x, T, *time_rule(horizon, rate))


def weighted_purchases(
    model: PurchaseModel[Any], x: FloatArray, T: FloatArray, times: FloatArray, weights: FloatArray
) -> FloatArray:
    """Sum over times (k,) of weight times purchases expected by then; x, T (m,) -> (m,)."""
    answer = np.empty(len(x))
    for begin in range(0, len(x), POINTS_AT_ONCE):
        rows = slice(begin, begin + POINTS_AT_ONCE)
        answer[rows] = model.purchases_if_alive(x[rows], T[rows], times) @ weights
    return answer


def time_rule(horizon: float, rate: float) -> tuple[FloatArray, FloatArray]:
    """Times and the weight of X at each, so that their product is the discounted sum.

    The last one is the horizon itself, where there is an end.

    An active customer's X(t) is analytic in log t, for heavy buyers it bends at times
    far below the horizon. So all rules crowd their points at 0.

    Source: Takahasi & Mori (1974), "Double exponential formulas for numerical
        integration", Publications of RIMS 9, for the far and the endless rule.
    """
    if math.isinf(horizon):
        w, step = np.linspace(*ENDLESS_REACH, ENDLESS_NODES, retstep=True)
        u = np.exp(w - np.exp(-w))
        return u / rate, np.exp(-u) * u * (1 + np.exp(-w)) * step
    if rate * horizon <= NEAR:
        nodes, weights = np.polynomial.legendre.leggauss(NEAR_NODES)
        root = (nodes + 1) / 2
        place, width = root**3, 1.5 * root**2 * weights
    else:
        w, step = np.linspace(-FAR_REACH, FAR_REACH, FAR_NODES, retstep=True)
        odds = math.pi * np.sinh(w)
        place = 1 / (1 + np.exp(-odds))
        width = place / (1 + np.exp(odds)) * math.pi * np.cosh(w) * step
    times = np.append(horizon * place, horizon)
    shares = np.exp(-rate * times)
    shares[:-1] *= rate * horizon * width
    return times, shares


@dataclass(frozen=True, slots=True, eq=False)
class PurchaseFlow:
    """Purchases that customers will make within the horizon, plain and discounted.

    Attributes:
        model: Purchase model of k parameters.
        x: Repeat purchases, shape (n,).
        t_x: First to last purchase, shape (n,).
        T: First purchase to now, shape (n,).
        chance: P(alive), shape (n,).
    """

    model: PurchaseModel[Any]
    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    chance: FloatArray
    _uncertain: list[int]
    _grid: HistoryGrid
    _known: FloatArray

    @classmethod
    def of(
        cls,
        model: PurchaseModel[Any],
        variances: FloatArray,
        histories: tuple[FloatArray, ...],
        horizon: float,
        rate: float,
    ) -> PurchaseFlow:
        """The flow of these customers.

        Args:
            model: Purchase model.
            variances: Variance of each log parameter, (k,); 0 where it is known.
            histories: frequency, recency and T, each (n,).
            horizon: How far ahead, in the unit of T; may be infinite if rate is above 0.
            rate: Continuous discount rate per unit of T; 0 for none.
        """
        x, t_x, T = histories[:3]
        grid = HistoryGrid.of(x, T, model.time_scale)
        uncertain = np.flatnonzero(variances > 0).tolist()
        times, weights = _both(horizon, rate)
        # At the points: plain, discounted; and each with its derivatives, if wanted.
        wanted = 1 + (len(variances) if uncertain else 0)
        known = np.empty((len(grid.x), 2, wanted))
        for begin in range(0, len(grid.x), POINTS_AT_ONCE):
            rows = slice(begin, begin + POINTS_AT_ONCE)
            at = grid.x[rows], grid.T[rows]
            if uncertain:
                known[rows] = expectation_with_slopes(model, *at, times, weights)
            else:
                known[rows, :, 0] = model.purchases_if_alive(*at, times) @ weights
        return cls(model, x, t_x, T, model.alive(x, t_x, T), uncertain, grid, known)

    def while_active(self) -> tuple[FloatArray, FloatArray]:
        """Expected purchases given active, plain and discounted, each (n,).

        Without end the plain ones have no bound; then both are the discounted ones.
        """
        both = self._grid.spread(self._known[:, :, 0])
        return both[:, 0].copy(), both[:, 1].copy()

    def slopes(self, discounted: bool = True) -> FloatArray:
        """Derivatives of P(alive) times purchases in the log parameters, (n, k).

        Zero where a parameter is known.
        """
        slopes = np.zeros((len(self.x), len(self.model.params)))
        if not self._uncertain:
            return slopes
        at_points = self._known[:, 1 if discounted else 0][
            :, [0, *(i + 1 for i in self._uncertain)]
        ]
        expected = self._grid.spread(at_points)
        for begin in range(0, len(self.x), POINTS_AT_ONCE):
            rows = slice(begin, begin + POINTS_AT_ONCE)
            chance = self.chance[rows]
            bend = alive_slopes(self.model, self.x[rows], self.t_x[rows], self.T[rows], chance)
            for column, i in enumerate(self._uncertain, 1):
                slopes[rows, i] = bend[:, i] * expected[rows, 0] + chance * expected[rows, column]
        return slopes

    def slope_of_sum(self, prices: FloatArray, worth: FloatArray) -> FloatArray:
        """Derivatives of the sum of P(alive) times discounted purchases times prices, (k,).

        What the columns of ``slopes`` add up to, without ever making them.

        Args:
            prices: What a purchase of each customer is worth, shape (n,).
            worth: Discounted purchases given active times prices, shape (n,).
        """
        slope = np.zeros(len(self.model.params))
        if not self._uncertain:
            return slope
        for begin in range(0, len(self.x), POINTS_AT_ONCE):
            rows = slice(begin, begin + POINTS_AT_ONCE)
            history = self.x[rows], self.t_x[rows], self.T[rows]
            slope += worth[rows] @ alive_slopes(self.model, *history, self.chance[rows])
        at_points = self._grid.gather((self.chance * prices)[:, None])[:, 0]
        slope += at_points @ self._known[:, 1, 1:]
        known = np.ones(len(slope), dtype=bool)
        known[self._uncertain] = False
        slope[known] = 0.0
        return slope


def _both(horizon: float, rate: float) -> tuple[FloatArray, FloatArray]:
    """Times with the weights of plain and of discounted purchases, (j,) and (j, 2)."""
    if rate == 0:
        return np.array([horizon]), np.ones((1, 2))
    times, shares = time_rule(horizon, rate)
    plain = shares
    if math.isfinite(horizon):
        plain = np.zeros(len(times))
        plain[-1] = 1.0
    return times, np.column_stack([plain, shares])
