"""The safeguarded Newton search that both fits of this room use.

Log-likelihoods of four parameters with exact derivatives need no general
optimiser. What they do need is safety where the surface bends the wrong way,
and a plain answer where a parameter runs away to zero or to infinity because
the data do not hold it: the search stays in a box and says which sides it hit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Objective = Callable[[FloatArray], tuple[float, FloatArray, FloatArray]]

# In logarithms: no step may change a parameter by more than a factor of e**2.
LONGEST_STEP = 2.0
SHORTEST_STEP = 1e-5
MOST_STEPS = 200
# What a further step must promise: 1e-9 of log-likelihood moves a parameter by less
# than 1e-4 of its standard error, and the last step squares even that away. What
# rounding does to a sum over many customers is relative to the sum.
SMALLEST_GAIN = 1e-9
ROUNDING = 1e-14
# Nearer than this to a side of the box is at it.
TOUCH = 1e-9


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where a search ended.

    Attributes:
        point: The parameters, shape (k,).
        value: The objective there.
        covariance: Inverse of the negative Hessian of the parameters that are
            inside the box, shape (k, k); zero in the rows and columns of those
            that are held by it.
        held_low: Which parameters are held by the lower side of the box, (k,).
        held_high: Which are held by the upper side, (k,).
        converged: Whether no further step promises a gain.
        evaluations: How often the objective was computed.
    """

    point: FloatArray
    value: float
    covariance: FloatArray
    held_low: NDArray[np.bool_]
    held_high: NDArray[np.bool_]
    converged: bool
    evaluations: int


def _ascent(gradient: FloatArray, hessian: FloatArray) -> FloatArray:
    """Newton's step with every curvature taken as downward, so that it climbs."""
    curvature, axes = np.linalg.eigh(-hessian)
    size = np.abs(curvature)
    size = np.maximum(size, 1e-12 * max(float(size.max()), 1e-300))
    step: FloatArray = axes @ ((axes.T @ gradient) / size)
    longest = float(np.abs(step).max())
    return step * (LONGEST_STEP / longest) if longest > LONGEST_STEP else step


def _inverse(hessian: FloatArray, free: NDArray[np.bool_]) -> FloatArray:
    """Covariance of the free parameters; flat or upward directions stay at zero."""
    covariance = np.zeros_like(hessian)
    if free.any():
        curvature, axes = np.linalg.eigh(-hessian[np.ix_(free, free)])
        firm = curvature > 1e-12 * max(float(curvature.max()), 1e-300)
        axes = axes[:, firm]
        covariance[np.ix_(free, free)] = (axes / curvature[firm]) @ axes.T
    return covariance


def maximise(
    objective: Objective, start: FloatArray, lower: FloatArray, upper: FloatArray
) -> Optimum:
    """The maximum of a smooth function inside a box.

    Args:
        objective: Point -> value, gradient (k,), Hessian (k, k).
        start: First point, shape (k,); moved into the box if outside.
        lower: Lower sides of the box, shape (k,).
        upper: Upper sides of the box, shape (k,).

    Returns:
        The optimum; ``converged`` is false after ``MOST_STEPS`` steps.

    Source: Newton's method with modified eigenvalues and an active set of
        bounds; Nocedal & Wright (2006), "Numerical Optimization", sections 3.4
        and 16.7.
    """
    point = np.clip(np.asarray(start, float), lower, upper)
    value, gradient, hessian = objective(point)
    evaluations = 1
    converged = False
    for _ in range(MOST_STEPS):
        step = _step_inside(point, gradient, hessian, lower, upper)
        if float(gradient @ step) <= SMALLEST_GAIN + ROUNDING * abs(value):
            # Newton doubles the digits, so one step beyond leaves the parameters exact
            # to rounding. A short one is not worth an evaluation: what it changes of
            # the curvature is relative to its length.
            beyond = np.clip(point + step, lower, upper)
            if float(np.abs(step).max()) <= SHORTEST_STEP:
                value += float(gradient @ step) / 2
                gradient = gradient + hessian @ step
            else:
                value, gradient, hessian = objective(beyond)
                evaluations += 1
            point, converged = beyond, True
            break
        taken, tried = _line_search(objective, point, value, gradient, step)
        evaluations += tried
        if taken is None or taken[1][0] <= value:
            # No shorter step gains either: what is promised is rounding.
            converged = float(gradient @ step) <= 1e-6 + 1e-10 * abs(value)
            break
        point, (value, gradient, hessian) = taken
    held = _held(point, gradient, lower, upper)
    return Optimum(
        point=point,
        value=value,
        covariance=_inverse(hessian, ~held),
        held_low=held & (gradient <= 0),
        held_high=held & (gradient > 0),
        converged=converged,
        evaluations=evaluations,
    )


def _held(
    point: FloatArray, gradient: FloatArray, lower: FloatArray, upper: FloatArray
) -> NDArray[np.bool_]:
    """Parameters at a side of the box that would gain by leaving it."""
    # Shortened steps reach a side but for rounding.
    low, high = point <= lower + TOUCH, point >= upper - TOUCH
    held: NDArray[np.bool_] = (low & (gradient <= 0)) | (high & (gradient >= 0))
    return held


def _step_inside(
    point: FloatArray,
    gradient: FloatArray,
    hessian: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
) -> FloatArray:
    """An ascent step of the free parameters that ends at the first side of the box.

    It is shortened as a whole: cutting one parameter alone would tear apart those
    that run to a limit together.
    """
    free = ~_held(point, gradient, lower, upper)
    while free.any():
        step = np.zeros_like(point)
        step[free] = _ascent(gradient[free], hessian[np.ix_(free, free)])
        blocked = ((point <= lower + TOUCH) & (step < 0)) | ((point >= upper - TOUCH) & (step > 0))
        if not blocked.any():
            side = np.where(step > 0, upper, lower)
            room = np.divide(side - point, step, out=np.full_like(point, np.inf), where=step != 0)
            return step * min(1.0, float(room.min()))
        free &= ~blocked
    return np.zeros_like(point)


def _line_search(
    objective: Objective, point: FloatArray, value: float, gradient: FloatArray, step: FloatArray
) -> tuple[tuple[FloatArray, tuple[float, FloatArray, FloatArray]] | None, int]:
    """The first halving of the step that gains a fair part of what it promises."""
    promised = float(gradient @ step)
    for halvings in range(40):
        trial = point + step * 0.5**halvings
        there = objective(trial)
        least = value + 1e-4 * promised * 0.5**halvings - ROUNDING * abs(value)
        if np.isfinite(there[0]) and there[0] >= least:
            return (trial, there), halvings + 1
    return None, 40
