"""CRM, interviews and surveys against each other: counts by hand, kappa by the papers."""

import math

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.data.quality.agreement import cohen_kappa, fleiss_kappa
from relkit.data.quality.supplied import NotSupplied
from relkit.errors import DataError, ParameterError
from relkit.privacy import Privacy, showing


def said(rows, when):
    frame = pd.DataFrame(rows, columns=["customer_id", "field", "value", when])
    return frame.assign(**{when: pd.to_datetime(frame[when])})


def company(interviews=(), surveys=(), **crm):
    """Tables by name; crm: column → values of customers c0, c1, …"""
    n = max((len(values) for values in crm.values()), default=0)
    customers = pd.DataFrame({"customer_id": [f"c{i}" for i in range(n)], **crm})
    return {
        "customers": customers,
        "interviews": said(interviews, "interviewed_at"),
        "survey_values": said(surveys, "answered_at"),
    }


# Kappa


def two_by_two(a, b, c, d):
    """Cases of a fourfold table as two lists: both yes, yes-no, no-yes, both no."""
    return ["y"] * (a + b) + ["n"] * (c + d), ["y"] * a + ["n"] * b + ["y"] * c + ["n"] * d


@pytest.mark.parametrize(
    ("cells", "kappa"),
    [
        ((20, 5, 10, 15), 0.4),  # observed .7, chance .5 · .6 + .5 · .4 = .5
        ((45, 15, 25, 15), 0.06 / 0.46),  # observed .6, chance .6 · .7 + .4 · .3 = .54
        ((25, 35, 5, 35), 0.14 / 0.54),  # observed .6, chance .6 · .3 + .4 · .7 = .46
        ((0, 5, 5, 0), -1.0),
    ],
)
def test_kappa_of_two_by_hand(cells, kappa):
    assert cohen_kappa(*two_by_two(*cells)).value == pytest.approx(kappa, abs=1e-12)


def random_ratings(seed, n, categories, agree):
    rng = np.random.default_rng(seed)
    first = rng.choice(categories, n, p=rng.dirichlet(np.ones(categories)))
    second = np.where(rng.random(n) < agree, first, rng.integers(0, categories, n))
    return list(first), list(second)


def test_kappa_of_two_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    for seed in range(20):
        first, second = random_ratings(seed, 60, 2 + seed % 5, seed / 20)
        expected = metrics.cohen_kappa_score(first, second)
        assert cohen_kappa(first, second).value == pytest.approx(expected, abs=1e-12)


def test_its_error_is_that_of_the_delta_method():
    """Kappa as a function of the cells of the table, differentiated numerically."""

    def kappa(cells):
        cells = cells / cells.sum()
        observed, chance = np.trace(cells), cells.sum(axis=1) @ cells.sum(axis=0)
        return (observed - chance) / (1 - chance)

    for seed in range(5):
        first, second = random_ratings(seed, 200, 3, 0.6)
        cells = np.zeros((3, 3))
        for one, other in zip(first, second, strict=True):
            cells[one, other] += 1 / 200
        slope = np.empty((3, 3))
        for cell in np.ndindex(3, 3):
            step = np.zeros((3, 3))
            step[cell] = 1e-6
            slope[cell] = (kappa(cells + step) - kappa(cells - step)) / 2e-6
        # The cells are a multinomial sample.
        variance = ((cells * slope**2).sum() - (cells * slope).sum() ** 2) / 200
        found = cohen_kappa(first, second)
        half = (found.high - found.low) / 2
        assert half == pytest.approx(1.959964 * math.sqrt(variance), rel=1e-4)


@pytest.mark.slow
def test_its_interval_holds_what_it_promises():
    rng = np.random.default_rng(1)
    share, rounds, held = np.array([0.5, 0.3, 0.2]), 1_500, 0
    truth = 0.7  # a second source that repeats the first with chance .7, else draws anew
    for _ in range(rounds):
        first = rng.choice(3, 150, p=share)
        second = np.where(rng.random(150) < truth, first, rng.choice(3, 150, p=share))
        found = cohen_kappa(list(first), list(second))
        held += found.low <= truth <= found.high
    assert abs(held / rounds - 0.95) < 4 * math.sqrt(0.95 * 0.05 / rounds) + 0.01


def test_where_all_agree_kappa_is_1_and_not_for_sure():
    found = cohen_kappa(["x"] * 6 + ["y"] * 4, ["x"] * 6 + ["y"] * 4)
    wilson = rk.wilson_interval(10, 10)
    assert found.value == found.high == pytest.approx(1)
    assert found.low == pytest.approx((wilson.low - 0.52) / 0.48)


