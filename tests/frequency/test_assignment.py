"""Who gets which arm: even, repeatable, blind to the order of rows; and is it balanced."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from relkit.errors import DataError, ParameterError
from relkit.frequency.assignment import allowed_arms, assign_arms, draw
from relkit.frequency.balance import collisions, covariate_balance, sample_ratio_test
from relkit.frequency.plan_file import read_plan

PLAN = read_plan(Path(__file__).parents[2] / "params" / "experiments" / "world.yaml")


def people(n=4_000, seed=1):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "customer_id": [f"C{i:06d}" for i in range(n)],
            "tier": rng.choice(PLAN.tiers, n, p=[0.1, 0.2, 0.4, 0.3]),
            "activity": rng.poisson(3, n).astype(float),
            "unit_id": [f"H{i:05d}" for i in rng.integers(0, n // 3, n)],
        }
    )


def test_the_draw_is_the_hash_of_salt_experiment_and_unit():
    digest = hashlib.sha256(b"3:abc|2:E1|C7").digest()
    assert int(draw("abc", "E1", ["C7"])[0]) == int.from_bytes(digest[:8], "big")
    # The parts cannot run into each other.
    assert draw("ab", "cE1", ["C7"])[0] != draw("abc", "E1", ["C7"])[0]


def test_sizes_are_the_planned_shares_to_within_one():
    sizes = assign_arms(people(), PLAN).sizes()
    assert (sizes["units"] - sizes["planned_units"]).abs().max() < 1
    assert sizes["customers"].sum() == 4_000
    # A cap of 8 allows six arms, in every tier.
    assert len(sizes) == 24


def test_activity_bands_are_even_too():
    dealt = assign_arms(people(20_000), PLAN).customers
    counts = dealt.groupby(["tier", "band"])["arm"].value_counts().unstack()
    expected = counts.sum(axis=1) / 6
    assert counts.sub(expected, axis=0).abs().max().max() <= 2


def test_order_of_rows_never_matters_and_salt_always_does():
    frame = people()
    dealt = assign_arms(frame, PLAN).customers
    shuffled = assign_arms(frame.sample(frac=1, random_state=4), PLAN).customers
    pd.testing.assert_frame_equal(dealt, shuffled)
    other = assign_arms(frame, dataclasses.replace(PLAN, salt="another")).customers
    assert (dealt["arm"] == other["arm"]).mean() == pytest.approx(1 / 6, abs=0.04)


def test_an_arm_says_nothing_of_a_customer():
    # Over many salts each customer is in each arm equally often.
    frame = people(60)
    frame["tier"] = "high"
    seen = [
        assign_arms(frame, dataclasses.replace(PLAN, salt=str(salt))).customers["arm"]
        for salt in range(120)
    ]
    arms = pd.concat(seen, axis=1).to_numpy()
    counts = np.array([(arms == arm).sum(axis=1) for arm in PLAN.arms])
    statistic = ((counts - 20) ** 2 / 20).sum()
    # Dealing without replacement varies less than chance; far more would be a leaning.
    assert stats.chi2.sf(statistic, 60 * 5) > 1e-4


def test_planned_shares_are_kept():
    shares = {tier: {"0": 0.5, "1": 0.3, "4": 0.2} for tier in PLAN.tiers}
    sizes = assign_arms(people(), PLAN, shares).sizes().set_index(["tier", "arm"])
    tier_total = sizes.groupby("tier")["units"].sum()
    for (tier, arm), row in sizes.iterrows():
        assert abs(row["units"] - shares[tier][arm] * tier_total[tier]) < 1


def test_households_stay_together_and_are_in_their_highest_tier():
    plan = dataclasses.replace(PLAN, unit="household")
    frame = people()
    dealt = assign_arms(frame, plan).customers.merge(frame, on="customer_id", suffixes=("", "_own"))
    assert dealt.groupby("unit_id")["arm"].nunique().max() == 1
    order = {tier: place for place, tier in enumerate(PLAN.tiers)}
    highest = dealt["tier_own"].map(order).groupby(dealt["unit_id"]).transform("min")
    assert (dealt["tier"].map(order) == highest).all()


def test_caps_keep_arms_out_of_tiers():
    plan = dataclasses.replace(PLAN, fatigue_cap={"high": 2.0})
    assert allowed_arms(plan, "high") == ("0", "1/3", "1", "2")
    dealt = assign_arms(people(), plan).customers
    assert set(dealt.loc[dealt["tier"] == "high", "arm"]) == {"0", "1/3", "1", "2"}
    assert "8" in set(dealt.loc[dealt["tier"] == "growth", "arm"])


def test_the_file_is_an_assignments_table():
    frame = assign_arms(people(), PLAN).to_frame("2024-09-30")
    assert list(frame.columns) == [
        *("experiment_id", "customer_id", "arm", "assigned_at", "stratum")
    ]
    assert frame["customer_id"].is_unique


def test_customers_of_no_tier_are_counted():
    frame = people()
    frame.loc[:9, "tier"] = "unassigned"
    assert assign_arms(frame, PLAN).left_out == 10


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop(columns="tier"), "no column 'tier'"),
        (lambda f: pd.concat([f, f.head(2)]), "2 customers stand twice"),
        (lambda f: f.assign(customer_id=f["customer_id"].where(f.index > 4)), "empty in 5 rows"),
        (lambda f: f.assign(activity=np.nan), "activity is empty in 50 rows"),
        (lambda f: f.assign(tier="gold"), "no customer is in a tier of the plan"),
    ],
)
def test_customers_that_cannot_be_assigned(change, said):
    with pytest.raises(DataError, match=said):
        assign_arms(change(people(50)), PLAN)


def test_a_household_experiment_needs_households():
    plan = dataclasses.replace(PLAN, unit="household")
    with pytest.raises(DataError, match="the plan randomises by household"):
        assign_arms(people(50).drop(columns="unit_id"), plan)


def test_shares_that_cannot_be():
    shares = {tier: {"0": 0.5, "1": 0.5} for tier in PLAN.tiers}
    shares["high"] = {"0": 0.5, "9": 0.2}
    del shares["growth"]
    with pytest.raises(ParameterError) as caught:
        assign_arms(people(50), PLAN, shares)
    said = "\n".join(caught.value.faults)
    assert "high: no arm '9'" in said
    assert "sum to 0.7" in said
    assert "no shares for tier 'growth'" in said


# ---- balance -------------------------------------------------------------------


def test_sample_ratio_equals_scipy():
    observed = {"a": 5_120, "b": 4_880, "c": 9_900}
    share = {"a": 0.25, "b": 0.25, "c": 0.5}
    expected = [share[arm] * sum(observed.values()) for arm in observed]
    theirs = stats.chisquare(list(observed.values()), expected).pvalue
    ours = sample_ratio_test(observed, share)
    assert ours.p_value == pytest.approx(theirs, rel=1e-10)
    assert ours.passed
    assert list(ours.to_frame()["expected"]) == expected


def test_false_alarms_of_the_sample_ratio_are_one_in_a_thousand():
    rng = np.random.default_rng(11)
    share = dict.fromkeys("abcde", 0.2)
    draws = rng.multinomial(40_000, [0.2] * 5, size=20_000)
    expected = 8_000.0
    statistic = ((draws - expected) ** 2 / expected).sum(axis=1)
    # The same statistic as the test's, which is shown on a handful of draws.
    for row, value in list(zip(draws, statistic, strict=True))[:5]:
        test = sample_ratio_test(dict(zip("abcde", map(int, row), strict=True)), share)
        assert test.p_value == pytest.approx(stats.chi2.sf(value, 4), rel=1e-9)
    alarms = (stats.chi2.sf(statistic, 4) < 0.001).mean()
    assert alarms <= 0.001 + 3 * np.sqrt(0.001 * 0.999 / 20_000)


def test_an_arm_nobody_got_is_an_alarm():
    assert not sample_ratio_test({"a": 60, "b": 0}, {"a": 0.5, "b": 0.5}).passed


@pytest.mark.parametrize(
    ("observed", "share", "said"),
    [
        ({"a": 1, "b": 1}, {"a": 1.0}, "arm 'b' is not planned"),
        ({"a": 1}, {"a": 0.5, "b": 0.5}, "arm 'b' was not counted"),
        ({"a": 1, "b": 1}, {"a": 0.5, "b": 0.4}, "sum to 0.9"),
    ],
)
def test_a_ratio_of_other_arms_is_refused(observed, share, said):
    with pytest.raises(ParameterError, match=said):
        sample_ratio_test(observed, share)


def test_nobody_at_all():
    with pytest.raises(DataError, match="nobody was assigned"):
        sample_ratio_test({"a": 0, "b": 0}, {"a": 0.5, "b": 0.5})


def test_balance_by_hand_and_by_scipy():
    frame = people(600)
    assignment = assign_arms(frame, PLAN)
    frame["spend"] = np.random.default_rng(2).gamma(2, 50, len(frame))
    table = covariate_balance(assignment, frame, ["spend", "activity"])
    row = table[(table["tier"] == "growth") & (table["covariate"] == "spend")]
    own = assignment.customers.merge(frame[["customer_id", "spend"]], on="customer_id")
    own = own[own["tier"] == "growth"]
    groups = [own.loc[own["arm"] == arm, "spend"] for arm in PLAN.arms]
    assert row["p_value"].iloc[0] == pytest.approx(stats.f_oneway(*groups).pvalue, rel=1e-9)
    gap = (groups[3].mean() - own["spend"].mean()) / own["spend"].std(ddof=0)
    assert row.set_index("arm").loc["2", "standardised_difference"] == pytest.approx(gap)
    # Stratified by activity, so it differs less than chance would have it.
    assert (table.loc[table["covariate"] == "activity", "p_value"] > 0.2).all()


def test_another_experiment_that_leans_on_our_arms_is_found():
    assignment = assign_arms(people(), PLAN)
    rng = np.random.default_rng(9)
    fair = assignment.customers[["customer_id"]].head(2_000).assign(experiment_id="fair")
    fair["arm"] = rng.choice(["x", "y"], len(fair))
    lean = assignment.customers[["customer_id", "arm"]].assign(experiment_id="lean")
    lean["arm"] = np.where(rng.random(len(lean)) < 0.8, lean["arm"].isin(["4", "8"]), False)
    table = collisions(assignment, pd.concat([fair, lean])).set_index("experiment_id")
    assert table.loc["fair", "customers"] == 2_000
    assert table.loc["fair", "share"] == 0.5
    assert table.loc["fair", "p_value"] > 0.001 > table.loc["lean", "p_value"]
