"""Sums by weeks in arm: against a plain loop over customers on a small world."""

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.data.experiment_periods import experiment_periods, satisfaction_totals
from relkit.errors import ParameterError

WINDOW, ENDS = 20, (1, 4, 13, 20)
SUMS = ("revenue", "complaints")


@pytest.fixture(scope="module")
def world():
    return rk.simulate_world(customers=250, accounts=10, seed=6, faults=None)


@pytest.fixture(scope="module")
def source(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("periods") / "world"
    written = rk.write_world(folder, customers=250, accounts=10, seed=6, faults=None)
    return rk.open_source(written.source, as_of="2025-06-29")


@pytest.fixture(scope="module")
def outcomes(source):
    return rk.experiment_outcomes(source, WINDOW, 26, 8)


@pytest.fixture(scope="module")
def by_week(world, outcomes):
    """customer → (weeks, metric) array of what it did in each week, by a loop."""
    who = outcomes.to_frame().set_index("customer_id")
    found = {customer: np.zeros((WINDOW, 2)) for customer in who.index}
    tickets = world.tables["tickets"]
    bought, asked = world.tables["transactions"], tickets[tickets["kind"] == "complaint"]
    for rows, at, column in ((bought, "occurred_at", 0), (asked, "opened_at", 1)):
        for row in rows.itertuples():
            if row.customer_id not in who.index:
                continue
            since = getattr(row, at) - who.loc[row.customer_id, "assigned_at"]
            week = since // pd.Timedelta(weeks=1)
            if 0 <= week < WINDOW:
                found[row.customer_id][week, column] += row.amount if column == 0 else 1.0
    return who, found


@pytest.mark.parametrize("kind", ["within", "so_far"])
def test_sums_by_period(source, outcomes, by_week, kind):
    who, found = by_week
    table = getattr(experiment_periods(source, outcomes, ENDS), kind)
    table = table.set_index(["tier", "arm", "period"])
    begins = (0, *ENDS[:-1]) if kind == "within" else (0,) * len(ENDS)
    for (tier, arm), own in who.groupby(["tier", "arm"]):
        for period, (begin, end) in enumerate(zip(begins, ENDS, strict=True)):
            y = np.array([found[customer][begin:end].sum(0) for customer in own.index])
            x, row = own["x"].to_numpy(), table.loc[(tier, arm, period)]
            assert row["n"] == len(own)
            assert row["sum_x2"] == pytest.approx((x * x).sum())
            for i, name in enumerate(SUMS):
                assert row[f"sum_{name}"] == pytest.approx(y[:, i].sum())
                assert row[f"sum_x_{name}"] == pytest.approx((x * y[:, i]).sum())
                for j in range(i, 2):
                    product = (y[:, i] * y[:, j]).sum()
                    assert row[f"sum_{name}_{SUMS[j]}"] == pytest.approx(product)


def test_lengths(source, outcomes):
    assert experiment_periods(source, outcomes, ENDS).weeks == (1, 3, 9, 7)


@pytest.mark.parametrize("ends", [(), (0, 4), (4, 4), (8, 4), (4, 21)])
def test_weeks_that_cannot_be(source, outcomes, ends):
    with pytest.raises(ParameterError, match="weeks"):
        experiment_periods(source, outcomes, ends)


def test_satisfaction(world, source, outcomes):
    who = outcomes.to_frame().set_index("customer_id")
    rows = world.tables["feedback"]
    rows = rows[(rows["kind"] == "csat") & rows["score"].notna()]
    rows = rows[rows["customer_id"].isin(who.index)].copy()
    rows["share"] = (rows["score"] - rows["scale_min"]) / (rows["scale_max"] - rows["scale_min"])
    start = rows["customer_id"].map(who["assigned_at"])
    end = start + pd.Timedelta(weeks=WINDOW)
    rows = rows[(rows["answered_at"] >= start) & (rows["answered_at"] < end)]
    each = rows.groupby("customer_id")["share"].agg(["sum", "size"]).join(who[["tier", "arm"]])
    totals = satisfaction_totals(source, outcomes).set_index(["tier", "arm"])
    assert len(each) >= 20
    assert totals["n"].sum() == len(each)
    for cell, own in each.groupby(["tier", "arm"]):
        assert totals.loc[cell, "sum_satisfaction"] == pytest.approx(own["sum"].sum())
        assert totals.loc[cell, "sum_size"] == own["size"].sum()
        product = (own["sum"] * own["size"]).sum()
        assert totals.loc[cell, "sum_satisfaction_size"] == pytest.approx(product)
