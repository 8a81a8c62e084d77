"""A curve that tiers share, and each tier's own deviation from it: a Gaussian process.

Effects are in standard deviations of one customer's outcome, over log(1 + dose). The
level of each tier is free. How strong effects are, how smooth, and how much of them
tiers share is not chosen but integrated over a grid, weighted by how well each answer
explains the data. The grid reaches down to effects too weak to see and up to arms that
say nothing about each other, so the intervals do not rest on one lucky fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from relkit.frequency.sums import Floats

# Standard deviations of the curve, in those of one customer's outcome.
STRENGTHS = tuple(np.geomspace(0.003, 3.0, 12).tolist())
# Half-Cauchy: most effects are about this strong or weaker, stronger ones stay possible.
USUAL_STRENGTH = 0.1
# Length scales, in ranges of log(1 + dose): from arms on their own to nearly a line.
LENGTHS = (0.15, 0.3, 0.6, 1.2, 2.4)
# Share of the curve's variance that tiers have in common.
SHARED = (0.0, 0.5, 0.9)
# Of a tier's level, in standard deviations of one customer: as good as free.
LEVEL_VARIANCE = 100.0
# Grid points with less weight than this part of the heaviest are left out.
NEGLIGIBLE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Curves of all tiers given the data, as a mixture over the grid.

    Attributes:
        doses: Of the arms, (A,).
        weights: Of the grid's points that matter, (G,), sums to 1.
        settings: strength, length, share in common of each, (G, 3).
        means: Curve at the arms, (G, T, A).
        covariances: Of all tiers and arms jointly, (G, T·A, T·A).
    """

    doses: Floats
    weights: Floats
    settings: Floats
    means: Floats
    covariances: Floats
    _centre: Floats
    _precision: Floats
    _solved: Floats

    @property
    def mean(self) -> Floats:
        """Expected curve at the arms, (T, A)."""
        return np.einsum("g,gta->ta", self.weights, self.means)

    def draws(self, count: int, seed: int = 0) -> Floats:
        """Joint draws of all tiers at the arms, (count, T, A)."""
        _, tiers, arms = self.means.shape
        flat = self.means.reshape(len(self.means), -1)
        return self._mixture(flat, self.covariances, count, seed).reshape(count, tiers, arms)

    def draws_at(self, tier: int, doses: Floats, count: int, seed: int = 0) -> Floats:
        """Joint draws of one tier's curve at any doses, (count, D)."""
        tiers, arms = self.means.shape[1:]
        means, covariances = [], []
        for g, (strength, length, shared) in enumerate(self.settings):
            own = np.full(tiers, shared)
            own[tier] = 1.0
            scale = np.ptp(np.log1p(self.doses)) * length
            across = strength**2 * matern(doses, self.doses, scale)
            # (D, T·A): with the other tiers only what is shared, with its own all.
            to_data = (own[None, :, None] * across[:, None, :]).reshape(len(doses), -1)
            level = np.zeros((tiers, arms))
            level[tier] = LEVEL_VARIANCE
            to_data = to_data + level.ravel()
            prior = strength**2 * matern(doses, doses, scale) + LEVEL_VARIANCE
            means.append(self._centre[tier] + to_data @ self._solved[g])
            covariances.append(prior - to_data @ self._precision[g] @ to_data.T)
        return self._mixture(np.array(means), np.array(covariances), count, seed)

    def _mixture(self, means: Floats, covariances: Floats, count: int, seed: int) -> Floats:
        """Draws of a mixture of normals: each component as often as its weight says."""
        normal = _normals(count, means.shape[-1], seed)
        ends = np.round(np.cumsum(self.weights) * count).astype(int)
        ends[-1] = count
        out = np.empty_like(normal)
        first = 0
        for mean, covariance, end in zip(means, covariances, ends, strict=True):
            if end > first:
                out[first:end] = mean + normal[first:end] @ _root(covariance)
            first = end
        return out


def matern(one: Floats, other: Floats, length: float) -> Floats:
    """Matérn 5/2 correlation of curves at doses `one` and `other` over log(1 + dose).

    Source: Rasmussen & Williams (2006), "Gaussian Processes for Machine Learning",
        equation 4.17.
    """
    gap = np.sqrt(5) * np.abs(np.log1p(one)[:, None] - np.log1p(other)[None]) / length
    return np.asarray((1 + gap + gap**2 / 3) * np.exp(-gap))


def fit_curves(doses: Floats, mean: Floats, variance: Floats) -> Posterior:
    """Curves of all tiers, given means and their error variances.

    Args:
        doses: (A,), ascending.
        mean: In standard deviations of one customer's outcome, (T, A).
        variance: Of `mean`, (T, A).
    """
    tiers, arms = mean.shape
    settings, log_prior, prior = _grid(tuple(doses.tolist()), tiers)
    weight = 1 / variance
    centre = (mean * weight).sum(1, keepdims=True) / weight.sum(1, keepdims=True)
    y, noise = (mean - centre).ravel(), variance.ravel()
    whole = prior + np.diag(noise)
    lower = np.linalg.cholesky(whole)
    solved = np.linalg.solve(whole, np.broadcast_to(y[:, None], (*whole.shape[:2], 1)))[..., 0]
    log_likelihood = -0.5 * solved @ y - np.log(np.einsum("gii->gi", lower)).sum(1)
    log_weight = log_likelihood + log_prior
    weights = np.exp(log_weight - log_weight.max())
    kept = weights > NEGLIGIBLE
    weights = weights[kept] / weights[kept].sum()
    precision = np.linalg.inv(whole[kept])
    # Curve = data less the part taken for noise: stable however vague the level is.
    means = y - noise * solved[kept]
    covariances = np.diag(noise) - noise[:, None] * precision * noise[None]
    return Posterior(
        doses=doses,
        weights=weights,
        settings=settings[kept],
        means=means.reshape(-1, tiers, arms) + centre,
        covariances=covariances,
        _centre=centre[:, 0],
        _precision=precision,
        _solved=solved[kept],
    )


@lru_cache(maxsize=8)
def _grid(doses: tuple[float, ...], tiers: int) -> tuple[Floats, Floats, Floats]:
    """Settings (G, 3), their log prior (G,), and what each says of the curves (G, TA, TA)."""
    at = np.array(doses)
    shares = SHARED if tiers > 1 else SHARED[:1]
    settings = np.array([(s, n, h) for s in STRENGTHS for n in LENGTHS for h in shares])
    # Half-Cauchy density of the strength, on a grid even in its logarithm.
    log_prior = np.log(settings[:, 0]) - np.log1p((settings[:, 0] / USUAL_STRENGTH) ** 2)
    smooth = {n: matern(at, at, np.ptp(np.log1p(at)) * n) for n in LENGTHS}
    same = np.eye(tiers)
    level = np.kron(same, np.full((len(at), len(at)), LEVEL_VARIANCE))
    prior = [s**2 * np.kron(h + (1 - h) * same, smooth[n]) + level for s, n, h in settings.tolist()]
    return settings, log_prior, np.array(prior)


@lru_cache(maxsize=8)
def _normals(count: int, size: int, seed: int) -> NDArray[np.float64]:
    """Standard normals in a shuffled order of mirrored pairs: their mean is 0."""
    rng = np.random.default_rng([20263, seed])
    half = rng.standard_normal(((count + 1) // 2, size))
    both = np.concatenate([half, -half])[:count]
    rng.shuffle(both)
    both.flags.writeable = False
    return both


def _root(covariance: Floats) -> Floats:
    """R with Rᵀ R = covariance, for covariances that rounding left a hair off."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))).T)
