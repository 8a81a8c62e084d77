"""MBG/NBD: integrals of the story, another implementation, simulated lives, bad data."""

import math

import numpy as np
import pandas as pd
import pytest
from lifetimes import ModifiedBetaGeoFitter
from scipy.special import roots_genlaguerre, roots_jacobi

import relkit as rk
from relkit.errors import DataError, FitError, ParameterError
from relkit.value.bgnbd_likelihood import Likelihood
from relkit.value.futures import draw_futures
from relkit.value.inputs import read_history

KNOWN = rk.MBGNBD(r=0.525, alpha=6.183, a=0.891, b=1.614)
HISTORIES = [(0, 0.0, 5.0), (0, 0.0, 38.86), (1, 0.0, 5.0), (2, 30.43, 38.86), (7, 9.0, 9.0)]


def by_integral(x, t_x, T, horizon):
    """Likelihood, P(alive) and expected purchases: the story integrated over rate and p.

    Given rate and p, who is active after x + 1 chances to leave has bought at the rate
    for all of T; who has left did so right after the last purchase. Gauss's rules for
    the gamma and the beta distribution are exact here to about 1e-12.
    """
    r, alpha, a, b = KNOWN.params
    rate, of_rate = roots_genlaguerre(120, r - 1)
    rate, of_rate = rate / alpha, of_rate / of_rate.sum()
    p, of_p = roots_jacobi(120, b - 1, a - 1)
    p, of_p = (p + 1) / 2, of_p / of_p.sum()
    stay = (of_rate @ (rate**x * np.exp(-rate * T))) * (of_p @ (1 - p) ** (x + 1))
    left = (of_rate @ (rate**x * np.exp(-rate * t_x))) * (of_p @ (p * (1 - p) ** x))
    # An active customer of rate m and chance p goes on to buy (1 - exp(-m p t)) / p.
    ahead = -np.expm1(-np.outer(rate, p) * horizon) / p * (1 - p) ** (x + 1)
    ahead = (of_rate * rate**x * np.exp(-rate * T)) @ ahead @ of_p
    return stay + left, stay / (stay + left), ahead / (stay + left)


@pytest.mark.parametrize("history", HISTORIES)
def test_against_the_integrals_of_the_story(history):
    x, t_x, T = history
    likelihood, alive, ahead = by_integral(x, t_x, T, 20.0)
    given = {"frequency": x, "recency": t_x, "T": T}
    assert KNOWN.log_likelihood_of(**given) == pytest.approx(math.log(likelihood), rel=1e-9)
    assert KNOWN.probability_alive(**given) == pytest.approx(alive, rel=1e-9)
    assert KNOWN.expected_purchases(**given, horizon=20.0) == pytest.approx(ahead, rel=1e-9)


# Another implementation's fit of the CDNOW sample (lifetimes, tol=1e-9).
def test_agrees_with_another_implementation(sample):
    fit = rk.fit_mbgnbd(sample)
    other = ModifiedBetaGeoFitter()
    x, t_x, T = (sample[name] for name in ("frequency", "recency", "T"))
    other.fit(x, t_x, T, tol=1e-9)
    assert fit.params == pytest.approx(tuple(other.params_[["r", "alpha", "a", "b"]]), rel=1e-6)
    assert fit.probability_alive(sample) == pytest.approx(
        other.conditional_probability_alive(x, t_x, T), rel=1e-6
    )
    ahead = other.conditional_expected_number_of_purchases_up_to_time(39, x, t_x, T)
    assert fit.expected_purchases(sample, horizon=39) == pytest.approx(np.array(ahead), rel=1e-6)
    new = float(np.ravel(other.expected_number_of_purchases_up_to_time(52))[0])
    assert fit.expected_purchases_new(52) == pytest.approx(new, rel=1e-6)
    assert (fit.status, fit.n, fit.n_repeaters, fit.unit) == ("converged", 2357, 946, "week")
    assert fit.evaluations <= 15


