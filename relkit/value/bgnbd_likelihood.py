"""The log-likelihood of BG/NBD with its exact derivatives, in log parameters.

That of MBG/NBD is the same with one chance to leave more per customer: right after
the first purchase. What differs is thus a count, and the formulas stand here once.

Source: Fader, Hardie & Lee (2005), "'Counting your customers' the easy way: an
alternative to the Pareto/NBD model", Marketing Science 24, equation 6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from relkit.value.history_grid import HistoryGrid
from relkit.value.inputs import (
    ROWS_AT_ONCE,
    FloatArray,
    PurchaseHistory,
    counted_rows,
    sums_by,
)


class BGNBDParams(NamedTuple):
    """Parameters of the model, or one figure for each of them.

    Attributes:
        r: Shape of the purchase rates.
        alpha: Scale of the purchase rates, in units of time; r / alpha is the mean rate.
        a: First shape of the drop-out probability; a / (a + b) is its mean.
        b: Second shape of the drop-out probability.
    """

    r: float
    alpha: float
    a: float
    b: float


def left_log_odds(
    params: BGNBDParams, x: FloatArray, t_x: FloatArray, T: FloatArray, first_chances: int = 0
) -> Any:
    """Log odds of having left at T; -inf without a chance to. Shapes (n,) -> (n,).

    In logarithms, since (alpha + T) ** (r + x) overflows for heavy buyers.
    ``first_chances`` is 1 where the first purchase is a chance to leave, else 0.
    """
    r, alpha, a, b = params
    odds = np.empty(len(x))
    for begin in range(0, len(x), ROWS_AT_ONCE):
        rows = slice(begin, begin + ROWS_AT_ONCE)
        chances = x[rows] + first_chances
        silence = np.log1p((T[rows] - t_x[rows]) / (alpha + t_x[rows]))
        with np.errstate(divide="ignore", invalid="ignore"):
            there = math.log(a) - np.log(b + chances - 1) + (r + x[rows]) * silence
        there[chances <= 0] = -np.inf
        odds[rows] = there
    return odds


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The log-likelihood of log parameters, reduced to its sufficient statistics.

    Four kinds of terms need four sums only: over j, of customers with more than j
    repeats; over T; over repeaters. T is scaled to 1, so that the fit is the same under
    every unit of time. Every term in T alone is a function that is analytic within pi of
    the real axis of log T, whatever the parameters: a few points stand for all T.

    Attributes:
        scale: What T and recency were divided by.
        first_chances: 1 where the first purchase is a chance to leave, else 0.
        more_than: Customers with more than j repeats, j = 0, 1, …
        more_chances_than: Customers with more than j chances to leave, j = 0, 1, …
        end: Points of T, scaled, that stand for all.
        end_customers: Weights by which sums over these are sums over customers.
        end_repeats: The same, each customer counted as often as there are repeats.
        leavers: Frequency, recency and T of who can have left, scaled, where rows
            repeat each distinct one once.
        leaver_customers: Customers with these.
    """

    scale: float
    first_chances: int
    more_than: FloatArray
    more_chances_than: FloatArray
    end: FloatArray
    end_customers: FloatArray
    end_repeats: FloatArray
    leavers: tuple[FloatArray, ...]
    leaver_customers: FloatArray

    @classmethod
    def of(cls, history: PurchaseHistory, first_chances: int = 0) -> Likelihood:
        """The sums that the likelihood of these histories needs."""
        rows, weights = counted_rows(history.weights, history.frequency, history.recency, history.T)
        x, t_x, end = rows
        scale = float(end.max()) if len(x) and end.max() > 0 else 1.0
        t_x, end = t_x / scale, end / scale
        more_than = sums_by(x.astype(np.intp), weights)[::-1].cumsum()[::-1][1:]
        more_chances_than = np.append([float(weights.sum())] * first_chances, more_than)
        points, customers = _points(end, np.column_stack([weights, weights * x]))
        can = x + first_chances > 0
        return cls(
            scale=scale,
            first_chances=first_chances,
            more_than=more_than,
            more_chances_than=more_chances_than,
            end=points,
            end_customers=customers[:, 0],
            end_repeats=customers[:, 1],
            leavers=(x[can], t_x[can], end[can]),
            leaver_customers=weights[can],
        )

    @property
    def constant(self) -> float:
        """What scaling time took from the log-likelihood."""
        return -float(self.end_repeats.sum()) * math.log(self.scale)

    def buying(self, log_params: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Terms of r and alpha alone: the NBD, in which nobody leaves; k = 2."""
        r, alpha = np.exp(log_params)
        j = np.arange(len(self.more_than))
        share = r / (r + j)
        waited = np.log1p(self.end / alpha)
        part = self.end / (alpha + self.end)
        exposed = r * self.end_customers + self.end_repeats
        all_repeats = float(self.end_repeats.sum())
        value = self.more_than @ np.log(r + j) - exposed @ waited - all_repeats * math.log(alpha)
        waiting = r * float(self.end_customers @ waited)
        met = r * float(self.end_customers @ part)
        gradient = np.array([self.more_than @ share - waiting, exposed @ part - all_repeats])
        hessian = np.array(
            [
                [self.more_than @ (share * (1 - share)) - waiting, met],
                [met, -float(exposed @ (part * (1 - part)))],
            ]
        )
        return float(value), gradient, hessian

    def _staying(self, a: float, b: float) -> tuple[float, FloatArray, FloatArray]:
        """Terms of a and b alone: having stayed at each chance; k = 2."""
        counts = self.more_chances_than
        j = np.arange(len(counts))
        total = a + b + j
        gone, stayed = a / total, b / (b + j)
        value = -counts @ np.log1p(a / (b + j))
        mixed = float(counts @ (gone * b / total))
        gradient = np.array([-counts @ gone, counts @ (gone * stayed)])
        bend = stayed * (1 - stayed) - b * (a + j) / total**2
        hessian = np.array(
            [
                [-float(counts @ (gone * (b + j) / total)), mixed],
                [mixed, float(counts @ bend)],
            ]
        )
        return float(value), gradient, hessian

    def __call__(self, log_params: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Value, gradient (4,) and Hessian (4, 4) at the log parameters, scaled."""
        params = BGNBDParams(*np.exp(log_params).tolist())
        gradient, hessian = np.zeros(4), np.zeros((4, 4))
        value, gradient[:2], hessian[:2, :2] = self.buying(log_params[:2])
        more, gradient[2:], hessian[2:, 2:] = self._staying(params.a, params.b)
        value += more
        for begin in range(0, len(self.leaver_customers), ROWS_AT_ONCE):
            rows = slice(begin, begin + ROWS_AT_ONCE)
            histories = tuple(column[rows] for column in self.leavers)
            customers = self.leaver_customers[rows]
            more, slope, bend = _leaving(params, histories, customers, self.first_chances)
            value, gradient, hessian = value + more, gradient + slope, hessian + bend
        return value, gradient, hessian


def _points(end: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Points of T with the weights that stand for all T; (n,) and (n, k)."""
    # Where T is 0 every term in it is 0 too: one point of its own, as log 0 has no place.
    late = end > 0
    at_zero = weights[~late].sum(axis=0)
    if not late.all():
        end, weights = end[late], weights[late]
    grid = HistoryGrid.of(np.zeros(len(end)), end, 0.0)
    return np.append(grid.T, 0.0), np.vstack([grid.gather(weights), at_zero])


def _leaving(
    params: BGNBDParams,
    histories: tuple[FloatArray, ...],
    customers: FloatArray,
    first_chances: int,
) -> tuple[float, FloatArray, FloatArray]:
    """Sum of log(1 + odds of having left), with gradient (4,) and Hessian (4, 4)."""
    r, alpha, a, b = params
    x, t_x, T = histories
    k = r + x
    chances = b + x
    chances += first_chances - 1
    until_last = alpha + t_x
    slope = np.empty((4, len(x)))
    silent = T - t_x
    silent /= until_last
    np.log1p(silent, out=slope[0])
    odds = k * slope[0]
    odds -= np.log(chances)
    odds += math.log(a)
    # One exponential serves the logarithm of 1 + odds, and the chance of having left.
    small = np.exp(-np.abs(odds))
    value = customers @ (np.maximum(odds, 0) + np.log1p(small))
    left = np.where(odds > 0, 1.0, small)
    small += 1
    left /= small
    weight = customers * left
    until_last, until_end = alpha / until_last, alpha / (alpha + T)
    silent *= until_end
    slope[0] *= r
    np.multiply(k, silent, out=slope[1])
    np.negative(slope[1], out=slope[1])
    slope[2] = 1.0
    np.divide(-b, chances, out=slope[3])
    gradient = slope @ weight
    left -= 1
    left *= weight
    hessian = -(slope * left) @ slope.T
    hessian[0, 0] += gradient[0]
    hessian[0, 1] -= r * float(weight @ silent)
    hessian[1, 0] = hessian[0, 1]
    until_end += until_last
    until_end -= 1
    # slope[1] is -(r + x) silent: the second derivative holds it once more.
    hessian[1, 1] -= float(weight @ (slope[1] * until_end))
    hessian[3, 3] += gradient[3] + float(weight @ slope[3] ** 2)
    return float(value), gradient, hessian
