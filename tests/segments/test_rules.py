"""Tiers by rules: boundaries, precedence, order, money, missing values, faults."""

import time

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.errors import DataError, ParameterError


def rules_of(tiers, **more):
    return rk.tier_rules({"tiers": tiers, **more})


def tier_of(rules, currency=None, rate=None, **values):
    frame = pd.DataFrame({"customer_id": ["c"], **{k: [v] for k, v in values.items()}})
    return rk.assign_tiers(frame, rules, currency, rate).customers.iloc[0]["tier"]


LIMITS = {
    "high": "R <= 30 and F >= 8 and M >= 10,000",
    "growth": "R <= 60 and 3 <= F <= 7 and 3,000 <= M <= 9,999",
    "risk": "R >= 90 and F <= 2 and M <= 1,000",
}


# The rule text decides the boundary, and nothing else.
@pytest.mark.parametrize(
    ("r", "f", "m", "tier"),
    [
        (30, 8, 10_000, "high"),
        (30.01, 8, 10_000, "unassigned"),
        (30, 8, 9_999.5, "unassigned"),
        (30, 7, 9_999.5, "unassigned"),
        (30, 7, 9_999, "growth"),
        (60, 3, 3_000, "growth"),
        (60, 3, 2_999.99, "unassigned"),
        (90, 2, 1_000, "risk"),
        (89.99, 2, 1_000, "unassigned"),
        (90, 2, 1_000.01, "unassigned"),
    ],
)
def test_boundaries(r, f, m, tier):
    assert tier_of(rules_of(LIMITS), R=r, F=f, M=m) == tier


def test_the_clause_that_fired_and_how_many_tiers_matched():
    rules = rules_of(
        {
            "a": {"clauses": {"far": "x > 10", "near": "x > 5"}},
            "b": {"clauses": ["x > 7", "x = 3"]},
        }
    )
    frame = pd.DataFrame({"customer_id": list("pqrst"), "x": [11, 8, 6, 3, 1]})
    found = rk.assign_tiers(frame, rules).to_frame()
    assert found["customer_id"].tolist() == list("pqrst")
    assert found["tier"].tolist() == ["a", "a", "a", "b", "unassigned"]
    assert found["clause"].tolist()[:4] == ["far", "near", "near", "2"]
    assert pd.isna(found["clause"].iloc[4])
    assert found["matched"].tolist() == [2, 2, 1, 1, 0]


def test_precedence_is_the_order_of_the_file_unless_before_says_otherwise():
    both = {"a": {"clauses": "x > 1"}, "b": {"clauses": "x > 1"}, "c": {"clauses": "x > 1"}}
    assert rules_of(both).precedence == ("a", "b", "c")
    both["c"]["before"] = "b"
    assert rules_of(both).precedence == ("a", "c", "b")
    both["b"]["before"] = ["a"]
    rules = rules_of(both)
    assert rules.precedence == ("c", "b", "a")
    assert rules.names == ("a", "b", "c")
    assert tier_of(rules, x=2) == "c"


def test_precedence_in_a_circle_names_the_circle():
    tiers = {
        "a": {"clauses": "x > 1", "before": "b"},
        "b": {"clauses": "x > 1", "before": "c"},
        "c": {"clauses": "x > 1", "before": "a"},
        "d": {"clauses": "x > 1"},
    }
    with pytest.raises(ParameterError, match="in a circle: a before b before c before a;"):
        rules_of(tiers)
    tiers["c"]["before"] = "bb"
    with pytest.raises(ParameterError, match="'bb', which is no tier; did you mean 'b'"):
        rules_of(tiers)
    with pytest.raises(ParameterError, match="circle: a before a"):
        rules_of({"a": {"clauses": "x > 1", "before": "a"}})


def population(n=400, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(n)],
            "R": rng.integers(0, 120, n),
            "F": rng.integers(1, 12, n),
            "M": rng.integers(0, 15_000, n),
            "clv": rng.integers(0, 30, n).astype(float),  # many ties
        }
    )


