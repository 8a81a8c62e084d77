"""A programme in two arms: what was planted lies inside its interval as often as it says.

Retention 68 % without and 89 % with it; the value of a customer is what is spent while
staying, a geometric number of periods.
"""

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.errors import ParameterError

STAYS = {"control": (0.68, 0.50), "called": (0.89, 0.60)}
SPEND, SHARES = np.array([30.0, 10.0]), np.array([0.3, 0.7])


def programme(seed, n=800):
    rng = np.random.default_rng(seed)
    tier = (rng.random(n) < SHARES[1]).astype(int)
    called = rng.random(n) < 0.5
    stays = np.where(called, np.array(STAYS["called"])[tier], np.array(STAYS["control"])[tier])
    retained = rng.random(n) < stays
    periods = np.where(retained, 1 + rng.geometric(1 - stays), 1)
    frame = pd.DataFrame(
        {
            "tier": np.array(["a", "b"])[tier],
            "arm": np.where(called, "called", "control"),
            "retained": retained.astype(float),
            "clv": rng.gamma(4, SPEND[tier] / 4) * periods,
        }
    )
    sums = rk.ArmSums.of_units(frame, ["retained", "clv"])
    return frame, rk.programme_effects(sums, "called", "control", randomised=True)


def planted(frame):
    """Expected differences for the tiers as drawn: value = spend · (1 + stay ÷ (1 − stay))."""
    share = (frame["tier"] == "a").mean()
    weight = np.array([share, 1 - share])
    with_it, without = np.array(STAYS["called"]), np.array(STAYS["control"])
    value = SPEND * (with_it / (1 - with_it) - without / (1 - without))
    return {"retained": float(weight @ (with_it - without)), "clv": float(weight @ value)}


def coverage(worlds):
    hits = []
    for seed in range(worlds):
        frame, found = programme(seed)
        truth = planted(frame)
        hits.append([e.effect.low <= truth[e.metric] <= e.effect.high for e in found])
    return np.mean(hits, axis=0)


def test_the_planted_effect_lies_inside_the_interval():
    assert (coverage(200) >= 0.93).all()


def test_one_tier_is_two_means():
    frame, _ = programme(1)
    one = frame.assign(tier="all")
    sums = rk.ArmSums.of_units(one, ["retained"])
    (found,) = rk.programme_effects(sums, "called", "control", randomised=True)
    means = one.groupby("arm")["retained"].agg(["mean", "var", "size"])
    error = np.sqrt((means["var"] / means["size"]).sum())
    assert found.effect.value == pytest.approx(means["mean"]["called"] - means["mean"]["control"])
    assert found.effect.high - found.effect.value == pytest.approx(1.959964 * error, rel=1e-6)
    assert found.relative == pytest.approx(found.effect.value / means["mean"]["control"])
    assert (found.grade, found.hypothesis_only) == ("A", False)


def test_without_chance_a_hypothesis_and_arms_that_are_not_there():
    frame, _ = programme(2)
    sums = rk.ArmSums.of_units(frame, ["retained", "clv"])
    for found in rk.programme_effects(sums, "called", "control", randomised=False):
        assert (found.grade, found.hypothesis_only) == ("C", True)
        assert found.to_frame()["tier"].tolist() == ["all", "a", "b"]
        assert set(found.to_frame()["grade"]) == {"C"}
    with pytest.raises(ParameterError, match="no arm 'caled'; did you mean 'called'"):
        rk.programme_effects(sums, "caled", "control", randomised=True)
    with pytest.raises(ParameterError, match="both 'control'"):
        rk.programme_effects(sums, "control", "control", randomised=True)
