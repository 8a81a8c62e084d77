"""Transactions kept by customer and day give the very figures that merging anew gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.data import daily
from relkit.data.sources import open_source


@pytest.fixture
def shop(project, monkeypatch):
    """Several purchases a day, refunds, customers with nothing but refunds, odd ids."""
    rng = np.random.default_rng(4)
    rows = 3_000
    frame = pd.DataFrame(
        {
            "customer": rng.choice(["b", "a", "10", "9", "客户", *map(str, range(100, 400))], rows),
            "at": pd.Timestamp("2025-01-01")
            + pd.to_timedelta(rng.integers(0, 200 * 24, rows), unit="h"),
            "amount": np.round(rng.normal(20, 15, rows), 2),
        }
    )
    frame.loc[len(frame)] = ["only refunds", pd.Timestamp("2025-02-01"), -3.0]
    frame.to_parquet(project / "data/shop.parquet")
    (project / "params/sources/shop.yaml").write_text(
        "name: S\nformat: parquet\nfiles: data/shop.parquet\n"
        "transactions: {customer_id: customer, occurred_at: at, amount: amount}\n"
    )
    monkeypatch.setattr(daily, "ROWS_WORTH_KEEPING", 1)
    return open_source("params/sources/shop.yaml")


@pytest.mark.parametrize("as_of", ["2025-07-25", "2025-03-10"])
@pytest.mark.parametrize("grain", ["day", "exact", "week"])
def test_the_summary_is_the_same_either_way(shop, as_of, grain):
    assert daily.kept_daily(shop.transactions) is not None
    merged_anew = shop.transactions.filter(shop.transactions.amount < 1e6)
    assert daily.kept_daily(merged_anew) is None
    kept = rk.rfm_summary(shop.transactions, as_of=as_of, unit="week", grain=grain)
    anew = rk.rfm_summary(merged_anew, as_of=as_of, unit="week", grain=grain)
    pd.testing.assert_frame_equal(kept, anew)
    assert kept.attrs == anew.attrs
    assert kept.attrs["refund_only_customers"] >= 1


def test_what_a_notebook_filters_is_counted_as_filtered(shop):
    rows = shop.transactions
    few = rk.rfm_summary(rows.filter(rows.customer_id == "a"), as_of="2025-07-25")
    assert few["customer_id"].tolist() == ["a"]


def test_sources_do_not_share_what_is_kept(shop, project):
    pd.DataFrame(
        {"customer": ["z"], "at": [pd.Timestamp("2025-05-05")], "amount": [1.0]}
    ).to_parquet(project / "data/shop.parquet")
    other = open_source("params/sources/shop.yaml")
    assert rk.rfm_summary(other.transactions, as_of=other.as_of)["customer_id"].tolist() == ["z"]
    assert len(rk.rfm_summary(shop.transactions, as_of="2025-07-25")) > 100
