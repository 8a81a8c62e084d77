"""The truth comes back: lives in continuous time, exact events, a fit from the histories.

The simulator is the models' stories told event by event and shares nothing with relkit.
"""

import time

import numpy as np
import pandas as pd
import pytest

import relkit as rk

# Shapes and scales in weeks: like CDNOW, and customers who buy oftener and stay longer.
WORLDS = [
    (rk.fit_bgnbd, (0.243, 4.414, 0.793, 2.426)),
    (rk.fit_bgnbd, (0.9, 8.0, 0.6, 4.0)),
    (rk.fit_mbgnbd, (0.525, 6.183, 0.891, 1.614)),
    (rk.fit_mbgnbd, (0.9, 8.0, 0.6, 4.0)),
    (rk.fit_pareto_nbd, (0.553, 10.578, 0.606, 11.669)),
    (rk.fit_pareto_nbd, (0.9, 8.0, 1.4, 60.0)),
]
NAMES = [f"{fit.__name__}{truth}" for fit, truth in WORLDS]
EVERY_WORLD = pytest.mark.parametrize(("fit_it", "truth"), WORLDS, ids=NAMES)


def lives(rng, fit_it, truth, n, weeks):
    """First purchases over the first 40 % of the weeks; frequency, recency and T."""
    r, alpha, three, four = truth
    end = rng.uniform(0.6 * weeks, weeks, n)
    rate = rng.gamma(r, 1 / alpha, n)
    until, leave = end, np.zeros(n)
    if fit_it is rk.fit_pareto_nbd:
        until = np.minimum(end, rng.exponential(1 / rng.gamma(three, 1 / four, n)))
    else:
        leave = rng.beta(three, four, n)
    frequency, recency, now = np.zeros(n), np.zeros(n), np.zeros(n)
    who = np.arange(n)
    if fit_it is rk.fit_mbgnbd:
        who = who[rng.random(n) >= leave]
    while len(who):
        now[who] += rng.exponential(1, len(who)) / rate[who]
        who = who[now[who] <= until[who]]
        frequency[who] += 1
        recency[who] = now[who]
        who = who[rng.random(len(who)) >= leave[who]]
    return pd.DataFrame({"frequency": frequency, "recency": recency, "T": end})


def distances(fit, truth):
    return np.abs((np.array(fit.params) - truth) / np.array(fit.standard_errors))


@EVERY_WORLD
def test_thirty_thousand_customers(fit_it, truth):
    fit = fit_it(lives(np.random.default_rng(17), fit_it, truth, 30_000, weeks=78))
    assert fit.status == "converged"
    assert distances(fit, truth).max() < 3


@pytest.mark.slow
@EVERY_WORLD
def test_a_million_customers(fit_it, truth):
    data = lives(np.random.default_rng(23), fit_it, truth, 1_000_000, weeks=78)
    fit = fit_it(data)
    assert fit.status == "converged"
    assert distances(fit, truth).max() < 3
    # And the errors are small ones: a hundredth of most parameters.
    assert (np.array(fit.standard_errors) / truth).max() < 0.05


@pytest.mark.slow
def test_a_million_spenders():
    rng, n = np.random.default_rng(29), 1_000_000
    x = rng.geometric(0.3, n)
    mean = rng.gamma(6.25 * x) / rng.gamma(3.74, 1 / 15.44, n) / x
    fit = rk.fit_gamma_gamma(frequency=x, monetary_value=mean)
    assert fit.status == "converged"
    assert distances(fit, (6.25, 3.74, 15.44)).max() < 3


# A million customers bought by the week; ten times as many are the same rows counted.
@pytest.mark.slow
@pytest.mark.parametrize("fit_it", [rk.fit_bgnbd, rk.fit_mbgnbd, rk.fit_pareto_nbd])
def test_counted_weekly_rows_take_under_a_second(fit_it):
    data = lives(np.random.default_rng(31), fit_it, WORLDS[0][1], 1_000_000, weeks=78)
    whole = pd.DataFrame(
        {
            "frequency": data["frequency"],
            "recency": np.ceil(data["recency"]),
            "T": np.ceil(data["T"]),
        }
    )
    rows = whole.groupby(["frequency", "recency", "T"]).size().reset_index(name="customers")
    assert len(rows) < 60_000
    for times in (1, 10):
        started = time.process_time()
        fit = fit_it(rows, weights=rows["customers"] * times)
        took = time.process_time() - started
        assert fit.n == 1_000_000 * times
        assert fit.status == "converged"
        assert took < 1
