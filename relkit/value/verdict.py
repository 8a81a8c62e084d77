"""Who is better, and whether that is more than luck: paired comparisons over customers.

All methods are held against the same customers, so their figures go up and down
together; only the spread of the difference tells a win from a tie. It is measured by
drawing customers anew. What all customers share, such as a bad winter, is in no such
interval: a win is one for this holdout. Each contest stands at 95 % by itself, so that
of twenty between equals one is called by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from relkit.intervals import Estimate
from relkit.value.forecasts import Forecast, Outcome, ranking, top_members
from relkit.value.inputs import FloatArray, sums_by

# Measure -> whether more of it is better; of errors only the size counts.
MEASURES: Mapping[str, bool] = {
    "purchases_error": False,
    "spend_error": False,
    "mean_absolute_error": False,
    "root_mean_square_error": False,
    "deviance": False,
    "top_decile_share": True,
}
Result = Literal["wins", "ties", "loses"]
LEVEL = 0.95
DRAWS = 2_000
# Customers are drawn in so many random groups at most: sums over random groups are as
# independent as customers, and cost the same at any number of them.
MOST_GROUPS = 2_000


@dataclass(frozen=True, slots=True)
class Contest:
    """A model beside a baseline on one measure.

    Attributes:
        measure: One of ``MEASURES``.
        model: Name of the model.
        baseline: Name of the baseline.
        model_value: The model's figure; errors of totals with their sign.
        baseline_value: The baseline's figure.
        advantage: By how much the model is better (of errors: how much smaller its
            size is), with the interval of customers drawn anew.
        result: 'wins' or 'loses' where the interval lies on one side of 0, else 'ties'.
    """

    measure: str
    model: str
    baseline: str
    model_value: float
    baseline_value: float
    advantage: Estimate
    result: Result


@dataclass(frozen=True, slots=True)
class Leader:
    """Who is best on a measure.

    Attributes:
        measure: One of ``MEASURES``.
        name: Model or baseline with the best figure.
        value: That figure.
        level_with: Others that it is not clearly better than.
    """

    measure: str
    name: str
    value: float
    level_with: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison comes to.

    Attributes:
        best_model: The model with the lowest BIC on the calibration, chosen before the
            holdout was looked at; None where no model has an answer.
        leaders: Best of all on each measure, one each.
        contests: The best model against each baseline on each measure, where both
            have a finite figure.
    """

    best_model: str | None
    leaders: tuple[Leader, ...]
    contests: tuple[Contest, ...]

    @property
    def loses(self) -> tuple[str, ...] | None:
        """Measures on which the best model loses to a baseline; None without a model."""
        return self._measures("loses")

    @property
    def wins(self) -> tuple[str, ...] | None:
        """Measures on which it beats every baseline; None without a model."""
        wins = self._measures("wins")
        if wins is None:
            return None
        short = {one.measure for one in self.contests if one.result != "wins"}
        return tuple(measure for measure in wins if measure not in short)

    def loses_to(self, measure: str) -> tuple[str, ...]:
        """Baselines that the best model loses to on a measure."""
        return tuple(
            one.baseline
            for one in self.contests
            if one.measure == measure and one.result == "loses"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a contest: its fields, the advantage as advantage, low, high."""
        return pd.DataFrame(
            [
                (
                    one.measure,
                    one.model,
                    one.baseline,
                    one.model_value,
                    one.baseline_value,
                    one.advantage.value,
                    one.advantage.low,
                    one.advantage.high,
                    one.result,
                )
                for one in self.contests
            ],
            columns=[
                "measure",
                "model",
                "baseline",
                "model_value",
                "baseline_value",
                "advantage",
                "low",
                "high",
                "result",
            ],
        )

    def _measures(self, result: str) -> tuple[str, ...] | None:
        if self.best_model is None:
            return None
        found = {one.measure for one in self.contests if one.result == result}
        return tuple(measure for measure in MEASURES if measure in found)


def measured(forecast: Forecast, outcome: Outcome) -> dict[str, float]:
    """The figures of a method by ``MEASURES``; those without an answer are left out.

    Returns:
        purchases_error and spend_error: expected total over actual, less 1;
        mean_absolute_error and root_mean_square_error: of a customer's purchases;
        deviance: mean Poisson deviance of a customer's purchases, infinite where a
        method ruled out what happened; top_decile_share: of the holdout's spend.

    The absolute error is smallest for a median, which of rare purchases is 0: it
    flatters whoever expects nothing. The other two are smallest for the true mean.

    Source: Gneiting (2011), "Making and evaluating point forecasts", JASA 106.
    """
    columns = _columns(forecast, outcome)
    sums = {name: np.array(values.sum()) for name, values in columns.items()}
    return {name: float(value) for name, value in _figures(sums).items()}


def verdict(
    forecasts: Sequence[Forecast],
    outcome: Outcome,
    best_model: str | None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Verdict:
    """Who is best on each measure, and how the best model stands to the baselines.

    Args:
        forecasts: Of models and baselines; those without an answer take no part.
        outcome: What happened.
        best_model: Name of the model to hold against the baselines, chosen without
            the holdout; None where there is none.
        draws: How often customers are drawn anew.
        seed: Of the draws.

    Source: paired percentile bootstrap: Efron & Tibshirani (1993), "An introduction
        to the bootstrap", chapter 13.
    """
    kinds = {one.name: one.kind for one in forecasts}
    found = {one.name: measured(one, outcome) for one in forecasts}
    n = len(outcome.purchases)
    weights, group = _drawn(n, draws, seed)
    again = {one.name: _redrawn(one, outcome, weights, group) for one in forecasts}
    leaders, contests = [], []
    for measure in MEASURES:
        there = {
            name: figures[measure]
            for name, figures in found.items()
            if measure in figures and np.isfinite(figures[measure])
        }
        if not there:
            continue
        best = min(there, key=lambda name: _badness(measure, np.array(there[name])))
        level = [
            name
            for name in there
            if name != best and _advantage(measure, best, name, there, again, n).low <= 0
        ]
        leaders.append(Leader(measure, best, there[best], tuple(level)))
        for name in there:
            if best_model in there and kinds[name] == "baseline":
                gain = _advantage(measure, best_model, name, there, again, n)
                contests.append(
                    Contest(
                        measure,
                        best_model,
                        name,
                        there[best_model],
                        there[name],
                        gain,
                        _result(gain),
                    )
                )
    return Verdict(best_model, tuple(leaders), tuple(contests))


def poisson_deviance(made: FloatArray, expected: FloatArray) -> FloatArray:
    """2 (y log(y / m) - y + m) of each, (n,); infinite where m = 0 and y > 0.

    Source: McCullagh & Nelder (1989), "Generalized linear models", section 2.3.
    """
    with np.errstate(divide="ignore"):
        ratio = np.log(np.where(made > 0, made, 1.0)) - np.log(np.where(made > 0, expected, 1.0))
    deviance: FloatArray = 2 * (np.where(made > 0, made * ratio, 0.0) - made + expected)
    return deviance


def _columns(forecast: Forecast, outcome: Outcome) -> dict[str, FloatArray]:
    """What is summed over customers, by name; every figure is a function of the sums."""
    made, spent = outcome.purchases, outcome.spend
    columns = {"n": np.ones(len(made)), "made": made, "spent": spent}
    if forecast.purchases is not None:
        off = forecast.purchases - made
        columns |= {
            "purchases": forecast.purchases,
            "absolute": np.abs(off),
            "squared": off**2,
            "deviance": poisson_deviance(made, forecast.purchases),
        }
    if forecast.spend is not None:
        columns["spend"] = forecast.spend
    score = ranking(forecast)
    if score is not None:
        columns["caught"] = top_members(score) * spent
    return columns


def _figures(sums: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Figures by measure from sums of any shape."""
    figures: dict[str, FloatArray] = {}
    if "purchases" in sums:
        figures["purchases_error"] = sums["purchases"] / sums["made"] - 1
    if "spend" in sums:
        figures["spend_error"] = sums["spend"] / sums["spent"] - 1
    if "purchases" in sums:
        figures["mean_absolute_error"] = sums["absolute"] / sums["n"]
        figures["root_mean_square_error"] = np.sqrt(sums["squared"] / sums["n"])
        figures["deviance"] = sums["deviance"] / sums["n"]
    if "caught" in sums:
        figures["top_decile_share"] = sums["caught"] / sums["spent"]
    return figures


def _badness(measure: str, figure: FloatArray) -> FloatArray:
    return -figure if MEASURES[measure] else np.abs(figure)


def _drawn(n: int, draws: int, seed: int) -> tuple[FloatArray, np.ndarray]:
    """How often each group is drawn, (draws, groups), and the group of each customer."""
    rng = np.random.default_rng(seed)
    groups = min(n, MOST_GROUPS)
    group = rng.permutation(n) % groups
    weights = rng.multinomial(groups, np.full(groups, 1 / groups), draws)
    return weights.astype(float), group


def _redrawn(
    forecast: Forecast, outcome: Outcome, weights: FloatArray, group: np.ndarray
) -> dict[str, FloatArray]:
    """Figures by measure among customers drawn anew, each (draws,)."""
    groups = weights.shape[1]
    columns = _columns(forecast, outcome)
    finite = {name: values for name, values in columns.items() if np.isfinite(values).all()}
    sums = {name: weights @ sums_by(group, values, groups) for name, values in finite.items()}
    if "deviance" not in sums and "purchases" in sums:
        sums["deviance"] = np.full(len(weights), np.inf)
    # A draw without any purchase or spend has no share of it.
    with np.errstate(invalid="ignore", divide="ignore"):
        return _figures(sums)


def _advantage(
    measure: str,
    one: str,
    other: str,
    figures: Mapping[str, float],
    again: Mapping[str, Mapping[str, FloatArray]],
    n: int,
) -> Estimate:
    """By how much one is better than the other, with its interval."""
    here = {name: _badness(measure, np.array(figures[name])) for name in (one, other)}
    there = {name: _badness(measure, again[name][measure]) for name in (one, other)}
    gains = there[other] - there[one]
    gains = gains[np.isfinite(gains)]
    low, high = np.quantile(gains, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2]).tolist()
    gain = float(here[other] - here[one])
    return Estimate(gain, min(low, gain), max(high, gain), n, LEVEL)


def _result(gain: Estimate) -> Result:
    if not gain.sign_is_clear:
        return "ties"
    return "wins" if gain.low > 0 else "loses"
