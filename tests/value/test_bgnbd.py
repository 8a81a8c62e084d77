"""BG/NBD: published values, exact derivatives, invariances, data that hold no fit."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats, integers, permutations

from relkit.errors import DataError, FitError, ParameterError
from relkit.value.bgnbd import BGNBD, fit_bgnbd
from relkit.value.bgnbd_likelihood import Likelihood
from relkit.value.inputs import read_history

CDNOW = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)


# Fader, Hardie & Lee (2005), table 2: CDNOW sample, weeks.
def test_reproduces_the_published_fit(sample):
    fit = fit_bgnbd(sample)
    assert fit.params == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=1e-3)
    assert fit.log_likelihood == pytest.approx(-9582.4, abs=0.1)
    assert (fit.status, fit.n, fit.n_repeaters, fit.unit) == ("converged", 2357, 946, "week")
    assert fit.log_likelihood_of(sample) == pytest.approx(fit.log_likelihood, abs=1e-6)


# Another implementation's fit of all customers in days (lifetimes 0.11.3, tol=1e-9).
def test_reproduces_the_fit_of_the_master(master):
    fit = fit_bgnbd(master)
    assert fit.params == pytest.approx((0.26713, 41.90545, 0.48352, 2.11161), abs=1e-5)
    assert fit.log_likelihood == pytest.approx(-259086.827, abs=1e-3)
    assert fit.n == 23_570
    assert fit.evaluations <= 15


# Fader, Hardie & Lee (2005), section 4.3, and their spreadsheet notes.
def test_published_predictions(sample):
    expected = CDNOW.expected_purchases(frequency=2, recency=30.43, T=38.86, horizon=39)
    assert expected == pytest.approx(1.226, abs=5e-4)
    assert fit_bgnbd(sample).expected_purchases_new(52) == pytest.approx(1.444, abs=5e-4)


def by_hand(params, x, t_x, T):
    """The likelihood of one customer as it is printed: gamma functions and powers."""
    r, alpha, a, b = params
    beta = lambda u, v: math.gamma(u) * math.gamma(v) / math.gamma(u + v)  # noqa: E731
    stay = beta(a, b + x) / beta(a, b) * (alpha + T) ** -(r + x)
    leave = beta(a + 1, b + x - 1) / beta(a, b) * (alpha + t_x) ** -(r + x) if x else 0.0
    return math.gamma(r + x) / math.gamma(r) * alpha**r * (stay + leave), stay / (stay + leave)


@pytest.mark.parametrize("x_t_T", [(0, 0.0, 5.0), (1, 0.0, 5.0), (2, 30.43, 38.86), (7, 9.0, 9.0)])
def test_likelihood_and_probability_alive_as_printed(x_t_T):
    x, t_x, T = x_t_T
    likelihood, alive = by_hand(CDNOW.params, x, t_x, T)
    history = {"frequency": x, "recency": t_x, "T": T}
    assert CDNOW.log_likelihood_of(**history) == pytest.approx(math.log(likelihood), rel=1e-12)
    assert CDNOW.probability_alive(**history) == pytest.approx(alive, rel=1e-12)


@pytest.mark.parametrize("which", ["buying", "all"])
def test_derivatives_are_those_of_the_likelihood(sample, which):
    statistic = Likelihood.of(read_history(sample, None, None, None))
    function = statistic.buying if which == "buying" else statistic
    point = np.log([0.5, 0.2, 1.3, 1.7])[: 2 if which == "buying" else 4]
    _, gradient, hessian = function(point)
    step = 1e-5
    for i in range(len(point)):
        ahead, back = point.copy(), point.copy()
        ahead[i] += step
        back[i] -= step
        (high, up, _), (low, down, _) = function(ahead), function(back)
        assert gradient[i] == pytest.approx((high - low) / (2 * step), rel=1e-6, abs=1e-4)
        assert hessian[i] == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-4)


def test_standard_errors_are_those_of_repeated_samples(simulate):
    # The scatter of 60 fits estimates a standard error to about 9 %.
    rng = np.random.default_rng(7)
    truth = (0.8, 10.0, 0.8, 2.4)
    fits = [fit_bgnbd(simulate(rng, 1500, *truth, T=60)) for _ in range(60)]
    logs = np.log([fit.params for fit in fits])
    said = np.sqrt(np.mean([np.diag(fit.covariance) for fit in fits], axis=0))
    assert logs.std(axis=0, ddof=1) == pytest.approx(said, rel=0.35)
    bias = (logs.mean(axis=0) - np.log(truth)) / (said / math.sqrt(60))
    assert np.abs(bias).max() < 4
    first = fits[0]
    assert first.standard_errors == pytest.approx(np.sqrt(np.diag(first.covariance)) * first.params)


def test_exact_events_bring_the_truth_back(simulate):
    truth = (0.24, 4.4, 0.8, 2.4)
    fit = fit_bgnbd(simulate(np.random.default_rng(11), 100_000, *truth, T=52))
    assert np.abs((np.array(fit.params) - truth) / fit.standard_errors).max() < 3.5


# ---- invariances ----------------------------------------------------------------


@pytest.mark.parametrize("factor", [7 * 86_400, 7, 1 / 4.3482, 1 / 52.18])
def test_the_unit_of_time_does_not_matter(sample, factor):
    weeks = fit_bgnbd(sample)
    other = fit_bgnbd(
        frequency=sample["frequency"],
        recency=sample["recency"] * factor,
        T=sample["T"] * factor,
    )
    assert other.params[::2] == pytest.approx(weeks.params[::2], rel=1e-9)
    assert other.params.b == pytest.approx(weeks.params.b, rel=1e-9)
    assert other.params.alpha == pytest.approx(weeks.params.alpha * factor, rel=1e-9)
    one = {"frequency": 3, "recency": 20.0 * factor, "T": 30.0 * factor}
    assert other.expected_purchases(**one, horizon=10 * factor) == pytest.approx(
        weeks.expected_purchases(frequency=3, recency=20.0, T=30.0, horizon=10), rel=1e-9
    )


def test_weights_are_repetition(sample):
    rows = sample.sample(300, random_state=3)
    counts = np.random.default_rng(3).integers(0, 4, 300)
    repeated = fit_bgnbd(rows.loc[rows.index.repeat(counts)])
    weighted = fit_bgnbd(rows, weights=counts)
    assert weighted.params == pytest.approx(repeated.params, rel=1e-9)
    assert weighted.log_likelihood == pytest.approx(repeated.log_likelihood, rel=1e-12)
    assert weighted.covariance == pytest.approx(repeated.covariance, rel=1e-7)
    assert (weighted.n, weighted.n_repeaters) == (repeated.n, repeated.n_repeaters)


def test_row_order_does_not_matter(sample):
    shuffled = sample.sample(frac=1, random_state=5)
    assert fit_bgnbd(shuffled).params == fit_bgnbd(sample).params


positive = floats(0.01, 100)


@given(
    x=integers(1, 5000), t_x=positive, gap=floats(0, 100), more=floats(0, 100),
    r=positive, alpha=positive, a=positive, b=positive,
)  # fmt: skip
def test_longer_silence_never_raises_probability_alive(x, t_x, gap, more, r, alpha, a, b):
    model = BGNBD(r, alpha, a, b)
    sooner = model.probability_alive(frequency=x, recency=t_x, T=t_x + gap)
    later = model.probability_alive(frequency=x, recency=t_x, T=t_x + gap + more)
    assert 0 <= later <= sooner * (1 + 1e-12)
    assert sooner <= 1


@given(x=integers(0, 300), t_x=positive, gap=positive, horizon=positive, more=positive)
def test_a_longer_horizon_never_lowers_expected_purchases(x, t_x, gap, horizon, more):
    history = {"frequency": x, "recency": t_x if x else 0.0, "T": t_x + gap}
    near = CDNOW.expected_purchases(**history, horizon=horizon)
    far = CDNOW.expected_purchases(**history, horizon=horizon + more)
    assert 0 <= near <= far * (1 + 1e-12)


@given(T=positive)
def test_who_never_came_back_is_surely_alive(T):
    assert CDNOW.probability_alive(frequency=0, recency=0, T=T) == 1.0


@settings(max_examples=20)
@given(order=permutations(range(6)))
def test_predictions_follow_their_rows(order):
    x = np.array([0, 1, 2, 5, 9, 2])
    t_x = np.array([0.0, 3.0, 30.43, 20.0, 38.0, 30.43])
    T = np.full(6, 38.86)
    straight = CDNOW.expected_purchases(frequency=x, recency=t_x, T=T, horizon=39)
    order = list(order)
    turned = CDNOW.expected_purchases(
        frequency=x[order], recency=t_x[order], T=T[order], horizon=39
    )
    assert turned == pytest.approx(straight[order], rel=1e-12)


def test_numbers_arrays_and_frames_agree(sample):
    fit = fit_bgnbd(sample)
    frame = sample.head(50)
    arrays = {name: frame[name].tolist() for name in ("frequency", "recency", "T")}
    for method, extra in ((fit.probability_alive, {}), (fit.expected_purchases, {"horizon": 39})):
        by_frame = method(frame, **extra)
        assert method(**arrays, **extra) == pytest.approx(by_frame, rel=1e-12)
        first = {name: column[0] for name, column in arrays.items()}
        number = method(**first, **extra)
        assert isinstance(number, float)
        assert number == pytest.approx(by_frame[0], rel=1e-12)
    horizons = fit.expected_purchases_new(np.array([[1.0, 52.0]]))
    assert horizons.shape == (1, 2)
    assert horizons[0, 1] == pytest.approx(fit.expected_purchases_new(52), rel=1e-12)
    empty = fit.probability_alive(frequency=[], recency=[], T=[])
    assert empty.shape == (0,)


# ---- data that hold no fit ----------------------------------------------------------


def no_churn(rng, n, T=52.0):
    """Poisson customers who never leave; their last purchase is the latest of x uniforms."""
    x = rng.poisson(rng.gamma(0.8, 0.1, n) * T)
    t_x = np.where(x > 0, T * rng.random(n) ** (1 / np.maximum(x, 1)), 0.0)
    return pd.DataFrame({"frequency": x, "recency": t_x, "T": T})


def test_nobody_leaves_is_a_status_and_no_numbers():
    rng = np.random.default_rng(2)
    fits = [fit_bgnbd(no_churn(rng, 1000)) for _ in range(40)]
    without = [fit for fit in fits if fit.status == "no drop-out identified"]
    # A 5 % test: of 40, more than 6 false alarms would happen once in 250 times.
    assert len(without) >= 34
    for ask in (
        lambda fit: fit.params,
        lambda fit: fit.standard_errors,
        lambda fit: fit.covariance,
        lambda fit: fit.probability_alive(frequency=1, recency=1, T=2),
        lambda fit: fit.expected_purchases(frequency=1, recency=1, T=2, horizon=1),
        lambda fit: fit.expected_purchases_new(1),
    ):
        with pytest.raises(FitError, match=r"no drop-out identified(.|\n)*observe these 1,000"):
            ask(without[0])
    frame = without[0].to_frame()
    assert frame["estimate"].isna().all()
    assert set(frame["status"]) == {"no drop-out identified"}
    assert without[0].log_likelihood < 0


def test_customers_who_are_all_alike_get_a_fit_without_finite_errors(simulate):
    statuses = set()
    for seed in range(6):
        data = simulate(np.random.default_rng(seed), 1500, 1e6, 1e7, 0.8, 2.4, T=52)
        fit = fit_bgnbd(data)
        statuses.add(fit.status)
        mean_rate = fit.params.r / fit.params.alpha
        assert mean_rate == pytest.approx(0.1, rel=0.1)
        if fit.status == "no heterogeneity identified":
            errors = fit.standard_errors
            assert (errors.r, errors.alpha) == (math.inf, math.inf)
            assert np.isfinite([errors.a, errors.b]).all()
            assert fit.expected_purchases_new(52) > 0
    assert "no heterogeneity identified" in statuses


def test_drop_out_at_once_or_never(simulate):
    statuses = set()
    for seed in range(6):
        fit = fit_bgnbd(simulate(np.random.default_rng(seed), 1500, 0.5, 5, 1e-4, 2e-4, T=52))
        statuses.add(fit.status)
        # A third of those who come back leave at once; two standard errors are 4 %.
        assert fit.params.a / (fit.params.a + fit.params.b) == pytest.approx(1 / 3, abs=0.08)
    assert "drop-out at once or never" in statuses


def test_one_heavy_buyer_among_two_thousand(simulate):
    data = simulate(np.random.default_rng(9), 2000, 0.24, 4.4, 0.8, 2.4, T=52)
    data.loc[0] = [20_000, 51.999, 52.0]
    fit = fit_bgnbd(data)
    assert fit.status == "converged"
    assert 0.05 < fit.params.r < 0.25
    # Customers with 20,000 purchases in a year go on at that pace while they stay.
    ahead = fit.expected_purchases(frequency=20_000, recency=51.999, T=52.0, horizon=1.0)
    assert ahead == pytest.approx(20_000 / 52, rel=0.1)


@pytest.mark.parametrize(
    ("frequency", "recency", "T", "repeaters"),
    [
        ([0] * 50, [0] * 50, [9] * 50, 0),
        ([3], [2], [10], 1),
        ([0] * 40 + [1] * 9, [0] * 49, [9] * 49, 9),
    ],
)
def test_too_few_repeaters(frequency, recency, T, repeaters):
    fit = fit_bgnbd(frequency=frequency, recency=recency, T=T)
    assert (fit.status, fit.n_repeaters) == ("too few repeaters", repeaters)
    assert fit.log_likelihood is None
    with pytest.raises(FitError, match="at least 10 are required"):
        fit.probability_alive(frequency=1, recency=1, T=2)


def test_identical_customers_never_end_in_an_exception():
    for t_x, T in ((0.0, 10.0), (2.0, 10.0), (10.0, 10.0), (0.0, 0.0)):
        fit = fit_bgnbd(frequency=[3] * 20, recency=[t_x] * 20, T=[T] * 20)
        assert fit.status in {"no heterogeneity identified", "no drop-out identified"}


def test_no_customers():
    with pytest.raises(DataError, match="no customers"):
        fit_bgnbd(frequency=[], recency=[], T=[])


# ---- wrong use -------------------------------------------------------------------------


def test_all_faults_of_parameters_at_once():
    with pytest.raises(ParameterError) as caught:
        BGNBD(r=-1, alpha=math.nan, a=1, b=math.inf)
    assert len(caught.value.faults) == 3
    with pytest.raises(ParameterError, match="fortnight"):
        BGNBD(1, 1, 1, 1, unit="fortnight")


@pytest.mark.parametrize("horizon", [0, -1, math.nan, math.inf, True, "52", [1, 2]])
def test_horizons_that_are_none(horizon):
    with pytest.raises(ParameterError, match="horizon"):
        CDNOW.expected_purchases(frequency=1, recency=1, T=2, horizon=horizon)


def test_units_travel_and_must_agree(sample):
    fit = fit_bgnbd(sample)
    days = sample.copy()
    days.attrs["unit"] = "day"
    with pytest.raises(ParameterError, match="unit='week'"):
        fit.probability_alive(days)
    with pytest.raises(ParameterError, match="leave unit out"):
        fit_bgnbd(sample, unit="day")
    assert fit_bgnbd(frequency=sample["frequency"], recency=sample["recency"], T=sample["T"],
                     unit="month").unit == "month"  # fmt: skip


def test_the_table_of_parameters(sample):
    frame = fit_bgnbd(sample).to_frame(level=0.9)
    assert frame["parameter"].tolist() == ["r", "alpha", "a", "b"]
    assert (frame["low"] < frame["estimate"]).all()
    assert (frame["estimate"] < frame["high"]).all()
    # Symmetric in the logarithm: the middle of the interval is a geometric mean.
    assert np.sqrt(frame["low"] * frame["high"]).to_numpy() == pytest.approx(frame["estimate"])
