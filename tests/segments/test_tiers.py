import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relkit.errors import DataError, ParameterError
from relkit.privacy import pseudonym
from relkit.segments.scores import rfm_scores
from relkit.segments.tiers import rank_tiers


def ids(n):
    return [f"c{i}" for i in range(n)]


def test_top_tenth_next_fifth_rest():
    tiers = rank_tiers(ids(20), np.arange(20.0)).to_frame().set_index("customer_id")["tier"]
    assert sorted(tiers[tiers == "A"].index) == ["c18", "c19"]
    assert sorted(tiers[tiers == "B"].index) == ["c14", "c15", "c16", "c17"]
    assert (tiers == "C").sum() == 14


def test_equal_value_equal_tier_whatever_the_border():
    tiers = rank_tiers(ids(10), [5, 5, 5, 1, 1, 1, 1, 1, 1, 1])
    # The three fives share the mid-rank .15: past the first tenth, so all in B.
    assert tiers.to_frame()["tier"].tolist() == ["B"] * 3 + ["C"] * 7
    assert tiers.sizes()["customers"].tolist() == [0, 3, 7]


@given(
    st.lists(st.integers(0, 8), min_size=1, max_size=80),
    st.lists(st.floats(0.01, 0.3), min_size=1, max_size=3),
    st.randoms(),
)
def test_every_customer_has_one_tier_and_order_never_matters(values, shares, random):
    tiers = rank_tiers(ids(len(values)), values, shares)
    frame = tiers.to_frame()
    assert len(frame) == len(values)
    assert frame["tier"].isin(tiers.names).all()
    assert tiers.sizes()["customers"].sum() == len(values)
    order = list(range(len(values)))
    random.shuffle(order)
    again = rank_tiers([ids(len(values))[i] for i in order], [values[i] for i in order], shares)
    merged = frame.merge(again.to_frame(), on="customer_id", suffixes=("", "_again"))
    assert (merged["tier"] == merged["tier_again"]).all()
    # More value never means a lower tier.
    ranked = frame.sort_values("value", ascending=False)["tier"].map(tiers.names.index)
    assert (np.diff(ranked) >= 0).all()


def test_profile_adds_up():
    tiers = rank_tiers(ids(10), np.arange(10.0))
    spend = pd.DataFrame({"customer_id": ids(10), "spend": np.arange(10.0)})
    profile = tiers.profile(spend.sample(frac=1, random_state=0))
    assert profile["spend"].tolist() == [9, 15, 21]
    assert profile["spend_mean"].tolist() == [9, 7.5, 3]
    assert profile["customers"].tolist() == [1, 2, 7]


def test_nobody_in_a_tier_sums_to_nothing_and_has_no_mean():
    tiers = rank_tiers(ids(10), np.arange(10.0), shares=[0.01, 0.2])
    profile = tiers.profile(pd.DataFrame({"customer_id": ids(10), "spend": np.arange(10.0)}))
    assert profile["customers"].tolist() == [0, 2, 8]
    assert profile["spend"].tolist() == [0, 17, 28]
    assert np.isnan(profile["spend_mean"][0])


def test_profile_refuses_other_customers():
    tiers = rank_tiers(ids(3), [1, 2, 3])
    with pytest.raises(DataError, match="2 customers are in the tiers or in the columns"):
        tiers.profile(pd.DataFrame({"customer_id": ["c0", "c1", "x"], "spend": [1, 2, 3]}))


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ([0.5, 0.6], "sum to 1.1"),
        ([10, 20], r"share 10 must be in \(0, 1\)"),
        ([], "at least one share"),
        ([0.0], "share 0.0 must be"),
    ],
)
def test_impossible_shares(shares, message):
    with pytest.raises(ParameterError, match=message):
        rank_tiers(ids(3), [1, 2, 3], shares)


def test_names_must_fit():
    with pytest.raises(ParameterError, match="2 shares make 3 tiers; 2 names"):
        rank_tiers(ids(3), [1, 2, 3], names=["top", "rest"])


def test_faults_are_said_together():
    a, b = pseudonym("a"), pseudonym("b")
    with pytest.raises(
        DataError, match=rf"(?s)repeated in 1 rows \(first: {a}\).*not finite \(first: {b}\)"
    ):
        rank_tiers(["a", "a", "b"], [1, 2, np.nan])


def test_an_empty_id_is_said():
    with pytest.raises(DataError, match="customer_id is empty in 2 rows"):
        rank_tiers(pd.Series(["a", None, None]), [1, 2, 3])


def test_no_customers():
    with pytest.raises(DataError, match="at least one"):
        rank_tiers([], [])


def test_by_rfm_sum_counts_everyone_once():
    random = np.random.default_rng(3)
    summary = pd.DataFrame(
        {
            "customer_id": ids(200),
            "frequency": random.poisson(2, 200),
            "recency": random.random(200),
            "T": 1 + random.random(200),
            "total_spend": random.random(200),
        }
    )
    scores = rfm_scores(summary, unit="day")
    cells = rank_tiers(ids(200), random.random(200)).by_rfm_sum(scores)
    assert len(cells) == 3 * 13
    assert cells.groupby("tier")["customers"].sum().to_dict() == {"A": 20, "B": 40, "C": 140}
    assert cells.groupby("tier")["share"].sum().to_numpy() == pytest.approx(1)
    with pytest.raises(DataError, match="different customers"):
        rank_tiers(ids(201), random.random(201)).by_rfm_sum(scores)
