"""What an experiment can see: published sizes, statsmodels, simulation."""

import math

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

from relkit.errors import ParameterError
from relkit.frequency.plan import Guardrail
from relkit.frequency.power import (
    Baseline,
    guardrail_power,
    guardrail_size,
    minimum_detectable_effect,
    per_comparison,
    power_of,
    required_size,
)


# By hand: (1.95996 + .84162)² · (p₀q₀ + p₁q₁) ÷ δ².
@pytest.mark.parametrize(
    ("share", "difference", "expected"),
    [(0.20, 0.004, 158_150), (0.01, 0.0015, 74_190), (0.28, -0.03, 3_393)],
)
def test_sizes_of_claims_that_people_make(share, difference, expected):
    z = 1.959963985 + 0.841621234
    other = share + difference
    by_hand = z**2 * (share * (1 - share) + other * (1 - other)) / difference**2
    size = required_size(Baseline("binary", share), difference)
    assert size == math.ceil(by_hand)
    assert size == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("ratio", [1.0, 0.5, 2.0])
@pytest.mark.parametrize("difference", [0.6, -1.1])
def test_power_of_means_equals_statsmodels(difference, ratio):
    theirs = NormalIndPower().power(abs(difference) / 5.0, 800, 0.05, ratio, "two-sided")
    ours = power_of(Baseline("mean", 3.0, 25.0), difference, 800, 800 * ratio)
    assert ours == pytest.approx(theirs, abs=1e-4)


# statsmodels pools the variance under no difference, so it is near and not equal.
@pytest.mark.parametrize("share", [0.05, 0.4])
def test_power_of_shares_is_near_statsmodels(share):
    size = samplesize_proportions_2indep_onetail(0.03, share, 0.8, alpha=0.05)
    assert power_of(Baseline("binary", share), 0.03, size, size) == pytest.approx(0.8, abs=2e-3)
    # No difference is found in each direction in half of the cases that alpha allows.
    assert power_of(Baseline("binary", share), 0.0, size, size) == pytest.approx(0.025)


def test_power_of_means_is_found_by_simulation():
    rng = np.random.default_rng(7)
    n, runs, sd, delta, rho = 300, 4_000, 10.0, 2.0, 0.6
    found = 0
    for _ in range(runs):
        x = rng.normal(size=2 * n)
        y = sd * (rho * x + math.sqrt(1 - rho**2) * rng.normal(size=2 * n))
        y[:n] += delta
        arm = np.repeat([1.0, 0.0], n)
        theta = np.cov(x, y)[0, 1] / x.var(ddof=1)
        adjusted = y - theta * x
        gap = adjusted[arm == 1].mean() - adjusted[arm == 0].mean()
        error = math.sqrt(adjusted[arm == 1].var() / n + adjusted[arm == 0].var() / n)
        found += abs(gap / error) > 1.959964
    said = power_of(Baseline("mean", 50.0, sd**2, explained=rho**2), delta, n, n)
    assert found / runs == pytest.approx(said, abs=4 * math.sqrt(said * (1 - said) / runs))


