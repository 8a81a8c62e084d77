"""Pareto/NBD: published fit, the printed formulas in 80 digits, another implementation."""

import itertools
import math

import mpmath
import numpy as np
import pandas as pd
import pytest
from lifetimes import ParetoNBDFitter

import relkit as rk
from relkit.errors import DataError, FitError, ParameterError
from relkit.value.futures import draw_futures
from relkit.value.inputs import read_history
from relkit.value.newton import maximise
from relkit.value.pareto_nbd import ParetoNBDFit
from relkit.value.pareto_nbd_likelihood import NODES, OF_A_FIT, Likelihood, spans

KNOWN = rk.ParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669)


# Schmittlein, Morrison & Colombo's model on the CDNOW sample in weeks, as in Fader,
# Hardie & Lee (2005), table 2.
def test_reproduces_the_published_fit(sample):
    fit = rk.fit_pareto_nbd(sample)
    assert fit.params == pytest.approx((0.553, 10.578, 0.606, 11.669), abs=1e-3)
    assert fit.log_likelihood == pytest.approx(-9595.0, abs=0.05)
    assert (fit.status, fit.n, fit.n_repeaters, fit.unit) == ("converged", 2357, 946, "week")
    assert fit.aic == pytest.approx(2 * 9595.0 + 8, abs=0.1)
    assert fit.bic == pytest.approx(2 * 9595.0 + 4 * math.log(2357), abs=0.1)
    assert fit.evaluations <= 15


def test_agrees_with_another_implementation(sample):
    other = ParetoNBDFitter()
    other.params_ = pd.Series(KNOWN.params._asdict())
    few = sample.head(200)
    columns = [few[name] for name in ("frequency", "recency", "T")]
    alive = np.array(other.conditional_probability_alive(*columns))
    assert KNOWN.probability_alive(few) == pytest.approx(alive, rel=1e-8)
    ahead = other.conditional_expected_number_of_purchases_up_to_time(39, *columns)
    assert KNOWN.expected_purchases(few, horizon=39) == pytest.approx(np.array(ahead), rel=1e-8)
    new = float(other.expected_number_of_purchases_up_to_time(52))
    assert KNOWN.expected_purchases_new(52) == pytest.approx(new, rel=1e-10)
    each = other._conditional_log_likelihood(KNOWN.params, *columns)
    assert KNOWN.log_likelihood_of(few) == pytest.approx(float(np.sum(each)), rel=1e-9)


def as_printed(params, x, t_x, T, horizon):
    """Log-likelihood, P(alive) and expected purchases with Gauss's functions, 80 digits.

    Source: Fader & Hardie (2005), "A note on deriving the Pareto/NBD model".
    """
    r, alpha, s, beta, x, t_x, T, t = (mpmath.mpf(v) for v in (*params, x, t_x, T, horizon))
    k = r + s + x
    second, scale = (s + 1, alpha) if alpha >= beta else (r + x, beta)

    def part(y):
        z = abs(alpha - beta) / (scale + y)
        return mpmath.hyp2f1(k, second, k + 1, z) / (scale + y) ** k

    stay = 1 / ((alpha + T) ** (r + x) * (beta + T) ** s)
    both = stay + s / k * (part(t_x) - part(T))
    log_likelihood = (
        mpmath.loggamma(r + x)
        - mpmath.loggamma(r)
        + r * mpmath.log(alpha)
        + s * mpmath.log(beta)
        + mpmath.log(both)
    )
    alive = stay / both
    spell = (beta + T) / (s - 1) * (1 - ((beta + T) / (beta + T + t)) ** (s - 1))
    return log_likelihood, alive, alive * (r + x) / (alpha + T) * spell


SHAPES, SCALES = [0.05, 0.553, 20.0], [0.1, 10.578, 500.0]
CASES = list(itertools.product(SHAPES, SCALES, [0.05, 0.606, 1 + 1e-9, 20.0], [0.1, 11.669, 900.0]))
HISTORIES = [(0, 0, 38.86), (1, 0, 38.86), (2, 30.43, 38.86), (300, 5, 400)]


