"""Holes and overlaps against brute force: every point of a lattice, every customer by Python."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.errors import DataError, ParameterError
from relkit.segments.rule_cells import axes_of, region
from relkit.segments.rule_health import FIRES, NOT_SEEN, OUTRANKED, SHADOWED

VARIABLES = {"R": "days", "F": "times, whole, at least 0", "M": "spent", "S": "seen, yes or no"}
COLUMNS = {"R": "days", "F": "times", "M": "spent", "S": "seen"}


def random_rules(rng):
    """A rule set as a file would have it: 2 to 4 tiers, each with 1 to 3 clauses."""

    def comparison():
        name = rng.choice(["R", "F", "M", "S"], p=[0.35, 0.3, 0.25, 0.1])
        if name == "S":
            return f"S = {rng.choice(['yes', 'no'])}"
        sign = rng.choice(["<", "<=", ">", ">=", "=", "!="], p=[0.22, 0.22, 0.22, 0.22, 0.06, 0.06])
        limit = rng.choice([1, 2, 3, 4.5, 6]) if name == "F" else rng.choice([10, 20, 30.5, 40])
        return f"{name} {sign} {limit:g}"

    def clause():
        parts = [comparison() for _ in range(rng.integers(1, 4))]
        if len(parts) == 3 and rng.random() < 0.6:
            return f"({parts[0]} or {parts[1]}) and {parts[2]}"
        return f" {rng.choice(['and', 'or'])} ".join(parts)

    while True:
        tiers = {
            f"t{k}": {"clauses": [clause() for _ in range(rng.integers(1, 4))]}
            for k in range(rng.integers(2, 5))
        }
        said = " ".join(text for body in tiers.values() for text in body["clauses"])
        where = {k: v for k, v in VARIABLES.items() if re.search(rf"\b{k}\b", said)}
        try:
            return rk.tier_rules({"where": where, "tiers": tiers})
        except ParameterError as fault:
            if "can never be true" not in str(fault):  # a contradiction is drawn again
                raise


def said_by_python(text, point):
    """What Python itself makes of a clause; shares nothing with the parser under test."""
    text = re.sub(r"(?<![<>!=])=(?!=)", "==", text)
    return bool(eval(text, {"yes": 1, "no": 0}, point))


def matched_by_python(rules, point):
    return [
        tier.name
        for tier in rules.tiers
        if any(said_by_python(clause.text, point) for clause in tier.clauses)
    ]


def lattice(names):
    """Points on, between and beyond all thresholds; whole numbers for F."""
    values = {
        "R": [-1, 0, 5, 10, 15, 20, 25, 30, 30.5, 35, 40, 45],
        "F": [0, 1, 2, 3, 4, 5, 6, 7],
        "M": [-1, 10, 12, 20, 30, 30.5, 31, 40, 99],
        "S": [0, 1],
    }
    for point in itertools.product(*(values[name] for name in names)):
        yield dict(zip(names, point, strict=True))


def in_box(box, point):
    return all(
        said_by_python(f"{bound.variable.name} {sign} {value}", point)
        for bound in box.bounds
        for sign, value in bound.conditions()
    )


@pytest.mark.parametrize("seed", range(50))
def test_the_proof_equals_brute_force_on_every_point(seed):
    rng = np.random.default_rng(seed)
    rules = random_rules(rng)
    proof = rk.prove_rules(rules)
    assert proof.proved
    names = [variable.name for variable in rules.variables]
    points = list(lattice(names))
    if len(points) > 400:
        points = [points[i] for i in rng.choice(len(points), 400, replace=False)]
    pairs = {frozenset(overlap.tiers): overlap.cover.boxes for overlap in proof.overlaps}
    for point in points:
        matched = matched_by_python(rules, point)
        assert any(in_box(box, point) for box in proof.holes.boxes) == (not matched), point
        for pair in map(frozenset, itertools.combinations(rules.names, 2)):
            both = any(in_box(box, point) for box in pairs.get(pair, ()))
            assert both == (pair <= set(matched)), (pair, point)


@pytest.mark.parametrize("seed", range(50))
def test_the_counts_equal_brute_force_on_a_random_population(seed):
    rng = np.random.default_rng(seed)
    rules = random_rules(rng)
    n = 40
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(n)],
            # Half on a threshold, half off it.
            "days": rng.choice([5, 10, 15, 20, 30, 30.5, 40, 41], n),
            "times": rng.integers(0, 8, n),
            "spent": rng.choice([9.99, 10, 20, 30.5, 30.51, 40, 50], n),
            "seen": rng.random(n) < 0.5,
            "money": rng.integers(1, 100, n).astype(float),
        }
    )
    health = rk.rules_health(frame, rules, revenue="money")
    matched = []
    for row in frame.to_dict("records"):
        point = {name: row[column] for name, column in COLUMNS.items()}
        matched.append(matched_by_python(rules, point))
    order = [rules.precedence.index(tier) for tier in rules.names]
    assert order == list(range(len(order)))  # as they stand
    tiers = [found[0] if found else "unassigned" for found in matched]
    assert list(health.assignment.customers["tier"]) == tiers
    assert list(health.assignment.customers["matched"]) == [len(found) for found in matched]
    counts = np.array([len(found) for found in matched])
    money = frame["money"].to_numpy()
    assert health.in_none["customers"] == (counts == 0).sum()
    assert health.in_none["revenue"] == pytest.approx(money[counts == 0].sum())
    assert health.in_several["customers"] == (counts > 1).sum()
    assert health.in_several["revenue"] == pytest.approx(money[counts > 1].sum())
    assert health.holes["added"].sum() == (counts == 0).sum()
    for pair in health.overlaps[["tier", "other"]].drop_duplicates().itertuples(index=False):
        both = sum(set(pair) <= set(found) for found in matched)
        mine = (health.overlaps["tier"] == pair.tier) & (health.overlaps["other"] == pair.other)
        assert health.overlaps.loc[mine, "added"].sum() == both
    cells = health.grid()
    assert cells["customers"].sum() == n
    assert cells["none"].sum() == (counts == 0).sum()
    assert cells["several"].sum() == (counts > 1).sum()


@pytest.mark.parametrize("seed", range(25))
def test_each_box_is_as_large_as_it_can_be(seed):
    # One cell more on any side would leave the hole.
    rules = random_rules(np.random.default_rng(1000 + seed))
    proof = rk.prove_rules(rules)
    conditions = [clause.condition for tier in rules.tiers for clause in tier.clauses]
    axes = axes_of(conditions, rules.variables)
    hole = ~np.logical_or.reduce([region(condition, axes) for condition in conditions])
    covered = np.zeros_like(hole)
    for chosen in proof.holes.slices:
        assert hole[np.ix_(*chosen)].all()
        covered[np.ix_(*chosen)] = True
        for number, axis in enumerate(axes):
            for cell in range(axis.size):
                one = np.arange(axis.size) == cell
                beside = chosen[number][max(cell - 1, 0) : cell + 2].any()
                if chosen[number][cell] or not beside:
                    continue
                wider = [*chosen[:number], one, *chosen[number + 1 :]]
                assert not hole[np.ix_(*wider)].all()
    assert (covered == hole).all()


def rules_of(tiers, **where):
    return rk.tier_rules({"where": where, "tiers": tiers})


def holes_of(tiers, **where):
    return [box.text() for box in rk.prove_rules(rules_of(tiers, **where)).holes.boxes]


def test_holes_in_words():
    assert holes_of({"a": "R <= 60", "b": "R >= 90"}) == ["R > 60 and R < 90"]
    assert holes_of({"a": "R < 30", "b": "R > 30"}) == ["R = 30"]
    assert holes_of({"a": "R < 30", "b": "R >= 30"}) == []
    # Whole numbers: nothing lies between 3 and 4.
    assert holes_of({"a": "F <= 3", "b": "F >= 4"}, F="n, whole") == []
    assert holes_of({"a": "F <= 3", "b": "F >= 4"}, F="n") == ["F > 3 and F < 4"]
    assert holes_of({"a": "F <= 3", "b": "F > 4.5"}, F="n, whole") == ["F = 4"]
    # What cannot be is no hole.
    assert holes_of({"a": "R > 0", "b": "R = 0"}, R="n, at least 0") == []
    assert holes_of({"a": "R > 0"}, R="n, at least 0") == ["R = 0"]
    assert holes_of({"a": "k > 0 % and k < 100 %"}, k="rank of clv") == []
    assert holes_of({"a": "k <= 10 %", "b": "k > 30 %"}, k="rank of clv") == [
        "k > 10 % and k <= 30 %"
    ]
    assert holes_of({"a": "s = yes"}, s="x, yes or no") == ["s = no"]
    assert holes_of({"a": "w in (east, west)"}, w="x, words") == ["w != 'east' and w != 'west'"]
    assert holes_of({"a": "w != east"}, w="x, words") == ["w = 'east'"]
    # Two names of one column are one thing.
    assert holes_of({"a": "A <= 5", "b": "B > 5"}, A="x", B="x") == []


# The care plan's limits, as they stand in the source: holes found by hand, going through
# each letter with the other two left free.
def test_the_care_plan_has_the_holes_that_can_be_seen_by_hand():
    rules = rk.read_tier_rules("params/tiers/four_tiers_limits.yaml")
    holes = rk.prove_rules(rules).holes.boxes

    def hole(r, f, m):
        return any(in_box(box, {"R": r, "F": f, "M": m}) for box in holes)

    assert hole(75, 3, 5000)  # 60 < R < 90 is nobody's
    assert hole(30, 8, 9999.5)  # M between 9,999 and 10,000 is nobody's
    assert hole(31, 8, 20_000)  # eight purchases, a day too long ago
    assert hole(45, 2, 2000)  # F = 2 within 90 days
    assert not hole(30, 8, 10_000)
    assert not hole(60, 3, 9999)
    assert not hole(90, 2, 1000)
    assert not hole(183, 5, 5000)
    assert hole(182, 5, 5000)


def test_clauses_that_never_fire_are_told_apart():
    rules = rules_of(
        {
            "a": {"clauses": {"wide": "x >= 10", "inside": "x > 20"}},
            "b": {"clauses": {"narrow": "x = 15", "low": "x < 5", "far": "x < -50"}},
            "c": {"clauses": {"rest": "x < 12"}},
        }
    )
    frame = pd.DataFrame({"customer_id": list("pqr"), "x": [11.0, 15.0, 3.0], "money": 1.0})
    found = rk.rules_health(frame, rules, revenue="money").clauses.set_index("clause")
    assert found["status"].to_dict() == {
        "wide": FIRES,
        "inside": SHADOWED,
        "narrow": SHADOWED,
        "low": FIRES,
        "far": SHADOWED,  # by 'low', before it in the same tier
        "rest": OUTRANKED,  # true of 11 and 3, which a and b took; 7 would be its own
    }
    assert found["true_for"].to_dict()["rest"] == 2
    assert found["fired"].sum() == 3
    alone = rk.rules_health(frame.head(1), rules, revenue="money").clauses.set_index("clause")
    assert alone.loc["low", "status"] == NOT_SEEN


def test_customers_who_lack_a_value_are_counted_and_in_no_hole():
    rules = rules_of({"a": "x > 5 or y = 1", "b": "x <= 5"})
    frame = pd.DataFrame(
        {"customer_id": list("pqr"), "x": [6.0, None, None], "y": [0, 1, 0], "money": [1.0, 2, 4]}
    )
    health = rk.rules_health(frame, rules, revenue="money")
    assert health.proof.covers_everybody
    assert list(health.assignment.customers["tier"]) == ["a", "a", "unassigned"]
    assert health.in_none.to_dict() == {
        "customers": 1, "share": pytest.approx(1 / 3), "revenue": 4, "revenue_share": 4 / 7,
    }  # fmt: skip
    missing = health.assignment.missing
    assert missing.to_dict("records") == [
        {"variable": "x", "column": "x", "customers": 2, "unassigned": 1}
    ]


def test_targets_beside_what_was_reached():
    rules = rules_of(
        {"a": {"share": "25 %", "clauses": "x > 5"}, "b": {"share": "60 %", "clauses": "x > 1"}}
    )
    frame = pd.DataFrame(
        {"customer_id": list("pqrs"), "x": [9.0, 3, 3, 0], "money": [10.0, 5, 5, 0]}
    )
    shares = rk.rules_health(frame, rules, revenue="money").shares
    assert shares["tier"].tolist() == ["a", "b", "unassigned"]
    assert shares["share"].tolist() == [0.25, 0.5, 0.25]
    assert shares["difference"].tolist()[:2] == pytest.approx([0, -0.1])
    assert np.isnan(shares["difference"].iloc[2])
    assert shares["revenue_share"].tolist() == [0.5, 0.5, 0]


def test_a_proof_that_would_be_too_large_says_so():
    tiers = {"a": " and ".join(f"x{k} > 1" for k in range(6))}
    rules = rules_of(tiers)
    assert rk.prove_rules(rules, limit=64).proved
    proof = rk.prove_rules(rules, limit=63)
    assert (proof.proved, proof.cells, proof.limit) == (False, 64, 63)
    assert not proof.covers_everybody
    assert not proof.holes.complete


def test_what_has_no_health():
    rules = rules_of({"a": "x > 5"})
    frame = pd.DataFrame({"customer_id": ["p"], "x": [6.0], "total_spend": [-3.0]})
    with pytest.raises(DataError, match=r"sums to -3\.00, and only a positive total has shares"):
        rk.rules_health(frame, rules)
    with pytest.raises(DataError, match="did you mean 'total_spend'"):
        rk.rules_health(frame, rules, revenue="total_spent")
    with pytest.raises(DataError, match="not a finite number in 1 rows"):
        rk.rules_health(frame.assign(total_spend=np.nan), rules)
    with pytest.raises(ParameterError, match="no variable 'y'"):
        rk.rules_health(frame.assign(total_spend=3.0), rules).grid(x="y")


def test_rules_of_one_variable_have_a_grid_of_one_row():
    rules = rules_of({"a": "x > 5", "b": "x > 3 and x < 7"})
    frame = pd.DataFrame({"customer_id": list("pqr"), "x": [6.0, 1.0, 9.0], "total_spend": 1.0})
    grid = rk.rules_health(frame, rules).grid()
    assert grid.to_dict("list") == {
        "x": [0, 1, 2, 3], "y": [0, 0, 0, 0], "customers": [1, 0, 1, 1],
        "none": [1, 0, 0, 0], "several": [0, 0, 1, 0],
    }  # fmt: skip
