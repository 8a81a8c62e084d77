"""Groups that borrow strength from the whole: empirical Bayes for log parameters.

Each group has its own log parameters, drawn from a normal distribution around a
centre that all share. How far groups lie apart is itself estimated; where it is not
at all, every group gets the same parameters, and where groups are large they keep
their own. A group that says nothing gets the centre.

The coordinates are not the log parameters themselves but sums of them that mean
something alone (the mean rate, its evenness), in which groups differ independently:
one variance for each instead of a full matrix, which a handful of groups could not
hold. This is the same normal shrinkage of the log parameters, with a covariance of
that form.

Source: Efron & Morris (1975), "Data analysis using Stein's estimator and its
generalizations", JASA 70; variances by restricted maximum likelihood, Patterson &
Thompson (1971), Biometrika 58, on a Gaussian approximation of each group's
likelihood that is renewed around its penalised optimum, Breslow & Clayton (1993),
"Approximate inference in generalized linear mixed models", JASA 88.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relkit.value.inputs import FloatArray
from relkit.value.newton import maximise

LogLikelihood = Callable[[FloatArray], tuple[float, FloatArray, FloatArray]]

# Where the search begins: groups that differ by a factor of 1.6 either way.
FIRST_VARIANCE = 0.25
# Variances of logarithms; at the limit groups differ by a factor of 20 and do not borrow.
LARGEST_VARIANCE = 9.0
# What letting groups differ in a coordinate must add to the log-likelihood, else they do
# not: one for each variance, Akaike's price. Without it chance alone lets them differ a
# little, which costs more where groups are alike than it gains where they differ so little.
LEAST_GAIN_OF_DIFFERENCE = 1.0
# How far a group's coordinate may lie from the centre, in logarithms.
FARTHEST = 12.0
MOST_ROUNDS = 30
# Centre and standard deviations, all of logarithms, have settled when none moves by more:
# a tenth of a percent, far below their errors.
SETTLED = 1e-3
# Standard deviations over which their own uncertainty is averaged, in logarithms.
DEVIATIONS = np.linspace(0.0, 2.0, 81)


@dataclass(frozen=True, slots=True)
class Borrowed:
    """Groups around a centre. k log parameters, g groups.

    Attributes:
        points: Log parameters of each group, shape (g, k).
        own: Covariance of each group's given the centre, shape (g, k, k).
        pull: How each group's move with the centre, shape (g, k, k): nothing where the
            group has its own evidence, one to one where it has none.
        centre: Log parameters of the centre, shape (k,).
        centre_covariance: Covariance of the centre, shape (k, k).
        between: Covariance of the groups around the centre, shape (k, k).
        weight_of_whole: Share of each group's parameters that comes from the centre,
            mean over the coordinates that are free, in [0, 1], shape (g,).
        values: Log-likelihood of each group at its point, shape (g,).
        evaluations: How often a group's likelihood was computed, all together.
    """

    points: FloatArray
    own: FloatArray
    pull: FloatArray
    centre: FloatArray
    centre_covariance: FloatArray
    between: FloatArray
    weight_of_whole: FloatArray
    values: FloatArray
    evaluations: int

    def covariance(self, one: int, other: int) -> FloatArray:
        """Covariance of the log parameters of two groups, (k, k), or of one with itself."""
        shared = self.pull[one] @ self.centre_covariance @ self.pull[other].T
        return shared + self.own[one] if one == other else shared


def borrow(
    likelihoods: Sequence[LogLikelihood],
    start: FloatArray,
    coordinates: FloatArray,
    free: NDArray[np.bool_],
    least_gain: float = LEAST_GAIN_OF_DIFFERENCE,
) -> Borrowed:
    """Log parameters of each group, drawn towards the centre as far as the data say.

    Args:
        likelihoods: Per group, log parameters (k,) -> value, gradient, Hessian.
        start: Log parameters at which the sum of the likelihoods is highest, shape (k,).
        coordinates: Log parameters to coordinates, an invertible matrix (k, k).
        free: Which coordinates are estimated, shape (k,); the others stay at the start.
        least_gain: What a difference must add to the log-likelihood to be held for one.
    """
    back: FloatArray = np.linalg.inv(coordinates)[:, free].astype(np.float64)
    groups = [_Group(one, start, back) for one in likelihoods]
    size = int(free.sum())
    centre, variance = np.zeros(size), np.full(size, FIRST_VARIANCE)
    while True:
        centre, variance, moved = _settled(groups, centre, variance)
        weakest, gain = _weakest(groups, variance)
        settled = moved < SETTLED
        if settled and gain >= least_gain:
            return _result(groups, start, coordinates, free, centre, variance)
        # A difference that comes and goes with the last digit is none that holds.
        variance = np.where(np.arange(size) == weakest, 0.0, variance)


def _settled(
    groups: list[_Group], centre: FloatArray, variance: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """Centre, variances and their last step; variances of 0 stay there."""
    if not variance.any():
        # Groups that do not differ have one optimum, that of the whole.
        for group in groups:
            group.settle(np.zeros(len(variance)), variance)
        return np.zeros(len(variance)), variance, 0.0
    largest = np.where(variance > 0, LARGEST_VARIANCE, 0.0)
    moved = np.inf
    for rounds in range(MOST_ROUNDS):
        for group in groups:
            group.settle(centre, variance)
        found, spread, _ = _restricted(groups, variance, largest)
        step = np.append(found - centre, np.sqrt(spread) - np.sqrt(variance))
        moved = float(np.abs(step).max())
        if moved < SETTLED:
            return found, spread, moved
        # A group that says little can swing to and fro; shorter steps calm it.
        share = 1.0 if rounds < 10 else 0.5
        centre = centre + share * (found - centre)
        variance = (np.sqrt(variance) + share * (np.sqrt(spread) - np.sqrt(variance))) ** 2
    return centre, variance, moved


def _weakest(groups: list[_Group], variance: FloatArray) -> tuple[int, float]:
    """The coordinate whose difference between groups explains least, and how much."""
    apart = np.flatnonzero(variance > 0)
    if not apart.size:
        return 0, np.inf
    largest = np.where(variance > 0, LARGEST_VARIANCE, 0.0)
    value = _restricted(groups, variance, largest)[2]
    gains = []
    for one in apart:
        others = np.arange(len(variance)) != one
        gains.append(value - _restricted(groups, variance * others, largest * others)[2])
    least = int(np.argmin(gains))
    return int(apart[least]), float(gains[least])


class _Group:
    """One group while what it shares is being estimated; offsets from the start."""

    def __init__(self, likelihood: LogLikelihood, start: FloatArray, back: FloatArray) -> None:
        self.likelihood, self.start, self.back = likelihood, start, back
        self.offset = np.zeros(back.shape[1])
        self.value = 0.0
        self.evaluations = 0

    def at(self, offset: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """The likelihood in offsets of the free coordinates."""
        self.evaluations += 1
        value, gradient, hessian = self.likelihood(self.start + self.back @ offset)
        return value, self.back.T @ gradient, self.back.T @ hessian @ self.back

    def settle(self, centre: FloatArray, variance: FloatArray) -> None:
        """Goes to the penalised optimum and notes the evidence around it."""
        apart = variance > 0
        # Coordinates in which groups do not differ are those of the centre.
        best = np.where(apart, self.offset, centre)
        if apart.any():

            def penalised(part: FloatArray) -> tuple[float, FloatArray, FloatArray]:
                offset = centre.copy()
                offset[apart] = part
                value, gradient, hessian = self.at(offset)
                pull = (part - centre[apart]) / variance[apart]
                return (
                    value - 0.5 * float(pull @ (part - centre[apart])),
                    gradient[apart] - pull,
                    hessian[np.ix_(apart, apart)] - np.diag(1 / variance[apart]),
                )

            middle = centre[apart]
            found = maximise(penalised, best[apart], middle - FARTHEST, middle + FARTHEST)
            best[apart] = found.point
        self.offset = best
        self.value, gradient, hessian = self.at(best)
        curvature, axes = np.linalg.eigh(-hessian)
        self.information = (axes * np.maximum(curvature, 0.0)) @ axes.T
        self.evidence = self.information @ best + gradient


def _restricted(
    groups: list[_Group], variance: FloatArray, largest: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """Restricted maximum likelihood of what the groups share, from their evidence.

    Args:
        groups: Each with the precision of its own estimate, which may be singular, and
            that times the estimate, which exists where the estimate does not.
        variance: Where to begin, (k,).
        largest: Upper ends of the variances, (k,); 0 where groups shall not differ.

    Returns:
        Centre (k,), variances (k,), restricted log-likelihood but for a constant.
    """
    information = np.stack([group.information for group in groups])
    evidence = np.stack([group.evidence for group in groups])

    def objective(at: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        weight, centred, precision, _, value = _marginal(information, evidence, at)
        cost = np.einsum("gij,jk,gki->gi", weight, np.linalg.pinv(precision), weight)
        gradient = 0.5 * (centred**2 - np.einsum("gii->gi", weight) + cost).sum(axis=0)
        fisher = 0.5 * (weight**2).sum(axis=0)
        return value, gradient, -fisher

    found = maximise(objective, variance, np.zeros(len(variance)), largest)
    # A side of the box is reached but for rounding.
    best = np.where(found.point < 1e-8, 0.0, found.point)
    _, _, _, centre, value = _marginal(information, evidence, best)
    return centre, best, value


def _marginal(
    information: FloatArray, evidence: FloatArray, variance: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, float]:
    """What is left once each group's own parameters are integrated out.

    Returns:
        Weight of each group in the centre (g, k, k), its centred evidence (g, k), the
        precision of the centre (k, k), the centre (k,), and the restricted
        log-likelihood but for a constant.
    """
    spread = np.diag(variance)
    mixed = np.eye(len(variance)) + spread @ information
    weight = np.linalg.solve(np.swapaxes(mixed, 1, 2), information)
    weight = (weight + np.swapaxes(weight, 1, 2)) / 2
    discounted = np.linalg.solve(np.swapaxes(mixed, 1, 2), evidence[:, :, None])[:, :, 0]
    precision = weight.sum(axis=0)
    centre = np.linalg.pinv(precision) @ discounted.sum(axis=0)
    _, log_volume = np.linalg.slogdet(mixed)
    sign, log_precision = np.linalg.slogdet(precision)
    value = -0.5 * log_volume.sum() - 0.5 * (log_precision if sign > 0 else 0.0)
    value += 0.5 * np.einsum("gi,i,gi->", evidence, variance, discounted)
    value += 0.5 * discounted.sum(axis=0) @ centre
    return weight, discounted - weight @ centre, precision, centre, float(value)


def _plausible(groups: list[_Group], variance: FloatArray) -> FloatArray:
    """Variances as large as they may well be, for the errors, shape (k,).

    A handful of groups leaves their spread open, and intervals that took the estimate
    for known would be too short, most of all where it is 0. So each standard deviation
    is replaced by its mean over the restricted likelihood, uniform before, the others
    held where they are.

    Source: uniform on the standard deviation: Gelman (2006), "Prior distributions for
        variance parameters in hierarchical models", Bayesian Analysis 1.
    """
    information = np.stack([group.information for group in groups])
    evidence = np.stack([group.evidence for group in groups])
    wide = variance.copy()
    for one in range(len(variance)):
        values = []
        for deviation in DEVIATIONS:
            tried = variance.copy()
            tried[one] = deviation**2
            values.append(_marginal(information, evidence, tried)[4])
        share = np.exp(np.array(values) - max(values))
        wide[one] = max(float(share @ DEVIATIONS / share.sum()) ** 2, float(variance[one]))
    return wide


def _result(
    groups: list[_Group],
    start: FloatArray,
    coordinates: FloatArray,
    free: NDArray[np.bool_],
    centre: FloatArray,
    variance: FloatArray,
) -> Borrowed:
    """The settled groups, in log parameters again."""
    back, there = np.linalg.inv(coordinates)[:, free], coordinates[free]
    wide = _plausible(groups, variance)
    precision = np.zeros((len(variance),) * 2)
    own, pull, weight = [], [], []
    for group in groups:
        mixed = np.eye(len(variance)) + np.diag(wide) @ group.information
        precision += np.linalg.solve(mixed.T, group.information)
        from_whole = np.linalg.inv(mixed)
        within = from_whole @ np.diag(wide)
        own.append(back @ (within + within.T) @ back.T / 2)
        pull.append(back @ from_whole @ there)
        mixed = np.eye(len(variance)) + np.diag(variance) @ group.information
        weight.append(float(np.trace(np.linalg.inv(mixed))) / len(variance))
    return Borrowed(
        points=np.stack([start + back @ group.offset for group in groups]),
        own=np.stack(own),
        pull=np.stack(pull),
        centre=start + back @ centre,
        centre_covariance=back @ np.linalg.pinv((precision + precision.T) / 2) @ back.T,
        between=back @ np.diag(variance) @ back.T,
        weight_of_whole=np.clip(weight, 0.0, 1.0),
        values=np.array([group.value for group in groups]),
        evaluations=sum(group.evaluations for group in groups),
    )
