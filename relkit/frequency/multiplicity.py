"""Many comparisons at once: all arms with today's, and many metrics explored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relkit.errors import ParameterError

Floats = NDArray[np.float64]

# Nodes of a trapezoid over the normal density; its error is below 1e-12 for loadings to .999.
_Z = np.linspace(-9.0, 9.0, 2_001)
_DENSITY = np.exp(-(_Z**2) / 2) / np.sqrt(2 * np.pi) * (_Z[1] - _Z[0])


def common_arm_loadings(arms: Floats, today: float) -> Floats:
    """How much of each difference's spread is the arm's that all are compared with.

    Differences from one and the same arm correlate by the product of their loadings.

    Args:
        arms: Variance of each arm's mean, (A,).
        today: Variance of the mean of today's arm.

    Returns:
        (A,), in [0, 1).
    """
    return np.sqrt(today / (np.asarray(arms, float) + today))


def max_t_probability(bound: float, loadings: Floats) -> float:
    """P(no standardised difference is beyond the bound) where nothing differs.

    Args:
        bound: In standard errors, above 0.
        loadings: Of the differences, (A,).

    Source: Dunnett (1955), with the correlations of unequal arms (product structure).
    """
    from scipy.special import ndtr

    load = np.asarray(loadings, float)[:, None]
    rest = np.sqrt(np.maximum(1 - load**2, 1e-12))
    inside = ndtr((bound - load * _Z) / rest) - ndtr((-bound - load * _Z) / rest)
    return float(min(np.prod(inside, axis=0) @ _DENSITY, 1.0))


def max_t_bound(loadings: Floats, level: float = 0.95) -> float:
    """How many standard errors simultaneous intervals reach.

    Args:
        loadings: Of the differences, (A,).
        level: Chance that all intervals hold together.
    """
    from scipy.optimize import brentq

    if not 0 < level < 1:
        raise ParameterError(f"level={level} must be between 0 and 1")
    return float(brentq(lambda c: max_t_probability(c, loadings) - level, 1e-6, 40, xtol=1e-12))


def max_t_p_values(z: Floats, loadings: Floats) -> Floats:
    """p-value of each difference, adjusted for all of them, (A,)."""
    sizes = np.abs(np.asarray(z, float))
    return np.array([1 - max_t_probability(max(one, 1e-12), loadings) for one in sizes])


def benjamini_hochberg(p_values: Sequence[float]) -> Floats:
    """p-values adjusted so that, of those below q, a share of q is false on average.

    Source: Benjamini & Hochberg (1995), the step-up procedure.
    """
    p = np.asarray(p_values, float)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ParameterError("p-values must be numbers from 0 to 1, in one list")
    order = np.argsort(p, kind="stable")[::-1]
    ranks = np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum.accumulate(p[order] * len(p) / ranks)
    return np.minimum(adjusted, 1.0)
