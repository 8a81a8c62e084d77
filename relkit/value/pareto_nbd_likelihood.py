"""The log-likelihood of Pareto/NBD with its exact derivatives, in log parameters.

Who is not active at T left at some time y between the last purchase and T. Printed
with Gauss's hypergeometric functions this is a difference of two large numbers, in
two forms for alpha above and below beta. As the integral over y that it comes from,

    integral of s beta**s (alpha + y)**-(r + x) (beta + y)**-(s + 1) dy, t_x to T,

every term is positive and no case differs from another.

Source: Schmittlein, Morrison & Colombo (1987), "Counting your customers", Management
Science 33; Fader & Hardie (2005), "A note on deriving the Pareto/NBD model and
related expressions".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from relkit.value.bgnbd_likelihood import Likelihood as BuyingLikelihood
from relkit.value.inputs import FloatArray, PurchaseHistory

# Gauss-Legendre points in a logarithm of time. Against the printed formulas in eighty
# digits (shapes .05 to 20, scales .1 to 900, x to 20,000): relative error below 1e-9.
NODES = 64
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(NODES)
# Where the integrand is cut, in logarithms below its beginning.
CUT = 40.0
ROWS_AT_ONCE = 4096


class ParetoNBDParams(NamedTuple):
    """Parameters of the model, or one figure for each of them.

    Attributes:
        r: Shape of the purchase rates.
        alpha: Scale of the purchase rates, in units of time; r / alpha is the mean rate.
        s: Shape of the drop-out rates.
        beta: Scale of the drop-out rates, in units of time; s / beta is the mean rate.
    """

    r: float
    alpha: float
    s: float
    beta: float


def leaving_times(
    params: ParetoNBDParams, x: FloatArray, t_x: FloatArray, T: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Nodes y between t_x and T and the logarithm of their weights; each (n, NODES).

    Even in w = log((c + y) / (c + t_x)), c the smaller scale: there neither pole of
    the integrand is nearer than a distance of pi, however short c is.
    """
    c = min(params.alpha, params.beta)
    other = max(params.alpha, params.beta)
    w = np.log1p((T - t_x) / (c + t_x))
    steep = (params.r + x) if params.alpha <= params.beta else params.s + 1
    slow = params.s + 1 if params.alpha <= params.beta else params.r + x
    # At least so fast does it fall from the first w on, less the 1 that dy brings.
    fall = steep + slow * (c + t_x) / (other + t_x) - 1
    w = np.minimum(w, np.where(fall > 0, CUT / np.maximum(fall, 1e-300), np.inf))
    place = w[:, None] * (POINTS + 1) / 2
    start = (c + t_x)[:, None]
    with np.errstate(divide="ignore"):
        log_weights = np.log(w / 2)[:, None] + np.log(WEIGHTS) + np.log(start) + place
    return t_x[:, None] + start * np.expm1(place), log_weights


