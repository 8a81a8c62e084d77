"""Expected purchases, each discounted from its own time to now."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from relkit.units import periods_per_year
from relkit.value.bgnbd import alive, purchases_if_alive
from relkit.value.bgnbd_likelihood import BGNBDParams
from relkit.value.inputs import FloatArray, unique_rows

# Gauss-Legendre points for the discounted part, which a year at 10 % makes a tenth
# of the whole: the rule then errs by less than 1e-8 of it.
DISCOUNT_NODES = 12
# Central differences in log parameters; rounding and curvature both stay near 1e-8.
STEP = 1e-4


def continuous_rate(annual_discount_rate: float, unit: str) -> float:
    """The rate per unit whose exponential is ``units.discount_factor``."""
    return math.log1p(annual_discount_rate) / periods_per_year(unit)


@dataclass(frozen=True, slots=True)
class PurchaseFlow:
    """Purchases within the horizon, discounted, as a function of the parameters."""

    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    horizon: float
    rate: float

    def __call__(self, params: BGNBDParams) -> tuple[FloatArray, FloatArray, FloatArray]:
        """P(alive), and given active: purchases, discounted purchases; each (n,)."""
        (x, T), place = unique_rows(self.x, self.T)
        bought, discounted = self._if_alive(params, x, T)
        return alive(params, self.x, self.t_x, self.T), bought[place], discounted[place]

    def _if_alive(
        self, params: BGNBDParams, x: FloatArray, T: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """By parts: the integral of exp(-rate t) dX(t) needs X alone, no difference."""
        if self.rate == 0:
            bought = purchases_if_alive(params, x, T, np.array([self.horizon]))[:, 0]
            return bought, bought
        nodes, weights = np.polynomial.legendre.leggauss(DISCOUNT_NODES)
        # Squared, for a heavy buyer's expectation bends most just after now.
        root = (nodes + 1) / 2
        times = np.append(self.horizon * root**2, self.horizon)
        by_then = purchases_if_alive(params, x, T, times)
        share = self.rate * self.horizon * root * weights * np.exp(-self.rate * times[:-1])
        bought = by_then[:, -1]
        return bought, bought * math.exp(-self.rate * self.horizon) + by_then[:, :-1] @ share

    def slopes(self, params: BGNBDParams, variances: FloatArray) -> FloatArray:
        """Derivatives of discounted purchases in the log parameters, (n, 4).

        By central differences; zero where a parameter is taken as known.
        """
        slopes = np.zeros((len(self.x), 4))
        logs = np.log(params)
        for i in np.flatnonzero(variances > 0):
            ends = []
            for step in (STEP, -STEP):
                moved = logs.copy()
                moved[i] += step
                chance, _, discounted = self(BGNBDParams(*np.exp(moved).tolist()))
                ends.append(chance * discounted)
            slopes[:, i] = (ends[0] - ends[1]) / (2 * STEP)
        return slopes