def test_kappa_that_cannot_be_computed():
    assert cohen_kappa(["x"] * 5, ["x"] * 5) is None
    assert fleiss_kappa([[3, 0], [3, 0]]) is None
    with pytest.raises(DataError, match="found 0 and 0 values"):
        cohen_kappa([], [])
    with pytest.raises(DataError, match="the same number of values"):
        fleiss_kappa([[3, 0], [1, 1]])


def test_kappa_of_several_is_the_published_one():
    # The worked example that goes with Fleiss (1971): 14 raters, 10 cases, 5 categories, .210.
    table = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    assert fleiss_kappa(table) == pytest.approx(0.210, abs=5e-4)


# Fields and conflicts by hand


def small():
    return company(
        interviews=[
            ("c0", "industry", "Retail ", "2024-01-01"),  # blanks and case are no difference
            ("c1", "industry", "health", "2024-01-01"),  # older, does not count
            ("c1", "industry", "retail", "2024-02-01"),
            ("c2", "industry", "software", "2024-01-01"),
            ("c9", "industry", "retail", "2024-01-01"),  # nobody else knows c9
            ("c0", "budget", "high", "2024-01-01"),
        ],
        surveys=[
            ("c0", "industry", "retail", "2024-01-05"),
            ("c2", "industry", "health", "2024-01-05"),
            ("c3", "industry", "finance", "2024-01-05"),
            ("c4", "industry", "  ", "2024-01-05"),  # nothing was said
            ("c4", "industry", "retail", "2023-01-05"),
        ],
        industry=["retail", "retail", "health", "finance", None],
    )


def test_a_field_by_hand():
    found = rk.quality.triangulate(small())
    row = found.fields.set_index("field").loc["industry"]
    # c0, c2 in three sources; c1 and c3 in two; c4 and c9 in one.
    assert row[["crm", "interview", "survey"]].tolist() == [4, 4, 4]
    assert row[["two", "three", "compared", "agree", "conflicts"]].tolist() == [2, 2, 4, 3, 1]
    wilson = rk.wilson_interval(3, 4)
    assert row[["share", "low", "high"]].tolist() == [wilson.value, wilson.low, wilson.high]
    assert (row["status"], row["rule"]) == ("measured", "equal")
    assert (found.compared, found.agree, found.customers) == (4, 3, 6)
    conflict = found.conflicts.iloc[0]
    assert len(found.conflicts) == 1
    assert conflict[["customer_id", "field", "crm", "interview", "survey"]].tolist() == [
        "c2", "industry", "health", "software", "health",
    ]  # fmt: skip
    assert conflict["odd_one_out"] == "interview"
    pairs = found.pairs.set_index(["first", "second"])
    assert pairs["customers"].tolist() == [3, 3, 2]
    assert pairs["agree"].tolist() == [2, 3, 1]
    # CRM r r h, interview r r s: observed 2/3, chance 2/3 · 2/3.
    assert pairs.loc[("crm", "interview"), "kappa"] == pytest.approx((2 / 3 - 4 / 9) / (5 / 9))
    # Three values each of c0 (r r r) and c2 (h s h).
    observed, shares = (1 + 1 / 3) / 2, np.array([3, 2, 1]) / 6
    chance = shares @ shares
    assert row["fleiss_kappa"] == pytest.approx((observed - chance) / (1 - chance))


def test_a_field_of_one_source_is_not_measurable():
    found = rk.quality.triangulate(small(), ["budget", "color"]).fields.set_index("field")
    assert found["status"].to_dict() == {"budget": "one source only", "color": "no values"}
    assert found[["share", "low", "high", "fleiss_kappa"]].isna().all(axis=None)
    apart = company([("c0", "budget", "high", "2024-01-01")], budget=[None, "low"])
    apart = rk.quality.triangulate(apart, ["budget"])
    assert apart.fields["status"].tolist() == ["one source only"]
    assert len(apart.conflicts) == 0


def test_customers_of_different_sources_cannot_be_compared():
    tables = company(
        [("c0", "size", "big", "2024-01-01")], [("c1", "size", "big", "2024-01-01")], other=["x"]
    )
    assert rk.quality.triangulate(tables).fields["status"].tolist() == [
        "no customer in two sources"
    ]


def numbers():
    return company(
        [(f"c{i}", "fit", value, "2024-01-01") for i, value in enumerate(["3", "3.0", "2.5", "1"])],
        fit=[3.0, 3.4, 3.0, 4.0],
    )


