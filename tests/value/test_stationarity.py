"""The test of cohorts: its tail, its false alarms, its power, and its verdicts."""

import numpy as np
import pandas as pd
import pytest

from relkit.errors import DataError, ParameterError
from relkit.value.bgnbd import BGNBD
from relkit.value.purchase_fit import NO_DROP_OUT, TOO_FEW_REPEATERS
from relkit.value.purchase_models import fit_purchase_model
from relkit.value.quadratic_forms import chance_above, value_exceeded
from relkit.value.stationarity import (
    DRIFT,
    DRIFT_WITHOUT_CONSEQUENCE,
    NOT_MEASURABLE,
    STATIONARY,
    assess_stationarity,
    score_test,
)


def world(seed, n, cohorts, youngest, oldest, drift=0.0):
    """Customers of cohorts born one after the other; the last buys 1 + drift as often."""
    rng = np.random.default_rng(seed)
    born = rng.uniform(0, oldest - youngest, n)
    cohort = np.minimum((born / (oldest - youngest) * cohorts).astype(int), cohorts - 1)
    alpha = 8 * np.exp(-np.log1p(drift) * cohort / max(cohorts - 1, 1))
    end, rate, leave = oldest - born, rng.gamma(0.6, 1 / alpha), rng.beta(0.8, 2.5, n)
    frequency, recency, now = np.zeros(n), np.zeros(n), np.zeros(n)
    active = np.ones(n, dtype=bool)
    while active.any():
        now[active] += rng.exponential(1 / rate[active])
        active &= now <= end
        frequency[active] += 1
        recency[active] = now[active]
        active &= rng.random(n) >= leave
    summary = pd.DataFrame({"frequency": frequency, "recency": recency, "T": end})
    summary.attrs["unit"] = "week"
    return summary, cohort


# Imhof (1961), Table 1: Q1, Q2 and Q6, exact values by his method.
@pytest.mark.parametrize(
    ("weights", "means", "value", "chance"),
    [
        ([0.6, 0.3, 0.1], [0, 0, 0], 0.1, 0.9458),
        ([0.6, 0.3, 0.1], [0, 0, 0], 0.7, 0.5064),
        ([0.6, 0.3, 0.1], [0, 0, 0], 2.0, 0.1240),
        ([0.6] * 2 + [0.3] * 2 + [0.1] * 2, [0] * 6, 0.2, 0.9936),
        ([0.6] * 2 + [0.3] * 2 + [0.1] * 2, [0] * 6, 2.0, 0.3998),
        ([0.6] * 2 + [0.3] * 2 + [0.1] * 2, [0] * 6, 6.0, 0.0161),
    ],
)
def test_tails_as_imhof_printed_them(weights, means, value, chance):
    found = chance_above(value, np.array(weights), np.array(means, float))
    assert found == pytest.approx(chance, abs=6e-5)


def test_tails_against_chi_squared_and_simulation():
    from scipy.stats import chi2, ncx2

    for k in (3, 12, 28):
        for chance in (0.5, 0.05, 1e-4):
            assert chance_above(chi2.isf(chance, k), np.ones(k)) == pytest.approx(chance, abs=1e-6)
        limit = value_exceeded(0.05, np.ones(k))
        assert limit == pytest.approx(chi2.isf(0.05, k), rel=1e-5)
        means = np.append(10.0, np.zeros(k - 1))
        assert chance_above(limit, np.ones(k), means) == pytest.approx(
            ncx2.sf(limit, k, 10.0), abs=1e-6
        )
    rng = np.random.default_rng(0)
    weights, means = np.array([0.9, 0.5, 0.3, 0.01]), np.array([0.4, 0.0, 2.0, 9.0])
    drawn = ((rng.standard_normal((200_000, 4)) + np.sqrt(means)) ** 2) @ weights
    share = float((drawn > 4.0).mean())
    assert chance_above(4.0, weights, means) == pytest.approx(share, abs=4e-3)


def test_the_statistic_by_plain_loops():
    """The same form from numerical derivatives of the public log-likelihood."""
    summary, cohort = world(3, 1500, 3, 26, 78, drift=0.5)
    pooled = fit_purchase_model(summary)
    test = score_test(pooled, summary, pd.Series(cohort), "bg_nbd")
    # Coordinates: log r - log alpha, log r, log a - log b, log a + log b.
    there = np.array([[0, 1, 0, 0], [-1, 1, 0, 0], [0, 0, 0.5, 0.5], [0, 0, -0.5, 0.5]])
    point = np.log(pooled.params)
    steps = 1e-3 * there.T
    for one in range(3):
        rows = summary[cohort == one]

        def height(at, rows=rows):
            return BGNBD(*np.exp(at)).log_likelihood_of(rows)

        score = [(height(point + s) - height(point - s)) / 2e-3 for s in steps]
        assert test.scores[one] == pytest.approx(score, rel=1e-3, abs=1e-2)
        bend = -(height(point + steps[0]) - 2 * height(point) + height(point - steps[0])) / 1e-6
        assert test.information[one, 0, 0] == pytest.approx(bend, rel=2e-2)


def alarms(worlds, level=0.05):
    found = []
    for summary, cohort in worlds:
        pooled = fit_purchase_model(summary)
        if pooled.status not in (NO_DROP_OUT, TOO_FEW_REPEATERS):
            found.append(score_test(pooled, summary, pd.Series(cohort), "bg_nbd").p_value)
    return float((np.array(found) < level).mean()), len(found), float(np.mean(found))