@pytest.mark.parametrize("params", CASES[::7])
def test_against_the_printed_formulas_in_eighty_digits(params):
    model = rk.ParetoNBD(*params)
    heavy = [(20_000, 399.9, 400)] if params == CASES[21] else []
    for x, t_x, T in HISTORIES + heavy:
        given = {"frequency": x, "recency": t_x, "T": T}
        with mpmath.workdps(80):
            log_likelihood, alive, ahead = as_printed(model.params, x, t_x, T, 520.0)
        found = model.log_likelihood_of(**given)
        assert found == pytest.approx(float(log_likelihood), rel=1e-9, abs=1e-9)
        assert model.probability_alive(**given) == pytest.approx(float(alive), rel=1e-9, abs=1e-300)
        expected = model.expected_purchases(**given, horizon=520.0)
        assert expected == pytest.approx(float(ahead), rel=1e-9, abs=1e-290)


def test_at_shape_one_the_expectation_is_a_logarithm():
    model = rk.ParetoNBD(0.5, 10.0, 1.0, 12.0)
    assert model.expected_purchases_new(52) == pytest.approx(
        0.5 / 10 * 12 * math.log(64 / 12), rel=1e-13
    )


def test_derivatives_are_those_of_the_likelihood(sample):
    statistic = Likelihood.of(read_history(sample, None, None, None))
    # alpha above beta and below: the variable of integration differs.
    for point in np.log([[0.5, 0.2, 1.3, 0.7], [0.4, 0.9, 0.6, 0.05]]):
        _, gradient, hessian = statistic(point)
        for i, step in enumerate(np.eye(4) * 1e-5):
            (high, up, _), (low, down, _) = statistic(point + step), statistic(point - step)
            assert gradient[i] == pytest.approx((high - low) / 2e-5, rel=1e-6, abs=1e-4)
            assert hessian[i] == pytest.approx((up - down) / 2e-5, rel=1e-6, abs=1e-4)


def test_rows_take_as_many_nodes_as_they_need(sample):
    x, t_x, T = (sample[name].to_numpy(float) for name in ("frequency", "recency", "T"))
    _, exact = spans(KNOWN.params, x, t_x, T)
    _, fitted = spans(KNOWN.params, x, t_x, T, OF_A_FIT)
    nodes = np.array(NODES)
    # With 64 each, a fit of all 23,570 customers of CDNOW takes half a second, not .05.
    assert nodes[exact].mean() < 13
    assert nodes[fitted].mean() < 9
    new = np.zeros(1)
    _, many = spans(rk.ParetoNBD(0.5, 1e-3, 0.6, 1e-3).params, new, new, np.array([1e5]))
    assert nodes[many][0] >= 48


def test_the_fewer_nodes_of_a_fit_do_not_move_the_optimum(sample_later):
    fit = rk.fit_pareto_nbd(sample_later)
    exact = Likelihood.of(read_history(sample_later, None, None, None))
    best = maximise(exact, np.zeros(4), *ParetoNBDFit.box)
    found = np.exp(best.point) * [1, exact.scale, 1, exact.scale]
    assert fit.params == pytest.approx(tuple(found), rel=1e-8)
    assert fit.log_likelihood == pytest.approx(best.value + exact.constant, rel=1e-12)


def lived(rng, n, r, alpha, s, beta, T):
    """Lives in continuous time: a rate, a lifetime, purchases until the sooner end."""
    end = rng.uniform(0.6 * T, T, n)
    rate, life = rng.gamma(r, 1 / alpha, n), rng.exponential(1 / rng.gamma(s, 1 / beta, n))
    until = np.minimum(end, life)
    x = rng.poisson(rate * until)
    # The latest of x uniform times.
    t_x = np.where(x > 0, until * rng.random(n) ** (1 / np.maximum(x, 1)), 0.0)
    return pd.DataFrame({"frequency": x, "recency": t_x, "T": end}), life > end, rate, life


def test_simulated_lives_bring_the_truth_back():
    truth = rk.ParetoNBD(0.8, 6.0, 0.9, 20.0)
    data, active, rate, life = lived(np.random.default_rng(5), 8_000, *truth.params, T=60)
    fit = rk.fit_pareto_nbd(data, unit="week")
    assert fit.status == "converged"
    away = np.log(fit.params) - np.log(truth.params)
    # Chi-squared with four degrees: beyond 18.5 once in a thousand times.
    assert away @ np.linalg.solve(fit.covariance, away) < 18.5
    chance = truth.probability_alive(data)
    ahead = truth.expected_purchases(data, horizon=30)
    really = rate * np.clip(life - data["T"], 0, 30)
    for group in (data["frequency"] == 0, chance < 0.5, chance > 0.9):
        error = math.sqrt(float((chance * (1 - chance))[group].sum())) / group.sum()
        assert active[group].mean() == pytest.approx(chance[group].mean(), abs=4 * error)
        error = np.std((really - ahead)[group]) / math.sqrt(group.sum())
        assert really[group].mean() == pytest.approx(ahead[group].mean(), abs=4 * error)


