"""From tier to tier: counted by hand, and against plain loops on random histories."""

from collections import Counter
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from relkit.errors import DataError, ParameterError
from relkit.segments.migration import ENTERED, LEFT, tier_migration
from relkit.segments.tiers import rank_tiers

NAMES = ("A", "B", "C")


def tiers(**who):
    """customer=(tier, value)"""
    return pd.DataFrame(
        [(customer, *rest) for customer, rest in who.items()],
        columns=["customer_id", "tier", "value"],
    )


BEFORE = tiers(ann=("A", 10.10), bob=("B", 5.05), cat=("B", 4.0), dan=("C", 1.0))
AFTER = tiers(bob=("A", 9.99), cat=("B", 4.5), dan=("C", 0.1), eve=("C", 2.0))


def test_by_hand():
    found = tier_migration(BEFORE, AFTER, NAMES)
    table = found.matrix()
    assert table.loc["A"].tolist() == [0, 0, 0, 1, 1]  # ann left
    assert table.loc["B"].tolist() == [1, 1, 0, 0, 2]  # bob up, cat same
    assert table.loc["C"].tolist() == [0, 0, 1, 0, 1]
    assert table.loc[ENTERED].tolist() == [0, 0, 1, 0, 1]  # eve
    assert table.loc["total"].tolist() == [1, 1, 2, 1, 5]
    assert found.counts == {"up": 1, "same": 2, "down": 0, "entered": 1, "left": 1}
    assert found.moved_share == 1 / 3
    change = found.matrix("value_change")
    assert change.loc["B", "A"] == 4.94
    assert change.loc["A", LEFT] == -10.10
    assert change.loc["total", "total"] == -3.56
    assert found.rates().loc["B"].tolist() == [0.5, 0.5, 0, 0]


def test_totals_are_those_of_the_two_days():
    totals = tier_migration(BEFORE, AFTER, NAMES).totals().set_index("tier")
    assert totals["customers_before"].tolist() == [1, 2, 1]
    assert totals["customers_after"].tolist() == [1, 1, 2]
    assert totals["value_before"].tolist() == [10.10, 9.05, 1.0]
    assert totals["value_after"].tolist() == [9.99, 4.5, 2.1]


def random_day(random, everyone):
    """Some of the customers, in random order, some of them standing twice."""
    there = [c for c in everyone if random.random() < 0.8] or everyone[:1]
    rows = [(c, random.choice(NAMES), round(random.random() * 1000, 2)) for c in there]
    rows += [rows[i] for i in random.integers(len(rows), size=random.integers(4))]
    frame = pd.DataFrame(rows, columns=["customer_id", "tier", "value"])
    return frame.sample(frac=1, random_state=int(random.integers(1 << 30)))


@pytest.mark.parametrize("seed", range(50))
def test_fifty_random_histories_add_up_exactly(seed):
    random = np.random.default_rng(seed)
    everyone = [f"c{i}" for i in range(int(random.integers(1, 60)))]
    before, after = random_day(random, everyone), random_day(random, everyone)
    found = tier_migration(before, after, NAMES)
    was = {c: (t, Decimal(str(v))) for c, t, v in before.itertuples(index=False)}
    now = {c: (t, Decimal(str(v))) for c, t, v in after.itertuples(index=False)}
    expected = Counter()
    money = Counter()
    for customer in was.keys() | now.keys():
        cell = (was.get(customer, (ENTERED,))[0], now.get(customer, (LEFT,))[0])
        expected[cell] += 1
        money[cell] += now.get(customer, (0, Decimal(0)))[1]
        money[cell] -= was.get(customer, (0, Decimal(0)))[1]
    for row in found.to_frame().itertuples(index=False):
        assert row.customers == expected[row.before, row.after]
        assert Decimal(str(row.value_change)) == money[row.before, row.after]
    table = found.matrix()
    assert table.loc["total", "total"] == len(was.keys() | now.keys())
    for tier in NAMES:
        assert table.loc[tier, "total"] == sum(t == tier for t, _ in was.values())
        assert table.loc["total", tier] == sum(t == tier for t, _ in now.values())
    total = found.matrix("value_change").loc["total", "total"]
    assert Decimal(str(total)) == sum(v for _, v in now.values()) - sum(v for _, v in was.values())


def test_results_of_relkit_need_no_names_and_tiers_without_value_have_no_money():
    ids = [f"c{i}" for i in range(20)]
    before, after = rank_tiers(ids, np.arange(20.0)), rank_tiers(ids, np.arange(20.0)[::-1])
    found = tier_migration(before, after)
    assert found.names == ("A", "B", "C")
    assert found.matrix().loc["A", "C"] == 2
    bare = tier_migration(before.to_frame()[["customer_id", "tier"]], after, NAMES)
    assert not bare.has_value
    with pytest.raises(ParameterError, match="value_change needs a column 'value'"):
        bare.matrix("value_change")


def test_numbers_and_categories_as_tiers():
    before = pd.DataFrame({"customer_id": [1, 2], "tier": [1, 2]})
    assert tier_migration(before, before, [1, 2]).matrix().loc["1", "1"] == 1
    ordered = before.assign(tier=pd.Categorical(["B", "A"], categories=["A", "B"]))
    assert tier_migration(ordered, ordered).names == ("A", "B")


@pytest.mark.parametrize(
    ("before", "message"),
    [
        (tiers(ann=("a", 1.0)), r"unknown tier 'a' in 1 rows; known are A, B, C"),
        (tiers(ann=("A", np.nan)), "value before is not a finite number in 1 rows"),
        (tiers(ann=(None, 1.0)), "empty in 1 rows"),
        (BEFORE.iloc[:0], "no customers"),
        (pd.concat([BEFORE, tiers(ann=("B", 1.0))]), "1 customers stand in two tiers"),
        (BEFORE.drop(columns="tier"), "column tier is missing"),
        (tiers(ann=("A", 1e16)), "too much to be held to the cent"),
    ],
)
def test_tiers_that_cannot_be_compared(before, message):
    with pytest.raises(DataError, match=message):
        tier_migration(before, AFTER, NAMES)


def test_an_error_shows_no_id():
    torn = pd.concat([BEFORE, tiers(Xy7=("B", 1.0), Zz=("A", 1.0)), tiers(Xy7=("A", 1.0))])
    with pytest.raises(DataError) as caught:
        tier_migration(torn, AFTER, NAMES)
    assert "Xy7" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((BEFORE, AFTER), "which tier is above which.*there are A, B, C"),
        ((BEFORE, AFTER, ["A", "A"]), "each once"),
        ((3, AFTER, NAMES), "must be tiers"),
        ((BEFORE, AFTER, [*NAMES, LEFT]), "no tier may be called"),
        ((rank_tiers(["a"], [1.0]), rank_tiers(["a"], [1.0], names=["x", "y", "z"])), "same tiers"),
    ],
)
def test_tiers_without_an_order(arguments, message):
    with pytest.raises(ParameterError, match=message):
        tier_migration(*arguments)


def test_nobody_on_both_days_has_no_share():
    found = tier_migration(tiers(a=("A", 1.0)), tiers(b=("A", 1.0)), NAMES)
    with pytest.raises(DataError, match="both days"):
        _ = found.moved_share
    assert np.isnan(found.rates().loc["B"]).all()
    with pytest.raises(ParameterError, match="did you mean 'customers'"):
        found.matrix("custmers")
