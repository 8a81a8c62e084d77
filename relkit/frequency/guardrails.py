"""What must not get worse, held to its margin: pass, fail, or not yet known.

A guardrail passes only when the data say that the harm is within the margin. That no
harm was found in a small test is not that: it is undecided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from relkit.errors import ParameterError
from relkit.frequency.estimand import todays_arms
from relkit.frequency.plan import Guardrail
from relkit.frequency.sums import ArmMeans, ArmSums, Floats

if TYPE_CHECKING:
    import pandas as pd

PASS, FAIL, UNDECIDED = "pass", "fail", "undecided"
PROBABILITY = 0.95  # that the harm is within the margin, for a pass


@dataclass(frozen=True, slots=True, eq=False)
class GuardrailResults:
    """Each guardrail in each tier and arm against today's cadence.

    Attributes:
        guardrails: What was held to, (G,).
        tiers: Names, (T,).
        arms: Names, (A,).
        current: Today's cadence by tier, (T,).
        estimate: Ratio or difference to today's, (G, T, A); nan where a ratio cannot be
            said, for lack of any event in today's arm.
        low: Lower end of its 95 % interval, (G, T, A).
        high: Upper end, infinite where today's arm has no event.
        within: Probability that the harm is within the margin, (G, T, A); nan where
            neither arm has an event.
        status: 'pass', 'fail' or 'undecided', (G, T, A).
    """

    guardrails: tuple[Guardrail, ...]
    tiers: tuple[str, ...]
    arms: tuple[str, ...]
    current: tuple[str, ...]
    estimate: Floats
    low: Floats
    high: Floats
    within: Floats
    status: np.ndarray

    def of_arm(self, tier: int, arm: int) -> str:
        """All guardrails of an arm together: any failed, else any undecided, else pass."""
        if self.arms[arm] == self.current[tier]:
            return PASS
        found = set(self.status[:, tier, arm].tolist())
        return FAIL if FAIL in found else UNDECIDED if UNDECIDED in found else PASS

    def in_order(self, arms: Sequence[str]) -> GuardrailResults:
        """The same with the arms in this order."""
        at = [self.arms.index(arm) for arm in arms]
        names = ("estimate", "low", "high", "within", "status")
        cells = [getattr(self, name)[..., at] for name in names]
        return GuardrailResults(self.guardrails, self.tiers, tuple(arms), self.current, *cells)

    def to_frame(self) -> pd.DataFrame:
        """One row a metric, tier and arm: scale, margin, estimate, low, high, within, status."""
        import pandas as pd

        rows = []
        for g, rail in enumerate(self.guardrails):
            for t, tier in enumerate(self.tiers):
                for a, arm in enumerate(self.arms):
                    if arm == self.current[t]:
                        continue
                    row = {"metric": rail.metric, "scale": rail.scale, "margin": rail.margin}
                    row |= {"tier": tier, "arm": arm}
                    for name in ("estimate", "low", "high", "within", "status"):
                        row[name] = getattr(self, name)[g, t, a]
                    rows.append(row)
        return pd.DataFrame(rows)


def check_guardrails(
    sums: ArmSums,
    guardrails: Sequence[Guardrail],
    current: str | Mapping[str, str],
    probability: float = PROBABILITY,
) -> GuardrailResults:
    """Each guardrail as a non-inferiority test against today's cadence, by tier and arm.

    Ratios of counts are robust to customers who complain often: their spread is taken
    from the data, pooled over the arms of a tier.

    Args:
        sums: Outcomes, with the metrics that the guardrails name.
        guardrails: At least one: a decision without any holds to nothing.
        current: The arm with today's cadence, one for all or tier → arm.
        probability: That the harm is within the margin, for a pass; that it is not, for
            a fail.

    Raises:
        ParameterError: no guardrail, no such metric or arm, a ratio of a metric that
            has negative values.
    """
    rails = tuple(guardrails)
    faults = [f for rail in rails for f in _faults(rail)]
    if not rails:
        faults.append("none was given; a switch needs at least one to hold to")
    if not 0.5 < probability < 1:
        faults.append(f"probability={probability!r} must be in (0.5, 1)")
    if faults:
        raise ParameterError("guardrails", faults)
    at = todays_arms(current, sums.tiers, sums.arms)[:, None]
    each = [_hold(sums.means(rail.metric), rail, at) for rail in rails]
    estimate, low, high, within = (np.stack(column) for column in zip(*each, strict=True))
    today = tuple(sums.arms[place] for place in at[:, 0])
    sure = probability
    with np.errstate(invalid="ignore"):
        status = np.where(within >= sure, PASS, np.where(within <= 1 - sure, FAIL, UNDECIDED))
    return GuardrailResults(
        rails, sums.tiers, sums.arms, today, estimate, low, high, within, status
    )


def _faults(rail: Guardrail) -> list[str]:
    """A margin that is none: it would be passed by what is worse, or failed by what is better."""
    worse = rail.more_is_worse
    if rail.scale == "difference":
        right = rail.margin >= 0 if worse else rail.margin <= 0
        wanted = "from 0" if worse else "up to 0"
    elif rail.scale == "ratio":
        right = rail.margin >= 1 if worse else 0 < rail.margin <= 1
        wanted = "from 1; 10 % more is 1.10" if worse else "in (0, 1]; 2 % less is 0.98"
    else:
        return [f"{rail.metric}: scale={rail.scale!r} must be 'ratio' or 'difference'"]
    return [] if right else [f"{rail.metric}: margin={rail.margin} must be {wanted}"]


def _of_today(cells: Floats, current: NDArray[np.intp]) -> Floats:
    """Today's value of each tier, (T, 1)."""
    return np.take_along_axis(cells, current, axis=1)