@pytest.mark.parametrize(
    ("options", "conflicts", "rule"),
    [
        ({}, ["c1", "c2", "c3"], "equal"),
        ({"tolerance": {"fit": 0.5}}, ["c3"], "within 0.5"),
        ({"tolerance": {"fit": 0.4}}, ["c2", "c3"], "within 0.4"),  # 3.4 - 3.0 is not above .4
        ({"bands": {"fit": [2, 3]}}, ["c2", "c3"], "bands 2, 3"),  # 3 is of the upper band
        ({"bands": {"fit": [2.5]}}, ["c3"], "bands 2.5"),
    ],
)
def test_numbers_agree_as_stated(options, conflicts, rule):
    found = rk.quality.triangulate(numbers(), **options)
    assert found.conflicts["customer_id"].tolist() == conflicts
    assert found.fields["rule"].tolist() == [rule]
    # A tolerance makes no categories.
    assert found.pairs["kappa"].isna().all() == ("tolerance" in options)


def test_scores_of_surveys_stand_for_satisfaction():
    tables = company(
        [("c0", "satisfaction", "4", "2024-01-01"), ("c1", "satisfaction", "2", "2024-01-01")]
    )
    tables["feedback"] = pd.DataFrame(
        {
            "customer_id": ["c0", "c0", "c1", "c1"],
            "kind": ["csat", "csat", "csat", "nps"],
            "answered_at": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-02-01", "2024-03-01"]),
            "score": [1.0, 4.0, 5.0, 2.0],
        }
    )
    found = rk.quality.triangulate(tables)
    assert found.conflicts[["customer_id", "interview", "survey"]].to_numpy().tolist() == [
        ["c1", "2", "5"]
    ]
    assert found.fields["agree"].tolist() == [1]


# The world plants disagreements and lists them


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_planted_conflicts_are_found_and_no_other(seed):
    tables = ["customers", "interviews", "survey_values"]
    world = rk.simulate_world(2_000, seed=seed, accounts=800, tables=tables)
    found = rk.quality.triangulate(world.tables)
    listed = world.truth["faults"]
    planted = set(listed.loc[listed["kind"] == "disagreement", "key"])
    assert len(planted) > 30
    assert set(found.conflicts["customer_id"] + "/" + found.conflicts["field"]) == planted


def test_a_clean_world_agrees():
    world = rk.simulate_world(500, seed=1, accounts=400, faults=None)
    found = rk.quality.triangulate(world.tables)
    assert found.compared == found.agree > 300
    assert len(found.conflicts) == 0


# Privacy, sources, faults


def test_values_of_personal_fields_stay_behind_and_ids_become_pseudonyms():
    tables = company(
        [("c0", "decision_maker", "Ada Li", "2024-01-01"), ("c1", "region", "West", "2024-01-01")],
        decision_maker=["Bo Ma", "Bo Ma"],
        region=["North", "North"],
    )
    conflicts = rk.quality.triangulate(tables).conflicts
    assert conflicts[["crm", "interview"]].to_numpy().tolist() == [["…", "…"], ["North", "West"]]
    with showing(Privacy(show_personal=True)):
        conflicts = rk.quality.triangulate(tables).conflicts
    assert conflicts["interview"].tolist() == ["Ada Li", "West"]
    from relkit.privacy import protected

    assert not set(protected(conflicts)["customer_id"]) & {"c0", "c1"}


def test_fewer_than_two_sources_are_not_supplied():
    tables = small()
    only = {"customers": tables["customers"]}
    assert rk.quality.try_triangulation(only) == NotSupplied(("interviews", "survey_values"))
    with pytest.raises(DataError, match="not supplied: interviews, survey_values"):
        rk.quality.triangulate(only)
    without_crm = {name: tables[name] for name in ("interviews", "survey_values")}
    found = rk.quality.triangulate(without_crm).fields.set_index("field").loc["industry"]
    assert found[["crm", "two", "three", "conflicts"]].tolist() == [0, 2, 0, 1]


def test_faults_are_said():
    with pytest.raises(DataError, match="values are no numbers, but the rule is 'within 1'"):
        rk.quality.triangulate(small(), tolerance={"industry": 1})
    with pytest.raises(ParameterError) as fault:
        rk.quality.triangulate(
            small(), tolerance={"industri": 1, "budget": -1}, bands={"budget": []}
        )
    assert [text.split(":")[0] for text in fault.value.faults] == [
        "industri",
        "budget has both a tolerance and bands",
        "tolerance of budget",
        "bands of budget",
    ]
    assert "did you mean 'industry'" in fault.value.faults[0]
    with pytest.raises(ParameterError, match="at least one field"):
        rk.quality.triangulate(small(), [])
