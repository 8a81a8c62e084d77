"""Populations that carry no model, or hardly one: a status or a good fit, no warning."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.errors import DataError, FitError, ParameterError

FITS = [rk.fit_bgnbd, rk.fit_mbgnbd, rk.fit_pareto_nbd]
EVERY_FIT = pytest.mark.parametrize("fit_it", FITS, ids=lambda fit: fit.__name__)
STATUSES = {
    "converged",
    "no drop-out identified",
    "no heterogeneity identified",
    "drop-out at once or never",
    "too few repeaters",
}


def checked(fit_it, x, t_x, T, **more):
    """The fit, with every warning an error; its predictions are sound or are refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = fit_it(frequency=x, recency=t_x, T=T, **more)
        assert fit.status in STATUSES
        frame = fit.to_frame()
        assert set(frame["status"]) == {fit.status}
        some = {"frequency": [0, 2, 20_000], "recency": [0.0, 1.0, 2.0], "T": [3.0, 2.0, 2.5]}
        if fit.status in ("no drop-out identified", "too few repeaters"):
            assert frame["estimate"].isna().all()
            with pytest.raises(FitError, match=fit.status):
                fit.expected_purchases(**some, horizon=5.0)
            return fit
        assert (np.array(fit.params) > 0).all()
        assert np.isfinite(fit.params).all()
        assert math.isfinite(fit.log_likelihood)
        alive = fit.probability_alive(**some)
        assert ((alive >= 0) & (alive <= 1)).all()
        ahead = fit.expected_purchases(**some, horizon=5.0)
        assert (np.isfinite(ahead) & (ahead >= 0)).all()
        chances = fit.purchase_distribution(**some, horizon=5.0, most=50)
        assert ((chances >= 0) & (chances <= 1 + 1e-12)).all()
        assert (chances.sum(axis=1) <= 1 + 1e-9).all()
    return fit


def bought(rng, rate, until):
    """Poisson purchases until a time, and the latest of them."""
    x = rng.poisson(rate * until).astype(float)
    return x, np.where(x > 0, until * rng.random(len(x)) ** (1 / np.maximum(x, 1)), 0.0)


@EVERY_FIT
def test_buyers_who_are_all_alike(fit_it):
    """One rate and one lifetime's rate for all: no heterogeneity in either."""
    rng, n = np.random.default_rng(1), 3000
    T = np.full(n, 52.0)
    x, t_x = bought(rng, np.full(n, 0.4), np.minimum(T, rng.exponential(60, n)))
    fit = checked(fit_it, x, t_x, T)
    # Some 0.4 a week for an average of 34.8 weeks: what the data say, whatever the status.
    until = np.minimum(52.0, rng.exponential(60, 100_000)).mean()
    made = fit.expected_purchases_new(52.0)
    assert made == pytest.approx(0.4 * until, rel=0.08)


@EVERY_FIT
def test_buyers_who_never_leave(fit_it):
    rng, n = np.random.default_rng(2), 1500
    T = np.full(n, 52.0)
    x, t_x = bought(rng, rng.gamma(0.8, 0.2, n), T)
    assert checked(fit_it, x, t_x, T).status == "no drop-out identified"


@EVERY_FIT
def test_everyone_came_once(fit_it):
    fit = checked(fit_it, [0] * 500, [0.0] * 500, [10.0] * 500)
    assert (fit.status, fit.n_repeaters) == ("too few repeaters", 0)
    # Ten of them came back: enough to try, and nothing may break.
    checked(fit_it, [0] * 490 + [1] * 10, [0.0] * 490 + [3.0] * 10, [10.0] * 500)


@EVERY_FIT
def test_thirty_customers_many_times(fit_it):
    rng, statuses = np.random.default_rng(4), set()
    for _ in range(50):
        T = rng.uniform(10, 60, 30)
        until = np.minimum(T, rng.exponential(1 / rng.gamma(0.7, 0.1, 30)))
        x, t_x = bought(rng, rng.gamma(0.6, 0.4, 30), until)
        statuses.add(checked(fit_it, x, t_x, T).status)
    assert len(statuses) > 1


@EVERY_FIT
def test_one_with_twenty_thousand_purchases_among_two_thousand(fit_it):
    rng, n = np.random.default_rng(5), 2000
    T = rng.uniform(30, 52, n)
    life = rng.exponential(1 / rng.gamma(0.5, 0.1, n))
    x, t_x = bought(rng, rng.gamma(0.3, 0.2, n), np.minimum(T, life))
    x[0], t_x[0], T[0] = 20_000, 51.999, 52.0
    fit = checked(fit_it, x, t_x, T)
    assert fit.status == "converged"
    ahead = fit.expected_purchases(frequency=20_000, recency=51.999, T=52.0, horizon=1.0)
    assert ahead == pytest.approx(20_000 / 52, rel=0.15)


@EVERY_FIT
@pytest.mark.parametrize("t_x", [0.0, 4.0, 10.0])
def test_one_history_for_all(fit_it, t_x):
    checked(fit_it, [3] * 40, [t_x] * 40, [10.0] * 40)
    checked(fit_it, [3] * 40, [0.0] * 40, [0.0] * 40)
    checked(fit_it, [3] * 20 + [0] * 20, [t_x] * 20 + [0.0] * 20, [10.0] * 40)


