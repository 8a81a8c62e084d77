"""Repeat purchases by period beside what the model expects, and what the gap shows.

A purchase model knows no calendar. Where the gap between actual and expected goes up
and down by more than chance, something with a calendar is at work: a season, a
holiday, a campaign.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from relkit.errors import DataError
from relkit.intervals import Estimate
from relkit.value.forecasts import need
from relkit.value.inputs import FloatArray, IntArray, sums_by
from relkit.value.purchase_fit import PurchaseFit

# Births in continuous time are grouped to so many ages; around the mean age of a
# group the expectation is straight, so that nothing is lost.
MOST_AGES = 4096

MEASURED = "measured"
TOO_FEW_PERIODS = "too few periods"
# Pearson's statistic is chi-squared where five are expected in each cell (Cochran 1954).
LEAST_EXPECTED = 5.0
# Level, slope and bend are taken out first, and something must be left to look at.
BENDS = 3
FEWEST_PERIODS = 12
LEVEL = 0.95
# A stationary base is called seasonal once in a hundred times …
ALARM = 0.01
# … and never for ups and downs that no plan would change for.
SMALLEST_SWING = 0.05


@dataclass(frozen=True, slots=True)
class TrackingDispersion:
    """Whether repeat purchases swing around the model by more than chance.

    How far the model is off as a whole, and a slow drift away from it, are taken out
    first: they are errors of level, which ``HoldoutValidation.error`` tells.

    Attributes:
        status: 'measured', or 'too few periods', where the rest is None.
        periods: Periods looked at, after those with next to no purchases were joined.
        dispersion: Variance of the residuals over that of Poisson noise, with the
            interval of chi-squared; 1 where there is nothing but noise.
        p_value: Chance of a dispersion this large if there is nothing but noise.
        swing: Standard deviation of the ups and downs beyond noise, as a share of the
            level; 0 where noise explains all.
        peak_period: Period farthest from what is expected, for its noise.
        peak_ratio: Actual over expected there, drift taken out: 1.8 is 80 % more.
        longest_run: Most periods in a row on one side of what is expected.
        run_start: First period of that run.
        run_is_above: Whether it lies above.
    """

    status: str
    periods: int
    dispersion: Estimate | None = None
    p_value: float | None = None
    swing: float | None = None
    peak_period: int | None = None
    peak_ratio: float | None = None
    longest_run: int | None = None
    run_start: int | None = None
    run_is_above: bool | None = None

    @property
    def is_visible(self) -> bool | None:
        """Whether a pattern is visible: p below .01 and a swing of 5 % or more.

        None where it could not be measured.
        """
        if self.p_value is None or self.swing is None:
            return None
        return self.p_value < ALARM and self.swing >= SMALLEST_SWING

    def to_frame(self) -> pd.DataFrame:
        """One row with every figure, missing where it could not be measured."""
        each = self.dispersion
        row = {
            "status": self.status,
            "periods": self.periods,
            "dispersion": math.nan if each is None else each.value,
            "low": math.nan if each is None else each.low,
            "high": math.nan if each is None else each.high,
        }
        for name in _REST:
            value = getattr(self, name)
            row[name] = math.nan if value is None else value
        return pd.DataFrame([row | {"is_visible": self.is_visible}])


_REST = (
    "p_value",
    "swing",
    "peak_period",
    "peak_ratio",
    "longest_run",
    "run_start",
    "run_is_above",
)


def expected_tracking(
    fit: PurchaseFit[Any],
    births: pd.DataFrame,
    tracking: pd.DataFrame,
    *,
    calibration_length: float,
    customers: int,
    mean_T: float,
) -> pd.DataFrame:
    """Actual and expected repeat purchases by period, and both added up.

    A customer of age g has made E[X(elapsed - g)] repeat purchases by then; the sum
    over births needs no history, so it is right in the calibration as well.

    Args:
        fit: Any fitted purchase model.
        births: age (start of the data to the first purchase) and customers.
        tracking: period, elapsed and actual.
        calibration_length: Start of the data to the end of the calibration.
        customers: Of the calibration, to be those of births.
        mean_T: Their mean T, likewise.

    Returns:
        period, elapsed, actual, expected, actual_cumulative, expected_cumulative,
        in_holdout.

    Raises:
        DataError: columns are missing, or births are of other customers.
        FitError: the fit has no parameters.
    """
    need(births, "births", "age", "customers")
    need(tracking, "tracking", "period", "elapsed", "actual")
    age, born = births["age"].to_numpy(float), births["customers"].to_numpy(float)
    mean_age = float(born @ age) / max(float(born.sum()), 1.0)
    if round(float(born.sum())) != customers or abs(mean_age + mean_T - calibration_length) > 1:
        raise DataError(
            f"births: {born.sum():,.0f} customers of mean age {mean_age:.2f}; calibration has "
            f"{customers:,} of mean T {mean_T:.2f}, and age + T must be {calibration_length:.2f}"
        )
    age, born = _grouped(age, born)
    elapsed = tracking["elapsed"].to_numpy(float)
    observed = np.maximum(elapsed[:, None] - age[None, :], 0.0)
    each = fit.model.purchases_of_new(observed.ravel())
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


def tracking_dispersion(tracking: pd.DataFrame) -> TrackingDispersion:
    """Do actual repeat purchases swing around the expected ones by more than chance?

    Args:
        tracking: period, actual and expected, as ``HoldoutValidation.tracking``.

    Raises:
        DataError: columns are missing, or counts that cannot be.

    Given the rates of the customers, counts of periods are Poisson around a smooth
    course. That course is the model's times exp(level + slope t + bend t^2), fitted by
    Poisson regression; what is left is measured by Pearson's statistic over its
    degrees of freedom.

    Source: McCullagh & Nelder (1989), "Generalized linear models", section 4.5 for
        dispersion; Cochran (1954), "Some methods for strengthening the common
        chi-squared tests", Biometrics 10, for joining small cells.
    """
    period, actual, expected = _read(tracking)
    cell = _joined(np.maximum(expected, 0.0))
    periods = int(cell.max()) + 1 if len(cell) else 0
    if periods < FEWEST_PERIODS or actual.sum() <= 0:
        return TrackingDispersion(TOO_FEW_PERIODS, periods)
    made, level = sums_by(cell, actual, periods), sums_by(cell, expected, periods)
    course = _smooth_course(made, level)
    first = period[np.searchsorted(cell, np.arange(periods))]
    return _measured(made, course, first)


def _measured(made: FloatArray, course: FloatArray, first: Any) -> TrackingDispersion:
    from scipy.special import chdtrc, chdtri

    residual = made - course
    pearson = float(np.sum(residual**2 / course))
    free = len(made) - BENDS
    tail = 0.5 - LEVEL / 2
    dispersion = Estimate(
        pearson / free,
        pearson / float(chdtri(free, tail)),
        pearson / float(chdtri(free, 1 - tail)),
        len(made),
        LEVEL,
    )
    # Each period's squared deviation from its level, less what noise adds to it.
    beyond = float(np.sum(residual**2) * len(made) / free - np.sum(course)) / np.sum(course**2)
    peak = int(np.argmax(np.abs(residual) / np.sqrt(course)))
    start, length = _longest_run(residual > 0)
    return TrackingDispersion(
        status=MEASURED,
        periods=len(made),
        dispersion=dispersion,
        p_value=float(chdtrc(free, pearson)),
        swing=math.sqrt(max(beyond, 0.0)),
        peak_period=int(first[peak]),
        peak_ratio=float(made[peak] / course[peak]),
        longest_run=length,
        run_start=int(first[start]),
        run_is_above=bool(residual[start] > 0),
    )


def _read(tracking: pd.DataFrame) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Periods in order of time with what happened and what was expected, each (k,).

    Raises:
        DataError: columns are missing, or figures that cannot be.
    """
    if not isinstance(tracking, pd.DataFrame):
        raise DataError(
            f"tracking must be a frame with period, actual and expected, as "
            f"HoldoutValidation.tracking, not {type(tracking).__name__}"
        )
    names = ("period", "actual", "expected")
    need(tracking, "tracking", *names)
    columns = [
        pd.to_numeric(tracking[name], errors="coerce").to_numpy(dtype=float, na_value=math.nan)
        for name in names
    ]
    faults = [
        f"{name} must be a finite number in every row; found none in "
        f"{int((~np.isfinite(column)).sum()):,}"
        for name, column in zip(names, columns, strict=True)
        if not np.isfinite(column).all()
    ]
    period, actual, expected = columns
    for name, column in (("actual", actual), ("expected", expected)):
        # Differences of a cumulative sum may lie below 0 by its rounding.
        if (column < -1e-9 * np.fmax.reduce(np.abs(column), initial=0.0)).any():
            faults.append(f"{name} is negative in {int((column < 0).sum()):,} rows")
    if len(set(period.tolist())) < len(period):
        faults.append("period repeats; one row a period is required")
    if faults:
        raise DataError("tracking: figures that cannot be", faults)
    order = np.argsort(period, kind="stable")
    return period[order], actual[order], expected[order]


