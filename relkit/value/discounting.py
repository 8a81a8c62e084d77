"""Expected purchases, each discounted from its own time to now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from relkit.units import periods_per_year
from relkit.value.inputs import FloatArray
from relkit.value.purchase_integral import by_cells
from relkit.value.purchase_model import PurchaseModel

# Gauss-Legendre points for the discounted part, against 400 of them for x from 0 to
# 20,000 and a, b from .05 to 30: error below 1e-14 for a year, 4e-9 for ten years.
DISCOUNT_NODES = 24
# Central differences in log parameters; rounding and curvature both stay near 1e-8.
STEP = 1e-4


def continuous_rate(annual_discount_rate: float, unit: str) -> float:
    """The rate per unit whose exponential is ``units.discount_factor``."""
    return math.log1p(annual_discount_rate) / periods_per_year(unit)


@dataclass(frozen=True, slots=True)
class PurchaseFlow:
    """Purchases within the horizon, discounted, as a function of the model.

    Attributes:
        x: Repeat purchases, shape (n,).
        t_x: First to last purchase, shape (n,).
        T: First purchase to now, shape (n,).
        horizon: How far ahead, in the unit of T.
        rate: Continuous discount rate per unit of T.
    """

    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    horizon: float
    rate: float

    def alive(self, model: PurchaseModel[Any]) -> FloatArray:
        """P(alive), shape (n,)."""
        return model.alive(self.x, self.t_x, self.T)

    def purchases(self, model: PurchaseModel[Any]) -> FloatArray:
        """Expected purchases given active, not discounted, shape (n,)."""
        return model.purchases_if_alive(self.x, self.T, np.array([self.horizon]))[:, 0]

    def discounted(self, model: PurchaseModel[Any]) -> FloatArray:
        """Expected purchases given active, each discounted, shape (n,).

        By parts: with X(t) expected by t, the integral of exp(-rate t) dX(t) is
        exp(-rate horizon) X(horizon) + rate * integral of exp(-rate t) X(t) dt.
        """
        if self.rate == 0:
            return self.purchases(model)
        nodes, weights = np.polynomial.legendre.leggauss(DISCOUNT_NODES)
        # Cubed, for a heavy buyer's expectation bends most just after now.
        root = (nodes + 1) / 2
        times = np.append(self.horizon * root**3, self.horizon)
        share = np.exp(-self.rate * times)
        share[:-1] *= self.rate * self.horizon * 1.5 * root**2 * weights

        def rule(x: FloatArray, scale: FloatArray) -> FloatArray:
            everyone = np.repeat(x, scale.shape[1])
            by_then = model.purchases_if_alive(everyone, scale.ravel() - model.time_scale, times)
            return (by_then @ share).reshape(scale.shape)

        return by_cells(self.x, model.time_scale + self.T, rule)

    def slopes(self, model: PurchaseModel[Any], variances: FloatArray) -> FloatArray:
        """Derivatives of P(alive) times discounted in the log parameters, (n, 4).

        By central differences; zero where a parameter is taken as known.
        """
        slopes = np.zeros((len(self.x), 4))
        logs = np.log(model.params)
        for i in np.flatnonzero(variances > 0):
            ends = []
            for step in (STEP, -STEP):
                moved = logs.copy()
                moved[i] += step
                there = model.at(np.exp(moved))
                ends.append(self.alive(there) * self.discounted(there))
            slopes[:, i] = (ends[0] - ends[1]) / (2 * STEP)
        return slopes
