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
from scipy.special import expit

from relkit.value.inputs import FloatArray, PurchaseHistory, sums_by, unique_rows


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
    silence = np.log1p((T - t_x) / (alpha + t_x))
    chances = x + first_chances
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = math.log(a) - np.log(b + chances - 1) + (r + x) * silence
    return np.where(chances > 0, odds, -np.inf)


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The log-likelihood of log parameters, reduced to its sufficient statistics.

    Four kinds of terms need four sums only: over j, of customers with more than j
    repeats; over distinct T; over distinct repeaters. T is scaled to 1, so that the
    fit is the same under every unit of time.

    Attributes:
        scale: What T and recency were divided by.
        first_chances: 1 where the first purchase is a chance to leave, else 0.
        more_than: Customers with more than j repeats, j = 0, 1, …
        more_chances_than: Customers with more than j chances to leave, j = 0, 1, …
        end: Distinct T, scaled.
        end_customers: Customers with that T.
        end_repeats: Their repeats in all.
        leavers: Distinct frequency, recency and T of who can have left, scaled.
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
        x, weights = history.frequency, history.weights
        scale = float(history.T.max()) if len(x) and history.T.max() > 0 else 1.0
        end, t_x = history.T / scale, history.recency / scale
        (distinct_end,), place = unique_rows(end)
        more_than = sums_by(x.astype(np.intp), weights)[::-1].cumsum()[::-1][1:]
        more_chances_than = np.append([float(weights.sum())] * first_chances, more_than)
        can = x + first_chances > 0
        leavers, row = unique_rows(x[can], t_x[can], end[can])
        return cls(
            scale=scale,
            first_chances=first_chances,
            more_than=more_than,
            more_chances_than=more_chances_than,
            end=distinct_end,
            end_customers=sums_by(place, weights, len(distinct_end)),
            end_repeats=sums_by(place, weights * x, len(distinct_end)),
            leavers=leavers,
            leaver_customers=sums_by(row, weights[can], len(leavers[0])),
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
        r, alpha, a, b = params
        gradient, hessian = np.zeros(4), np.zeros((4, 4))
        value, gradient[:2], hessian[:2, :2] = self.buying(log_params[:2])
        more, gradient[2:], hessian[2:, 2:] = self._staying(a, b)
        x, t_x, T = self.leavers
        odds = left_log_odds(params, x, t_x, T, self.first_chances)
        stays = x + self.first_chances - 1
        left = expit(odds)
        slope = np.empty((4, len(x)))
        slope[0] = r * np.log1p((T - t_x) / (alpha + t_x))
        silent = alpha * (T - t_x) / ((alpha + T) * (alpha + t_x))
        slope[1] = -(r + x) * silent
        slope[2] = 1.0
        slope[3] = -b / (b + stays)
        weight = self.leaver_customers * left
        gradient += slope @ weight
        hessian += (slope * (weight * (1 - left))) @ slope.T
        hessian[0, 0] += weight @ slope[0]
        hessian[0, 1] -= weight @ (r * silent)
        hessian[1, 0] = hessian[0, 1]
        hessian[1, 1] += weight @ (
            (r + x) * (alpha * T / (alpha + T) ** 2 - alpha * t_x / (alpha + t_x) ** 2)
        )
        hessian[3, 3] += weight @ (slope[3] * stays / (b + stays))
        value += more + float(self.leaver_customers @ np.logaddexp(0, odds))
        return value, gradient, hessian