def left_log_odds(
    params: ParetoNBDParams, x: FloatArray, t_x: FloatArray, T: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log odds of having left at T, shape (n,), with what their derivatives need.

    Returns:
        The log odds; the times y, (n, NODES); the share of each in the integral,
        (n, NODES), rows summing to 1.
    """
    r, alpha, s, beta = params
    y, log_weights = leaving_times(params, x, t_x, T)
    # Relative to staying, (alpha + T)**-(r + x) (beta + T)**-s, so nothing overflows.
    gap = T[:, None] - y
    terms = (
        log_weights
        + math.log(s)
        - np.log(beta + y)
        + (r + x)[:, None] * np.log1p(gap / (alpha + y))
        + s * np.log1p(gap / (beta + y))
    )
    highest = terms.max(axis=1)
    safe = np.where(np.isfinite(highest), highest, 0.0)
    shares = np.exp(terms - safe[:, None])
    total = shares.sum(axis=1)
    with np.errstate(divide="ignore"):
        odds = safe + np.log(total)
    return odds, y, shares / np.where(total > 0, total, 1.0)[:, None]


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The log-likelihood of log parameters over distinct rows, T scaled to 1.

    Attributes:
        nbd: The likelihood of buying, in which nobody leaves.
        rows: Distinct frequency, recency and T, scaled.
        customers: Customers with these.
    """

    nbd: BuyingLikelihood
    rows: tuple[FloatArray, ...]
    customers: FloatArray

    @classmethod
    def of(cls, history: PurchaseHistory) -> Likelihood:
        """The distinct rows of these histories."""
        nbd = BuyingLikelihood.of(history, first_chances=1)
        return cls(nbd, nbd.leavers, nbd.leaver_customers)

    @property
    def scale(self) -> float:
        """What T and recency were divided by."""
        return self.nbd.scale

    @property
    def constant(self) -> float:
        """What scaling time took from the log-likelihood."""
        return self.nbd.constant

    def buying(self, log_params: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Terms of r and alpha alone: the NBD, in which nobody leaves; k = 2."""
        return self.nbd.buying(log_params)

    def _staying(self, s: float, beta: float) -> tuple[float, FloatArray, FloatArray]:
        """Terms of s and beta alone: not having left by T; k = 2."""
        end, n = self.nbd.end, self.nbd.end_customers
        waited, part = np.log1p(end / beta), end / (beta + end)
        value = -s * float(n @ waited)
        met = s * float(n @ part)
        gradient = np.array([value, met])
        return value, gradient, np.array([[value, met], [met, -s * float(n @ (part * (1 - part)))]])

    def __call__(self, log_params: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Value, gradient (4,) and Hessian (4, 4) at the log parameters, scaled."""
        params = ParetoNBDParams(*np.exp(log_params).tolist())
        gradient, hessian = np.zeros(4), np.zeros((4, 4))
        value, gradient[:2], hessian[:2, :2] = self.buying(log_params[:2])
        more, gradient[2:], hessian[2:, 2:] = self._staying(params.s, params.beta)
        value += more
        for begin in range(0, len(self.customers), ROWS_AT_ONCE):
            chunk = slice(begin, begin + ROWS_AT_ONCE)
            rows = tuple(column[chunk] for column in self.rows)
            more, slope, bend = _leaving(params, rows, self.customers[chunk])
            value, gradient, hessian = value + more, gradient + slope, hessian + bend
        return value, gradient, hessian


def _leaving(
    params: ParetoNBDParams, rows: tuple[FloatArray, ...], customers: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Sum of log(1 + odds of having left) with its derivatives."""
    r, alpha, s, beta = params
    x, t_x, T = rows
    odds, y, shares = left_log_odds(params, x, t_x, T)
    end, k = T[:, None], (r + x)[:, None]
    # Derivatives of the logarithm of one term of the integral.
    buy, die = np.log1p((end - y) / (alpha + y)), np.log1p((end - y) / (beta + y))
    part, part_T = alpha / (alpha + y), alpha / (alpha + end)
    rest, rest_T = beta / (beta + y), beta / (beta + end)
    slopes = np.stack([r * buy, -k * (part - part_T), 1 + s * die, -(s + 1) * rest + s * rest_T])
    bends = np.zeros((4, 4, *y.shape))
    bends[0, 0], bends[2, 2] = r * buy, s * die
    bends[0, 1] = bends[1, 0] = -r * (part - part_T)
    bends[1, 1] = -k * (part * (1 - part) - part_T * (1 - part_T))
    bends[2, 3] = bends[3, 2] = -s * (rest - rest_T)
    bends[3, 3] = -(s + 1) * rest * (1 - rest) + s * rest_T * (1 - rest_T)
    mean = np.einsum("ink,nk->in", slopes, shares)
    left = expit(odds)
    weight = customers * left
    spread = np.einsum("ijnk,nk,n->ij", bends, shares, weight)
    spread += np.einsum("ink,jnk,nk,n->ij", slopes, slopes, shares, weight, optimize=True)
    spread -= np.einsum("in,jn,n->ij", mean, mean, weight * left)
    value = float(customers @ np.logaddexp(0, odds))
    return value, mean @ weight, spread
