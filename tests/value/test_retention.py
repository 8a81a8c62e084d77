"""What a point of retention is worth: loops, finite differences, sensible limits."""

import math

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.errors import ParameterError
from relkit.value import retention
from relkit.value.bgnbd import BGNBD, fit_bgnbd
from relkit.value.gamma_gamma import GammaGamma, fit_gamma_gamma
from relkit.value.leaving import buying_rate, leaving_rate, left_by
from relkit.value.lifetime_value import customer_lifetime_value
from relkit.value.mbgnbd import MBGNBD, fit_mbgnbd
from relkit.value.pareto_nbd import ParetoNBD, fit_pareto_nbd
from relkit.value.retention import retention_value

SPEND = GammaGamma(p=6.25, q=3.74, v=15.45)
MODELS = [
    BGNBD(0.5, 6.0, 0.8, 2.4, "week"),
    MBGNBD(0.5, 6.0, 0.8, 2.4, "week"),
    ParetoNBD(0.8, 10.0, 0.7, 20.0, "week"),
]
WEEKS = 365.25 / 7


@pytest.fixture(scope="module")
def models(sample):
    return fit_bgnbd(sample), fit_gamma_gamma(sample)


@pytest.fixture(scope="module")
def few(sample):
    chosen = sample.sample(60, random_state=1)
    chosen.attrs["unit"] = "week"
    return chosen


@pytest.fixture(scope="module")
def value(models, few):
    return customer_lifetime_value(*models, few, horizon=52, annual_discount_rate=0.1)


def future(rng, model, history, delta, horizon):
    """One life from now on: still there after a year, and discounted purchases."""
    x, _, T = history
    rate = rng.gamma(model.r + x, 1 / (model.alpha + T))
    if isinstance(model, ParetoNBD):
        end = rng.exponential(1 / (rng.gamma(model.s, 1 / (model.beta + T)) * (1 - delta)))
        leave = 0.0
    else:
        stays = x + (1 if isinstance(model, MBGNBD) else 0)
        end, leave = math.inf, rng.beta(model.a, model.b + stays) * (1 - delta)
    worth, now = 0.0, 0.0
    while True:
        now += rng.exponential(1 / rate)
        if now > max(horizon, WEEKS) or now > end:
            return float(end > WEEKS), worth
        if now <= horizon:
            worth += 1.1 ** (-now / WEEKS)
        if rng.random() < leave:
            return float(now > WEEKS), worth


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_against_lives_lived_by_plain_loops(model):
    histories = [(0, 0.0, 20.0), (3, 30.0, 45.0), (9, 50.0, 52.0)]
    frame = pd.DataFrame(histories, columns=["frequency", "recency", "T"])
    value = customer_lifetime_value(
        model, SPEND, frame.assign(monetary_value=30.0), horizon=80, annual_discount_rate=0.1
    )
    found = retention_value(value, 0.1)
    table = found.to_frame()
    spend = value.to_frame()["expected_spend"]
    rng, lives = np.random.default_rng(4), 4000
    stayed, worth = np.zeros((2, 3, lives)), np.zeros((2, 3, lives))
    for then, delta in enumerate((0.0, found.delta)):
        for i, history in enumerate(histories):
            for life in range(lives):
                stayed[then, i, life], worth[then, i, life] = future(
                    rng, model, history, delta, 80.0
                )
    chance = table["probability_alive"].to_numpy()
    shares = chance / chance.sum()
    retention = shares @ stayed.mean(axis=2).T
    error = math.sqrt(shares**2 @ stayed[0].var(axis=1) / lives)
    assert retention[0] == pytest.approx(found.retention_now.value, abs=4 * error)
    assert retention[1] == pytest.approx(found.retention_then, abs=4 * error)
    value_of = chance * spend.to_numpy()
    for then, column in enumerate(("clv", "clv_then")):
        error = value_of * worth[then].std(axis=1) / lives**0.5
        assert (np.abs(value_of * worth[then].mean(axis=1) - table[column]) < 4 * error).all()


@pytest.mark.parametrize("horizon", [52, 260, math.inf])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_derivative_is_the_finite_difference(few, model, horizon):
    value = customer_lifetime_value(model, SPEND, few, horizon=horizon, annual_discount_rate=0.1)
    one, two = (retention_value(value, points) for points in (1e-4, 2e-4))
    # Extrapolated to no points at all.
    difference = 2 * one.gained.value / 1e-4 - two.gained.value / 2e-4
    assert one.derivative == pytest.approx(difference, rel=1e-5)
    assert two.derivative == one.derivative


def test_without_discount_it_is_the_finite_difference_too(few):
    value = customer_lifetime_value(MODELS[0], SPEND, few, horizon=52, annual_discount_rate=0)
    one, two = (retention_value(value, points) for points in (1e-4, 2e-4))
    difference = 2 * one.gained.value / 1e-4 - two.gained.value / 2e-4
    assert one.derivative == pytest.approx(difference, rel=1e-5)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_rates_are_derivatives_in_time(model):
    x, T = np.array([0.0, 3, 40]), np.array([20.0, 45, 52])
    for time in (1.0, 52.0):
        h = 1e-3
        left = (left_by(model, x, T, time + h) - left_by(model, x, T, time - h)) / (2 * h)
        assert leaving_rate(model, x, T, time) == pytest.approx(left, rel=1e-5)
        bought = model.purchases_if_alive(x, T, np.array([time - h, time + h]))
        assert buying_rate(model, x, T, time) == pytest.approx(np.diff(bought)[:, 0] / (2 * h))
    assert left_by(model, x, T, 0.0) == pytest.approx(np.zeros(3), abs=1e-15)


