"""How many purchases an active customer makes: sums and integrals of positive terms.

Purchases of a customer with a gamma rate (shape, scale) who never leaves are negative
binomial. A customer who leaves makes k of them either by making k and staying, or by
leaving after the k-th (BG/NBD), or by leaving at some time up to which k were made
(Pareto/NBD). Printed, these are differences or hypergeometric functions that cancel;
as said here nothing is subtracted.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from relkit.value.gamma_gamma_likelihood import log_beta
from relkit.value.inputs import FloatArray, unique_rows

# Probabilities held at a time, so that memory does not grow with the customers.
AT_ONCE = 200_000
# Gauss-Legendre points. Each integrand is log-concave in a logarithm of time, with its
# poles at a distance of pi or more; cut at CUT below its peak, 64 points leave 1e-13.
NODES = 64
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(NODES)
CUT = 40.0
HALVINGS = 34


def log_choices(shape: FloatArray, most: int) -> FloatArray:
    """Logarithm of gamma(shape + k) / (gamma(shape) k!), k = 0 … most; (n, most + 1)."""
    k = np.arange(1.0, most + 1)
    logs = np.zeros((len(shape), most + 1))
    logs[:, 1:] = -log_beta(shape[:, None], k[None, :]) - np.log(k)
    return logs


def counts_with_chances(
    shape: FloatArray, ratio: FloatArray, a: float, b: FloatArray, most: int
) -> FloatArray:
    """Chances of 0 … most purchases of customers who may leave after each of them.

    Args:
        shape: Shape of the purchase rates, r + x, shape (n,).
        ratio: Horizon over their scale, horizon / (alpha + T), shape (n,).
        a: First shape of the chance to leave.
        b: Second shape of it, given that the customer is active, shape (n,).
        most: The largest count.

    Returns:
        Shape (n, most + 1).

    Source: Fader, Hardie & Lee (2005), equation 8, with the shapes given a history: k
        purchases and still active, or the k-th was the last and would have been one
        of k or more.
    """
    (shapes, seconds), place = unique_rows(shape, b)
    answer = np.empty((len(shape), most + 1))
    step = max(1, AT_ONCE // (most + 1))
    few = len(shapes) * 2 <= len(shape)
    table = _by_shape(shapes, seconds, a, most) if few and len(shapes) <= step else None
    for begin in range(0, len(shape), step):
        rows = slice(begin, begin + step)
        if table is None:
            choices, stays, leaves = _by_shape(shape[rows], b[rows], a, most)
        else:
            choices, stays, leaves = (column[place[rows]] for column in table)
        wanted, more = negative_binomial(shape[rows], ratio[rows], choices)
        answer[rows] = stays * wanted
        answer[rows, 1:] += leaves * more[:, 1:]
    return answer


def _by_shape(
    shape: FloatArray, b: FloatArray, a: float, most: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What does not depend on time: log choices, staying k times, leaving at the k-th.

    Shapes (n, most + 1), (n, most + 1) and (n, most), the last from k = 1 on.
    """
    stayed = b[:, None] + np.arange(most)
    stays = np.ones((len(shape), most + 1))
    stays[:, 1:] = np.exp(-np.cumsum(np.log1p(a / stayed), axis=1))
    return log_choices(shape, most), stays, stays[:, :-1] * (a / (a + stayed))


