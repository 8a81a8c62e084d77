"""The bridge of revenue: counted by hand, and to the cent on random histories."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from relkit.errors import DataError, ParameterError
from relkit.segments.bridge import NO_TIER, PARTS, tier_bridge

NAMES = ("A", "B", "C")


def tiers(**who):
    return pd.DataFrame(list(who.items()), columns=["customer_id", "tier"])


def revenue(*rows):
    return pd.DataFrame(list(rows), columns=["customer_id", "revenue"])


def example():
    before = tiers(ann="A", bob="B", cat="C", dan="B", eve="C", fay="A", gus="C")
    after = tiers(ann="B", bob="B", cat="A", dan="B", eve="C", gus="C", hal="C")
    first = revenue(
        ("ann", 100.10), ("bob", 50.0), ("cat", 10.0), ("dan", 7.77), ("fay", 3.0), ("gus", 0.0)
    )
    second = revenue(
        ("ann", 80.05), ("bob", 20.0), ("bob", 35.5), ("cat", 90.0), ("eve", 4.0),
        ("fay", 5.0), ("gus", -2.0), ("hal", 12.34),
    )  # fmt: skip
    return before, after, first, second


def test_by_hand():
    found = tier_bridge(*example(), NAMES)
    frame = found.to_frame().set_index("part")
    assert frame["amount"].to_dict() == {
        "new": 12.34,  # hal
        "reactivated": 4.0,  # eve
        "up": 80.0,  # cat, from C to A
        "same": 5.5,  # bob, two purchases in the second period
        "down": -20.05,  # ann
        "lapsed": -7.77,  # dan
        "untiered": 2.0,  # fay bought in both, and has no tier after
        "inactive": -2.0,  # gus: a refund of something older
    }
    assert frame["customers"].tolist() == [1] * 8
    assert (found.before, found.after, found.change) == (170.87, 244.89, 74.02)


def test_the_loss_of_a_tier_is_what_its_lapsed_customers_brought():
    # F02: the sum of lost revenue equals the bar 'lapsed'.
    found = tier_bridge(*example(), NAMES)
    by_tier = found.by_tier()
    lost = by_tier[by_tier["part"] == "lapsed"]
    assert lost[["tier", "customers", "amount"]].to_numpy().tolist() == [["B", 1, -7.77]]
    assert found.customers("lapsed")["before"].sum() == 7.77
    new = by_tier[by_tier["tier"] == NO_TIER]
    assert new["part"].tolist() == ["new"]


def test_customers_behind_a_part_largest_first():
    rows = tier_bridge(*example(), NAMES).customers()
    assert rows["customer_id"].iloc[0] == "cat"
    assert rows["amount"].abs().is_monotonic_decreasing
    assert rows[rows["customer_id"] == "hal"]["tier_before"].isna().all()
    with pytest.raises(DataError, match="must be one of new, reactivated"):
        tier_bridge(*example(), NAMES).customers("lost")


def random_history(seed):
    random = np.random.default_rng(1000 + seed)
    everyone = [f"c{i}" for i in range(int(random.integers(1, 80)))]

    def day():
        there = [c for c in everyone if random.random() < 0.75] or everyone[:1]
        frame = tiers(**{c: str(random.choice(NAMES)) for c in there})
        twice = frame.iloc[random.integers(len(frame), size=int(random.integers(4)))]
        return pd.concat([frame, twice]).sample(frac=1, random_state=int(random.integers(1e9)))

    def period():
        count = int(random.integers(1, 150))
        amounts = (random.gamma(1, 300, count) * random.choice([1, 1, 1, -0.3], count)).round(2)
        return revenue(*zip(random.choice(everyone, count), amounts, strict=True))

    return day(), day(), period(), period()


@pytest.mark.parametrize("seed", range(50))
def test_fifty_random_histories_add_up_to_the_cent(seed):
    before, after, first, second = random_history(seed)
    found = tier_bridge(before, after, first, second, NAMES)
    sums = [
        sum((Decimal(str(amount)) for amount in frame["revenue"]), Decimal(0))
        for frame in (first, second)
    ]
    frame = found.to_frame()
    assert [Decimal(str(found.before)), Decimal(str(found.after))] == sums
    assert Decimal(str(found.change)) == sums[1] - sums[0]
    for column, total in (("amount", sums[1] - sums[0]), ("before", sums[0]), ("after", sums[1])):
        assert sum(Decimal(str(each)) for each in frame[column]) == total
    seen = set(first["customer_id"]) | set(second["customer_id"])
    seen |= set(before["customer_id"]) | set(after["customer_id"])
    assert frame["customers"].sum() == len(seen)
    assert sum(Decimal(str(each)) for each in found.by_tier()["amount"]) == sums[1] - sums[0]
    rows = found.customers()
    assert len(rows) == rows["customer_id"].nunique() == len(seen)
    # Every customer again, from the words of the documentation.
    was, now = (dict(day.to_numpy().tolist()) for day in (before, after))
    spent = [frame.groupby("customer_id")["revenue"].sum().round(2) for frame in (first, second)]
    for row in rows.itertuples():
        one, two = (each.get(row.customer_id, 0.0) > 0 for each in spent)
        old, new = was.get(row.customer_id), now.get(row.customer_id)
        if two and not one:
            part = "reactivated" if old else "new"
        elif one and not two:
            part = "lapsed"
        elif not one:
            part = "inactive"
        elif old is None or new is None:
            part = "untiered"
        else:
            part = "same" if old == new else "up" if new < old else "down"
        assert row.part == part


def test_the_order_of_the_rows_changes_nothing():
    before, after, first, second = random_history(3)
    found = tier_bridge(before, after, first, second, NAMES)
    shuffled = [
        frame.sample(frac=1, random_state=5).set_axis([0] * len(frame))
        for frame in (before, after, first, second)
    ]
    again = tier_bridge(*shuffled, NAMES)
    pd.testing.assert_frame_equal(found.to_frame(), again.to_frame())
    pd.testing.assert_frame_equal(found.customers(), again.customers())


def test_sums_that_floats_get_wrong():
    # .1 ten times is .9999999999999999 in floats.
    tier = tiers(a="A")
    found = tier_bridge(tier, tier, revenue(*[("a", 0.1)] * 10), revenue(("a", 1.0)), NAMES)
    assert found.change == 0.0
    assert found.to_frame()["part"].tolist() == list(PARTS)


@pytest.mark.parametrize(
    ("place", "value", "error", "message"),
    [
        (2, revenue(("a", np.nan)), DataError, "revenue before is not a finite number"),
        (3, revenue((None, 1.0)), DataError, "revenue after: customer_id is empty in 1 rows"),
        (2, pd.DataFrame({"customer_id": ["a"]}), DataError, "column revenue is missing"),
        (0, tiers(a="Z"), DataError, "unknown tier 'Z'"),
        (0, tiers(), DataError, "no customers"),
        (4, None, ParameterError, "which tier is above which"),
    ],
)
def test_what_cannot_be_bridged(place, value, error, message):
    arguments = [*example(), NAMES]
    arguments[place] = value
    with pytest.raises(error, match=message):
        tier_bridge(*arguments)


def test_no_revenue_at_all_is_nothing_to_explain():
    tier = tiers(a="A")
    with pytest.raises(DataError, match="neither period has any revenue"):
        tier_bridge(tier, tier, revenue(), revenue(), NAMES)
