"""Does the model predict? Fit on the past, hold it against what came after.

Everything here compares a prediction that never saw the holdout with what really
happened in it: in total, over time, by past frequency and by how long a customer has
been silent, one by one against the intervals, and in rank order beside past spend.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from relkit.intervals import Estimate
from relkit.units import days_per
from relkit.value.forecasts import (
    Forecast,
    Outcome,
    model_forecast,
    ranking,
    read_outcome,
    top_share,
    top_size,
)
from relkit.value.futures import check_seed, draw_futures, prediction
from relkit.value.gamma_gamma import GammaGammaFit, fit_gamma_gamma
from relkit.value.inputs import FloatArray, read_history, read_horizon, read_spend
from relkit.value.interval_coverage import interval_coverage, places
from relkit.value.purchase_fit import PurchaseFit
from relkit.value.purchase_models import fit_purchase_model
from relkit.value.tracking import TrackingDispersion, expected_tracking, tracking_dispersion

# The published table ends in 7+; beyond it single customers decide.
LAST_FREQUENCY = 7
# Bands of silence with about as many customers each.
BANDS = 8
DRAWS = 400
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class TopDecile:
    """Share of the holdout's spend caught by the tenth of customers ranked highest.

    Attributes:
        model: Ranked by predicted value.
        past_spend: Ranked by spend so far: the baseline to beat.
        oracle: Ranked by the outcome itself: nothing can catch more.
        customers: How many customers that tenth is.
    """

    model: float
    past_spend: float
    oracle: float
    customers: int


@dataclass(frozen=True, slots=True, eq=False)
class HoldoutValidation:
    """A prediction beside what happened.

    Attributes:
        fit: Purchase model, fitted on the calibration period alone.
        spend_fit: Spend model, likewise.
        actual: Repeat purchases that the customers made in the holdout.
        expected: What the model expects of it, with the prediction interval of
            the real total.
        by_frequency: By repeats in the calibration: frequency ('0' to '6', '7+'),
            customers, actual and expected mean purchases in the holdout.
        by_recency: By time since the last purchase when the calibration ended:
            since_last ('0–4', …, '36+', in ``unit``, the upper end not included),
            customers, actual and expected mean purchases in the holdout.
        tracking: By whole period: period, elapsed, actual, expected,
            actual_cumulative, expected_cumulative, in_holdout.
        tracking_dispersion: Whether that swings by more than chance.
        interval_coverage: Of the prediction intervals of single customers: level
            (.50, .80, .95), customers, covered (share whose purchases lay inside).
        spend_actual: What the customers spent in the holdout.
        spend_expected: What the models expect of it, with the prediction interval;
            None where the spend model has no answer.
        top_decile: Rank quality beside past spend and the best possible.
        calibration_length: Length of the calibration, in ``unit``.
        holdout_length: Length of the holdout, in ``unit``.
        unit: Unit of time.
    """

    fit: PurchaseFit[Any]
    spend_fit: GammaGammaFit
    actual: int
    expected: Estimate
    by_frequency: pd.DataFrame
    by_recency: pd.DataFrame
    tracking: pd.DataFrame
    tracking_dispersion: TrackingDispersion
    interval_coverage: pd.DataFrame
    spend_actual: float
    spend_expected: Estimate | None
    top_decile: TopDecile
    calibration_length: float
    holdout_length: float
    unit: str

    @property
    def error(self) -> float:
        """How far the expected total is off: expected / actual - 1."""
        return self.expected.value / self.actual - 1

    @property
    def within_interval(self) -> bool:
        """Whether what happened lies inside the prediction interval."""
        return self.expected.low <= self.actual <= self.expected.high

    def to_frame(self) -> pd.DataFrame:
        """measure ('purchases', 'spend'), actual, expected, low, high, error."""
        found = [("purchases", float(self.actual), self.expected)]
        if self.spend_expected is not None:
            found.append(("spend", self.spend_actual, self.spend_expected))
        return pd.DataFrame(
            [
                (name, actual, guess.value, guess.low, guess.high, guess.value / actual - 1)
                for name, actual, guess in found
            ],
            columns=["measure", "actual", "expected", "low", "high", "error"],
        )


def assess_holdout(
    calibration: pd.DataFrame,
    births: pd.DataFrame,
    tracking: pd.DataFrame,
    *,
    calibration_length: float,
    holdout_length: float,
    unit: str,
    model: str = "bg_nbd",
    seed: int = 0,
) -> HoldoutValidation:
    """Fit on the calibration and compare with the holdout.

    Args:
        calibration: Summary at the end of the calibration of the customers first
            seen by then (frequency, recency, T, monetary_value), with
            holdout_frequency, their purchase periods after it, and holdout_spend.
        births: age (units from the start of the data to the first purchase) and
            customers; the same customers as in calibration.
        tracking: period (1, 2, …), elapsed (units from the start of the data to the
            end of the period, on the same count as age and T: a customer of age g
            is observed for elapsed - g), actual (repeat purchases in the period).
        calibration_length: Units from the start of the data to the end of the
            calibration; age + T of every customer.
        holdout_length: Units from there to the end of the holdout.
        unit: Unit of all times.
        model: Purchase model, by its name in ``PURCHASE_MODELS``.
        seed: Seed of the simulated futures behind the prediction intervals.

    Raises:
        DataError: columns are missing, births are not those of calibration, nobody
            bought or spent in the holdout, or values that cannot be a history.
        ParameterError: a length or the unit is out of range, units differ, or there
            is no such model.
        FitError: the calibration does not support the purchase model.

    Source: Fader, Hardie & Lee (2005), section 4: tracking plot and conditional
        expectations.
    """
    read_horizon(calibration_length, "calibration_length")
    ahead = read_horizon(holdout_length, "holdout_length")
    days_per(unit)
    check_seed(seed)
    outcome = read_outcome(calibration)
    fit = fit_purchase_model(calibration, model=model, unit=unit)
    fit.model  # noqa: B018 - says why where there are no parameters, before any work
    spend_fit = fit_gamma_gamma(calibration)
    history = read_history(calibration, None, None, None)
    money = read_spend(calibration, None, None)
    x, t_x, T, mean = history.frequency, history.recency, history.T, money.monetary_value
    forecast = model_forecast(fit, spend_fit, history, money, ahead)
    assert forecast.purchases is not None
    purchases, spend = _totals(fit, spend_fit, forecast, (x, t_x, T, mean), ahead, seed)
    found = places(fit, history, outcome.purchases, horizon=ahead, seed=seed)
    tracked = expected_tracking(
        fit,
        births,
        tracking,
        calibration_length=calibration_length,
        customers=len(x),
        mean_T=float(T.mean()),
    )
    past = calibration["total_spend"].to_numpy(float) if "total_spend" in calibration else x * mean
    return HoldoutValidation(
        fit=fit,
        spend_fit=spend_fit,
        actual=round(math.fsum(outcome.purchases)),
        expected=purchases,
        by_frequency=_by_frequency(x, outcome.purchases, forecast.purchases),
        by_recency=_by_recency(T - t_x, outcome.purchases, forecast.purchases),
        tracking=tracked,
        tracking_dispersion=tracking_dispersion(tracked),
        interval_coverage=interval_coverage(found),
        spend_actual=math.fsum(outcome.spend),
        spend_expected=spend,
        top_decile=_top_decile(forecast, past, outcome),
        calibration_length=float(calibration_length),
        holdout_length=ahead,
        unit=unit,
    )


def _totals(
    fit: PurchaseFit[Any],
    spend_fit: GammaGammaFit,
    forecast: Forecast,
    histories: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    ahead: float,
    seed: int,
) -> tuple[Estimate, Estimate | None]:
    """Totals of purchases and spend with their prediction intervals."""
    futures = draw_futures(
        fit,
        None if forecast.spend is None else spend_fit,
        histories,
        horizon=ahead,
        discount=0.0,
        draws=DRAWS,
        seed=seed,
    )
    n = len(histories[0])
    assert forecast.purchases is not None
    purchases = prediction(futures.purchases, math.fsum(forecast.purchases), n, LEVEL)
    if forecast.spend is None:
        return purchases, None
    return purchases, prediction(futures.spend, math.fsum(forecast.spend), n, LEVEL)


def _by_frequency(x: FloatArray, outcome: FloatArray, expected: FloatArray) -> pd.DataFrame:
    """Actual and expected means by past frequency; the last group is open."""
    group = np.minimum(x, LAST_FREQUENCY).astype(int)
    means = _means(group, outcome, expected)
    labels = [f"{LAST_FREQUENCY}+" if i == LAST_FREQUENCY else str(i) for i in means.index]
    means.insert(0, "frequency", labels)
    return means.reset_index(drop=True)


def _by_recency(silent: FloatArray, outcome: FloatArray, expected: FloatArray) -> pd.DataFrame:
    """Actual and expected means by time since the last purchase; the last group is open."""
    cuts = np.quantile(silent, np.arange(1, BANDS) / BANDS)
    # Two digits are enough to read; bands that would then be the same are one.
    edges = np.unique([0.0, *(float(f"{cut:.2g}") for cut in cuts)])
    edges = edges[np.append(True, edges[1:] <= silent.max())]
    means = _means(np.searchsorted(edges, silent, side="right") - 1, outcome, expected)
    names = [f"{low:g}–{high:g}" for low, high in pairwise(edges)]
    labels = [*names, f"{edges[-1]:g}+"]
    means.insert(0, "since_last", [labels[i] for i in means.index])
    return means.reset_index(drop=True)


def _means(group: Any, outcome: FloatArray, expected: FloatArray) -> pd.DataFrame:
    frame = pd.DataFrame({"group": group, "actual": outcome, "expected": expected})
    return frame.groupby("group").agg(
        customers=("actual", "size"), actual=("actual", "mean"), expected=("expected", "mean")
    )


def _top_decile(model: Forecast, past: FloatArray, outcome: Outcome) -> TopDecile:
    """Share of the outcome that each ranking catches in its top tenth."""
    score = ranking(model)
    assert score is not None
    return TopDecile(
        model=top_share(score, outcome.spend),
        past_spend=top_share(past, outcome.spend),
        oracle=top_share(outcome.spend, outcome.spend),
        customers=top_size(len(past)),
    )