def test_alarms_are_rare_where_nothing_drifts_and_common_where_it_does():
    quiet, n, middle = alarms(world(seed, 1000, 4, 26, 78) for seed in range(50))
    assert n == 50
    # Two-sided 99.9 % bounds of a binomial share of 5 % in 50.
    assert quiet <= 0.16
    # Chances of a true hypothesis are uniform: their mean is sure to .041.
    assert 0.36 < middle < 0.64
    loud, _, _ = alarms(world(seed, 20_000, 4, 26, 78, drift=0.3) for seed in range(3))
    assert loud == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "cohorts", "youngest", "oldest"),
    [(2000, 4, 26, 78), (2000, 8, 0, 52), (8000, 8, 0, 104)],
)
def test_a_nominal_alarm_rate_of_5_percent_is_one(n, cohorts, youngest, oldest):
    """3 to 7 %, also where the youngest cohorts have been observed for days only."""
    rate, fitted, _ = alarms(world(seed, n, cohorts, youngest, oldest) for seed in range(1000))
    assert fitted >= 990
    assert 0.03 <= rate <= 0.07


@pytest.mark.slow
def test_the_power_that_is_said_is_the_power():
    said, found = [], []
    for seed in range(200):
        summary, cohort = world(seed, 4000, 4, 26, 78, drift=0.3)
        test = score_test(fit_purchase_model(summary), summary, pd.Series(cohort), "bg_nbd")
        found.append(test.p_value < 0.05)
        said.append(test.power_at(np.linspace(0, np.log(1.3), 4), 0.05))
    # Standard error of the share found: 3.5 points.
    assert np.mean(found) == pytest.approx(np.mean(said), abs=0.1)


def test_verdicts():
    summary, cohort = world(1, 12_000, 4, 26, 78)
    calm = assess_stationarity(summary, cohort, horizon=26)
    assert (calm.verdict, calm.reason) == (STATIONARY, "")
    assert calm.p_value > 0.05
    assert calm.power > 0.9
    assert calm.moved_share < 0.02
    assert abs(calm.newest_share) < 0.05

    # Where the newest have hardly been observed, what they are like is not known from
    # their histories, so the parameters decide.
    summary, cohort = world(2, 12_000, 4, 0, 52, drift=1.5)
    moving = assess_stationarity(summary, cohort, horizon=26, tolerance=0.02)
    assert moving.verdict == DRIFT
    assert moving.p_value < 1e-4
    assert moving.moved_share > 0.02
    relaxed = assess_stationarity(summary, cohort, horizon=26, tolerance=0.9)
    assert relaxed.verdict == DRIFT_WITHOUT_CONSEQUENCE
    # Truth: the purchases that each cohort is expected to make by its own parameters.
    table = moving.to_frame().set_index("cohort")
    for one, row in table.iterrows():
        rows = summary[cohort == one]
        right = BGNBD(0.6, 8 * 2.5 ** (-one / 3), 0.8, 2.5).expected_purchases(rows, horizon=26)
        assert row["expected_own"] == pytest.approx(right.sum(), rel=0.08)
        assert row["difference"] == pytest.approx(row["expected_own"] - row["expected_pooled"])
        assert row["r_low"] < 0.6 < row["r_high"]
    assert table["difference"].iloc[-1] > 0
    # A new customer of the newest cohort, by the truth against a fit to all.
    new = BGNBD(0.6, 8 / 2.5, 0.8, 2.5).expected_purchases_new(26)
    pooled = moving.pooled.expected_purchases_new(26)
    assert 1 + moving.newest_share == pytest.approx(new / pooled, rel=0.08)
    moved = table["difference"].abs().sum() / table["expected_pooled"].sum()
    assert moving.moved_share == pytest.approx(moved)

    summary, cohort = world(4, 300, 6, 0, 52)
    few = assess_stationarity(summary, cohort, horizon=26)
    if few.p_value >= 0.05:
        assert few.verdict == NOT_MEASURABLE
        assert "take more customers, more time, or fewer cohorts" in few.reason


def test_large_bases_make_trifles_significant_and_are_told_so():
    """A drift of 12 % in 60,000 customers is certain, and moves hardly anything."""
    summary, cohort = world(5, 60_000, 4, 26, 78, drift=0.12)
    found = assess_stationarity(summary, cohort, horizon=26)
    assert found.p_value < 0.05
    assert found.verdict == DRIFT_WITHOUT_CONSEQUENCE
    assert 0 < found.moved_share < 0.05


def test_what_cannot_be_tested_says_so():
    summary, _ = world(6, 800, 1, 26, 78)
    one = assess_stationarity(summary, np.zeros(800), horizon=26)
    assert one.verdict == NOT_MEASURABLE
    assert one.reason.startswith("there is one cohort only, 0")
    assert np.isnan([one.p_value, one.power, one.moved_share, one.newest_share]).all()
    silent = summary.assign(frequency=0.0, recency=0.0)
    none = assess_stationarity(silent, np.arange(800) % 2, horizon=26)
    assert (none.verdict, none.reason) == (
        NOT_MEASURABLE, "all customers together: too few repeaters",
    )  # fmt: skip
    table = none.to_frame()
    assert list(table["status"]) == ["too few repeaters"] * 2
    assert table[["r", "expected_pooled"]].isna().all().all()


def test_wrong_settings_are_told_together():
    summary, cohort = world(7, 200, 2, 26, 78)
    with pytest.raises(ParameterError) as caught:
        assess_stationarity(summary, cohort, tolerance=5, significance=0)
    assert "tolerance=5 must be in (0, 1); give 5 % as 0.05" in str(caught.value)
    assert "significance=0 must be" in str(caught.value)
    with pytest.raises(DataError, match="customers have none"):
        assess_stationarity(summary, pd.Series(cohort).where(cohort > 0))
