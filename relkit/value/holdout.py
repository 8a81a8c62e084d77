"""Does the model predict? Fit on the past, hold it against what came after.

Everything here compares a prediction that never saw the holdout with what really
happened in it: in total, over time, by past frequency, and in rank order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from relkit.errors import DataError, FitError
from relkit.intervals import Estimate
from relkit.units import days_per
from relkit.value.bgnbd import BGNBDFit, alive, fit_bgnbd, purchases_if_alive
from relkit.value.futures import draw_futures, prediction
from relkit.value.gamma_gamma import GammaGammaFit, fit_gamma_gamma, spend_given
from relkit.value.inputs import FloatArray, read_history, read_horizon, read_spend, sums_by

# The published table ends in 7+; beyond it single customers decide.
LAST_FREQUENCY = 7
DRAWS = 400
LEVEL = 0.95
TOP_SHARE = 0.10
# Births in continuous time are grouped to so many ages; around the mean age of a
# group the expectation is straight, so that nothing is lost.
MOST_AGES = 4096


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
        tracking: By whole period: period, elapsed, actual, expected,
            actual_cumulative, expected_cumulative, in_holdout.
        spend_actual: What the customers spent in the holdout.
        spend_expected: What the models expect of it, with the prediction interval;
            None where the spend model has no answer.
        top_decile: Rank quality beside past spend and the best possible.
        calibration_length: Length of the calibration, in ``unit``.
        holdout_length: Length of the holdout, in ``unit``.
        unit: Unit of time.
    """

    fit: BGNBDFit
    spend_fit: GammaGammaFit
    actual: int
    expected: Estimate
    by_frequency: pd.DataFrame
    tracking: pd.DataFrame
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
        seed: Seed of the simulated futures behind the prediction intervals.

    Raises:
        DataError: columns are missing, births are not those of calibration, nobody
            bought in the holdout, or values that cannot be a history.
        ParameterError: a length or the unit is out of range, or units differ.
        FitError: the calibration does not support the purchase model.

    Source: Fader, Hardie & Lee (2005), section 4: tracking plot and conditional
        expectations.
    """
    read_horizon(calibration_length, "calibration_length")
    ahead = read_horizon(holdout_length, "holdout_length")
    days_per(unit)
    outcome, spend_actual = _outcomes(calibration)
    fit = fit_bgnbd(calibration, unit=unit)
    spend_fit = fit_gamma_gamma(calibration)
    history, money = (
        read_history(calibration, None, None, None),
        read_spend(calibration, None, None),
    )
    x, t_x, T, mean = history.frequency, history.recency, history.T, money.monetary_value
    chance = alive(fit.params, x, t_x, T)
    expected = chance * purchases_if_alive(fit.params, x, T, np.array([ahead]))[:, 0]
    each = _spend_or_none(spend_fit, x, mean)
    futures = draw_futures(
        fit,
        None if each is None else spend_fit,
        (x, t_x, T, mean),
        horizon=ahead,
        discount=0.0,
        draws=DRAWS,
        seed=seed,
    )
    value = expected if each is None else expected * each
    past = calibration["total_spend"].to_numpy(float) if "total_spend" in calibration else x * mean
    n = len(x)
    return HoldoutValidation(
        fit=fit,
        spend_fit=spend_fit,
        actual=round(math.fsum(outcome)),
        expected=prediction(futures.purchases, math.fsum(expected), n, LEVEL),
        by_frequency=_by_frequency(x, outcome, expected),
        tracking=_tracking(fit, births, tracking, n, calibration_length, T),
        spend_actual=math.fsum(spend_actual),
        spend_expected=None
        if each is None
        else prediction(futures.spend, math.fsum(value), n, LEVEL),
        top_decile=_top_decile(value, past, spend_actual),
        calibration_length=float(calibration_length),
        holdout_length=ahead,
        unit=unit,
    )


def _outcomes(calibration: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """What happened in the holdout: purchases and spend of each customer."""
    _need(calibration, "calibration", "holdout_frequency", "holdout_spend")
    outcome = calibration["holdout_frequency"].to_numpy(float)
    spend = calibration["holdout_spend"].to_numpy(float)
    faults = [
        f"{name} is empty or infinite in {int((~np.isfinite(values)).sum()):,} rows"
        for name, values in (("holdout_frequency", outcome), ("holdout_spend", spend))
        if not np.isfinite(values).all()
    ]
    if (outcome < 0).any():
        faults.append(f"holdout_frequency is negative in {int((outcome < 0).sum()):,} rows")
    if faults:
        raise DataError("calibration: what happened in the holdout is not known", faults)
    if not outcome.sum() > 0:
        raise DataError(
            f"none of the {len(outcome):,} customers bought in the holdout, so there is nothing "
            "to hold a prediction against; choose an earlier calibration_end"
        )
    return outcome, spend


def _need(frame: pd.DataFrame, name: str, *columns: str) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise DataError(
            f"{name}: column {', '.join(missing)} is missing; {', '.join(columns)} are required"
        )


def _spend_or_none(fit: GammaGammaFit, x: FloatArray, mean: FloatArray) -> FloatArray | None:
    """Expected spend of each customer, or None where the model has no answer."""
    try:
        return spend_given(fit.params, x, mean)
    except FitError:
        return None


def _by_frequency(x: FloatArray, outcome: FloatArray, expected: FloatArray) -> pd.DataFrame:
    """Actual and expected means by past frequency; the last group is open."""
    group = np.minimum(x, LAST_FREQUENCY).astype(int)
    frame = pd.DataFrame({"group": group, "actual": outcome, "expected": expected})
    means = frame.groupby("group").agg(
        customers=("actual", "size"), actual=("actual", "mean"), expected=("expected", "mean")
    )
    labels = [f"{LAST_FREQUENCY}+" if i == LAST_FREQUENCY else str(i) for i in means.index]
    means.insert(0, "frequency", labels)
    return means.reset_index(drop=True)


def _tracking(
    fit: BGNBDFit,
    births: pd.DataFrame,
    tracking: pd.DataFrame,
    n: int,
    calibration_length: float,
    T: FloatArray,
) -> pd.DataFrame:
    """Actual and expected repeat purchases by period, and both added up.

    A customer of age g has made E[X(elapsed - g)] repeat purchases by then; the sum
    over births needs no history, so it is right in the calibration as well.
    """
    _need(births, "births", "age", "customers")
    _need(tracking, "tracking", "period", "elapsed", "actual")
    age, born = births["age"].to_numpy(float), births["customers"].to_numpy(float)
    mean_age = float(born @ age) / max(float(born.sum()), 1.0)
    if round(float(born.sum())) != n or abs(mean_age + T.mean() - calibration_length) > 1:
        raise DataError(
            f"births: {born.sum():,.0f} customers of mean age {mean_age:.2f}; calibration has "
            f"{n:,} of mean T {T.mean():.2f}, and age + T must be {calibration_length:.2f}"
        )
    age, born = _grouped(age, born)
    elapsed = tracking["elapsed"].to_numpy(float)
    observed = np.maximum(elapsed[:, None] - age[None, :], 0.0)
    new = np.zeros(1)
    each = purchases_if_alive(fit.params, new, new, observed.ravel())[0]
    cumulative = each.reshape(observed.shape) @ born
    actual = tracking["actual"].to_numpy(float)
    return pd.DataFrame(
        {
            "period": tracking["period"].to_numpy(),
            "elapsed": elapsed,
            "actual": actual,
            "expected": np.diff(cumulative, prepend=0.0),
            "actual_cumulative": np.cumsum(actual),
            "expected_cumulative": cumulative,
            "in_holdout": elapsed > calibration_length + 1e-9,
        }
    )


def _grouped(age: FloatArray, born: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ages by narrow groups, each at its mean, where there are too many."""
    if len(age) <= MOST_AGES:
        return age, born
    low, width = age.min(), (age.max() - age.min()) / MOST_AGES
    group = np.minimum((age - low) / width, MOST_AGES - 1).astype(np.intp)
    customers = sums_by(group, born, MOST_AGES)
    sums = sums_by(group, born * age, MOST_AGES)
    kept = customers > 0
    return sums[kept] / customers[kept], customers[kept]


def _top_decile(value: FloatArray, past: FloatArray, outcome: FloatArray) -> TopDecile:
    """Share of the outcome that each ranking catches in its top tenth."""
    customers = max(1, round(TOP_SHARE * len(value)))
    total = outcome.sum()
    if total <= 0:
        raise DataError(
            f"the holdout's spend sums to {total:g}, so no share of it can be caught; "
            "choose an earlier calibration_end, or a source with amounts"
        )
    model, baseline, oracle = (
        float(_caught(score, outcome, customers) / total) for score in (value, past, outcome)
    )
    return TopDecile(model, baseline, oracle, customers)


def _caught(score: FloatArray, outcome: FloatArray, customers: int) -> float:
    """Outcome of the best by score; equals at the edge share what is left of it."""
    edge = np.sort(score)[-customers]
    above, level = score > edge, score == edge
    room = (customers - above.sum()) / level.sum()
    return float(outcome[above].sum() + room * outcome[level].sum())
