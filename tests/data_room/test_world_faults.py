"""Planted faults: at their rates, each on the list, and nothing else changed."""

import math

import pandas as pd
import pytest

import relkit as rk

SIGMAS = 4.0
RATES = {
    "missing_customer": 0.002,
    "negative_amount": 0.002,
    "future_date": 0.001,
    "hundredfold_amount": 0.001,
    "unknown_customer": 0.001,
    "duplicate": 0.003,
}
WANTED = ["transactions", "customers", "engagement", "interviews", "survey_values"]


@pytest.fixture(scope="module")
def worlds():
    """The same world with faults and without."""
    return tuple(
        rk.simulate_world(40_000, seed=9, faults=faults, tables=WANTED)
        for faults in ("planted", None)
    )


@pytest.fixture(scope="module")
def listed(worlds):
    return worlds[0].truth["faults"]


def test_the_clean_world_has_none(worlds):
    clean = worlds[1]
    assert len(clean.truth["faults"]) == 0
    rows = clean.tables["transactions"]
    assert rows["transaction_id"].is_unique
    assert rows["customer_id"].notna().all()
    assert (rows["amount"] > 0).all()


def test_rates(worlds, listed):
    n = len(worlds[1].tables["transactions"])
    counts = listed["kind"].value_counts()
    for kind, rate in RATES.items():
        assert abs(counts[kind] - n * rate) < SIGMAS * math.sqrt(n * rate)
    values = sum(len(worlds[1].tables[name]) for name in ("interviews", "survey_values"))
    assert abs(counts["disagreement"] - 0.05 * values) < SIGMAS * math.sqrt(0.05 * values)
    again = (worlds[1].tables["transactions"]["customer_id"].value_counts() > 1).sum()
    assert abs(counts["second_id"] - 0.005 * again) < SIGMAS * math.sqrt(0.005 * again)
    assert counts["source_stops"] == 1


def test_every_changed_cell_of_the_transactions_is_listed_and_no_other(worlds, listed):
    planted, clean = (w.tables["transactions"].set_index("transaction_id") for w in worlds)
    mine = listed[listed["table"] == "transactions"]
    twice = planted.index[planted.index.duplicated()]
    assert sorted(twice) == sorted(mine.loc[mine["kind"] == "duplicate", "key"])
    pairs = planted.loc[twice.unique()]
    assert (pairs.groupby(level=0).nunique(dropna=False) == 1).all().all()
    planted = planted[~planted.index.duplicated()]
    assert planted.index.equals(clean.index)
    second = set(listed.loc[listed["kind"] == "second_id", "key"])
    for column in clean.columns:
        differs = ~(
            planted[column].eq(clean[column]) | (planted[column].isna() & clean[column].isna())
        )
        moved = planted["customer_id"].isin(second) if column == "customer_id" else False
        changed = planted.index[differs.fillna(True) & ~moved]
        wanted = mine[(mine["column"] == column)]
        assert sorted(changed) == sorted(wanted["key"]), column


def test_what_each_fault_looks_like(worlds, listed):
    planted, clean = (w.tables["transactions"].set_index("transaction_id") for w in worlds)
    planted = planted[~planted.index.duplicated()]
    key = {kind: rows["key"].to_list() for kind, rows in listed.groupby("kind")}
    assert planted.loc[key["missing_customer"], "customer_id"].isna().all()
    negative = key["negative_amount"]
    assert (planted.loc[negative, "amount"] == -clean.loc[negative, "amount"]).all()
    large = key["hundredfold_amount"]
    ratio = planted.loc[large, "amount"] / clean.loc[large, "amount"]
    assert ratio.to_numpy() == pytest.approx(100)
    assert (planted.loc[key["future_date"], "occurred_at"] >= "2099-01-01").all()
    known = set(worlds[0].tables["customers"]["customer_id"])
    unknown = planted["customer_id"].dropna()
    assert sorted(unknown.index[~unknown.isin(known)]) == sorted(key["unknown_customer"])


def test_the_list_says_what_was_and_what_became_of_it(worlds, listed):
    clean = worlds[1].tables["transactions"].set_index("transaction_id")
    rows = listed[listed["kind"].isin(["negative_amount", "hundredfold_amount"])]
    was = clean.loc[rows["key"], "amount"].to_numpy()
    assert rows["was"].astype(float).to_numpy() == pytest.approx(was)
    gone = listed[listed["kind"] == "missing_customer"]
    assert gone["became"].isna().all()
    assert gone["was"].str.startswith("SYN-C").all()