def test_criteria_compare_it_with_bgnbd(sample):
    modified, plain = rk.fit_mbgnbd(sample), rk.fit_bgnbd(sample)
    # As many parameters each, so both criteria differ by twice the likelihood.
    gain = 2 * (modified.log_likelihood - plain.log_likelihood)
    assert plain.aic - modified.aic == pytest.approx(gain, abs=1e-6)
    assert plain.bic - modified.bic == pytest.approx(gain, abs=1e-6)
    # Fader, Hardie & Lee (2005): log-likelihood -9582.4 with four parameters.
    assert plain.aic == pytest.approx(2 * 9582.4 + 8, abs=0.1)
    assert plain.bic == pytest.approx(2 * 9582.4 + 4 * math.log(2357), abs=0.1)
    spend = rk.fit_gamma_gamma(sample)
    assert spend.bic - spend.aic == pytest.approx(3 * (math.log(946) - 2), rel=1e-9)
    assert spend.aic == pytest.approx(6 - 2 * spend.log_likelihood, rel=1e-12)


def test_derivatives_are_those_of_the_likelihood(sample):
    statistic = Likelihood.of(read_history(sample, None, None, None), first_chances=1)
    point = np.log([0.5, 0.2, 1.3, 1.7])
    _, gradient, hessian = statistic(point)
    for i, step in enumerate(np.eye(4) * 1e-5):
        (high, up, _), (low, down, _) = statistic(point + step), statistic(point - step)
        assert gradient[i] == pytest.approx((high - low) / 2e-5, rel=1e-6, abs=1e-4)
        assert hessian[i] == pytest.approx((up - down) / 2e-5, rel=1e-6, abs=1e-4)


def lived(rng, n, r, alpha, a, b, T):
    """Lives in continuous time in which the first purchase is a chance to leave too."""
    end = rng.uniform(0.6 * T, T, n)
    rate, leave = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
    frequency, recency, now = np.zeros(n), np.zeros(n), np.zeros(n)
    active = rng.random(n) >= leave
    going = active.copy()
    while going.any():
        now[going] += rng.exponential(1 / rate[going])
        going &= now <= end
        frequency[going] += 1
        recency[going] = now[going]
        stay = rng.random(n) >= leave
        active &= ~going | stay
        going &= stay
    return pd.DataFrame({"frequency": frequency, "recency": recency, "T": end}), active


def test_simulated_lives_bring_the_truth_back():
    truth = rk.MBGNBD(0.6, 5.0, 0.8, 2.0)
    data, active = lived(np.random.default_rng(11), 60_000, *truth.params, T=52)
    fit = rk.fit_mbgnbd(data, unit="week")
    assert fit.status == "converged"
    away = np.log(fit.params) - np.log(truth.params)
    # Chi-squared with four degrees: beyond 18.5 once in a thousand times.
    assert away @ np.linalg.solve(fit.covariance, away) < 18.5
    chance = truth.probability_alive(data)
    for group in (data["frequency"] == 0, (data["frequency"] > 0) & (chance < 0.5), chance > 0.9):
        error = math.sqrt(float((chance * (1 - chance))[group].sum())) / group.sum()
        assert active[group].mean() == pytest.approx(chance[group].mean(), abs=4 * error)
    assert chance[data["frequency"] == 0].max() < 1


def test_standard_errors_are_those_of_repeated_samples():
    # The scatter of 50 fits estimates a standard error to about 10 %.
    rng, truth = np.random.default_rng(7), (0.8, 10.0, 0.8, 2.4)
    fits = [rk.fit_mbgnbd(lived(rng, 3000, *truth, T=60)[0]) for _ in range(50)]
    logs = np.log([fit.params for fit in fits])
    said = np.sqrt(np.mean([np.diag(fit.covariance) for fit in fits], axis=0))
    assert logs.std(axis=0, ddof=1) == pytest.approx(said, rel=0.4)


def test_unit_weights_and_row_order_do_not_matter(sample):
    fit = rk.fit_mbgnbd(sample)
    columns = {name: sample[name] for name in ("frequency", "recency", "T")}
    days = rk.fit_mbgnbd(**columns | {"recency": sample["recency"] * 7, "T": sample["T"] * 7})
    assert days.params.alpha == pytest.approx(7 * fit.params.alpha, rel=1e-9)
    assert days.params.b == pytest.approx(fit.params.b, rel=1e-9)
    assert rk.fit_mbgnbd(sample.sample(frac=1, random_state=5)).params == fit.params
    counted = sample.groupby(["frequency", "recency", "T"]).size().reset_index(name="customers")
    weighted = rk.fit_mbgnbd(counted, weights=counted["customers"])
    assert weighted.params == pytest.approx(fit.params, rel=1e-9)
    assert (weighted.n, weighted.n_repeaters) == (fit.n, fit.n_repeaters)


