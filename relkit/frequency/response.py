"""The response of each tier to contact frequency: what each tested cadence is worth.

A hierarchical Gaussian process over the arms' means; decisions are between tested
cadences only, the curve between them is for the eye.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from relkit.frequency.bracket import Brackets, brackets
from relkit.frequency.estimand import ArmValue
from relkit.frequency.gaussian_process import Posterior, fit_curves
from relkit.frequency.sums import Floats
from relkit.intervals import Estimate

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 4_000


@dataclass(frozen=True, slots=True, eq=False)
class ResponseCurves:
    """Net value by tier and arm: y as modelled, less the cost of contacts.

    Money per customer over the window; arms in ascending order of dose.

    Attributes:
        value: What was modelled.
        draws: Joint draws of net value, (S, T, A).
        expected: Expected net value, (T, A).
        low: Lower end of the 95 % interval, (T, A).
        high: Upper end, (T, A).
        probability_best: That the arm is the best of the tested ones, (T, A).
        expected_loss: What is expected to be lost by this arm beside the best, (T, A).
        posterior: The curves, in standard deviations of one customer's value.
    """

    value: ArmValue
    draws: Floats
    expected: Floats
    low: Floats
    high: Floats
    probability_best: Floats
    expected_loss: Floats
    posterior: Posterior

    @property
    def tiers(self) -> tuple[str, ...]:
        return self.value.tiers

    @property
    def arms(self) -> tuple[str, ...]:
        return self.value.arms

    @property
    def doses(self) -> Floats:
        return self.value.doses

    def brackets(self, level: float = 0.95) -> Brackets:
        """Between which tested doses the best one lies, by tier."""
        return brackets(self.tiers, self.arms, self.doses, self.probability_best, level)

    def gain(self, tier: int, arm: int, current: int, level: float = 0.95) -> Estimate:
        """Net value of an arm less that of the current one, per customer and window."""
        differences = self.draws[:, tier, arm] - self.draws[:, tier, current]
        low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
        mean = float(self.expected[tier, arm] - self.expected[tier, current])
        n = int(self.value.gross.n[tier, [arm, current]].sum())
        return Estimate(mean, min(float(low), mean), max(float(high), mean), n, level)

    def probability_better(self, tier: int, current: int) -> Floats:
        """That each arm of a tier is worth more than the current one, (A,)."""
        drawn = self.draws[:, tier]
        return np.asarray((drawn > drawn[:, [current]]).mean(0))

    def loss_against(self, tier: int, current: int) -> Floats:
        """What is expected to be lost where an arm is worse than the current one, (A,)."""
        drawn = self.draws[:, tier]
        return np.asarray(np.maximum(drawn[:, [current]] - drawn, 0.0).mean(0))

    def to_frame(self) -> pd.DataFrame:
        """One row a tier and arm: dose, n, raw_net, net, standard_error, expected, low,
        high, probability_best, expected_loss."""
        frame = self.value.to_frame()
        columns = {
            "tier": frame["tier"],
            "arm": frame["arm"],
            "dose": frame["dose"],
            "n": frame["n"],
            "raw_net": frame["raw_gross"] - frame["cost"],
            "net": frame["net"],
            "standard_error": frame["standard_error"],
        }
        for name in ("expected", "low", "high", "probability_best", "expected_loss"):
            columns[name] = getattr(self, name).ravel()
        import pandas as pd

        return pd.DataFrame(columns)

    def curve(self, points: int = 41, level: float = 0.95) -> pd.DataFrame:
        """The curve for the eye: tier, dose, expected, low, high, even in log(1 + dose).

        The cost between arms is drawn straight from one arm's dose to the next.
        """
        import pandas as pd

        ends = np.log1p(self.doses[[0, -1]])
        doses = np.expm1(np.linspace(float(ends[0]), float(ends[1]), points))
        cost = np.interp(doses, self.doses, self.value.cost)
        tails = [(1 - level) / 2, (1 + level) / 2]
        parts = []
        for t, tier in enumerate(self.tiers):
            draws = self.draws_between(t, doses) - cost
            low, high = np.quantile(draws, tails, axis=0)
            columns = {"dose": doses, "expected": draws.mean(0), "low": low, "high": high}
            parts.append(pd.DataFrame({"tier": tier, **columns}))
        return pd.concat(parts, ignore_index=True)

    def draws_between(self, tier: int, doses: Floats) -> Floats:
        """Draws of a tier's value before costs at any doses, (S, D)."""
        centre, scale = _level(self.value)
        drawn = self.posterior.draws_at(tier, doses, len(self.draws))
        return np.asarray(drawn * scale[tier] + centre[tier])


def fit_response(value: ArmValue, draws: int = DRAWS, seed: int = 0) -> ResponseCurves:
    """The response of all tiers, fitted together.

    Args:
        value: By tier and arm.
        draws: Joint draws.
        seed: Of the draws.
    """
    centre, scale = _level(value)
    spread = scale[:, None]
    posterior = fit_curves(
        value.doses,
        (value.gross.mean - centre[:, None]) / spread,
        (value.gross.standard_error / spread) ** 2,
    )
    net = posterior.draws(draws, seed) * spread + centre[:, None] - value.cost
    expected = posterior.mean * spread + centre[:, None] - value.cost
    low, high = np.quantile(net, [0.025, 0.975], axis=0)
    best = net.max(-1, keepdims=True)
    return ResponseCurves(
        value=value,
        draws=net,
        expected=expected,
        low=np.minimum(low, expected),
        high=np.maximum(high, expected),
        probability_best=np.asarray((net == best).mean(0)),
        expected_loss=np.asarray((best - net).mean(0)),
        posterior=posterior,
    )


def _level(value: ArmValue) -> tuple[Floats, Floats]:
    """Mean of each tier, weighted by precision, and its spread, both (T,)."""
    weight = 1 / value.gross.standard_error**2
    return (value.gross.mean * weight).sum(1) / weight.sum(1), value.gross.spread