def test_the_unit_of_time_and_counting_do_not_matter(sample):
    few = sample.sample(600, random_state=2)
    fit = rk.fit_pareto_nbd(few)
    columns = {name: few[name] for name in ("frequency", "recency", "T")}
    days = rk.fit_pareto_nbd(**columns | {"recency": few["recency"] * 7, "T": few["T"] * 7})
    assert days.params == pytest.approx(np.array(fit.params) * [1, 7, 1, 7], rel=1e-8)
    counted = few.groupby(["frequency", "recency", "T"]).size().reset_index(name="customers")
    weighted = rk.fit_pareto_nbd(counted, weights=counted["customers"])
    assert weighted.params == pytest.approx(fit.params, rel=1e-8)
    assert weighted.n == fit.n


def test_lifetime_value_and_futures(sample):
    few = sample.head(60)
    model = rk.ParetoNBD(*KNOWN.params, unit="week")
    spend = rk.GammaGamma(p=6.25, q=3.74, v=15.44)
    frame = rk.customer_lifetime_value(
        model, spend, few, horizon=52, annual_discount_rate=0.15
    ).to_frame()
    ends = np.linspace(0, 52, 261)
    by_then = np.array([model.expected_purchases(few, horizon=h) for h in ends[1:]])
    made = np.diff(by_then, axis=0, prepend=0)
    discounted = 1.15 ** (-(ends[1:] + ends[:-1]) / 2 * 7 / 365.25) @ made
    assert frame["clv"].to_numpy() == pytest.approx(
        discounted * frame["expected_spend"].to_numpy(), rel=1e-4
    )
    columns = ("frequency", "recency", "T", "monetary_value")
    arrays = tuple(few[name].to_numpy(float) for name in columns)
    drawn = draw_futures(
        model, None, arrays, horizon=52, discount=0.0, draws=500, seed=3
    ).purchases  # fmt: skip
    error = drawn.std(ddof=1) / math.sqrt(len(drawn))
    assert drawn.mean() == pytest.approx(by_then[-1].sum(), abs=4 * error)


def test_data_that_hold_no_fit():
    few = rk.fit_pareto_nbd(frequency=[0] * 40 + [1] * 9, recency=[0] * 49, T=[9] * 49)
    assert (few.status, few.n_repeaters) == ("too few repeaters", 9)
    rng = np.random.default_rng(2)
    x = rng.poisson(rng.gamma(5, 0.02, 1000) * 52.0)
    t_x = np.where(x > 0, 52 * rng.random(1000) ** (1 / np.maximum(x, 1)), 0.0)
    stay = rk.fit_pareto_nbd(frequency=x, recency=t_x, T=np.full(1000, 52.0))
    assert stay.status == "no drop-out identified"
    with pytest.raises(FitError, match=r"ParetoNBD\(r, alpha, s, beta\)"):
        stay.expected_purchases_new(1)
    for t_x, T in ((0.0, 10.0), (2.0, 10.0), (10.0, 10.0), (0.0, 0.0)):
        same = rk.fit_pareto_nbd(frequency=[3] * 20, recency=[t_x] * 20, T=[T] * 20)
        assert same.status != "converged"


def test_wrong_use():
    with pytest.raises(ParameterError, match="Pareto/NBD") as caught:
        rk.ParetoNBD(r=-1, alpha=math.nan, s=1, beta=math.inf)
    assert len(caught.value.faults) == 3
    with pytest.raises(DataError, match="Pareto/NBD: there are no customers"):
        rk.fit_pareto_nbd(frequency=[], recency=[], T=[])
    with pytest.raises(ParameterError, match="horizon"):
        KNOWN.expected_purchases(frequency=1, recency=1, T=2, horizon=-1)
