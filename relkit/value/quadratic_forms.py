"""How likely a sum of weighted squares of normal figures is to exceed a value.

Source: Imhof (1961), "Computing the distribution of quadratic forms in normal
variables", Biometrika 48, equation 3.2.
"""

from __future__ import annotations

import numpy as np

from relkit.value.inputs import FloatArray

# Points of the integral, even in the logarithm of its variable.
POINTS = 4001
# Where the integrand has fallen to this it adds nothing.
NEGLIGIBLE = 1e-7


def chance_above(value: float, weights: FloatArray, squared_means: FloatArray | float = 0) -> float:
    """P(sum of weights * (z + mean)**2 > value), z independent standard normal.

    Args:
        value: What is to be exceeded.
        weights: Positive, shape (k,).
        squared_means: Squares of the means, shape (k,); 0 for none.

    Returns:
        In [0, 1], to 1e-6; a chance smaller than that comes out near 0.
    """
    scale = float(weights.sum())
    weight, bound = weights / scale, value / scale
    means = np.broadcast_to(np.asarray(squared_means, float), weight.shape)
    # The integrand falls as the product of (1 + (w u)**2)**(1/4); it is over where that is huge.
    far = 1.0
    while _log_size(np.array([far]), weight, means)[0] + np.log(far) < -np.log(NEGLIGIBLE):
        far *= 2.0
        if far > 1e8:
            break
    # Even steps near 0, where it oscillates most slowly, and no more than a tenth of a turn.
    steps = int(max(POINTS, 20 * far * max(bound, 1.0) / (2 * np.pi)))
    u = np.linspace(0.0, far, min(steps, 2_000_001))[1:]
    total = np.zeros(len(u))
    for begin in range(0, len(u), 100_000):
        part = u[begin : begin + 100_000]
        turned = part[:, None] * weight
        angle = 0.5 * (np.arctan(turned) + means * turned / (1 + turned**2)).sum(axis=1)
        angle -= 0.5 * bound * part
        total[begin : begin + 100_000] = np.sin(angle) / (
            part * np.exp(_log_size(part, weight, means))
        )
    # At 0 the integrand has this limit.
    first = 0.5 * float((weight * (1 + means)).sum()) - 0.5 * bound
    area = float(np.trapezoid(np.append(first, total), np.append(0.0, u)))
    return float(np.clip(0.5 + area / np.pi, 0.0, 1.0))


def value_exceeded(chance: float, weights: FloatArray) -> float:
    """The value that the sum exceeds with this chance, without means; by bisection."""
    low, high = 0.0, float(weights.sum()) * 2
    while chance_above(high, weights) > chance:
        high *= 2
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if chance_above(middle, weights) > chance else (low, middle)
    return (low + high) / 2


def _log_size(u: FloatArray, weight: FloatArray, means: FloatArray) -> FloatArray:
    """Logarithm of what the integrand is divided by besides u; (m,) -> (m,)."""
    turned = (u[:, None] * weight) ** 2
    size: FloatArray = (0.25 * np.log1p(turned) + 0.5 * means * turned / (1 + turned)).sum(axis=1)
    return size
