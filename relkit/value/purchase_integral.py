"""Expected purchases of a customer who is still active, as a sum of positive terms.

The published expression holds a Gaussian hypergeometric function that overflows
or cancels for heavy buyers, for a near 1 and for long horizons. Written as a mean
over the drop-out probability p it has neither trouble:

    F(x, s) = mean over p ~ Beta(a, b + x) of (1 - (1 + p s) ** -(r + x)) / p

with s = horizon / (alpha + T). It is computed by the trapezoidal rule in the log
odds of p, which converges exponentially there, and, where many customers share an
x, from Chebyshev interpolants in log s.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import expit

from relkit.value.inputs import FloatArray, unique_rows

# Integrands are analytic within pi / 2 of the real axis in log odds, so a step h
# errs by about exp(-pi ** 2 / h). The longest span, 87, gives h = .39.
NODES = 224
# Where the integrand is cut, in logarithms below its peak. Towards p = 0 it may
# still grow like horizon times rate, hence the longer tail.
LEFT_CUT = 54.0
RIGHT_CUT = 33.0
# A stretch in log s over which a polynomial of 20 terms errs by about 1e-12: the
# same strip of pi / 2 makes its coefficients fall by a factor of 3.4 each.
CELL = 2.0
DEGREES = 20
CELLS_AT_ONCE = 64

Rule = Callable[[FloatArray, FloatArray], FloatArray]


def purchases_while_active(
    r: float, a: float, b: float, frequency: FloatArray, s: FloatArray
) -> FloatArray:
    """F(x, s) for each pair.

    Args:
        r: Shape of the purchase rates.
        a: First drop-out shape.
        b: Second drop-out shape.
        frequency: x, shape (n,).
        s: horizon / (alpha + T), shape (n,), not negative.

    Returns:
        Shape (n,); relative error below 1e-10.

    Source: Fader, Hardie & Lee (2005), equations 8 to 10, before the integral
        over p is carried out; the trapezoidal rule: Trefethen & Weideman (2014),
        "The exponentially convergent trapezoidal rule", section 5.
    """

    def rule(x: FloatArray, s: FloatArray) -> FloatArray:
        # Over s, so that it varies by e ** CELL at most within a cell and an
        # absolute error is a relative one.
        return _by_rule(r, a, b, x, s) / s

    answer = np.zeros(len(s))
    ahead = s > 0
    answer[ahead] = s[ahead] * by_cells(frequency[ahead], s[ahead], rule)
    return answer


def by_cells(x: FloatArray, y: FloatArray, rule: Rule) -> FloatArray:
    """A smooth positive function of x and log y at each pair, computed where it pays.

    Args:
        x: Frequencies, shape (n,).
        y: Positive numbers, shape (n,), on which the function depends through
            horizon / y or y alone.
        rule: The function; x of shape (m,) and y of shape (m, k) to (m, k).

    Returns:
        Shape (n,): from the rule itself where pairs are few, else from one Chebyshev
        series per x and cell of log y. Cells lie on a fixed grid, so the answer for
        a customer hardly depends on who else is asked about.
    """
    if not len(y):
        return np.zeros(0)
    position = np.log(y) / CELL
    cell = np.floor(position)
    (cell_x, cell_at), place = unique_rows(x, cell)
    if len(cell_x) * DEGREES >= len(y):
        (pair_x, pair_y), place = unique_rows(x, y)
        return rule(pair_x, pair_y[:, None])[place, 0]
    angles = math.pi * (np.arange(DEGREES) + 0.5) / DEGREES
    nodes = np.exp(CELL * (cell_at[:, None] + 0.5 + 0.5 * np.cos(angles)))
    to_series = np.cos(np.outer(angles, np.arange(DEGREES))) * (2 / DEGREES)
    to_series[:, 0] /= 2
    series = np.ascontiguousarray((rule(cell_x, nodes) @ to_series).T)
    where = 2 * (position - cell) - 1
    # Clenshaw's recurrence.
    ahead, behind = np.zeros(len(y)), np.zeros(len(y))
    for degree in range(DEGREES - 1, 0, -1):
        ahead, behind = series[degree][place] + 2 * where * ahead - behind, ahead
    return series[0][place] + where * ahead - behind


def _by_rule(r: float, a: float, b: float, x: FloatArray, s: FloatArray) -> FloatArray:
    """F(x, s) by the trapezoidal rule; x of shape (m,), s of shape (m, k).

    For a below 1/2 the integrand would fade too slowly towards p = 0. Integrating
    by parts gives the same mean under Beta(a + 1, b + x), for any a:

        F = mean of g(p) - (1 - p) g'(p) / (a + b + x)

    where g is the integrand above and -g' is positive, so nothing cancels.
    """
    answer = np.empty_like(s)
    distinct, where = np.unique(x, return_inverse=True)
    all_log_odds, all_weights = _nodes(a, b + distinct)
    for begin in range(0, len(x), CELLS_AT_ONCE):
        chunk = slice(begin, begin + CELLS_AT_ONCE)
        log_odds, weights = all_log_odds[where[chunk]], all_weights[where[chunk]]
        p = expit(log_odds)[:, None, :]
        k = r + x[chunk, None, None]
        p_s = p * s[chunk, :, None]
        exponent = k * np.log1p(p_s)
        bought = -np.expm1(-exponent)
        slope = bought - k * p_s / (1 + p_s) * (1 - bought)
        rest = expit(-log_odds)[:, None, :] / (a + b + x[chunk, None, None])
        integrand = (bought + rest * slope / p) / p
        answer[chunk] = np.einsum("mkn,mn->mk", integrand, weights)
    return answer


def _nodes(a: float, size: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log odds and normed weights of Beta(a + 1, size); each (m, NODES).

    Even steps of v with log odds = v + exp(v - turn): for size below 1 the weight
    fades like exp(-size * log odds), and the exponential reaches its end soon.
    """
    peak = np.log((a + 1) / size)
    # Only a slow right tail wants the stretch; elsewhere it is out of sight.
    turn = np.maximum(peak, 0.0) + np.where(size < 1, 3.0, 80.0)
    low = _crossing(a, size, turn, peak, LEFT_CUT, -1.0)
    high = _crossing(a, size, turn, peak, RIGHT_CUT, 1.0)
    v = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, NODES)
    stretch = np.exp(v - turn[:, None])
    log_odds = v + stretch
    weights = np.exp(_log_weight(a, size[:, None], log_odds) - _log_weight(a, size, peak)[:, None])
    weights *= 1 + stretch
    return log_odds, weights / weights.sum(axis=1, keepdims=True)


def _log_weight(a: float, size: FloatArray, log_odds: FloatArray) -> FloatArray:
    """Logarithm of p ** (a + 1) * (1 - p) ** size at these log odds."""
    weight: FloatArray = -(a + 1) * np.logaddexp(0, -log_odds) - size * np.logaddexp(0, log_odds)
    return weight


def _crossing(
    a: float, size: FloatArray, turn: FloatArray, peak: FloatArray, cut: float, side: float
) -> FloatArray:
    """Where, on one side of its peak, the weight has fallen by exp(-cut); in v."""

    def fall(v: FloatArray) -> FloatArray:
        log_odds = v + np.exp(np.minimum(v - turn, 700.0))
        return _log_weight(a, size, peak) - _log_weight(a, size, log_odds)

    near, far = peak.copy(), peak + side
    while (short := fall(far) < cut).any():
        far = np.where(short, peak + 2 * (far - peak), far)
    for _ in range(30):
        middle = (near + far) / 2
        short = fall(middle) < cut
        near, far = np.where(short, middle, near), np.where(short, far, middle)
    return far
