"""Does tracking swing by more than chance: planted waves found, quiet worlds left alone."""

import math

import numpy as np
import pandas as pd
import pytest

from relkit.errors import DataError
from relkit.value.purchase_models import fit_purchase_model
from relkit.value.tracking import expected_tracking, tracking_dispersion
from tests.value import whole_lives


def plain(actual, expected):
    period = np.arange(1, len(actual) + 1)
    return pd.DataFrame({"period": period, "actual": actual, "expected": expected})


def lived(seed, model="bg_nbd", n=1200, **how):
    """Tracking of a simulated base by the model fitted to its first 52 weeks."""
    rows = whole_lives.events(seed, n, 78.0, **how)
    calibration, births, tracking = whole_lives.parts(rows, 52.0, 78.0)
    fit = fit_purchase_model(calibration, model=model)
    return expected_tracking(
        fit,
        births,
        tracking,
        calibration_length=52.0,
        customers=len(calibration),
        mean_T=calibration["T"].mean(),
    )


# ---- by hand ---------------------------------------------------------------------------


def test_the_dispersion_is_that_of_a_poisson_regression():
    """Its likelihood climbed by a search that knows no derivative; SciPy's chi-squared."""
    from scipy.optimize import minimize
    from scipy.stats import chi2

    rng = np.random.default_rng(4)
    expected = np.linspace(40, 90, 60)
    actual = rng.poisson(1.2 * expected)
    t = np.linspace(-1, 1, 60)

    def course(b):
        return expected * np.exp(b[0] + b[1] * t + b[2] * t**2)

    def less_likely(b):
        return np.sum(course(b) - actual * np.log(course(b)))

    options = {"xatol": 1e-10, "fatol": 1e-12, "maxiter": 5000}
    best = minimize(less_likely, [0.0, 0.0, 0.0], method="Nelder-Mead", options=options).x
    pearson = np.sum((actual - course(best)) ** 2 / course(best))
    found = tracking_dispersion(plain(actual, expected))
    assert found.dispersion.value == pytest.approx(pearson / 57, rel=1e-6)
    assert found.p_value == pytest.approx(chi2.sf(pearson, 57), rel=1e-5)
    assert found.dispersion.low == pytest.approx(pearson / chi2.ppf(0.975, 57), rel=1e-6)
    assert found.dispersion.high == pytest.approx(pearson / chi2.ppf(0.025, 57), rel=1e-6)


def test_level_and_drift_are_no_season():
    """A model that is off by half, and more so every week, swings not at all."""
    expected = np.full(78, 100.0)
    found = tracking_dispersion(plain(150 * np.exp(np.linspace(-0.5, 0.5, 78)), expected))
    assert found.dispersion.value == pytest.approx(0, abs=1e-9)
    assert found.p_value == pytest.approx(1)
    assert found.swing == 0
    assert found.is_visible is False


def test_a_peak_and_a_run_by_hand():
    expected = np.full(40, 400.0)
    actual = expected + np.where(np.arange(40) % 2 == 0, 4, -4)
    actual[9:16] = 410
    actual[29] = 800
    found = tracking_dispersion(plain(actual, expected))
    assert found.peak_period == 30
    assert found.peak_ratio == pytest.approx(2.0, abs=0.1)
    assert found.is_visible
    # One week of 40 doubled is a standard deviation of sqrt(1 / 40).
    assert found.swing == pytest.approx(math.sqrt(1 / 40), rel=0.1)


def test_a_run_by_hand():
    expected = np.full(40, 100.0)
    side = np.where(np.arange(40) % 2 == 0, 1, -1)
    side[20:26] = 1  # and 19, 26 are on the other side or alternate into it
    found = tracking_dispersion(plain(expected + 3 * side, expected))
    assert (found.run_start, found.longest_run, found.run_is_above) == (21, 7, True)


def test_weeks_with_next_to_nothing_are_joined():
    """Ten weeks of one half expected each are one cell; the rest stand alone."""
    expected = np.append(np.full(10, 0.5), np.full(30, 50.0))
    found = tracking_dispersion(plain(expected, expected))
    assert found.periods == 31


