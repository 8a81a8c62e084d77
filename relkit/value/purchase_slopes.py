"""How an active customer's expected purchases answer to the parameters, exactly.

``purchase_integral`` computes F(x, s) as a mean over the drop-out probability. The same
points give its derivatives: the parameters a and b move the weights only, r and s the
integrand only, so one pass replaces eight moved models.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from relkit.value.bgnbd import BGNBD
from relkit.value.history_grid import WIDE, HistoryGrid
from relkit.value.inputs import FloatArray
from relkit.value.mbgnbd import MBGNBD
from relkit.value.purchase_integral import drop_out_nodes, smooth_against
from relkit.value.purchase_model import PurchaseModel

# Central differences in log parameters; rounding and curvature both stay near 1e-8.
STEP = 1e-4
# Bounds the memory: so many pairs, each with all its points.
PAIRS_AT_ONCE = 1024


def moved(model: PurchaseModel[Any], i: int, step: float) -> PurchaseModel[Any]:
    """The model with one log parameter moved."""
    logs = np.log(model.params)
    logs[i] += step
    return model.at(np.exp(logs))


def alive_slopes(
    model: PurchaseModel[Any], x: FloatArray, t_x: FloatArray, T: FloatArray, chance: FloatArray
) -> FloatArray:
    """Derivatives of P(alive) in the log parameters; x, t_x, T and P(alive) (n,) -> (n, k)."""
    if not isinstance(model, (BGNBD, MBGNBD)):
        columns = []
        for i in range(len(model.params)):
            high, low = (moved(model, i, step).alive(x, t_x, T) for step in (STEP, -STEP))
            columns.append((high - low) / (2 * STEP))
        return np.column_stack(columns)
    r, alpha, _, b = model.params
    # Stays at chances to leave; without a chance P(alive) is 1 and nothing moves it.
    stays = np.maximum(x - (0 if isinstance(model, MBGNBD) else 1), 0.0)
    silence = (T - t_x) / (alpha + t_x)
    slopes = np.empty((len(x), 4))
    slopes[:, 0] = r * np.log1p(silence)
    slopes[:, 1] = -(r + x) * alpha * silence / (alpha + T)
    slopes[:, 2] = 1.0
    slopes[:, 3] = -b / (b + stays)
    slopes *= (-chance * (1 - chance))[:, None]
    return slopes


def expectation_with_slopes(
    model: PurchaseModel[Any], x: FloatArray, T: FloatArray, times: FloatArray, weights: FloatArray
) -> FloatArray:
    """Weighted purchases given active, and their derivatives in the log parameters.

    Args:
        model: Purchase model of k parameters.
        x: Repeat purchases, shape (m,).
        T: First purchase to now, shape (m,).
        times: From now, shape (j,).
        weights: Weights of the purchases expected by each time, shape (j, w).

    Returns:
        Shape (m, w, 1 + k), the value first; derivatives are exact for models whose
        customers leave at a purchase, else central differences of a closed form.
    """
    if isinstance(model, (BGNBD, MBGNBD)):
        return _at_purchases(model, x, T, times, weights)
    columns = [model.purchases_if_alive(x, T, times) @ weights]
    for i in range(len(model.params)):
        high, low = (
            moved(model, i, step).purchases_if_alive(x, T, times) for step in (STEP, -STEP)
        )
        columns.append((high - low) @ weights / (2 * STEP))
    return np.stack(columns, axis=2)


def _at_purchases(
    model: BGNBD | MBGNBD, x: FloatArray, T: FloatArray, times: FloatArray, weights: FloatArray
) -> FloatArray:
    r, alpha, a, b = model.params
    stays = b + (1 if isinstance(model, MBGNBD) else 0)
    s = times[None, :] / (alpha + T)[:, None]
    each = np.repeat(x, len(times))
    grid = HistoryGrid.of(each, s.ravel(), smooth_against(r, each), WIDE)
    # Over s, so that it varies little within a cell and errors are relative ones.
    at = np.where(grid.T == 0, 1e-300, grid.T)
    found = grid.spread(_with_slopes(r, a, stays, grid.x, at) / at[:, None])
    found *= s.ravel()[:, None]
    # In log r, log alpha through s, log a, log b.
    chain = found.reshape(len(x), len(times), 5) * [1.0, r, 1.0, a, b]
    chain[:, :, 2] *= (-alpha / (alpha + T))[:, None]
    answer: FloatArray = np.einsum("mjk,jw->mwk", chain, weights, optimize=True)
    return answer


def _with_slopes(r: float, a: float, b: float, x: FloatArray, s: FloatArray) -> FloatArray:
    """F(x, s) and its derivatives in r, log s, a and b; x, s (m,) -> (m, 5).

    With k = r + x, g(p) = (1 - (1 + p s) ** -k) / p and N = a + b + x, F is the mean
    of g - (1 - p) g' / N under Beta(a + 1, b + x). Moving a weight by da multiplies
    it by 1 + da (log p - mean of log p).
    """
    distinct, where = np.unique(x, return_inverse=True)
    nodes = drop_out_nodes(a, b + distinct)
    p_all = expit(nodes.log_odds)
    left_all = expit(-nodes.log_odds)
    weights = nodes.weights
    centred = []
    for logs in (np.log(p_all), np.log(left_all)):
        centred.append(logs - (logs * weights).sum(axis=1, keepdims=True))
    rules = np.stack([weights, weights * centred[0], weights * centred[1]], axis=2)
    answer = np.empty((len(x), 5))
    order = np.argsort(where, kind="stable")
    for begin in range(0, len(x), PAIRS_AT_ONCE):
        rows = order[begin : begin + PAIRS_AT_ONCE]
        for at in np.unique(where[rows]).tolist():
            mine = rows[where[rows] == at]
            own = at, slice(int(nodes.length[at]))
            k, total = r + distinct[at], a + b + distinct[at]
            answer[mine] = _at_one_x(k, total, s[mine], p_all[own], left_all[own], rules[own])
    return answer


def _at_one_x(
    k: float, total: float, s: FloatArray, p: FloatArray, left: FloatArray, rules: FloatArray
) -> FloatArray:
    """F and its four derivatives at one x; s (m,), rules (nodes, 3) -> (m, 5)."""
    p_s = s[:, None] * p
    logs = np.log1p(p_s)
    stay = np.exp(-k * logs)
    bought = -np.expm1(-k * logs)
    share = p_s / (1 + p_s)
    rest = left / (total * p)
    # Minus the derivative of g in p, times p squared.
    bend = bought - k * share * stay
    integrand = (bought + rest * bend) / p
    by_shape = stay * (logs + rest * (logs - share + k * share * logs)) / p
    by_time = stay * k * share * (1 + rest * share * (1 + k)) / p
    weight = rules[:, 0]
    # The factor 1 / N moves with a and with b.
    by_total = -((rest * bend / p) @ weight) / total
    value, by_a, by_b = (integrand @ rules).T
    return np.column_stack(
        [value, by_shape @ weight, by_time @ weight, by_a + by_total, by_b + by_total]
    )
