"""Gamma-Gamma: published values, derivatives, what is left out, what has no mean."""

import math
import warnings

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers
from scipy.integrate import quad
from scipy.special import gammaln

from relkit.errors import DataError, FitError, ParameterError
from relkit.value.gamma_gamma import GammaGamma, fit_gamma_gamma
from relkit.value.gamma_gamma_likelihood import Likelihood, log_beta

CDNOW = GammaGamma(p=6.25, q=3.74, v=15.44)


# Fader & Hardie (2013), section 4: the 946 repeat customers of the CDNOW sample.
def test_reproduces_the_published_fit(sample):
    fit = fit_gamma_gamma(sample)
    assert fit.params == pytest.approx((6.25, 3.74, 15.45), abs=0.02)
    assert fit.population_mean == pytest.approx(35.17, abs=0.01)
    assert (fit.status, fit.n, fit.left_out) == ("converged", 946, 0)


# Fader & Hardie (2013): the correlation of frequency and spend.
def test_published_correlation(sample):
    found = fit_gamma_gamma(sample).frequency_spend_correlation
    assert found.value == pytest.approx(0.1139, abs=5e-5)
    # Fisher's interval by hand: tanh(atanh(.1139) -+ 1.95996 / sqrt(943)).
    assert (found.low, found.high) == pytest.approx((0.0505, 0.1764), abs=1e-4)
    assert found.n == 946


def test_the_master_leaves_one_repeater_out(master):
    fit = fit_gamma_gamma(master)
    again = master[master["frequency"] > 0]
    assert (again["monetary_value"] <= 0).sum() == 1
    assert (fit.n, fit.left_out) == (len(again) - 1, 1)


def test_likelihood_as_printed():
    """The density of a mean of x purchases, and that it integrates to 1."""
    p, q, v = 2.3, 4.1, 12.0

    def density(mean, x):
        return math.exp(
            gammaln(p * x + q) - gammaln(p * x) - gammaln(q)
            + q * math.log(v) + (p * x - 1) * math.log(mean) + p * x * math.log(x)
            - (p * x + q) * math.log(v + mean * x)
        )  # fmt: skip

    assert quad(density, 0, np.inf, args=(3,))[0] == pytest.approx(1, abs=1e-6)
    x, mean = np.array([1.0, 3.0, 8.0]), np.array([4.0, 20.0, 7.5])
    statistic = Likelihood.of(x, mean, np.array([1.0, 2.0, 1.0]))
    value, _, _ = statistic(np.log([p, q, v / statistic.scale]))
    said = [math.log(density(m, k)) for m, k in zip(mean, x, strict=True)]
    assert value == pytest.approx(said[0] + 2 * said[1] + said[2], rel=1e-12)


@pytest.mark.parametrize("one", [1e-3, 0.7, 29.9, 30.1, 4e3, 1e6, 1e9])
@pytest.mark.parametrize("other", [1e-3, 3.74, 31.0, 1e5])
def test_log_beta_against_fifty_digits(one, other):
    with mpmath.workdps(50):
        true = mpmath.log(mpmath.beta(mpmath.mpf(one), mpmath.mpf(other)))
    found = log_beta(np.array([one]), other)[0]
    # Rounding of the largest term, the log gamma of the smaller argument, remains.
    assert found == pytest.approx(float(true), rel=1e-13, abs=1e-14 * max(1, min(one, other) * 12))


def test_derivatives_are_those_of_the_likelihood(sample):
    again = sample[sample["frequency"] > 0]
    statistic = Likelihood.of(
        again["frequency"].to_numpy(float), again["monetary_value"].to_numpy(), np.ones(len(again))
    )
    point = np.log([3.0, 2.0, 0.7])
    _, gradient, hessian = statistic(point)
    step = 1e-5
    for i in range(3):
        ahead, back = point.copy(), point.copy()
        ahead[i] += step
        back[i] -= step
        (high, up, _), (low, down, _) = statistic(ahead), statistic(back)
        assert gradient[i] == pytest.approx((high - low) / (2 * step), rel=1e-6, abs=1e-4)
        assert hessian[i] == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-4)


def spenders(rng, n, p, q, v):
    """Customers with 1 to 12 repeats and the mean of what they spent."""
    x = rng.integers(1, 13, n)
    inverse = rng.gamma(q, 1 / v, n)
    return x, rng.gamma(p * x) / inverse / x


def test_the_truth_is_within_its_errors():
    x, mean = spenders(np.random.default_rng(3), 40_000, 3.0, 4.0, 20.0)
    fit = fit_gamma_gamma(frequency=x, monetary_value=mean)
    assert np.abs((np.array(fit.params) - (3, 4, 20)) / fit.standard_errors).max() < 3.5


@pytest.mark.parametrize("rate", [0.01, 7.2, 1e6])
def test_the_currency_does_not_matter(sample, rate):
    fit = fit_gamma_gamma(sample)
    other = fit_gamma_gamma(
        frequency=sample["frequency"], monetary_value=sample["monetary_value"] * rate
    )
    assert other.params[:2] == pytest.approx(fit.params[:2], rel=1e-9)
    assert other.params.v == pytest.approx(fit.params.v * rate, rel=1e-9)


def test_weights_are_repetition_and_order_does_not_matter(sample):
    rows = sample[sample["frequency"] > 0].sample(200, random_state=3)
    counts = np.random.default_rng(3).integers(0, 4, 200)
    repeated = fit_gamma_gamma(rows.loc[rows.index.repeat(counts)].sample(frac=1, random_state=1))
    weighted = fit_gamma_gamma(rows, weights=counts)
    assert weighted.params == pytest.approx(repeated.params, rel=1e-9)
    assert weighted.n == repeated.n
    assert weighted.frequency_spend_correlation.value == pytest.approx(
        repeated.frequency_spend_correlation.value
    )