@pytest.mark.parametrize(("weeks", "level"), [(11, 100.0), (78, 0.1), (0, 1.0)])
def test_too_few_periods_are_a_status(weeks, level):
    found = tracking_dispersion(plain(np.full(weeks, level), np.full(weeks, level)))
    assert found.status == "too few periods"
    assert found.p_value is found.dispersion is found.swing is found.is_visible is None
    frame = found.to_frame()
    assert frame["status"].tolist() == ["too few periods"]
    assert frame["p_value"].isna().all()


def test_what_cannot_be_tracked():
    with pytest.raises(DataError, match="column expected is missing"):
        tracking_dispersion(plain([1.0], [1.0]).drop(columns="expected"))
    with pytest.raises(DataError, match="actual must be a finite number"):
        tracking_dispersion(plain([math.nan], [1.0]))
    with pytest.raises(DataError) as caught:
        tracking_dispersion(plain(["x", -1.0, 2.0], [1.0, 1.0, -3.0]).assign(period=[1, 1, 2]))
    assert caught.value.faults == (
        "actual must be a finite number in every row; found none in 1",
        "actual is negative in 1 rows",
        "expected is negative in 1 rows",
        "period repeats; one row a period is required",
    )
    with pytest.raises(DataError, match="not list"):
        tracking_dispersion([1.0, 2.0])


def test_the_order_of_the_rows_and_their_types_decide_nothing():
    rng = np.random.default_rng(3)
    tracking = plain(rng.poisson(50, 40), np.full(40, 50.0))
    found = tracking_dispersion(tracking)
    assert tracking_dispersion(tracking.sample(frac=1, random_state=1)) == found
    assert tracking_dispersion(tracking.convert_dtypes(dtype_backend="pyarrow")) == found


# ---- worlds of known truth -------------------------------------------------------------


def yearly(t):
    return 1 + 0.4 * np.sin(2 * np.pi * t / 52)


def holidays(t):
    return np.where((t % 52 > 46) & (t % 52 < 50), 2.0, 1.0)


@pytest.mark.parametrize("model", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
def test_a_planted_year_is_found(model):
    for seed in range(3):
        found = tracking_dispersion(lived(seed, model, season=yearly, highest=1.4))
        assert found.is_visible
        assert found.longest_run >= 8
        assert found.swing > 0.1


def test_a_planted_holiday_is_found_where_it_is():
    for seed in range(3):
        found = tracking_dispersion(lived(seed, season=holidays, highest=2.0))
        assert found.is_visible
        assert 47 <= found.peak_period <= 50
        assert found.peak_ratio > 1.4


@pytest.mark.slow
@pytest.mark.parametrize("leaves", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
def test_a_base_without_seasons_is_seldom_called_seasonal(leaves):
    """At most 5 % of quiet worlds; about 1 % of them is nominal."""
    worlds = 120
    found = [tracking_dispersion(lived(seed, leaves, leaves=leaves)) for seed in range(worlds)]
    # P(more than 6 of 120) is .0002 where 1 % are false, and .4 where 5 % are.
    assert sum(one.is_visible for one in found) <= 6
    # Noise alone: a mean of 120 ratios of chi-squared over its degrees, about 74 each.
    mean = np.mean([one.dispersion.value for one in found])
    assert mean == pytest.approx(1, abs=4 * math.sqrt(2 / 74 / worlds))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["bg_nbd", "mbg_nbd"])
def test_the_wrong_model_is_no_season(model):
    """Customers who leave at any time, many of them, under models that say otherwise."""
    for seed in range(4):
        found = tracking_dispersion(lived(seed, model, n=8000, leaves="pareto_nbd"))
        assert not found.is_visible
        assert found.swing < 0.05


def test_a_few_bases_without_seasons_are_not_called_seasonal():
    found = [tracking_dispersion(lived(seed)) for seed in range(12)]
    assert sum(one.is_visible for one in found) <= 1