@pytest.mark.parametrize("fit", [fit_bgnbd, fit_mbgnbd, fit_pareto_nbd])
def test_the_intervals_are_the_delta_method(sample, few, fit):
    """Every parameter moved, the what-if solved anew, by nothing but the public way."""
    purchases, spend = fit(sample), fit_gamma_gamma(sample)
    found = retention_value(
        customer_lifetime_value(purchases, spend, few, horizon=52, annual_discount_rate=0.1), 0.02
    )
    slopes = []
    for i in range(7):
        ends = []
        for step in (1e-3, -1e-3):
            logs = np.log([*purchases.params, *spend.params])
            logs[i] += step
            p = np.exp(logs)
            moved = customer_lifetime_value(
                purchases.model.at(p[:4]), GammaGamma(*p[4:]), few, horizon=52,
                annual_discount_rate=0.1,
            )  # fmt: skip
            there = retention_value(moved, 0.02)
            share = there.retention_now.value
            ends.append((math.log(there.gained.value), math.log(share / (1 - share))))
        slopes.append((np.array(ends[0]) - np.array(ends[1])) / 2e-3)
    covariance = np.zeros((7, 7))
    covariance[:4, :4], covariance[4:, 4:] = purchases.covariance, spend.covariance
    half = 1.959964 * np.sqrt(np.diag(np.array(slopes).T @ covariance @ np.array(slopes)))
    assert math.log(found.gained.high / found.gained.value) == pytest.approx(half[0], rel=1e-4)
    assert math.log(found.gained.value / found.gained.low) == pytest.approx(half[0], rel=1e-4)
    odds = [math.log(s / (1 - s)) for s in (found.retention_now.value, found.retention_now.high)]
    assert odds[1] - odds[0] == pytest.approx(half[1], rel=1e-4)


def test_no_points_are_worth_nothing_and_more_are_worth_more(value):
    nothing = rk.retention_value(value, points=0)
    assert (nothing.gained.value, nothing.gained.low, nothing.gained.high) == (0, 0, 0)
    assert (nothing.delta, nothing.share) == (0, 0)
    free = 1 - nothing.retention_now.value
    results = [
        rk.retention_value(value, points) for points in (0.001, 0.01, 0.5 * free, 0.99 * free)
    ]
    gains = [result.gained.value for result in results]
    deltas = [result.delta for result in results]
    assert gains == sorted(gains)
    assert deltas == sorted(deltas)
    assert 0 < deltas[0] < deltas[-1] < 1


def test_the_parts_fit_together(value):
    found = retention_value(value)
    frame = found.to_frame()
    assert frame.columns.tolist() == [
        "customer_id", "probability_alive", "retention", "clv", "clv_then", "gained",
    ]  # fmt: skip
    assert found.points == 0.01
    assert found.retention_then == found.retention_now.value + 0.01
    chance = frame["probability_alive"]
    weighted = (chance * frame["retention"]).sum() / chance.sum()
    assert found.retention_now.value == pytest.approx(weighted, rel=1e-9)
    assert frame["gained"].sum() == pytest.approx(found.gained.value, rel=1e-7)
    assert (frame["gained"] > 0).all()
    assert frame["clv"].sum() == pytest.approx(value.total.value, rel=1e-12)
    assert found.share == pytest.approx(found.gained.value / value.total.value, rel=1e-9)
    assert (found.horizon, found.unit, found.gained.n) == (52, "week", value.n)


@pytest.mark.parametrize("points", [-0.01, 1, 0.9, math.nan, True, "1 %"])
def test_points_that_cannot_be(value, points):
    with pytest.raises(ParameterError, match=r"one point as 0\.01"):
        retention_value(value, points)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("points", [1e-6, 0.01, 0.1])
def test_the_pace_is_found_in_a_few_steps(model, points, few, monkeypatch):
    """Newton's method doubles its digits: a search that goes on at the answer does not stop."""
    value = customer_lifetime_value(model, SPEND, few, horizon=52, annual_discount_rate=0.1)
    sums, asked = retention._Case.of(value).at(model), []
    left = retention._Sums.left
    monkeypatch.setattr(
        retention._Sums, "left", lambda self, pace: asked.append(pace) or left(self, pace)
    )
    pace = retention._pace(sums, points)
    assert left(sums, 1.0) - left(sums, pace) == pytest.approx(points, rel=1e-9)
    assert len(asked) <= 9


@pytest.mark.parametrize("value", [None, "x", 5, SPEND])
def test_what_has_no_value(value):
    with pytest.raises(ParameterError, match="what customer_lifetime_value returns"):
        retention_value(value)
    with pytest.raises(ParameterError, match="before must be what customer_lifetime_value"):
        rk.value_change(value, value)


def test_a_report_goes_on_where_nearly_everybody_stays(value):
    assert rk.try_retention(value, 0.01).gained == retention_value(value, 0.01).gained
    room = 1 - retention_value(value, 0.0).retention_now.value
    found = rk.try_retention(value, room + 0.001)
    assert found == retention.NothingToGain(room + 0.001, pytest.approx(1 - room))
    with pytest.raises(ParameterError, match="points=-1"):
        rk.try_retention(value, -1)
    with pytest.raises(ParameterError, match="points=5"):
        rk.try_retention(value, 5)
