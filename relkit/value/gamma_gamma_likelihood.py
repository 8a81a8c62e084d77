"""The log-likelihood of Gamma-Gamma with its exact derivatives, in log parameters.

Source: Fader & Hardie (2013), "The Gamma-Gamma model of monetary value", equation 1a.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import digamma, gammaln, polygamma

from relkit.value.inputs import FloatArray, counted_rows, sums_by, unique_rows

# From here on Stirling's series with three terms is exact to rounding.
LARGE = 30.0


class GammaGammaParams(NamedTuple):
    """Parameters of the model, or one figure for each of them.

    Attributes:
        p: Shape of a customer's spend around the personal mean.
        q: Shape of the inverse scales between customers; below 1 there is no mean.
        v: Scale of them, in the currency.
    """

    p: float
    q: float
    v: float


def log_beta(one: FloatArray, other: float | FloatArray) -> FloatArray:
    """Logarithm of the beta function, exact for large arguments too; shapes broadcast.

    The difference of two log gammas of 1e6 keeps nine digits after the point, which
    a sum over many customers turns into noise. Stirling's series subtracted term
    by term keeps all.
    """
    large, small = np.maximum(one, other), np.minimum(one, other)
    plain = gammaln(large) - gammaln(large + small)
    base = np.maximum(large, LARGE)
    total = base + small
    series = (
        -(base - 0.5) * np.log1p(small / base)
        - small * np.log(total)
        + small
        + _stirling_rest(base)
        - _stirling_rest(total)
    )
    ratio = np.where(large < LARGE, plain, series)
    answer: FloatArray = gammaln(small) + ratio
    return answer


def _stirling_rest(z: FloatArray) -> FloatArray:
    # In 1 / z, which is 0 where the square of z would be beyond any number.
    inverse = 1 / z
    square = inverse * inverse
    rest: FloatArray = (1 / 12 - (1 / 360 - square / 1260) * square) * inverse
    return rest


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The log-likelihood of log parameters: per distinct frequency, and six sums in v.

    Attributes:
        scale: What spend was divided by.
        frequency: Distinct repeat counts.
        frequency_customers: Customers with each.
        repeats: Repeat counts of (frequency, total spend) rows, distinct where rows repeat.
        total: Total repeat spend of these, scaled.
        row_customers: Customers of these.
        log_means: Sum of log mean spend, unscaled; it moves with no parameter.
    """

    scale: float
    frequency: FloatArray
    frequency_customers: FloatArray
    repeats: FloatArray
    total: FloatArray
    row_customers: FloatArray
    log_means: float

    @classmethod
    def of(cls, x: FloatArray, mean: FloatArray, weights: FloatArray) -> Likelihood:
        """The sums that the likelihood of repeaters with positive spend needs."""
        scale = float(weights @ mean / weights.sum())
        (repeats, distinct_mean), row_customers = counted_rows(weights, x, mean)
        (frequency,), at = unique_rows(repeats)
        return cls(
            scale=scale,
            frequency=frequency,
            frequency_customers=sums_by(at, row_customers, len(frequency)),
            repeats=repeats,
            total=repeats * (distinct_mean / scale),
            row_customers=row_customers,
            log_means=float(row_customers @ np.log(distinct_mean)),
        )

    def __call__(self, log_params: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Value, gradient (3,) and Hessian (3, 3) at the log parameters, scaled."""
        p, q, v = np.exp(log_params).tolist()
        x, count = self.frequency, self.frequency_customers
        w, w_x = self.row_customers, self.row_customers * self.repeats
        share = v / (v + self.total)
        repeat_logs = float(w_x @ np.log1p(v / self.total))
        logs = float(w @ np.log1p(self.total / v))
        spent, waiting = float(w @ (1 - share)), float(w_x @ share)
        both, repeat_both = float(w @ (share * (1 - share))), float(w_x @ (share * (1 - share)))

        shape = p * x + q
        value = -float(count @ log_beta(p * x, q)) - p * repeat_logs - q * logs
        by_p = p * (count @ (x * (digamma(shape) - digamma(p * x))) - repeat_logs)
        by_q = q * (count @ (digamma(shape) - digamma(q)) - logs)
        by_v = q * spent - p * waiting
        bend = polygamma(1, shape)
        pp = by_p + p * p * (count @ (x * x * (bend - polygamma(1, p * x))))
        qq = by_q + q * q * (count @ (bend - polygamma(1, q)))
        pq = p * q * (count @ (x * bend))
        vv = -(q * both + p * repeat_both)
        hessian = np.array(
            [[pp, pq, -p * waiting], [pq, qq, q * spent], [-p * waiting, q * spent, vv]]
        )
        return float(value - self.log_means), np.array([by_p, by_q, by_v]), hessian