def negative_binomial(
    shape: FloatArray, ratio: FloatArray, choices: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Chances of exactly k and of k or more purchases, each (n, most + 1)."""
    most = choices.shape[1] - 1
    k = np.arange(most + 1.0)
    with np.errstate(divide="ignore", under="ignore"):
        log_odds = np.log(ratio) - np.log1p(ratio)
        exactly = np.exp(choices - (shape * np.log1p(ratio))[:, None] + k * log_odds[:, None])
    # The rest beyond the last, then each chance added to those above it.
    beyond = betainc(most + 1.0, shape, ratio / (1 + ratio))
    at_least = beyond[:, None] + np.cumsum(exactly[:, ::-1], axis=1)[:, ::-1]
    return exactly, at_least


def counts_with_rate(
    shape: FloatArray,
    scale: FloatArray,
    s: float,
    active: FloatArray,
    horizon: FloatArray,
    most: int,
) -> FloatArray:
    """Chances of 0 … most purchases of customers who may leave at any time.

    Args:
        shape: Shape of the purchase rates, r + x, shape (n,).
        scale: Scale of them, alpha + T, shape (n,).
        s: Shape of the rates of leaving.
        active: Scale of them, beta + T, shape (n,).
        horizon: Length of time, shape (n,).
        most: The largest count.

    Returns:
        Shape (n, most + 1): k purchases and still active at the end, plus the integral
        over the time of leaving of k purchases up to it.

    Source: Fader & Hardie (2006), "Deriving an expression for P(X(t) = x) under the
        Pareto/NBD model", before the integral is carried out.
    """
    (shapes, scales, actives, lengths), place = unique_rows(shape, scale, active, horizon)
    answer = np.empty((len(shapes), most + 1))
    step = max(1, AT_ONCE // ((most + 1) * NODES))
    for begin in range(0, len(shapes), step):
        rows = slice(begin, begin + step)
        args = shapes[rows], scales[rows], actives[rows], lengths[rows]
        answer[rows] = _with_rate(*args, s, most)
    return answer[place]


def _with_rate(
    shape: FloatArray,
    scale: FloatArray,
    active: FloatArray,
    horizon: FloatArray,
    s: float,
    most: int,
) -> FloatArray:
    """The same of distinct rows."""
    k = np.arange(most + 1.0)[None, :]
    choices = log_choices(shape, most)
    log_odds = np.log(horizon) - np.log(scale + horizon)
    shrunk = shape * np.log1p(horizon / scale) + s * np.log1p(horizon / active)
    stays = np.exp(choices - shrunk[:, None] + k * log_odds[:, None])
    sooner = scale <= active
    c, other = np.minimum(scale, active), np.maximum(scale, active)
    buying, leaving = shape[:, None] + k, np.full((1, most + 1), s + 1)
    near = np.where(sooner[:, None], buying, leaving)
    far = np.where(sooner[:, None], leaving, buying)
    share = (c / other)[:, None]
    log_integral = _log_integral(k, near, far, share, np.log1p(horizon / c)[:, None])
    # What is left of the constants, powers of scale, active and c cancelled on paper.
    powers = np.where(sooner[:, None], 1.0, k) * np.log(share)
    leaves: FloatArray = np.exp(choices + math.log(s) + powers + log_integral)
    return stays + leaves


def _log_integral(
    k: FloatArray, near: FloatArray, far: FloatArray, share: FloatArray, end: FloatArray
) -> FloatArray:
    """Logarithm of the integral over z up to e**end - 1 of

        z**k (1 + z)**-near (1 + share z)**-far

    by Gauss-Legendre points in w = log(1 + z), in which the logarithm of the integrand
    is concave: between where it has fallen by CUT on either side of its peak. Arrays
    of shape (n, m), or such as broadcast to it; share at most 1.
    """

    def log_term(w: FloatArray, *args: FloatArray) -> FloatArray:
        k, near, far, share = args
        grown = np.expm1(w)
        with np.errstate(divide="ignore", invalid="ignore"):
            rise = np.where(k > 0, k * np.log(grown), 0.0)
        term: FloatArray = rise - (near - 1) * w - far * np.log1p(share * grown)
        return term

    def slope(w: FloatArray) -> FloatArray:
        fall = share * np.exp(w)
        with np.errstate(divide="ignore"):
            return k / -np.expm1(-w) - (near - 1) - far * fall / (1 - share + fall)

    zero = np.zeros(np.broadcast_shapes(near.shape, end.shape))
    whole = zero + end
    peak = _halve(lambda w: slope(w) > 0, zero, whole)
    top = log_term(peak, k, near, far, share)
    low = _halve(lambda w: log_term(w, k, near, far, share) > top - CUT, peak, zero)
    high = _halve(lambda w: log_term(w, k, near, far, share) > top - CUT, peak, whole)
    half = (high - low) / 2
    w = low[..., None] + half[..., None] * (POINTS + 1)
    deep = (k[..., None], near[..., None], far[..., None], share[..., None])
    terms = np.exp(log_term(w, *deep) - top[..., None])
    log_integral: FloatArray = top + np.log(half * (terms @ WEIGHTS))
    return log_integral


def _halve(
    holds: Callable[[FloatArray], NDArray[np.bool_]], near: FloatArray, far: FloatArray
) -> FloatArray:
    """The last point from near to far at which something still holds, elementwise."""
    near, far = near.copy(), far.copy()
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        yes = holds(middle)
        near, far = np.where(yes, middle, near), np.where(yes, far, middle)
    return far
