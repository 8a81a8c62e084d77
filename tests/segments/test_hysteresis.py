"""Tiers that are held: by hand, against a plain loop, and what must never change them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relkit.errors import DataError, ParameterError
from relkit.segments.hysteresis import hold_tiers
from relkit.segments.tier_history import TierHistory, tier_history
from relkit.segments.tiers import rank_tiers

DAYS = [f"2024-{month:02d}-01" for month in range(1, 13)]


def ranked(shares, path):
    """One customer's way through rank shares (None: absent), tiers by their borders."""
    names = tuple("ABCDE"[: len(shares) + 1])
    cuts = np.cumsum(shares)
    rows = [
        (pd.Timestamp(day), "c0", 0.0, share, names[int(np.searchsorted(cuts, share))])
        for day, share in zip(DAYS, path, strict=False)
        if share is not None
    ]
    columns = ["as_of", "customer_id", "value", "rank_share", "tier"]
    frame = pd.DataFrame(rows, columns=columns)
    return TierHistory(frame, names, (*shares, 1 - sum(shares)), "clv")


def held(path, band=0.25, dwell=2, shares=(0.2, 0.3)):
    history = ranked(shares, path)
    # Somebody else is there every day, so that absence is one.
    last = history.names[-1]
    other = pd.DataFrame(
        [(pd.Timestamp(day), "zz", 0.0, 0.99, last) for day in DAYS[: len(path)]],
        columns=history.rows.columns,
    )
    rows = pd.concat([history.rows, other]).sort_values(["as_of", "customer_id"])
    both = TierHistory(rows.reset_index(drop=True), history.names, history.shares, "clv")
    found = hold_tiers(both, band, dwell).to_frame()
    return "".join(found.loc[found["customer_id"] == "c0", "tier"])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([0.3, 0.19], "BB"),  # computed A, but not the best 15 %: not at once
        ([0.3, 0.19, 0.3], "BBB"),  # there and back inside the band never shows
        ([0.3, 0.19, 0.19], "BBA"),  # it lasted for two days
        ([0.3, 0.14], "BA"),  # beyond the band: at once
        ([0.3, 0.15], "BA"),  # on the end of the band is beyond it
        ([0.19, 0.24, 0.24], "AAB"),
        ([0.19, 0.26], "AB"),  # below the best 25 %
        ([0.19, 0.25, 0.2], "AAA"),  # on the end of the band is still inside
        ([0.3, 0.6], "BB"),  # the border .5 with its band ends at .625
        ([0.3, 0.63], "BC"),
        ([0.3, 0.95, 0.01], "BCA"),  # two borders at once
        ([0.3, 0.19, None, 0.19, 0.19], "BBBA"),  # absence breaks the run
        ([0.3, 0.19, 0.55, 0.55], "BBCC"),  # two days away from B in a row, to C then
    ],
)
def test_by_hand(path, expected):
    assert held(path) == expected


def test_the_end_of_the_band_belongs_to_those_who_move_up_and_stay():
    assert held([0.6, 0.25], band=0.5, shares=(0.5,)) == "BA"
    assert held([0.4, 0.75], band=0.5, shares=(0.5,)) == "AA"
    # .3 × .75 and .28 × 1.25 are not .225 and .35 in floats.
    assert held([0.6, 0.225], shares=(0.3,)) == "BA"
    assert held([0.1, 0.35], shares=(0.28,)) == "AA"


def test_no_band_and_no_dwell_hold_nothing():
    path = [0.3, 0.19, 0.21, 0.6, 0.05, 0.49, 0.51]
    plain = "".join(ranked((0.2, 0.3), path).rows["tier"])
    assert held(path, band=0) == plain
    assert held(path, dwell=1) == plain
    assert held(path, band=None, dwell=1) == plain
    assert held(path, band=None, dwell=3) == "BBBBBBB"


def plain_loop(paths, shares, band, dwell):
    """The documented rule, customer by customer."""
    cuts = np.cumsum(shares)
    out = []
    for path in paths:
        tier, run, line = None, 0, []
        for share in path:
            if share is None:
                run = 0
                line.append(None)
                continue
            now = int(sum(share > cut for cut in cuts))
            if tier is None or now == tier:
                tier, run = now, 0
            else:
                run += 1
                if now < tier:
                    far = round(share - cuts[tier - 1] * (1 - band), 9) <= 0
                else:
                    far = round(share - cuts[tier] * (1 + band), 9) > 0
                if far or run >= dwell:
                    tier, run = now, 0
            line.append(tier)
        out.append(line)
    return out


def random_history(random, customers, days, shares):
    table = random.random((customers, days)).round(2)
    drift = np.clip(table.cumsum(axis=1) / np.arange(1, days + 1), 0, 1)
    names = tuple("ABCDE"[: len(shares) + 1])
    cuts = np.cumsum(shares)
    there = random.random((customers, days)) < 0.85
    rows = [
        (pd.Timestamp(DAYS[d]), f"c{c:03d}", drift[c, d], names[int(sum(drift[c, d] > cuts))])
        for d in range(days)
        for c in range(customers)
        if there[c, d]
    ]
    columns = ["as_of", "customer_id", "rank_share", "tier"]
    history = TierHistory(
        pd.DataFrame(rows, columns=columns), names, (*shares, 1 - sum(shares)), "clv"
    )
    paths = [[drift[c, d] if there[c, d] else None for d in range(days)] for c in range(customers)]
    return history, paths


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.1, 0.25, 0.6]), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_a_plain_loop_gives_the_same(seed, band, dwell):
    shares = (0.2, 0.3)
    history, paths = random_history(np.random.default_rng(seed), 8, 7, shares)
    found = hold_tiers(history, band, dwell)
    expected = plain_loop(paths, shares, band, dwell)
    table = found.held.places()
    ids = found.held.customer_ids()
    for row, customer in enumerate(ids):
        line = expected[int(customer[1:])]
        assert [None if p < 0 else p for p in table[: len(line), row]] == line[: len(table)]