def _hold(means: ArmMeans, rail: Guardrail, current: NDArray[np.intp]) -> tuple[Floats, ...]:
    if rail.scale == "difference":
        return _difference(means, rail, current)
    if (means.raw_mean < 0).any():
        raise ParameterError(
            f"guardrail {rail.metric}: a mean is negative, so no ratio can be formed; use "
            "the scale 'difference'"
        )
    return _ratio(means, rail, current)


def _difference(means: ArmMeans, rail: Guardrail, current: NDArray[np.intp]) -> tuple[Floats, ...]:
    found = means.mean - _of_today(means.mean, current)
    error = np.hypot(means.standard_error, _of_today(means.standard_error, current))
    distance = (rail.margin - found) * (1 if rail.more_is_worse else -1)
    z = np.divide(distance, error, out=np.full(found.shape, np.nan), where=error > 0)
    return found, found - 1.959964 * error, found + 1.959964 * error, _normal_cdf(z)


def _ratio(means: ArmMeans, rail: Guardrail, current: NDArray[np.intp]) -> tuple[Floats, ...]:
    """Score test of a ratio of two means of counts whose variance is a multiple of them.

    Given all events of two arms, those in one are binomial; the multiple thins both
    events and units alike. Unlike the logarithm of the ratio, this holds with no event
    in one of the arms.
    """
    n, rate = means.n.astype(float), means.raw_mean
    pooled = (n * rate).sum(-1) / n.sum(-1)
    multiple = np.divide(
        means.spread**2, pooled, out=np.ones_like(pooled), where=(pooled > 0) & (means.spread > 0)
    )[:, None]
    events = n * rate / multiple
    here, there = events, _of_today(events, current)
    per_unit = n / _of_today(n, current)
    both = here + there
    share = rail.margin * per_unit / (1 + rail.margin * per_unit)
    z = np.full(rate.shape, np.nan)
    np.divide(both * share - here, np.sqrt(both * share * (1 - share)), out=z, where=both > 0)
    within = _normal_cdf(z if rail.more_is_worse else -z)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = rate / _of_today(rate, current)
        low, high = (end / (1 - end) / per_unit for end in _wilson(here, both))
    empty = both <= 0
    estimate = np.where(_of_today(rate, current) > 0, estimate, np.nan)
    return estimate, np.where(empty, 0.0, low), np.where(empty, np.inf, high), within


def _wilson(successes: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Limits of a share at 95 %; of thinned counts, which are not whole."""
    z2 = 1.959964**2
    with np.errstate(divide="ignore", invalid="ignore"):
        share = successes / n
        middle = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2) / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # Rounding must not put a limit outside of what a share can be.
    low = np.where(successes <= 0, 0.0, np.maximum(middle - half, 0.0))
    return low, np.where(successes >= n, 1.0, np.minimum(middle + half, 1.0))


def _normal_cdf(z: Floats) -> Floats:
    from scipy.special import ndtr

    return np.asarray(ndtr(z))
