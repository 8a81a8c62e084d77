"""What was supplied, and when a feed was silent: hand-made feeds, and planted silences."""

import datetime as dt
import hashlib
import json

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.data.contracts import TABLES, contracts
from relkit.data.quality.source_inventory import LEAST_STEPS, silences
from relkit.errors import ParameterError

START = dt.date(2024, 1, 1)  # a Monday


def days_at(offsets):
    return [START + dt.timedelta(days=int(n)) for n in sorted(set(offsets))]


def found(offsets, last=None, **options):
    days = days_at(offsets)
    as_of = days[-1] if last is None else START + dt.timedelta(days=last)
    gaps = silences("touches", days, as_of, **options)
    return [((gap.first - START).days, gap.days, gap.still_silent) for gap in gaps]


def test_a_daily_feed_that_stops_for_two_weeks():
    offsets = [n for n in range(365) if not 100 <= n < 114]
    assert found(offsets) == [(100, 14, False)]


def test_a_weekly_feed_that_stops_for_two_weeks_misses_two_mondays():
    offsets = [n for n in range(0, 700, 7) if not 140 <= n < 154]
    assert found(offsets) == [(140, 14, False)]
    assert found(range(0, 700, 7)) == []


def test_two_equal_silences_do_not_excuse_each_other():
    offsets = [n for n in range(0, 700, 7) if not 140 <= n < 154 and not 350 <= n < 364]
    assert found(offsets) == [(140, 14, False), (350, 14, False)]


def test_a_feed_that_has_not_come_back():
    assert found(range(200), last=219) == [(200, 20, True)]
    assert found(range(0, 700, 7), last=699) == []


def test_weekends_are_no_silences_but_two_weeks_are():
    working = [n for n in range(728) if n % 7 < 5]
    assert found(working) == []
    assert found(working, min_gap_days=1) == []
    stopped = [n for n in working if not 364 <= n < 378]
    assert found(stopped) == [(362, 16, False)]  # with the weekend before


def test_two_days_every_second_week_are_a_rhythm():
    assert found([n for n in range(700) if n % 14 < 2]) == []


def test_rare_events_are_not_missed_for_a_while():
    """Days that come by chance alone: at most a few in a hundred such feeds list anything."""
    rng = np.random.default_rng(20)
    listed = [
        bool(found(np.flatnonzero(rng.random(1000) < rate)))
        for rate in (0.03, 0.1, 0.3, 0.8)
        for _ in range(50)
    ]
    assert sum(listed) <= 4


def test_a_growing_shop_is_not_silent_in_its_first_weeks():
    rng = np.random.default_rng(3)
    listed = [
        bool(found(np.flatnonzero(rng.random(800) < np.minimum(1, 0.2 + np.arange(800) / 300))))
        for _ in range(50)
    ]
    assert sum(listed) <= 1


def test_too_few_days_say_nothing():
    assert found([*range(LEAST_STEPS - 1), 300]) == []


@pytest.mark.parametrize(("customers", "seed"), [(300, 1), (300, 2), (1_000, 3), (1_000, 4)])
@pytest.mark.parametrize("faults", ["planted", None])
def test_the_planted_silence_is_listed_and_nothing_else(customers, seed, faults):
    world = rk.simulate_world(customers, seed=seed, faults=faults)
    planted = world.truth["faults"].query("kind == 'source_stops'")
    wanted = [(row.table, *row.key.split("/")) for row in planted.itertuples()]
    assert len(wanted) == (faults is not None)
    listed = []
    for name, rows in world.tables.items():
        if (column := contracts()[name].dated_by) is not None:
            days = pd.to_datetime(rows[column]).dt.date
            days = sorted(set(days[days <= world.as_of]))
            for gap in silences(name, days, world.as_of):
                back = gap.last + dt.timedelta(days=1)
                listed.append((name, gap.first.isoformat(), back.isoformat()))
    assert listed == wanted


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    wanted = ["transactions", "customers", "engagement", "interviews"]
    return rk.write_world(tmp_path_factory.mktemp("w") / "w", 600, seed=8, tables=wanted)


def test_the_inventory_of_a_world(world):
    source = rk.open_source(
        world.source, as_of=world.as_of, later_rows="set_aside", max_set_aside=1.0
    )
    supplied = rk.quality.inventory(source)
    frame = supplied.to_frame().set_index("table")
    until = pd.Timestamp(world.as_of) + pd.Timedelta(days=1)
    for name, column in (("engagement", "date"), ("interviews", "interviewed_at")):
        rows = pd.read_parquet(world.folder / "data" / f"{name}.parquet")
        days = rows.loc[rows[column] < until, column].dt.normalize()
        assert frame.loc[name, "read"] == len(rows)
        assert frame.loc[name, "used"] == len(days)
        assert frame.loc[name, "first"] == days.min()
        assert frame.loc[name, "last"] == days.max()
        assert frame.loc[name, "days_with_rows"] == days.nunique()
        assert frame.loc[name, "days_since_last"] == (pd.Timestamp(world.as_of) - days.max()).days
    assert pd.isna(frame.loc["customers", "first"])
    assert pd.isna(frame.loc["customers", "gaps"])
    assert frame.loc["engagement", "gaps"] == 1
    assert set(supplied.missing) == set(TABLES) - set(frame.index)
    faults = pd.read_parquet(world.folder / "truth/faults.parquet")
    stop = faults.loc[faults["kind"] == "source_stops", "key"].iloc[0].split("/")
    gap = supplied.gaps_frame().iloc[0]
    assert (gap["first"], gap["days"]) == (pd.Timestamp(stop[0]), 14)
    assert gap["last"] == pd.Timestamp(stop[1]) - pd.Timedelta(days=1)


def test_files_and_their_hashes(world):
    source = rk.open_source(
        world.source, as_of=world.as_of, later_rows="set_aside", max_set_aside=1.0
    )
    files = rk.quality.inventory(source).files_frame().set_index("table")
    record = json.loads((world.folder / "world.json").read_text())
    for name in world.rows:
        path = world.folder / "data" / f"{name}.parquet"
        assert files.loc[name, "sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert files.loc[name, "sha256"] in json.dumps(record)
        assert files.loc[name, "bytes"] == path.stat().st_size
        assert files.loc[name, "rows"] == len(pd.read_parquet(path))


@pytest.mark.parametrize("days", [0, -7, 7.0, True])
def test_a_silence_that_cannot_be_meant(make_source, days):
    source = rk.open_source(make_source("customer,day,amount\na,2025-01-01,1\n"))
    with pytest.raises(ParameterError, match="min_gap_days"):
        rk.quality.inventory(source, min_gap_days=days)


def test_a_shop_of_one_day(make_source):
    source = rk.open_source(make_source("customer,day,amount\na,2025-01-01,1\n"))
    supplied = rk.quality.inventory(source)
    (one,) = supplied.tables
    assert (one.read, one.days_with_rows, one.days_since_last, one.gaps_known) == (1, 1, 0, False)
    assert supplied.gaps == ()
    assert pd.isna(supplied.to_frame()["gaps"].iloc[0])