@given(st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_holding_twice_changes_nothing_and_later_days_never_change_earlier_ones(seed):
    history, _ = random_history(np.random.default_rng(seed), 12, 8, (0.1, 0.2, 0.3))
    once = hold_tiers(history)
    pd.testing.assert_frame_equal(hold_tiers(once).to_frame(), once.to_frame())
    pd.testing.assert_frame_equal(hold_tiers(once.held).to_frame(), once.to_frame())
    days = history.rows["as_of"].unique()[:5]
    early = history.rows[history.rows["as_of"].isin(days)].reset_index(drop=True)
    first = hold_tiers(TierHistory(early, history.names, history.shares, "clv")).to_frame()
    rows = once.to_frame()
    pd.testing.assert_frame_equal(first, rows[rows["as_of"].isin(days)].reset_index(drop=True))


def test_flapping_by_hand():
    history = ranked((0.5,), [0.4, 0.6, 0.4, 0.4, 0.4])  # A B A A A
    changes, back = history.flapping()
    assert (changes, back) == (2 / 4, 1 / 3)
    table = history.changes()
    assert table["changed"].tolist() == [1, 1, 0, 0]
    assert table["there_and_back"].tolist() == [pd.NA, 1, 0, 0]
    both = hold_tiers(history, band=0.25).flapping().set_index("tiers")
    assert both.loc["held", "changes"] == 0
    assert both.loc["held", "differs"] == 1 / 5


def test_price_by_hand():
    ids = ["a", "b", "c", "d"]
    one = rank_tiers(ids, [4, 3, 2, 1], (0.5,))
    two = rank_tiers(ids, [4, 2.9, 3, 1], (0.5,))  # c passes b, and stays inside a wide band
    history = tier_history({"2024-01-01": one, "2024-04-01": two})
    found = hold_tiers(history, band=0.9)
    later = pd.DataFrame(
        {
            "as_of": ["2024-04-01"] * 5,
            "customer_id": ["a", "b", "c", "c", "stranger"],
            "revenue": [50.0, 10.0, 30.0, 10.0, 1000.0],
        }
    )
    price = found.price(later)
    assert price.to_frame()["revenue"].tolist() == [100.0]
    assert (price.captured_computed, price.captured_held) == (0.9, 0.6)
    assert price.lost == pytest.approx(0.3)
    assert price.to_frame()["size_held"].tolist() == [0.5]
    with pytest.raises(ParameterError, match="best=2 must be 1 to 1"):
        found.price(later, best=2)
    with pytest.raises(DataError, match="no day of the history has revenue after it"):
        found.price(later.assign(revenue=0.0))
    with pytest.raises(DataError, match="column revenue is missing"):
        found.price(later.drop(columns="revenue"))


def test_a_history_comes_in_any_order_and_says_what_it_lacks():
    one, two = (rank_tiers(["b", "a"], values, (0.5,)) for values in ([1.0, 2.0], [2.0, 1.0]))
    history = tier_history({"2024-04-01": two, "2024-01-01": one})
    assert [str(day) for day in history.dates] == ["2024-01-01", "2024-04-01"]
    assert history.at("2024-01-01")["customer_id"].tolist() == ["a", "b"]
    assert history.migration().counts["up"] == 1
    with pytest.raises(ParameterError, match="2024-02-01 is not in the history"):
        history.at("2024-02-01")
    with pytest.raises(ParameterError, match="stands twice"):
        tier_history([("2024-01-01", one), ("2024-01-01", two)])
    with pytest.raises(ParameterError, match="at least one day"):
        tier_history({})
    with pytest.raises(ParameterError, match="must be a day"):
        tier_history({"soon": one})
    with pytest.raises(ParameterError, match="holds one day"):
        tier_history({"2024-01-01": one}).migration()
    with pytest.raises(ParameterError, match=r"are x, y, those of other days A, B"):
        tier_history({"2024-01-01": one, "2024-04-01": rank_tiers(["a"], [1], (0.5,), ["x", "y"])})
    with pytest.raises(DataError, match="three days running"):
        history.flapping()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"band": 25}, r"band=25 must be in \[0, 1\), or None; give 25 % as 0.25"),
        ({"band": -0.1}, "must be in"),
        ({"dwell": 0}, "dwell=0 must be 1 or more"),
        ({"dwell": 1.5}, "dwell=1.5 must be 1 or more"),
    ],
)
def test_what_cannot_be_held_by(arguments, message):
    with pytest.raises(ParameterError, match=message):
        hold_tiers(ranked((0.5,), [0.1]), **arguments)


def test_rules_have_no_border_to_be_near():
    frame = pd.DataFrame({"customer_id": ["a"], "tier": ["x"]})
    history = tier_history({"2024-01-01": frame, "2024-02-01": frame}, names=["x", "y"])
    with pytest.raises(ParameterError, match="give band=None"):
        hold_tiers(history)
    assert hold_tiers(history, band=None).to_frame()["tier"].tolist() == ["x", "x"]
    with pytest.raises(ParameterError, match="not DataFrame"):
        hold_tiers(frame)