@pytest.mark.parametrize("x", [0, 1, 20_000])
@pytest.mark.parametrize("a", [1e-6, 1 - 1e-10, 30.0])
def test_hard_cases_stay_finite(x, a):
    model = rk.MBGNBD(0.24, 30.0, a, 2.4)
    for t_x in (0.0, 400.0 if x else 0.0):
        given = {"frequency": x, "recency": t_x, "T": 400.0}
        assert 0 <= model.probability_alive(**given) <= 1
        assert 0 <= model.expected_purchases(**given, horizon=3652.0) < math.inf


def test_data_that_hold_no_fit():
    few = rk.fit_mbgnbd(frequency=[0] * 40 + [1] * 9, recency=[0] * 49, T=[9] * 49)
    assert (few.status, few.n_repeaters) == ("too few repeaters", 9)
    with pytest.raises(FitError, match=r"MBG/NBD(.|\n)*at least 10 are required"):
        _ = few.aic
    rng = np.random.default_rng(2)
    x = rng.poisson(rng.gamma(5, 0.02, 1000) * 52.0)
    t_x = np.where(x > 0, 52 * rng.random(1000) ** (1 / np.maximum(x, 1)), 0.0)
    stay = rk.fit_mbgnbd(frequency=x, recency=t_x, T=np.full(1000, 52.0))
    assert stay.status == "no drop-out identified"
    assert stay.log_likelihood < 0
    assert stay.to_frame()["estimate"].isna().all()
    for ask in (lambda: stay.bic, lambda: stay.params, lambda: stay.expected_purchases_new(1)):
        with pytest.raises(FitError, match=r"MBGNBD\(r, alpha, a, b\)"):
            ask()


def test_wrong_use():
    with pytest.raises(ParameterError, match="MBG/NBD") as caught:
        rk.MBGNBD(r=-1, alpha=math.nan, a=1, b=math.inf)
    assert len(caught.value.faults) == 3
    with pytest.raises(DataError, match="MBG/NBD: there are no customers"):
        rk.fit_mbgnbd(frequency=[], recency=[], T=[])
    with pytest.raises(DataError, match="recency is later than T"):
        KNOWN.probability_alive(frequency=1, recency=9, T=2)
    with pytest.raises(ParameterError, match="horizon"):
        KNOWN.expected_purchases(frequency=1, recency=1, T=2, horizon=0)


def test_lifetime_value_takes_the_model_as_it_is(sample):
    """Discounted by a fine sum over time; simulated futures have the same mean."""
    few = sample.head(400)
    model = rk.MBGNBD(*KNOWN.params, unit="week")
    spend = rk.GammaGamma(p=6.25, q=3.74, v=15.44)
    value = rk.customer_lifetime_value(model, spend, few, horizon=52, annual_discount_rate=0.15)
    frame = value.to_frame()
    assert frame["probability_alive"].to_numpy() == pytest.approx(model.probability_alive(few))
    ends = np.linspace(0, 52, 521)
    by_then = np.array([model.expected_purchases(few, horizon=h) for h in ends[1:]])
    made = np.diff(by_then, axis=0, prepend=0)
    middles = (ends[1:] + ends[:-1]) / 2
    discounted = 1.15 ** (-middles * 7 / 365.25) @ made
    assert frame["clv"].to_numpy() == pytest.approx(
        discounted * frame["expected_spend"].to_numpy(), rel=2e-5
    )
    columns = ("frequency", "recency", "T", "monetary_value")
    drawn = draw_futures(
        model,
        None,
        tuple(few[name].to_numpy(float) for name in columns),
        horizon=52,
        discount=0.0,
        draws=600,
        seed=3,
    ).purchases
    error = drawn.std(ddof=1) / math.sqrt(len(drawn))
    assert drawn.mean() == pytest.approx(by_then[-1].sum(), abs=4 * error)
    fit = rk.fit_mbgnbd(sample)
    total = rk.customer_lifetime_value(fit, spend, few, horizon=52, annual_discount_rate=0.15).total
    assert total.low < total.value < total.high