def _joined(expected: FloatArray) -> IntArray:
    """Cell of each period, (n,): neighbours join until enough is expected of them."""
    cell = np.zeros(len(expected), dtype=np.intp)
    number, gathered = 0, 0.0
    for i, one in enumerate(expected):
        cell[i] = number
        gathered += one
        if gathered >= LEAST_EXPECTED:
            number, gathered = number + 1, 0.0
    # What is left at the end is not enough for a cell of its own.
    return np.minimum(cell, max(number - 1, 0))


def _smooth_course(made: FloatArray, level: FloatArray) -> FloatArray:
    """The expected course moved by a level, a slope and a bend, by Poisson regression."""
    t = np.linspace(-1, 1, len(made))
    design = np.column_stack([np.ones_like(t), t, t**2 - np.mean(t**2)])
    beta = np.array([math.log(made.sum() / level.sum()), 0.0, 0.0])
    for _ in range(50):
        mean = level * np.exp(design @ beta)
        step = np.linalg.solve(design.T @ (mean[:, None] * design), design.T @ (made - mean))
        # Far from the data a Newton step overshoots; the likelihood is concave.
        beta = beta + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-10:
            break
    course: FloatArray = level * np.exp(design @ beta)
    return course


def _longest_run(above: Any) -> tuple[int, int]:
    """Start and length of the longest stretch of one side."""
    starts = np.flatnonzero(np.append(True, above[1:] != above[:-1]))
    lengths = np.diff(np.append(starts, len(above)))
    longest = int(np.argmax(lengths))
    return int(starts[longest]), int(lengths[longest])


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