# Fader & Hardie (2013), equation 5, as a weighted mean of own and population mean.
@given(x=integers(0, 500), mean=floats(0.01, 1e4))
def test_expected_spend_lies_between_own_and_population_mean(x, mean):
    found = CDNOW.expected_spend(frequency=x, monetary_value=mean)
    own = 6.25 * x / (6.25 * x + 3.74 - 1)
    assert found == pytest.approx((1 - own) * CDNOW.population_mean + own * mean, rel=1e-9)


def test_without_a_repeat_the_population_speaks():
    found = CDNOW.expected_spend(frequency=[0, 0], monetary_value=[0.0, math.nan])
    assert found == pytest.approx([CDNOW.population_mean] * 2)


def test_spending_nothing_is_evidence_of_low_spend():
    nothing, little, refund = CDNOW.expected_spend(
        frequency=[4, 4, 4], monetary_value=[0.0, 1e-9, -5.0]
    )
    assert nothing == pytest.approx(little)
    assert refund == nothing
    assert nothing < 0.2 * CDNOW.population_mean


def test_no_finite_mean_is_said():
    wild = GammaGamma(p=0.3, q=0.5, v=10)
    with pytest.raises(FitError, match="no finite mean"):
        _ = wild.population_mean
    with pytest.raises(FitError, match="for 2 customers"):
        wild.expected_spend(frequency=[0, 1, 5], monetary_value=[0, 3, 3])
    assert wild.expected_spend(frequency=5, monetary_value=3.0) > 0


def test_customers_who_all_spend_alike_get_a_status():
    # Without personal means, q and v run to infinity together in part of all samples.
    statuses = set()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        x = rng.integers(1, 13, 400)
        mean = rng.gamma(2.0 * x) / x * 10
        fit = fit_gamma_gamma(frequency=x, monetary_value=mean)
        statuses.add(fit.status)
        assert fit.population_mean == pytest.approx(20, rel=0.1)
        if fit.status == "no heterogeneity identified":
            assert fit.standard_errors.q == fit.standard_errors.v == math.inf
            assert math.isfinite(fit.standard_errors.p)
    assert "no heterogeneity identified" in statuses


def test_spend_that_never_varies_within_a_customer():
    rng = np.random.default_rng(1)
    x = rng.integers(1, 13, 300)
    fit = fit_gamma_gamma(frequency=x, monetary_value=20 / rng.gamma(4.0, size=300))
    assert fit.status in {"no variation within customers identified", "converged"}
    assert fit.expected_spend(frequency=12, monetary_value=90.0) == pytest.approx(90, rel=0.1)
    same = fit_gamma_gamma(frequency=[2] * 30, monetary_value=[9.99] * 30)
    assert same.status != "converged"
    assert same.expected_spend(frequency=2, monetary_value=9.99) == pytest.approx(9.99, rel=1e-2)


# A subscription: two of 217 customers once took two on a day. Large terms cancel here,
# and the rounding that is left once kept the search from ending.
@pytest.mark.parametrize("price", [0.01, 9.99, 19.9, 5000])
def test_one_price_for_all(price):
    x = np.array([1, 2, 3, 4, 5, 6, 7, 8, 10, 10, 16, 18])
    extra = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1])
    customers = [93, 46, 27, 19, 17, 4, 3, 3, 2, 1, 1, 1]
    for rows, weights in ((np.arange(12), customers), (np.repeat(np.arange(12), customers), None)):
        mean = (x + extra)[rows] * price / x[rows]
        fit = fit_gamma_gamma(frequency=x[rows], monetary_value=mean, weights=weights)
        assert fit.status == "no variation within customers identified"
        expected = fit.expected_spend(frequency=10, monetary_value=price)
        assert expected == pytest.approx(price, rel=0.01)


def test_too_few_repeaters_and_all_zero_spend():
    few = fit_gamma_gamma(frequency=[1, 2, 0], monetary_value=[5.0, 6.0, 0.0])
    assert (few.status, few.n) == ("too few repeaters", 2)
    with pytest.raises(FitError, match="too few repeaters"):
        few.expected_spend(frequency=1, monetary_value=5.0)
    with pytest.raises(FitError, match="correlation"):
        _ = few.frequency_spend_correlation
    free = fit_gamma_gamma(frequency=[2] * 30, monetary_value=[0.0] * 29 + [-3.0])
    assert (free.status, free.n, free.left_out) == ("too few repeaters", 0, 30)
    assert free.to_frame()["estimate"].isna().all()
    with pytest.raises(DataError, match="no customers"):
        fit_gamma_gamma(frequency=[], monetary_value=[])


def test_parameters_that_cannot_be():
    with pytest.raises(ParameterError, match="q=0"):
        GammaGamma(p=1, q=0, v=1)


def test_the_table_of_parameters(sample):
    frame = fit_gamma_gamma(sample).to_frame()
    assert frame["parameter"].tolist() == ["p", "q", "v"]
    assert (frame["low"] < frame["estimate"]).all()
    assert (frame["estimate"] < frame["high"]).all()


def test_the_beta_function_of_numbers_beyond_their_square():
    """B(x, y) is Gamma(y) x**-y for large x (to 1 / x): no overflow on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = log_beta(np.array([1e200, 1e300]), 2.0)
    assert found == pytest.approx([-2 * math.log(1e200), -2 * math.log(1e300)], rel=1e-14)