def test_clusters_cost_what_their_design_effect_says():
    # 200 clusters of 5, correlation .2: a mean's variance, simulated.
    rng = np.random.default_rng(3)
    clusters, size, icc = 200, 5, 0.2
    between = rng.normal(0, math.sqrt(icc), (3_000, clusters, 1))
    within = rng.normal(0, math.sqrt(1 - icc), (3_000, clusters, size))
    simulated = (between + within).mean(axis=(1, 2)).var() * clusters * size
    baseline = Baseline("mean", 0.0, 1.0, cluster_size=size, intraclass=icc)
    assert baseline.design_effect == pytest.approx(1.8)
    assert simulated == pytest.approx(baseline.design_effect, rel=0.1)
    # Sizes 1 and 9 in equal parts: Σm² ÷ Σm = 82 ÷ 10 in place of 5.
    uneven = Baseline("mean", 0, 1, cluster_size=5, cluster_cv=0.8, intraclass=icc)
    assert uneven.design_effect == pytest.approx(1 + (82 / 10 - 1) * icc)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize(
    "baseline",
    [
        Baseline("binary", 0.3),
        Baseline("count", 0.12, 0.15),
        Baseline("mean", 80.0, 40_000.0, explained=0.4),
    ],
    ids=lambda b: b.kind,
)
def test_the_smallest_effect_has_just_the_wanted_power(baseline, direction):
    seen = minimum_detectable_effect(baseline, 4_000, 5_000, comparisons=5, direction=direction)
    assert seen.detectable
    assert math.copysign(1, seen.difference) == direction
    assert power_of(baseline, seen.difference, 4_000, 5_000, comparisons=5) == pytest.approx(0.8)
    assert seen.relative == pytest.approx(seen.difference / baseline.mean)


def test_a_tier_that_cannot_answer_says_so():
    seen = minimum_detectable_effect(Baseline("binary", 0.01), 40, 40, direction=-1)
    assert not seen.detectable
    assert math.isnan(seen.difference)


def test_more_comparisons_need_more():
    # Šidák by hand: 1 - .95^(1/5).
    assert per_comparison(0.05, 5) == pytest.approx(1 - 0.95**0.2)
    one = required_size(Baseline("binary", 0.2), 0.02)
    assert required_size(Baseline("binary", 0.2), 0.02, comparisons=5) > one


def test_a_harmless_arm_passes_its_guardrail_as_often_as_said():
    rng = np.random.default_rng(5)
    n, rate, runs = 40_000, 0.1, 4_000
    guardrail = Guardrail("complaints", "ratio", 1.10)
    arm, today = rng.poisson(n * rate, runs) / n, rng.poisson(n * rate, runs) / n
    error = np.sqrt(1 / (n * arm) + 1 / (n * today))
    passed = (np.log(arm / today) + 1.644854 * error < math.log(1.10)).mean()
    baseline = Baseline("count", rate, rate)
    said = guardrail_power(baseline, guardrail, n, n)
    assert passed == pytest.approx(said, abs=4 * math.sqrt(said * (1 - said) / runs))
    size = guardrail_size(baseline, guardrail)
    assert guardrail_power(baseline, guardrail, size, size) == pytest.approx(0.8, abs=1e-3)


def test_a_guardrail_on_a_difference():
    # By hand: retention .8 may fall by .02; (1.644854 + .841621)² · 2 · .16 ÷ .02².
    size = guardrail_size(Baseline("binary", 0.8), Guardrail("retention", "difference", -0.02))
    assert size == math.ceil((1.644853627 + 0.841621234) ** 2 * 2 * 0.16 / 0.02**2)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: Baseline("share", 0.1), "kind='share' must be one of"),
        (lambda: Baseline("binary", 0.0), "between 0 and 1"),
        (lambda: Baseline("count", 0.0, 1.0), "nothing happened"),
        (lambda: Baseline("mean", 1.0), "variance=nan must be above 0"),
        (lambda: Baseline("binary", 0.1, explained=1.0), "explained=1.0"),
        (lambda: Baseline("binary", 0.1, cluster_size=0.5), "cluster_size"),
        (lambda: required_size(Baseline("binary", 0.1), 0.0), "say what matters"),
        (lambda: required_size(Baseline("binary", 0.1), 0.95), "a mean of 1.05"),
        (lambda: power_of(Baseline("binary", 0.1), 0.1, 0, 10), "none is 0"),
        (lambda: per_comparison(1.5, 2), "alpha=1.5"),
        (lambda: minimum_detectable_effect(Baseline("binary", 0.1), 9, 9, direction=0), "1 or -1"),
    ],
)
def test_what_cannot_be_is_refused(build, said):
    with pytest.raises(ParameterError, match=said):
        build()
