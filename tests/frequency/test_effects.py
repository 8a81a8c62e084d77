"""Effects of arms: equal to scipy and statsmodels, and right as often as they say."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from relkit.errors import DataError, ParameterError
from relkit.frequency.effects import arm_effects, explored
from relkit.frequency.multiplicity import (
    benjamini_hochberg,
    common_arm_loadings,
    max_t_bound,
    max_t_p_values,
    max_t_probability,
)
from relkit.frequency.sums import ArmSums

ARMS = ("0", "1", "2", "4")


def customers(n=4_000, seed=1, tiers=("a", "b")):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"tier": rng.choice(tiers, n), "arm": rng.choice(ARMS, n)})
    frame["x"] = rng.gamma(2, 40, n)
    lift = frame["arm"].map({"0": 0, "1": 3, "2": 8, "4": -5}).to_numpy()
    frame["revenue"] = np.maximum(0.7 * frame["x"] + lift + rng.normal(0, 40, n), 0)
    frame["complaints"] = rng.poisson(np.where(frame["arm"] == "4", 0.2, 0.1))
    return frame


def sums_of(frame, *metrics, x=None):
    return ArmSums.of_units(frame, metrics, covariate=x)


# ---- two arms, against other code --------------------------------------------------


def test_two_arms_equal_scipy_and_statsmodels():
    frame = customers(tiers=("a",))
    frame = frame[frame["arm"].isin(["1", "2"])]
    seen = arm_effects(sums_of(frame, "revenue"), "revenue", "1")
    one, two = (frame.loc[frame["arm"] == arm, "revenue"].to_numpy() for arm in ("2", "1"))
    theirs = stats.ttest_ind(one, two, equal_var=False)
    at = (0, 1)
    assert seen.p_value[at] == pytest.approx(theirs.pvalue, rel=1e-10)
    interval = theirs.confidence_interval(0.95)
    assert (seen.low[at], seen.high[at]) == pytest.approx(tuple(interval), rel=1e-10)
    other = CompareMeans(DescrStatsW(one), DescrStatsW(two)).tconfint_diff(usevar="unequal")
    assert (seen.low[at], seen.high[at]) == pytest.approx(other, rel=1e-10)
    # With two arms nothing is adjusted for.
    assert seen.joint_p_value[at] == pytest.approx(theirs.pvalue, rel=1e-6)


def test_the_adjustment_equals_a_regression():
    frame = customers(tiers=("a",))
    seen = arm_effects(sums_of(frame, "revenue", x="x"), "revenue", "1")
    design = pd.get_dummies(frame["arm"]).astype(float)[["0", "2", "4"]]
    design = sm.add_constant(design.assign(x=frame["x"]))
    fitted = sm.OLS(frame["revenue"], design).fit()
    for arm in ("0", "2", "4"):
        at = (0, ARMS.index(arm))
        assert seen.difference[at] == pytest.approx(fitted.params[arm], rel=1e-10)
        # Theirs pools the variance over arms, ours does not.
        error = np.hypot(seen.standard_error[at], seen.standard_error[0, 1])
        assert error == pytest.approx(fitted.bse[arm], rel=0.05)
    assert seen.explained[0] == pytest.approx(
        np.corrcoef(frame["x"], frame["revenue"])[0, 1] ** 2, abs=0.02
    )


def test_clusters_equal_a_cluster_robust_regression():
    rng = np.random.default_rng(4)
    size = rng.integers(1, 9, 600)
    unit = np.repeat(np.arange(600), size)
    arm = np.array(["0", "1"])[rng.integers(0, 2, 600)][unit]
    y = rng.normal(0, 1, 600)[unit] + rng.normal(0, 2, len(unit)) + (arm == "1")
    frame = pd.DataFrame({"unit": unit, "arm": arm, "y": y, "size": 1.0})
    units = frame.groupby(["unit", "arm"], as_index=False)[["y", "size"]].sum()
    seen = arm_effects(sums_of(units, "y", "size"), "y", "0")
    assert seen.clustered
    design = sm.add_constant((frame["arm"] == "1").astype(float))
    fitted = sm.OLS(frame["y"], design).fit(
        cov_type="cluster", cov_kwds={"groups": frame["unit"], "use_correction": False}
    )
    assert seen.difference[0, 1] == pytest.approx(fitted.params["arm"], rel=1e-10)
    # Theirs divides by n, ours by n - 1 within each arm: 300 units an arm.
    error = np.hypot(*seen.standard_error[0])
    assert error == pytest.approx(fitted.bse["arm"], rel=4e-3)


def test_the_ratio_by_hand():
    frame = customers(tiers=("a",))
    seen = arm_effects(sums_of(frame, "complaints"), "complaints", "1")
    one = frame.loc[frame["arm"] == "4", "complaints"]
    two = frame.loc[frame["arm"] == "1", "complaints"]
    ratio = one.mean() / two.mean()
    error = np.sqrt(one.var() / len(one) / one.mean() ** 2 + two.var() / len(two) / two.mean() ** 2)
    assert seen.ratio[0, 3] == pytest.approx(ratio)
    assert seen.ratio_high[0, 3] == pytest.approx(ratio * np.exp(1.959964 * error), rel=1e-6)
    assert seen.ratio[0, 1] == seen.ratio_low[0, 1] == seen.ratio_high[0, 1] == 1.0


def test_an_arm_without_events_has_a_ratio_of_0_and_no_upper_end():
    frame = customers(tiers=("a",))
    frame.loc[frame["arm"] == "2", "complaints"] = 0
    seen = arm_effects(sums_of(frame, "complaints"), "complaints", "1")
    assert seen.ratio[0, 2] == 0.0
    assert np.isinf(seen.ratio_high[0, 2])


# ---- several arms ----------------------------------------------------------------


def test_the_joint_bound_equals_dunnett():
    # Dunnett (1955), two-sided 5 %, infinite degrees of freedom, to two decimals.
    for others, bound in ((1, 1.96), (2, 2.21), (3, 2.35), (4, 2.44), (5, 2.51)):
        loadings = common_arm_loadings(np.ones(others), 1.0)
        assert max_t_bound(loadings) == pytest.approx(bound, abs=5e-3)


def test_joint_probabilities_equal_a_multivariate_normal():
    loadings = common_arm_loadings(np.array([0.5, 1.0, 3.0]), 0.8)
    covariance = np.outer(loadings, loadings)
    np.fill_diagonal(covariance, 1.0)
    draws = np.random.default_rng(1).multivariate_normal(np.zeros(3), covariance, 400_000)
    inside = (np.abs(draws).max(axis=1) <= 2.1).mean()
    assert max_t_probability(2.1, loadings) == pytest.approx(inside, abs=3e-3)
    assert max_t_p_values(np.array([2.1]), loadings)[0] == pytest.approx(1 - inside, abs=3e-3)


def test_joint_p_values_equal_scipys_dunnett():
    frame = customers(2_000, seed=8, tiers=("a",))
    groups = {arm: frame.loc[frame["arm"] == arm, "revenue"].to_numpy() for arm in ARMS}
    theirs = stats.dunnett(
        *(groups[a] for a in ("0", "2", "4")), control=groups["1"], random_state=0
    )
    seen = arm_effects(sums_of(frame, "revenue"), "revenue", "1")
    np.testing.assert_allclose(seen.joint_p_value[0, [0, 2, 3]], theirs.pvalue, atol=0.02)
    assert (seen.joint_high - seen.joint_low >= seen.high - seen.low).all()


def test_all_intervals_of_a_tier_hold_together_as_often_as_said():
    rng = np.random.default_rng(21)
    held = alone = 0
    runs = 400
    for _ in range(runs):
        frame = pd.DataFrame({"arm": np.repeat(ARMS, 120), "y": rng.gamma(1.5, 2, 480)})
        seen = arm_effects(sums_of(frame, "y"), "y", "1")
        held += bool(((seen.joint_low <= 0) & (seen.joint_high >= 0)).all())
        alone += bool(((seen.low <= 0) & (seen.high >= 0)).all())
    assert held / runs == pytest.approx(0.95, abs=4 * np.sqrt(0.05 * 0.95 / runs))
    assert alone / runs < 0.92


@pytest.mark.slow
def test_cluster_intervals_cover_between_94_and_96_percent():
    # 5 contacts an account, correlation .2 between them: customer by customer it is 85 %.
    rng = np.random.default_rng(22)
    covered = naive = 0
    runs = 4_000
    for _ in range(runs):
        size = rng.integers(3, 8, 400)
        unit = np.repeat(np.arange(400), size)
        y = np.sqrt(0.2) * rng.normal(size=400)[unit] + np.sqrt(0.8) * rng.normal(size=len(unit))
        arm = (np.arange(400) % 2)[unit]
        counts = np.bincount(unit)
        units = pd.DataFrame({"arm": np.arange(400) % 2, "y": np.bincount(unit, y), "size": counts})
        seen = arm_effects(sums_of(units.astype({"size": float}), "y", "size"), "y", "0")
        covered += bool(seen.low[0, 1] <= 0 <= seen.high[0, 1])
        interval = stats.ttest_ind(y[arm == 1], y[arm == 0], equal_var=False).confidence_interval()
        naive += bool(interval.low <= 0 <= interval.high)
    assert 0.94 <= covered / runs <= 0.96
    assert naive / runs < 0.88


# ---- exploring -------------------------------------------------------------------


def test_false_discovery_rate_equals_statsmodels():
    p = np.random.default_rng(3).uniform(size=40) ** 2
    np.testing.assert_allclose(
        benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], rtol=1e-12
    )


def test_what_is_explored_is_in_one_table():
    frame = customers()
    sums = sums_of(frame, "revenue", "complaints")
    table = explored([arm_effects(sums, name, "1") for name in ("revenue", "complaints")])
    assert len(table) == 2 * 2 * 3
    assert table["p_value"].is_monotonic_increasing
    assert (table["q_value"] >= table["p_value"]).all()
    assert set(table.loc[table["found"], "arm"]) >= {"4"}


# ---- what cannot be --------------------------------------------------------------


def test_all_outcomes_zero_is_no_effect_and_no_error():
    frame = customers().assign(none=0.0)
    seen = arm_effects(sums_of(frame, "none"), "none", "1")
    assert (seen.difference == 0).all()
    assert (seen.p_value == 1).all()
    assert np.isnan(seen.ratio).all()


@pytest.mark.parametrize(
    ("metric", "today", "said"),
    [
        ("revenu", "1", "no metric 'revenu'"),
        ("revenue", "3", "no arm '3'"),
        ("revenue", {"a": "1"}, "today's arm of tier 'b' is not given"),
    ],
)
def test_what_is_not_there_is_named(metric, today, said):
    with pytest.raises(ParameterError, match=said):
        arm_effects(sums_of(customers(400), "revenue"), metric, today)


def test_outcomes_without_any_spread():
    frame = customers(400, tiers=("a",))
    frame["same"] = frame["arm"].map({"0": 1.0, "1": 2.0, "2": 2.0, "4": 2.0})
    with pytest.raises(DataError, match="without any spread"):
        arm_effects(sums_of(frame, "same"), "same", "1")
