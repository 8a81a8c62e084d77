"""What an experiment of a given size can see, before anybody is assigned."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from relkit.errors import ParameterError
from relkit.frequency.plan import Guardrail

KINDS = ("binary", "mean", "count")
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a metric is today, per randomised unit and window, in one tier.

    Attributes:
        kind: 'binary' (a share), 'mean' (any amount) or 'count' (events).
        mean: Its mean.
        variance: Between units; for a share it follows from the mean and is not asked.
        explained: Share of the variance that a covariate known before takes away
            (CUPED), the squared correlation.
        cluster_size: Mean number of units that are randomised together.
        cluster_cv: Standard deviation ÷ mean of the cluster sizes.
        intraclass: Correlation of units of a cluster.
    """

    kind: str
    mean: float
    variance: float = math.nan
    explained: float = 0.0
    cluster_size: float = 1.0
    cluster_cv: float = 0.0
    intraclass: float = 0.0

    def __post_init__(self) -> None:
        faults = []
        if self.kind not in KINDS:
            faults.append(f"kind={self.kind!r} must be one of {', '.join(KINDS)}")
        if self.kind == "binary" and not 0 < self.mean < 1:
            faults.append(f"mean={self.mean} must be a share between 0 and 1")
        if self.kind == "count" and not self.mean > 0:
            faults.append(f"mean={self.mean} must be above 0; nothing happened, so nothing shows")
        if self.kind != "binary" and not self.variance > 0:
            faults.append(f"variance={self.variance} must be above 0")
        if not 0 <= self.explained < 1:
            faults.append(f"explained={self.explained} must be a share below 1")
        if not (self.cluster_size >= 1 and self.cluster_cv >= 0 and 0 <= self.intraclass <= 1):
            faults.append("cluster_size must be at least 1, cluster_cv at least 0, intraclass 0-1")
        if faults:
            raise ParameterError("this baseline cannot be", faults)

    @property
    def design_effect(self) -> float:
        """By how much clusters multiply the variance of a mean.

        Source: Kish (1965); with unequal clusters Eldridge, Ashby & Kerry (2006), eq. 3.
        """
        return 1 + ((1 + self.cluster_cv**2) * self.cluster_size - 1) * self.intraclass

    def variance_at(self, mean: float) -> float:
        """Variance of a unit's outcome if its mean were another, covariate and clusters used.

        A count's variance grows with its mean; an amount's is taken as it is.
        """
        if self.kind == "binary":
            raw = mean * (1 - mean)
        elif self.kind == "count":
            raw = self.variance * mean / self.mean
        else:
            raw = self.variance
        return raw * (1 - self.explained) * self.design_effect


@dataclass(frozen=True, slots=True)
class DetectableEffect:
    """The smallest true difference that would be found.

    Attributes:
        difference: Arm − today's cadence; nan if even the largest there can be would
            not be found.
        relative: Difference ÷ today's mean; nan likewise, or where the mean is 0.
        power: With which chance it would be found.
        detectable: Whether there is such a difference.
    """

    difference: float
    relative: float
    power: float
    detectable: bool


def per_comparison(alpha: float, comparisons: int) -> float:
    """Two-sided level of one comparison so that all of them together keep alpha.

    Source: Šidák (1967); safe for comparisons with one and the same arm.
    """
    _check_share("alpha", alpha)
    if comparisons < 1:
        raise ParameterError(f"comparisons={comparisons} must be at least 1")
    return float(-math.expm1(math.log1p(-alpha) / comparisons))


def power_of(
    baseline: Baseline,
    difference: float,
    n_arm: float,
    n_today: float,
    alpha: float = 0.05,
    comparisons: int = 1,
) -> float:
    """Chance to find a true difference, in its own direction, by a two-sided test.

    Args:
        baseline: The metric in today's arm.
        difference: True mean of the arm − true mean of today's.
        n_arm: Units in the arm.
        n_today: Units in today's arm.
        alpha: Chance of any false alarm over all comparisons.
        comparisons: How many there are.

    Source: Fleiss, Levin & Paik (2003), ch. 4, without continuity correction.
    """
    _check_sizes(n_arm, n_today)
    mean = baseline.mean + difference
    if (baseline.kind != "mean" and mean < 0) or (baseline.kind == "binary" and mean > 1):
        raise ParameterError(f"difference={difference} leads to a mean of {mean:.4g}")
    error = _error(baseline, mean, n_arm, n_today)
    if error == 0:
        return 1.0
    bound = _NORMAL.inv_cdf(1 - per_comparison(alpha, comparisons) / 2)
    return _NORMAL.cdf(abs(difference) / error - bound)


