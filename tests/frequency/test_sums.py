"""Sums give what customers give: means, errors, adjustment, any weighted outcome."""

import ibis
import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import relkit as rk
from relkit.errors import DataError, ParameterError
from relkit.frequency.sums import ArmSums

METRICS = ("margin", "complaints", "retained")
WEIGHTS = {"margin": 1.0, "complaints": -50.0, "retained": [400.0, 900.0]}


@pytest.fixture(scope="module")
def customers():
    rng = np.random.default_rng(5)
    n = 3_000
    frame = pd.DataFrame({"tier": rng.choice(["a", "b"], n), "arm": rng.choice(["0", "1", "4"], n)})
    frame["x"] = rng.gamma(2, 100, n)
    lift = frame["arm"].map({"0": 0.0, "1": 30.0, "4": -10.0}).to_numpy()
    frame["margin"] = 0.6 * frame["x"] + lift + rng.normal(0, 60, n)
    frame["complaints"] = rng.negative_binomial(0.5, 0.7, n).astype(float)
    frame["retained"] = (rng.random(n) < 0.3 + frame["x"] / 1000).astype(float)
    frame["customer_id"] = np.arange(n).astype(str)
    return frame


@pytest.fixture(scope="module")
def sums(customers):
    return ArmSums.of_units(customers, METRICS, covariate="x")


def frame_of(customers, values):
    rows = customers.assign(
        y=values, y2=values**2, x2=customers["x"] ** 2, xy=customers["x"] * values
    )
    found = rows.groupby(["tier", "arm"])[["y", "y2", "x", "x2", "xy"]].sum().add_prefix("sum_")
    return found.assign(n=rows.groupby(["tier", "arm"]).size()).reset_index()


def test_a_weighted_outcome_is_adjusted_as_regression_within_a_tier_does(customers, sums):
    means = sums.means(WEIGHTS)
    assert means.covariances == "measured"
    for t, tier in enumerate(("a", "b")):
        rows = customers[customers["tier"] == tier].copy()
        rows["y"] = (
            rows["margin"] - 50 * rows["complaints"] + WEIGHTS["retained"][t] * rows["retained"]
        )
        slope = smf.ols("y ~ C(arm) + x", rows).fit().params["x"]
        assert means.theta[t] == pytest.approx(slope, rel=1e-10)
        for a, arm in enumerate(("0", "1", "4")):
            of_arm = rows[rows["arm"] == arm]
            left = of_arm["y"] - slope * (of_arm["x"] - rows["x"].mean())
            assert means.mean[t, a] == pytest.approx(left.mean(), rel=1e-10)
            assert means.standard_error[t, a] == pytest.approx(left.sem(), rel=1e-9)
            assert means.raw_mean[t, a] == pytest.approx(of_arm["y"].mean(), rel=1e-10)
            assert means.raw_standard_error[t, a] == pytest.approx(of_arm["y"].sem(), rel=1e-9)
    assert (means.explained > 0.1).all()
    assert (means.standard_error < means.raw_standard_error).all()


def test_frames_of_metrics_and_pairs_say_the_same_as_customers(customers, sums):
    frames = {m: frame_of(customers, customers[m]) for m in METRICS}
    pairs = {
        (one, other): frame_of(customers, customers[one] + customers[other])
        for one, other in (
            ("margin", "complaints"),
            ("margin", "retained"),
            ("complaints", "retained"),
        )
    }
    read = ArmSums.of_frames(frames, pairs).means(WEIGHTS)
    known = sums.means(WEIGHTS)
    assert read.mean == pytest.approx(known.mean, rel=1e-10)
    assert read.standard_error == pytest.approx(known.standard_error, rel=1e-8)


def test_without_pairs_the_error_is_an_upper_bound(customers, sums):
    alone = ArmSums.of_frames({m: frame_of(customers, customers[m]) for m in METRICS})
    bounded, known = alone.means(WEIGHTS), sums.means(WEIGHTS)
    assert bounded.covariances == "bounded"
    assert bounded.mean == pytest.approx(known.mean, rel=1e-10)
    assert (bounded.standard_error > known.standard_error).all()
    # One metric alone needs no pair.
    assert alone.means("margin").covariances == "measured"


def test_the_engine_sums_what_a_frame_of_customers_holds(customers, sums):
    start = pd.Timestamp("2026-01-05")
    assigned = customers.assign(assigned_at=start, stratum=customers["tier"])
    events = customers[["customer_id"]].assign(
        occurred_at=start + pd.Timedelta(days=2), value=customers["margin"]
    )
    frame = rk.experiment_sums(
        ibis.memtable(assigned[["customer_id", "arm", "assigned_at", "stratum"]]),
        ibis.memtable(events), as_of="2026-02-01", weeks=1,
        covariate=ibis.memtable(customers[["customer_id", "x"]]),
    )  # fmt: skip
    found = ArmSums.of_frames({"margin": frame}).means("margin")
    assert found.mean == pytest.approx(sums.means("margin").mean, rel=1e-9)
    assert found.standard_error == pytest.approx(sums.means("margin").standard_error, rel=1e-7)


def test_without_a_covariate_nothing_is_adjusted(customers):
    means = ArmSums.of_units(customers, ["margin"]).means("margin")
    assert (means.theta == 0).all()
    assert means.mean == pytest.approx(means.raw_mean)


def test_a_step_down_arm_is_left_out_by_naming_the_others(sums):
    fewer = sums.of_arms(["4", "0"])
    assert fewer.arms == ("4", "0")
    assert fewer.means("margin").raw_mean[:, 1] == pytest.approx(
        sums.means("margin").raw_mean[:, 0]
    )
    with pytest.raises(ParameterError, match="no arm '2'"):
        sums.of_arms(["0", "2"])


def test_what_is_wrong_is_said(customers):
    frame = frame_of(customers, customers["margin"])
    with pytest.raises(DataError, match="no column 'sum_y2'"):
        ArmSums.of_frames({"margin": frame.drop(columns="sum_y2")})
    both = pd.concat([frame.assign(week=0), frame.assign(week=1)])
    with pytest.raises(DataError, match="of 2 weeks"):
        ArmSums.of_frames({"margin": both})
    with pytest.raises(DataError, match="tier b, arm 4: 0 rows"):
        ArmSums.of_frames({"margin": frame.iloc[:-1]})
    with pytest.raises(DataError, match="one arm only"):
        ArmSums.of_frames({"margin": frame[frame["arm"] == "0"]})
    with pytest.raises(DataError, match="counts other customers"):
        ArmSums.of_frames({"margin": frame, "complaints": frame.assign(n=frame["n"] + 1)})
    other = frame.assign(sum_x=frame["sum_x"] * 2)
    with pytest.raises(DataError, match="another covariate"):
        ArmSums.of_frames({"margin": frame, "complaints": other})
    with pytest.raises(DataError, match="not finite"):
        ArmSums.of_frames({"margin": frame.assign(sum_y=np.inf)})
    with pytest.raises(DataError, match="margin is empty in 1 rows"):
        ArmSums.of_units(
            customers.assign(margin=customers["margin"].where(customers.index > 0)), METRICS
        )
    with pytest.raises(ParameterError, match="did you mean 'margin'"):
        ArmSums.of_frames({"margin": frame}).means("margn")
