"""Hundreds of thousands of rows: the same fit and figures as by the plain way."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import gammaln

import relkit as rk
from relkit.value.bgnbd import BGNBDFit
from relkit.value.bgnbd_likelihood import Likelihood
from relkit.value.inputs import SAMPLE, counted_rows, read_history
from relkit.value.newton import maximise
from relkit.value.purchase_fit import ROWS_WORTH_A_SAMPLE

TRUTH = (0.5, 6.0, 0.8, 2.4)


@pytest.fixture(scope="module")
def many(simulate):
    return simulate(np.random.default_rng(8), 210_000, *TRUTH, T=52)


def plain_log_likelihood(params, x, t_x, T):
    """Fader, Hardie & Lee (2005), equation 6, a customer at a time, in logarithms."""
    r, alpha, a, b = params
    buying = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    staying = gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    active = -(r + x) * np.log(alpha + T)
    left = math.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + t_x)
    return (buying + staying + np.where(x > 0, np.logaddexp(active, left), active)).sum()


@pytest.mark.parametrize("params", [TRUTH, (0.01, 900.0, 5.0, 0.02), (30.0, 1e-3, 0.05, 40.0)])
def test_the_likelihood_is_that_of_one_by_one(many, params):
    x, t_x, T = (many[name].to_numpy(float).copy() for name in ("frequency", "recency", "T"))
    # Times of all sizes, and 0.
    shrink = np.exp(np.random.default_rng(0).uniform(-20, 0, len(x)))
    shrink[:7] = 0.0
    t_x, T = t_x * shrink, T * shrink
    found = rk.BGNBD(*params).log_likelihood_of(frequency=x, recency=t_x, T=T)
    assert found == pytest.approx(plain_log_likelihood(params, x, t_x, T), rel=1e-11)


@pytest.mark.parametrize("order", ["as they came", "sorted"])
def test_beginning_at_a_sample_ends_where_every_search_ends(many, order):
    data = many if order == "as they came" else many.sort_values(["frequency", "T"])
    fit = rk.fit_bgnbd(data)
    history = read_history(data, None, None, None)
    assert len(history.T) >= ROWS_WORTH_A_SAMPLE
    statistic = Likelihood.of(history)
    plain = maximise(statistic, np.zeros(4), *BGNBDFit.box)
    scaled = np.log(np.array(fit.params) / [1, statistic.scale, 1, 1])
    assert scaled == pytest.approx(plain.point, abs=1e-9)
    assert fit.covariance == pytest.approx(plain.covariance, rel=1e-5)
    assert fit.log_likelihood == pytest.approx(plain.value + statistic.constant, rel=1e-13)
    assert fit.evaluations < plain.evaluations


# Chance shows a drop-out in one population of forty; in that of seed 3 its sample does.
@pytest.mark.parametrize("seed", [3, 5])
def test_nobody_leaves_among_many(seed):
    rng, n = np.random.default_rng(seed), 200_000
    T = rng.uniform(20, 40, n)
    x = rng.poisson(rng.gamma(0.8, 1 / 8, n) * T).astype(float)
    # The last of x uniform events.
    t_x = np.where(x > 0, T * rng.random(n) ** (1 / np.maximum(x, 1)), 0.0)
    assert rk.fit_bgnbd(frequency=x, recency=t_x, T=T).status == "no drop-out identified"


def test_a_sample_without_a_repeat_is_no_hindrance(many):
    """All who came back stand where rows at even distances do not look."""
    step = len(many) // SAMPLE
    seldom = many.reset_index(drop=True)
    looked_at = np.arange(len(seldom)) % step == 0
    seldom.loc[looked_at, ["frequency", "recency"]] = 0.0
    fit = rk.fit_bgnbd(seldom)
    shuffled = rk.fit_bgnbd(seldom.sample(frac=1, random_state=1))
    assert fit.status == "converged"
    assert fit.params == pytest.approx(shuffled.params, rel=1e-8)


def test_one_who_is_far_older_than_all_others(many):
    """The unit of time is the longest T, whether the sample meets it or not."""
    row = 1
    old = many.reset_index(drop=True)
    old.loc[row, ["frequency", "recency", "T"]] = [0.0, 0.0, 52e4]
    fit = rk.fit_bgnbd(old)
    assert fit.status == "converged"
    assert fit.evaluations <= 5
    assert fit.params == pytest.approx(rk.fit_bgnbd(many).params, rel=0.01)


def test_whole_weeks_are_counted(many):
    weeks = np.ceil(many[["frequency", "recency", "T"]])
    counted = weeks.value_counts().rename("customers").reset_index()
    assert len(counted) < len(weeks) / 10
    fit, by_count = rk.fit_bgnbd(weeks), rk.fit_bgnbd(counted, weights=counted["customers"])
    assert fit.params == pytest.approx(by_count.params, rel=1e-9)
    assert fit.n == by_count.n


def test_rows_are_counted_where_they_repeat():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, 100_000).astype(float), rng.integers(0, 50, 100_000).astype(float)
    weights = rng.random(100_000)
    (some_x, some_y), customers = counted_rows(weights, x, y)
    by_hand = pd.Series(weights).groupby([x, y]).sum()
    assert list(by_hand.index) == list(zip(some_x, some_y, strict=True))
    assert customers == pytest.approx(by_hand.to_numpy())
    never = rng.random(100_000)
    (given,), same = counted_rows(weights, never)
    assert given is never
    assert same is weights
    (sorted_rows,), _ = counted_rows(weights[:9], never[:9])
    assert sorted_rows.tolist() == sorted(never[:9])