def test_the_same_person_under_two_ids(worlds, listed):
    planted, clean = (w.tables for w in worlds)
    pairs = listed[listed["kind"] == "second_id"]
    added = set(planted["customers"]["customer_id"]) - set(clean["customers"]["customer_id"])
    assert added == set(pairs["key"])
    people = planted["customers"].set_index("customer_id")
    first, second = people.loc[pairs["was"]], people.loc[pairs["key"]]
    assert (first["email"].str.lower().to_numpy() == second["email"].str.lower().to_numpy()).all()
    for same in ("name", "phone", "birthday"):
        assert (first[same].to_numpy() == second[same].to_numpy()).all()
    assert len(people) - people["email"].str.lower().nunique() == len(pairs)
    # In the clean world all purchases are the first id's; the later ones moved to the second.
    rows = clean["transactions"].set_index("transaction_id")
    now = planted["transactions"].drop_duplicates("transaction_id").set_index("transaction_id")
    of_pair = dict(zip(pairs["was"], pairs["key"], strict=True))
    mine = rows[rows["customer_id"].isin(of_pair)].copy()
    mine["now"] = now["customer_id"].loc[mine.index]
    kept = mine[mine["now"].isin(pairs["was"])].groupby("customer_id")["occurred_at"].max()
    moved = mine[mine["now"].isin(pairs["key"])]
    assert (moved["now"] == moved["customer_id"].map(of_pair)).all()
    begun = moved.groupby("customer_id")["occurred_at"].min()
    both = kept.index.intersection(begun.index)
    assert len(both) > 0.95 * len(pairs)
    assert (kept[both] < begun[both]).all()
    other = ~now["customer_id"].isin([*pairs["was"], *pairs["key"]])
    assert not now["customer_id"][other].isin(pairs["key"]).any()


def test_values_that_disagree_are_listed(worlds, listed):
    for name in ("interviews", "survey_values"):
        planted, clean = (w.tables[name] for w in worlds)
        changed = planted["value"] != clean["value"]
        mine = listed[(listed["table"] == name)]
        keys = planted["customer_id"] + "/" + planted["field"]
        assert sorted(keys[changed]) == sorted(mine["key"])
        crm = worlds[0].tables["customers"].set_index("customer_id")
        record = [
            crm.at[c, f] for c, f in zip(planted["customer_id"], planted["field"], strict=True)
        ]
        assert ((planted["value"] != record) == changed).all()


def test_a_feed_that_stopped(worlds, listed):
    planted, clean = (w.tables["engagement"] for w in worlds)
    stop = listed[listed["kind"] == "source_stops"].iloc[0]
    begin, end = map(pd.Timestamp, stop["key"].split("/"))
    assert end - begin == pd.Timedelta(days=14)
    silent = clean["date"].between(begin, end, inclusive="left")
    assert int(stop["was"]) == silent.sum() > 0
    pd.testing.assert_frame_equal(planted, clean[~silent].reset_index(drop=True))
    weeks = planted["date"].drop_duplicates().sort_values()
    assert (weeks.diff() > pd.Timedelta(days=7)).sum() == 1


def test_without_accounts_the_touches_stop():
    world = rk.simulate_world(3_000, accounts=0, tables=["touches"])
    stop = world.truth["faults"].query("kind == 'source_stops'").iloc[0]
    begin, end = map(pd.Timestamp, stop["key"].split("/"))
    assert stop["table"] == "touches"
    assert not world.tables["touches"]["occurred_at"].between(begin, end, inclusive="left").any()


def test_own_rates():
    faults = rk.WorldFaults(*[0.0] * 8, silent_weeks=0)
    none = rk.simulate_world(2_000, seed=1, faults=faults, tables=WANTED)
    clean = rk.simulate_world(2_000, seed=1, faults=None, tables=WANTED)
    assert len(none.truth["faults"]) == 0
    for name in WANTED:
        pd.testing.assert_frame_equal(none.tables[name], clean.tables[name])
    many = rk.simulate_world(
        2_000, seed=1, faults=rk.WorldFaults(duplicate=0.1), tables=["transactions"]
    )
    twice = many.tables["transactions"]["transaction_id"].duplicated().mean()
    assert twice == pytest.approx(0.1 / 1.1, abs=0.015)