def test_row_order_and_a_repeated_index_change_nothing():
    rules = rules_of({**LIMITS, "best": "k <= 30 %"}, where={"k": "rank of clv"})
    frame = population()
    first = rk.assign_tiers(frame, rules).customers.set_index("customer_id")
    shuffled = frame.sample(frac=1, random_state=3)
    shuffled.index = [7] * len(shuffled)
    again = rk.assign_tiers(shuffled, rules).customers
    assert again["customer_id"].tolist() == shuffled["customer_id"].tolist()
    pd.testing.assert_frame_equal(again.set_index("customer_id").loc[first.index], first)


def test_equal_values_have_one_rank_and_all_tied_stand_in_the_middle():
    rules = rules_of({"top": "k <= 30 %", "rest": "k > 30 %"}, where={"k": "rank of clv"})
    # The middle of places 1 to 3 of 10 is .15, of 4 to 10 is .65.
    frame = pd.DataFrame({"customer_id": list("abcdefghij"), "clv": [5.0] * 3 + [1.0] * 7})
    assert rk.assign_tiers(frame, rules).customers["tier"].tolist() == ["top"] * 3 + ["rest"] * 7
    tied = frame.assign(clv=2.0)
    assert set(rk.assign_tiers(tied, rules).customers["tier"]) == {"rest"}
    half = rules_of({"top": "k <= 50 %"}, where={"k": "rank of clv"})
    assert set(rk.assign_tiers(tied, half).customers["tier"]) == {"top"}
    assert tier_of(half, clv=3.0) == "top"  # one customer


def test_missing_values_are_not_compared_and_counted():
    rules = rules_of(
        {"low": "x <= 5", "high": "x > 5", "seen": "s = no", "best": "k <= 50 %"},
        where={"s": "seen, yes or no", "k": "rank of x"},
    )
    frame = pd.DataFrame(
        {"customer_id": list("pqrs"), "x": [1, 9, None, None], "seen": ["yes", None, "No", None]}
    )
    found = rk.assign_tiers(frame, rules)
    assert found.customers["tier"].tolist() == ["low", "high", "seen", "unassigned"]
    assert found.missing.to_dict("records") == [
        {"variable": "s", "column": "seen", "customers": 2, "unassigned": 1},
        {"variable": "k", "column": "x", "customers": 2, "unassigned": 1},
        {"variable": "x", "column": "x", "customers": 2, "unassigned": 1},
    ]
    # Ranks are among those who have a value: 9 stands at .25, 1 at .75.
    assert found.customers["matched"].tolist() == [1, 2, 1, 0]


MONEY = {"currency": "USD", "where": {"M": "spent, money"}}


def test_amounts_in_another_currency_need_a_rate():
    rules = rules_of({"key": "M > 1,000,000"}, **MONEY)
    assert tier_of(rules, "USD", spent=1_000_000.01) == "key"
    assert tier_of(rules, "USD", spent=1_000_000) == "unassigned"
    # 7.1 yuan a dollar: 7,100,000 is a million and not a hair more.
    for rate in (1 / 7.1, 0.14084507042253522):
        assert tier_of(rules, "CNY", rate, spent=7_100_000) == "unassigned"
        assert tier_of(rules, "CNY", rate, spent=7_100_000.1) == "key"
    with pytest.raises(ParameterError, match="thresholds of M are in USD, the data in CNY; give"):
        tier_of(rules, "CNY", spent=1)
    with pytest.raises(ParameterError, match="say what the data are in, such as currency='USD'"):
        tier_of(rules, spent=1)
    with pytest.raises(ParameterError, match="thresholds and data are both in USD"):
        tier_of(rules, "USD", 7.1, spent=1)
    for rate in (0, -1, float("nan"), True):
        with pytest.raises(ParameterError, match="must be positive"):
            tier_of(rules, "CNY", rate, spent=1)
    # Rules without amounts do not ask.
    assert tier_of(rules_of({"a": "x > 1"}), x=2) == "a"


