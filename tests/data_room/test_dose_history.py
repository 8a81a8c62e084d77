"""Contacts, then outcomes, as a loop over customers counts them; the world's own history."""

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.errors import DataError, ParameterError

CUT, BEFORE, AFTER, LATELY = pd.Timestamp("2024-04-01"), 26, 20, 8
TABLES = ["transactions", "customers", "touches", "tickets"]


@pytest.fixture(scope="module")
def world():
    return rk.simulate_world(customers=700, seed=4, faults=None, accounts=0, tables=TABLES)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    written = rk.write_world(
        tmp_path_factory.mktemp("dose") / "world", 700, seed=4, faults=None, accounts=0,
        tables=TABLES,
    )  # fmt: skip
    return rk.open_source(written.source, as_of="2025-06-29")


@pytest.fixture(scope="module")
def history(source):
    return rk.dose_history(source, str(CUT.date()), BEFORE, AFTER, LATELY)


def test_every_customer_is_counted_as_by_hand(history, world):
    begun, until = CUT - pd.Timedelta(weeks=BEFORE), CUT + pd.Timedelta(weeks=AFTER)
    bought, touched = world.tables["transactions"], world.tables["touches"]
    touched = touched[(touched["direction"] == "outbound") & touched["delivered"]]
    tickets = world.tables["tickets"]
    rows = []
    for one, own in bought.groupby("customer_id"):
        known = own[own.occurred_at < begun]
        if known.empty:
            continue
        sent = touched[touched.customer_id == one].occurred_at
        after = own[(own.occurred_at >= CUT) & (own.occurred_at < until)]
        asked = tickets[(tickets.customer_id == one) & (tickets.kind == "complaint")].opened_at
        rows.append(
            {
                "customer_id": one,
                "contacts": int(((sent >= begun) & (sent < CUT)).sum()),
                "purchases_before": len(known),
                "spend_before": known.amount.sum(),
                "revenue": after.amount.sum(),
                "purchases": len(after),
                "retained": float((after.occurred_at >= until - pd.Timedelta(weeks=LATELY)).any()),
                "complaints": int(((asked >= CUT) & (asked < until)).sum()),
            }
        )
    hand = pd.DataFrame(rows).sort_values("customer_id", ignore_index=True)
    assert len(hand) > 200
    assert hand[["contacts", "revenue", "complaints"]].sum().min() > 0
    for name in hand.columns:
        if name == "customer_id":
            assert list(history.frame[name]) == list(hand[name])
        else:
            np.testing.assert_allclose(history.frame[name], hand[name], err_msg=name, atol=1e-6)
    months = BEFORE * 7 / 30.4375
    np.testing.assert_allclose(history.frame["per_month"], hand["contacts"] / months)
    assert (history.frame["weeks_since_last"] <= history.frame["weeks_since_first"]).all()


def test_the_history_of_the_world_says_more_contacts_more_revenue(history):
    frame = history.frame.assign(group=rk.dose_groups(history.frame["per_month"], 3))
    found = rk.naive_dose_effects(
        frame, "group", "revenue", history.covariates, stopping="outcomes_after"
    )
    # Contacts went to those who bought: the truth is that more of them tire all but a few.
    assert found.highest == found.groups[-1]
    assert found.low[-1] > 0
    assert found.overlap.unlike_before > 0.3
    assert (found.grade, found.hypothesis_only) == ("C", True)


def test_tiers_are_kept_and_who_has_none_is_left_out(source, history):
    tiers = history.frame[["customer_id"]].head(50).assign(tier="gold")
    found = rk.dose_history(source, str(CUT.date()), BEFORE, AFTER, LATELY, tiers)
    assert len(found.frame) == 50
    assert set(found.frame["tier"]) == {"gold"}


def test_what_cannot_be_counted(source):
    with pytest.raises(ParameterError, match="weeks_before=0"):
        rk.dose_history(source, "2024-04-01", 0, 26, 8)
    with pytest.raises(DataError, match="whole window"):
        rk.dose_history(source, "2025-06-01", 26, 26, 8)
    with pytest.raises((DataError, ParameterError)):
        rk.dose_history(source, "2021-06-01", 26, 26, 8)