def minimum_detectable_effect(
    baseline: Baseline,
    n_arm: float,
    n_today: float,
    power: float = 0.80,
    alpha: float = 0.05,
    comparisons: int = 1,
    direction: int = 1,
) -> DetectableEffect:
    """The smallest difference found with the wanted power.

    Args:
        baseline: The metric in today's arm.
        n_arm: Units in the arm.
        n_today: Units in today's arm.
        power: Chance to find it.
        alpha: Chance of any false alarm over all comparisons.
        comparisons: How many arms are compared with today's.
        direction: 1 for more, -1 for less.
    """
    _check_share("power", power)
    _check_sizes(n_arm, n_today)
    if direction not in (1, -1):
        raise ParameterError(f"direction={direction} must be 1 or -1")
    top = _largest(baseline, direction)

    def reached(size: float) -> bool:
        return power_of(baseline, direction * size, n_arm, n_today, alpha, comparisons) >= power

    if not reached(top):
        return DetectableEffect(math.nan, math.nan, power, False)
    size = direction * _smallest(reached, top)
    relative = size / baseline.mean if baseline.mean else math.nan
    return DetectableEffect(size, relative, power, True)


def required_size(
    baseline: Baseline,
    difference: float,
    power: float = 0.80,
    alpha: float = 0.05,
    comparisons: int = 1,
) -> int:
    """Units per arm, as many in today's, so that a true difference is found.

    Raises:
        ParameterError: a difference of 0, or one that cannot be.
    """
    _check_share("power", power)
    if difference == 0:
        raise ParameterError("difference=0 is found by no experiment; say what matters")

    def reached(size: float) -> bool:
        return power_of(baseline, difference, size, size, alpha, comparisons) >= power

    return math.ceil(_smallest(reached, _first_that(reached)) - 1e-6)


def guardrail_power(
    baseline: Baseline, guardrail: Guardrail, n_arm: float, n_today: float, level: float = 0.95
) -> float:
    """Chance that a harmless arm passes: the truth is equal, and that must show.

    The guardrail passes where the bound of the one-sided interval lies within the
    margin: on the logarithm of a ratio, on a difference as it is.

    Args:
        baseline: The metric in today's arm.
        guardrail: What must not be worse.
        n_arm: Units in the arm.
        n_today: Units in today's arm.
        level: Of the one-sided interval.
    """
    _check_share("level", level)
    _check_sizes(n_arm, n_today)
    error = _error(baseline, baseline.mean, n_arm, n_today)
    if guardrail.scale == "ratio":
        if baseline.mean <= 0:
            raise ParameterError(f"a ratio to a mean of {baseline.mean} says nothing")
        error, room = error / baseline.mean, abs(math.log(guardrail.margin))
    else:
        room = abs(guardrail.margin)
    return _NORMAL.cdf(room / error - _NORMAL.inv_cdf(level))


def guardrail_size(
    baseline: Baseline, guardrail: Guardrail, power: float = 0.80, level: float = 0.95
) -> int:
    """Units per arm so that a harmless arm passes its guardrail with the wanted chance."""
    _check_share("power", power)

    def reached(size: float) -> bool:
        return guardrail_power(baseline, guardrail, size, size, level) >= power

    return math.ceil(_smallest(reached, _first_that(reached)) - 1e-6)


def _error(baseline: Baseline, mean: float, n_arm: float, n_today: float) -> float:
    return math.sqrt(
        baseline.variance_at(mean) / n_arm + baseline.variance_at(baseline.mean) / n_today
    )


def _largest(baseline: Baseline, direction: int) -> float:
    """The largest difference there can be in this direction; far out where there is no end."""
    if baseline.kind == "binary":
        return 1 - baseline.mean if direction > 0 else baseline.mean
    if baseline.kind == "count" and direction < 0:
        return baseline.mean
    return 1e6 * (abs(baseline.mean) + math.sqrt(baseline.variance))


def _smallest(reached: Callable[[float], bool], top: float) -> float:
    """By bisection the smallest size that is enough, given that `top` is."""
    low, high = 0.0, top
    for _ in range(200):
        middle = (low + high) / 2
        if reached(middle) if middle > 0 else False:
            high = middle
        else:
            low = middle
        if high - low <= 1e-12 * high:
            break
    return high


def _first_that(reached: Callable[[float], bool]) -> float:
    size = 2.0
    while not reached(size):
        size *= 2
        if size > 1e15:
            raise ParameterError("no number of customers is enough")
    return size


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ParameterError(f"{name}={value} must be between 0 and 1")


def _check_sizes(*sizes: float) -> None:
    if not all(size > 0 for size in sizes):
        raise ParameterError(f"arms of {' and '.join(f'{s:g}' for s in sizes)} units: none is 0")