def test_days_since_last_are_made_of_the_summary():
    summary = pd.DataFrame(
        {"customer_id": list("ab"), "T": [10.0, 10.0], "recency": [10 - 30 / 7, 5]}
    )
    summary.attrs["unit"] = "week"
    rules = rules_of({"active": "R <= 30"}, where={"R": "days_since_last"})
    assert rk.assign_tiers(summary, rules).customers["tier"].tolist() == ["active", "unassigned"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seenn": [1]}, "no column 'seen'; did you mean 'seenn'?"),
        ({"seen": ["perhaps"]}, "is declared as yes or no; 1 rows hold something else"),
        ({"seen": [2]}, "is declared as yes or no; 1 rows hold something else"),
        ({"seen": [1], "F": [1.5]}, "column 'F' is no whole number in 1 rows (first: row 0, 1.5)"),
        ({"seen": [1], "F": [-1]}, "column 'F' is below 0 in 1 rows (first: row 0, -1)"),
        ({"seen": [1], "F": [np.inf]}, "column 'F' is not finite in 1 rows"),
        ({"seen": [1], "F": ["3"]}, "not numbers; declare it in the file under where"),
        ({"seen": [1], "F": [True]}, "is bool, not numbers"),
        ({"seen": [1], "w": [3]}, "is declared as words; 1 rows hold something else"),
    ],
)
def test_columns_are_what_they_are_declared_to_be(change, said):
    rules = rules_of(
        {"a": "F > 2 or s = yes or w = east"},
        where={"F": "F, whole, at least 0", "s": "seen, yes or no", "w": "w, words"},
    )
    columns = {"customer_id": ["c"], "F": [3], "w": ["west"], **change}
    with pytest.raises(DataError) as caught:
        rk.assign_tiers(pd.DataFrame(columns), rules)
    assert said in str(caught.value)


def test_all_faults_of_the_columns_are_said_at_once():
    rules = rules_of({"a": "x > 2 and y > 2 and z > 3"})
    with pytest.raises(DataError) as caught:
        rk.assign_tiers(pd.DataFrame({"customer_id": ["c"], "z": ["w"]}), rules)
    assert len(caught.value.faults) == 3


def test_a_population_that_is_none():
    rules = rules_of({"a": "x > 2"})
    empty = pd.DataFrame({"customer_id": [], "x": []})
    with pytest.raises(DataError, match="no customers; at least one is required"):
        rk.assign_tiers(empty, rules)
    with pytest.raises(DataError, match="column 'customer_id' is missing"):
        rk.assign_tiers(pd.DataFrame({"x": [1]}), rules)
    with pytest.raises(DataError, match="customer_id is empty in 1 rows"):
        rk.assign_tiers(pd.DataFrame({"customer_id": ["a", None], "x": 1}), rules)
    with pytest.raises(DataError) as caught:
        rk.assign_tiers(pd.DataFrame({"customer_id": ["secret", "secret"], "x": 1}), rules)
    assert "repeated in 1 rows" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_sizes_hold_everybody():
    sizes = rk.assign_tiers(population(), rules_of(LIMITS)).sizes()
    assert sizes["tier"].tolist() == ["high", "growth", "risk", "unassigned"]
    assert sizes["customers"].sum() == 400
    assert sizes["share"].sum() == pytest.approx(1)


@pytest.mark.slow
def test_a_million_customers_take_less_than_two_seconds():
    n, rng = 1_000_000, np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "customer_id": np.arange(n).astype(str),
            "R": rng.integers(0, 400, n),
            "F": rng.geometric(0.3, n),
            "M": rng.gamma(1, 3000, n),
            "clv": rng.gamma(1, 100, n),
        }
    )
    rules = rules_of({**LIMITS, "best": "k <= 30 %"}, where={"k": "rank of clv"})
    seconds = []
    for _ in range(2):  # the better of two: others may use the machine as well
        began = time.process_time()
        found = rk.assign_tiers(frame, rules)
        seconds.append(time.process_time() - began)
    assert min(seconds) < 2
    assert len(found.customers) == n
