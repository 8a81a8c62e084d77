"""A source before an experiment: every baseline by pandas, nothing later ever seen."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

import relkit as rk
from relkit.errors import DataError, ParameterError, SourceError
from relkit.studies.experiment_design import (
    before_start,
    day_before,
    intraclass_correlation,
    other_experiments,
)

PLAN = rk.read_plan(Path(__file__).parents[1] / "params" / "experiments" / "world.yaml")
START = pd.Timestamp("2024-09-30")
SINCE, BEFORE = START - pd.Timedelta(weeks=26), START - pd.Timedelta(weeks=52)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("design")
    rk.write_world(home / "world", 1_500, seed=7)
    return home / "world"


@pytest.fixture(scope="module")
def raw(folder):
    return {path.stem: pd.read_parquet(path) for path in (folder / "data").glob("*.parquet")}


def opened(folder, day=None):
    path = next(folder.rglob("params/sources/*.yaml"), None) or folder / "source.yaml"
    until = day_before(PLAN) if day is None else day
    return rk.open_source(path, as_of=until, later_rows="set_aside", max_set_aside=0.05)


@pytest.fixture(scope="module")
def source(folder):
    return opened(folder)


@pytest.fixture(scope="module")
def strata(folder):
    path = next(folder.rglob("params/sources/*.yaml"), None) or folder / "source.yaml"
    return rk.open_source(path, max_set_aside=0.05)


@pytest.fixture(scope="module")
def before(source, strata):
    return before_start(source, PLAN, "assignments", strata=strata)


@pytest.fixture(scope="module")
def by_hand(raw):
    """One row a customer that was there before the window, as anybody would count."""
    sales = raw["transactions"].drop_duplicates("transaction_id")
    sales = sales[sales["customer_id"].isin(raw["customers"]["customer_id"])]
    sales = sales[~((sales["kind"] == "purchase") & (sales["amount"] < 0))]
    people = raw["customers"].set_index("customer_id")["created_at"]
    first = sales.groupby("customer_id")["occurred_at"].min()
    known = pd.concat([people, first.reindex(people.index)], axis=1).min(axis=1)
    tier = raw["assignments"].set_index("customer_id")["stratum"]
    frame = pd.DataFrame({"known_on": known, "tier": tier}).dropna()
    assert len(frame) == 1_500
    frame = frame[frame["known_on"] < START]
    inside = sales[(sales["occurred_at"] >= SINCE) & (sales["occurred_at"] < START)]
    late = inside[inside["occurred_at"] >= START - pd.Timedelta(weeks=13)]
    earlier = sales[(sales["occurred_at"] >= BEFORE) & (sales["occurred_at"] < SINCE)]
    frame["revenue"] = inside.groupby("customer_id")["amount"].sum()
    frame["activity"] = inside[inside["kind"] == "purchase"].groupby("customer_id").size()
    frame["x"] = earlier.groupby("customer_id")["amount"].sum()
    late_buyers = late.loc[late["kind"] == "purchase", "customer_id"]
    frame["retained"] = frame.index.isin(late_buyers).astype(float)
    tickets = raw["tickets"]
    told = tickets[(tickets["opened_at"] >= SINCE) & (tickets["opened_at"] < START)]
    told = told[told["kind"] == "complaint"]
    frame["complaints"] = told.groupby("customer_id").size()
    touches = raw["touches"]
    sent = touches[(touches["occurred_at"] >= SINCE) & (touches["occurred_at"] < START)]
    gone = sent.loc[sent["unsubscribed"].fillna(False).astype(bool), "customer_id"]
    frame["unsubscribes"] = frame.index.isin(gone).astype(float)
    frame = frame.fillna({"revenue": 0.0, "x": 0.0, "complaints": 0.0, "activity": 0.0})
    frame["repurchase"] = (frame["activity"] > 0).astype(float)
    return frame


def test_baselines_equal_a_count_by_pandas(before, by_hand):
    old = by_hand[by_hand["known_on"] < SINCE]
    for tier in before.tiers:
        mine = old[old["tier"] == tier.tier]
        assert tier.measured == len(mine)
        assert tier.customers == (by_hand["tier"] == tier.tier).sum()
        arrived = ((by_hand["tier"] == tier.tier) & (by_hand["known_on"] >= SINCE)).sum()
        assert tier.arrivals_per_week == pytest.approx(arrived / 26)
        value = (
            0.35 * mine["revenue"]
            - 120 * mine["complaints"]
            + PLAN.residual_value[tier.tier] * mine["retained"]
        )
        columns = mine.assign(net_value=value, margin=0.35 * mine["revenue"])
        for name, b in tier.metrics.items():
            assert b.mean == pytest.approx(columns[name].mean()), (tier.tier, name)
            expected = np.corrcoef(columns[name], mine["x"])[0, 1] ** 2
            assert b.explained == pytest.approx(expected, abs=1e-9), (tier.tier, name)


def test_customers_are_those_known_before_the_start(before, by_hand):
    found = before.customers.set_index("customer_id")
    assert sorted(found.index) == sorted(by_hand.index)
    assert found.loc[by_hand.index, "activity"].tolist() == by_hand["activity"].tolist()
    assert found["known_on"].max() < START
    assert before.window == (SINCE.date(), (START - pd.Timedelta(days=1)).date())
    assert not before.late


def test_later_rows_change_nothing(folder, raw, before, strata, tmp_path):
    other = tmp_path / "world"
    shutil.copytree(folder, other)
    for name, column in (
        ("transactions", "occurred_at"),
        ("tickets", "opened_at"),
        ("touches", "occurred_at"),
    ):
        rows = raw[name]
        later = (rows[column] >= START) & (rows[column] < "2099-01-01")
        assert later.any()
        rows[~later].to_parquet(other / "data" / f"{name}.parquet")
    again = before_start(opened(other), PLAN, "assignments", strata=strata)
    pd.testing.assert_frame_equal(again.to_frame(), before.to_frame())
    pd.testing.assert_frame_equal(again.customers, before.customers)


@pytest.mark.slow
def test_data_of_the_experiment_itself_are_told(folder):
    found = before_start(opened(folder, "2024-12-29"), PLAN, "assignments")
    assert found.late
    # Even then the window ends before the start.
    assert found.window[1] == (START - pd.Timedelta(days=1)).date()
    assert found.customers["known_on"].max() < START


def test_tiers_by_spend_are_measured_in_the_tiers_of_their_time(source):
    shares = [0.1, 0.2, 0.4]
    found = before_start(source, PLAN, "spend", shares)
    # Those of today: the top tenth of everybody known, accounts and doubles too.
    assert found.tiers_from == "spend"
    spent = found.customers.groupby("tier")["spend"].mean()
    assert spent["high"] > spent["growth"] > spent["occasional"]
    # Chosen by what they did in the window, the high would look better than they are.
    chosen_after = found.customers[found.customers["tier"] == "high"]["spend"].mean()
    revenue = next(t for t in found.tiers if t.tier == "high").metrics["revenue"].mean
    assert revenue < chosen_after
    with pytest.raises(ParameterError, match="need 3, the last takes the rest"):
        before_start(source, PLAN, "spend", [0.5])


def test_tiers_and_units_come_from_files(source, before, tmp_path):
    tiers = before.customers[["customer_id", "tier"]]
    tiers.to_csv(tmp_path / "tiers.csv", index=False)
    from_file = before_start(source, PLAN, str(tmp_path / "tiers.csv"))
    assert from_file.tiers_from == "file"
    ours, theirs = from_file.to_frame(), before.to_frame()
    pd.testing.assert_frame_equal(ours, theirs)
    everybody = source.customers.select("customer_id").to_pyarrow().to_pandas()
    ids = everybody["customer_id"]
    units = pd.DataFrame({"customer_id": ids, "unit_id": [f"H{i // 3}" for i in range(len(ids))]})
    units.to_parquet(tmp_path / "units.parquet")
    plan = dataclasses.replace(PLAN, unit="household")
    path = str(tmp_path / "tiers.csv")
    tied = before_start(source, plan, path, units=str(tmp_path / "units.parquet"))
    b = tied.tiers[1].metrics["retained"]
    assert 1 < b.cluster_size <= 3
    # Households by number are strangers.
    assert 0 <= b.intraclass < 0.15
    units.iloc[5:].to_parquet(tmp_path / "short.parquet")
    with pytest.raises(DataError, match="have no unit_id"):
        before_start(source, plan, path, units=str(tmp_path / "short.parquet"))
    with pytest.raises(ParameterError, match="randomises by household"):
        before_start(source, plan, path)


def test_files_that_are_none_are_refused(source, tmp_path):
    with pytest.raises(SourceError):
        before_start(source, PLAN, str(tmp_path / "none.csv"))
    (tmp_path / "bad.csv").write_text("customer,tier\na,high\n")
    with pytest.raises(DataError, match="no column 'customer_id'"):
        before_start(source, PLAN, str(tmp_path / "bad.csv"))
    (tmp_path / "twice.csv").write_text("customer_id,tier\na,high\na,growth\nb,\n")
    with pytest.raises(DataError, match=r"1 rows with an empty cell(?s:.)*1 customers stand twice"):
        before_start(source, PLAN, str(tmp_path / "twice.csv"))
    (tmp_path / "other.csv").write_text("customer_id,tier\na,gold\n")
    with pytest.raises(DataError, match=r"in a tier of the plan \(high.*found gold"):
        before_start(source, PLAN, str(tmp_path / "other.csv"))


def test_other_experiments_are_all_assignments(strata, raw):
    found = other_experiments(strata)
    assert len(found) == len(raw["assignments"])
    assert set(found["experiment_id"]) == {"SYN-EXP-1"}


def test_intraclass_correlation_is_that_of_a_mixed_model():
    rng = np.random.default_rng(2)
    sizes = rng.integers(1, 6, 300)
    units = np.repeat(np.arange(300), sizes)
    values = rng.normal(0, 1, 300)[units] + rng.normal(0, 1.5, len(units))
    fit = MixedLM(values, np.ones((len(values), 1)), units).fit()
    shared = float(np.asarray(fit.cov_re)[0, 0])
    ours = intraclass_correlation(values, units)
    assert ours == pytest.approx(shared / (shared + fit.scale), abs=0.03)
    assert intraclass_correlation(values, np.arange(len(values))) == 0
    assert intraclass_correlation(np.repeat([1.0, 2.0, 5.0], 4), np.repeat([0, 1, 2], 4)) == 1
