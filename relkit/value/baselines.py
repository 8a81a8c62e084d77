"""What anybody could say without a model, so that a model has something to beat.

Each is a good version of itself and sees the calibration alone: a baseline that was
made to lose proves nothing. All that happens in a holdout are repeat purchases, so
first purchases, which no customer makes again, are never carried on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from relkit.value.forecasts import Forecast, need
from relkit.value.inputs import FloatArray

BASELINES = ("past_rate", "last_period", "gradient_boosting")
COMPUTED = "computed"
NOT_ENOUGH_TIME = "not enough time"
TOO_FEW_BUYERS = "too few buyers"
NOT_GIVEN = "no earlier window given"

# A window shorter than this share of the holdout would be stretched more than
# fourfold, and a season of it with it.
SHORTEST_WINDOW = 0.25
# Trees with 20 customers a leaf learn nothing from fewer.
FEWEST_TO_LEARN_FROM = 100
FEWEST_BUYERS = 20
# Beyond it the fit of the trees costs more than it gains.
MOST_TO_LEARN_FROM = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class EarlierWindow:
    """An earlier cut inside the calibration: what was known, and what followed.

    Attributes:
        customers: Summary as of the earlier day (customer_id, frequency, recency, T,
            monetary_value, total_spend) with holdout_frequency and holdout_spend from
            there to the end of the calibration.
        length: From that day to the end of the calibration, in the unit of T.
    """

    customers: pd.DataFrame
    length: float


@dataclass(frozen=True, slots=True, eq=False)
class EarlierWindows:
    """What the baselines may see besides the summary at the end of the calibration.

    Attributes:
        last: The cut one holdout's length before the end of the calibration; None
            where the calibration is shorter than that.
        training: The cut that the boosting learns from; None where there is no time
            for one.
    """

    last: EarlierWindow | None
    training: EarlierWindow | None


def past_rate(calibration: pd.DataFrame, holdout_length: float) -> Forecast:
    """Each customer goes on as so far: repeats and their spend per time observed.

    Args:
        calibration: Frame with frequency, T and monetary_value.
        holdout_length: In the unit of T.

    A customer of the last day was observed for no time and has no rate; the rate of
    the whole base stands in: all repeats over all time.
    """
    need(calibration, "calibration", "frequency", "T", "monetary_value")
    x, T = calibration["frequency"].to_numpy(float), calibration["T"].to_numpy(float)
    rates = (_rate(x, T), _rate(_repeat_spend(calibration), T))
    purchases, spend = (rate * holdout_length for rate in rates)
    return Forecast("past_rate", "baseline", COMPUTED, purchases, spend)


def last_period(
    calibration: pd.DataFrame,
    window: EarlierWindow | None,
    *,
    calibration_length: float,
    holdout_length: float,
) -> Forecast:
    """The last stretch as long as the holdout happens again.

    Args:
        calibration: Frame with customer_id, frequency and monetary_value.
        window: The cut one holdout's length before the end of the calibration; None
            where the calibration is shorter, which then counts whole, stretched.
        calibration_length: In the unit of T.
        holdout_length: In the unit of T.
    """
    need(calibration, "calibration", "frequency", "monetary_value")
    # Who came within the window made all repeats in it.
    x = calibration["frequency"].to_numpy(float)
    spend = _repeat_spend(calibration)
    if window is None:
        stretch = holdout_length / calibration_length
    else:
        need(calibration, "calibration", "customer_id")
        stretch = holdout_length / window.length
        before = window.customers.set_index("customer_id")
        before = before.reindex(calibration["customer_id"])
        there = before["holdout_frequency"].notna().to_numpy()
        x = np.where(there, before["holdout_frequency"].to_numpy(float), x)
        spend = np.where(there, before["holdout_spend"].to_numpy(float), spend)
    return Forecast("last_period", "baseline", COMPUTED, stretch * x, stretch * spend)


def gradient_boosting(
    calibration: pd.DataFrame,
    window: EarlierWindow | None,
    *,
    holdout_length: float,
    seed: int = 0,
) -> Forecast:
    """Boosted trees that learned, at an earlier day, what came after it.

    Args:
        calibration: Frame with frequency, recency, T, monetary_value, total_spend.
        window: The earlier cut; None where the calibration has no room for one.
        holdout_length: In the unit of T; what was learned of the window is stretched
            to it.
        seed: Of the trees; the same seed gives the same forecast.

    Both targets are learned under the Poisson deviance, whose minimum is the mean
    whatever the distribution, zeros included.

    Source: Ke et al. (2017), "LightGBM: a highly efficient gradient boosting decision
        tree", as scikit-learn's HistGradientBoostingRegressor; the mean under a
        Poisson deviance: Gourieroux, Monfort & Trognon (1984), Econometrica 52.
    """
    name = "gradient_boosting"
    if window is None or window.length < SHORTEST_WINDOW * holdout_length:
        return Forecast(name, "baseline", NOT_ENOUGH_TIME)
    learn = window.customers.sort_values("customer_id", kind="stable")
    buyers = int((learn["holdout_frequency"] > 0).sum())
    paying = int((learn["holdout_spend"] > 0).sum())
    if len(learn) < FEWEST_TO_LEARN_FROM or min(buyers, paying) < FEWEST_BUYERS:
        return Forecast(name, "baseline", TOO_FEW_BUYERS)
    if len(learn) > MOST_TO_LEARN_FROM:
        learn = learn.sample(MOST_TO_LEARN_FROM, random_state=seed)
    known, asked = features(learn), features(calibration)
    stretch = holdout_length / window.length
    answers = []
    for target in ("holdout_frequency", "holdout_spend"):
        # Refunds are not in the outcome; below 0 stand corrections of an odd export.
        outcome = np.maximum(learn[target].to_numpy(float), 0.0)
        answers.append(stretch * _boosted(known, outcome, asked, seed))
    return Forecast(name, "baseline", COMPUTED, *answers)


def features(summary: pd.DataFrame) -> FloatArray:
    """What the models know, as columns: the same facts, no better and no worse.

    Returns:
        frequency, recency, T, time since the last purchase, monetary_value (missing
        where there is no repeat), total_spend; shape (n, 6).
    """
    need(summary, "summary", "frequency", "recency", "T", "monetary_value")
    x = summary["frequency"].to_numpy(float)
    recency, T = summary["recency"].to_numpy(float), summary["T"].to_numpy(float)
    mean = np.where(x > 0, summary["monetary_value"].to_numpy(float), np.nan)
    total = summary["total_spend"] if "total_spend" in summary else _repeat_spend(summary)
    return np.column_stack([x, recency, T, T - recency, mean, np.asarray(total, float)])


def baseline_forecasts(
    calibration: pd.DataFrame,
    windows: EarlierWindows | None,
    *,
    calibration_length: float,
    holdout_length: float,
    seed: int = 0,
) -> tuple[Forecast, ...]:
    """All baselines, in the order of ``BASELINES``.

    Args:
        calibration: Summary at the end of the calibration.
        windows: The earlier cuts; None where the caller has none, so that what needs
            them has a status and no answer.
        calibration_length: In the unit of T.
        holdout_length: In the unit of T.
        seed: Of the trees.

    Raises:
        DataError: columns are missing.
    """
    rate = past_rate(calibration, holdout_length)
    if windows is None:
        return (rate, *(Forecast(name, "baseline", NOT_GIVEN) for name in BASELINES[1:]))
    again = last_period(
        calibration,
        windows.last,
        calibration_length=calibration_length,
        holdout_length=holdout_length,
    )
    trees = gradient_boosting(
        calibration, windows.training, holdout_length=holdout_length, seed=seed
    )
    return (rate, again, trees)


def _boosted(known: FloatArray, outcome: FloatArray, asked: FloatArray, seed: int) -> FloatArray:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    # Slow, shallow and held to a fifth that it does not learn from: what an analyst
    # would take for counts of a few thousand customers.
    trees = HistGradientBoostingRegressor(
        loss="poisson",
        learning_rate=0.05,
        max_iter=300,
        max_leaf_nodes=15,
        min_samples_leaf=20,
        early_stopping=True,
        validation_fraction=0.2,
        n_iter_no_change=20,
        random_state=seed,
    )
    # Spend in units of its mean, so that no currency moves a threshold of the library.
    scale = float(outcome.mean())
    # On one thread: beside other work the library's threads wait for each other, and
    # what takes a second takes ten.
    with threadpool_limits(1):
        trees.fit(known, outcome / scale)
        answer: FloatArray = scale * trees.predict(asked)
    return answer


def _rate(done: FloatArray, T: FloatArray) -> FloatArray:
    seen = T > 0
    pooled = float(done.sum()) / max(float(T.sum()), np.finfo(float).tiny)
    rate: FloatArray = np.where(seen, done / np.where(seen, T, 1.0), pooled)
    return rate


def _repeat_spend(summary: pd.DataFrame) -> FloatArray:
    x = summary["frequency"].to_numpy(float)
    mean = summary["monetary_value"].to_numpy(float)
    spend: FloatArray = np.where(x > 0, x * mean, 0.0)
    return spend