@EVERY_FIT
def test_times_of_any_size(fit_it):
    """Days beside nanoseconds, and all of them in units of 1e12."""
    rng, n = np.random.default_rng(6), 400
    T = 10 ** rng.uniform(-9, 3, n)
    x, t_x = bought(rng, rng.gamma(0.8, 0.5, n), np.minimum(T, rng.exponential(40, n)))
    checked(fit_it, x, t_x, T)
    checked(fit_it, x, t_x * 1e12, T * 1e12)
    checked(fit_it, x, t_x * 1e-12, T * 1e-12)


@EVERY_FIT
def test_weights_of_any_size(fit_it):
    rng, n = np.random.default_rng(7), 300
    T = rng.uniform(20, 52, n)
    x, t_x = bought(rng, rng.gamma(0.6, 0.4, n), np.minimum(T, rng.exponential(30, n)))
    fit = checked(fit_it, x, t_x, T, weights=np.full(n, 1e7))
    assert fit.n == 3_000_000_000
    assert checked(fit_it, x, t_x, T, weights=np.ones(n)).n == n


# ---- values that cannot be --------------------------------------------------------------


@EVERY_FIT
def test_every_fault_in_one_message(fit_it):
    with pytest.raises(DataError) as caught:
        fit_it(
            frequency=[2, -1, 1.5, 0, math.nan, 3, math.inf, 1],
            recency=[9.0, 1.0, 1.0, 2.0, 1.0, -1.0, 1.0, 1.0],
            T=[5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, math.nan],
        )
    message = str(caught.value)
    assert message.startswith("customer histories: 8 faults in 8 customers")
    assert message.count("(first: row") == 8


@pytest.mark.parametrize(
    "model",
    [rk.BGNBD(0.5, 5, 0.8, 2), rk.MBGNBD(0.5, 5, 0.8, 2), rk.ParetoNBD(0.5, 5, 0.8, 9)],
    ids=lambda model: model.name,
)
def test_predictions_refuse_what_a_fit_refuses(model):
    wrong = {"frequency": [1, 0], "recency": [9.0, 1.0], "T": [5.0, 5.0]}
    for ask in (
        lambda: model.probability_alive(**wrong),
        lambda: model.expected_purchases(**wrong, horizon=1),
        lambda: model.purchase_distribution(**wrong, horizon=1, most=1),
        lambda: model.log_likelihood_of(**wrong),
    ):
        with pytest.raises(DataError, match="2 faults in 2 customers"):
            ask()
    right = {"frequency": 1, "recency": 1.0, "T": 5.0}
    for horizon in (0, -1, math.nan, math.inf, "52", True):
        for ask in (
            lambda h: model.expected_purchases(**right, horizon=h),
            lambda h: model.purchase_distribution(**right, horizon=h, most=1),
        ):
            with pytest.raises(ParameterError, match="horizon"):
                ask(horizon)
    for horizon in (0, -1, math.nan, [1.0, 0.0], "soon", True, None):
        with pytest.raises(ParameterError, match="horizon"):
            model.expected_purchases_new(horizon)


@EVERY_FIT
def test_a_rate_of_ten_for_ten_percent(fit_it):
    rng, n = np.random.default_rng(8), 600
    T = rng.uniform(20, 52, n)
    x, t_x = bought(rng, rng.gamma(0.6, 0.4, n), np.minimum(T, rng.exponential(30, n)))
    fit = fit_it(frequency=x, recency=t_x, T=T, unit="week")
    summary = pd.DataFrame({"frequency": x, "recency": t_x, "T": T, "monetary_value": 5.0})
    with pytest.raises(ParameterError, match=r"annual_discount_rate=10 .*give 10 % as 0\.10"):
        rk.customer_lifetime_value(
            fit, rk.GammaGamma(6, 4, 15), summary, horizon=52, annual_discount_rate=10
        )


def test_spend_that_is_no_spend():
    x = [2] * 40
    nothing = rk.fit_gamma_gamma(frequency=x, monetary_value=[0.0] * 40)
    assert (nothing.status, nothing.n, nothing.left_out) == ("too few repeaters", 0, 40)
    rng = np.random.default_rng(9)
    mean = rng.gamma(3.0, 10.0, 40)
    mean[:5], mean[5] = 0.0, -4.0
    some = rk.fit_gamma_gamma(frequency=x, monetary_value=mean)
    assert (some.n, some.left_out) == (34, 6)
    with pytest.raises(DataError) as caught:
        rk.fit_gamma_gamma(
            frequency=[2, -1, 1.5, 3, 4], monetary_value=[1.0, 1.0, 1.0, math.nan, math.inf]
        )
    assert str(caught.value).count("(first: row") == 4


def test_spend_of_thirty_customers_a_hundred_times():
    rng = np.random.default_rng(10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for case in range(100):
            x = rng.geometric(0.4, 30).astype(float)
            mean = rng.gamma(0.5 + case % 7, 10 ** rng.uniform(-3, 6), 30)
            mean[rng.random(30) < 0.1 * (case % 3)] = 0.0
            fit = rk.fit_gamma_gamma(frequency=x, monetary_value=mean)
            asked = {"frequency": [0, 1, 9], "monetary_value": [0, 3.0, 8.0]}
            if fit.status == "too few repeaters" or fit.params.q <= 1:
                with pytest.raises(FitError, match="no finite mean|too few repeaters"):
                    fit.expected_spend(**asked)
            else:
                spend = fit.expected_spend(**asked)
                assert (np.isfinite(spend) & (spend >= 0)).all()
