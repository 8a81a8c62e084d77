"""What an experiment's customers did: against a plain pandas count on a small world."""

import itertools

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.data.experiment_outcomes import experiment_outcomes
from relkit.errors import DataError, ParameterError

WINDOW, BEFORE, LATELY = 20, 26, 8
AS_OF = pd.Timestamp("2025-06-29")


@pytest.fixture(scope="module")
def world():
    return rk.simulate_world(customers=300, seed=5, faults=None)


@pytest.fixture(scope="module")
def source(world, tmp_path_factory):
    written = rk.write_world(
        tmp_path_factory.mktemp("w") / "world", customers=300, seed=5, faults=None
    )
    return rk.open_source(written.source, as_of=str(AS_OF.date()))


@pytest.fixture(scope="module")
def outcomes(source):
    return experiment_outcomes(source, WINDOW, BEFORE, LATELY)


@pytest.fixture(scope="module")
def by_hand(world):
    """One row a customer, counted by a loop over customers."""
    of = {
        name: dict(list(world.tables[name].groupby("customer_id")))
        for name in ("transactions", "touches", "tickets")
    }
    rows = []
    for one in world.tables["assignments"].itertuples():
        start = one.assigned_at
        until = start + pd.Timedelta(weeks=WINDOW)
        if until > AS_OF + pd.Timedelta(days=1):
            continue
        bought = of["transactions"].get(one.customer_id, world.tables["transactions"].head(0))
        inside = bought[(bought.occurred_at >= start) & (bought.occurred_at < until)]
        before = bought[
            (bought.occurred_at < start)
            & (bought.occurred_at >= start - pd.Timedelta(weeks=BEFORE))
        ]
        touched = of["touches"].get(one.customer_id, world.tables["touches"].head(0))
        touched = touched[(touched.occurred_at >= start) & (touched.occurred_at < until)]
        asked = of["tickets"].get(one.customer_id, world.tables["tickets"].head(0))
        asked = asked[(asked.opened_at >= start) & (asked.opened_at < until)]
        rows.append(
            {
                "customer_id": one.customer_id,
                "tier": one.stratum,
                "arm": one.arm,
                "x": before.amount.sum(),
                "purchases": len(inside),
                "repurchase": float(len(inside) > 0),
                "revenue": inside.amount.sum(),
                "retained": float((inside.occurred_at >= until - pd.Timedelta(weeks=LATELY)).any()),
                "contacts": int(((touched.direction == "outbound") & touched.delivered).sum()),
                "unsubscribes": float(touched.unsubscribed.any()),
                "complaints": int((asked.kind == "complaint").sum()),
            }
        )
    return pd.DataFrame(rows).sort_values("customer_id", ignore_index=True)


def test_every_customer_is_counted_as_by_hand(outcomes, by_hand):
    frame = outcomes.to_frame()
    assert len(by_hand) > 200
    assert list(frame["customer_id"]) == list(by_hand["customer_id"])
    for name in by_hand.columns.drop(["customer_id", "tier", "arm"]):
        np.testing.assert_allclose(frame[name], by_hand[name], atol=1e-6, err_msg=name)
    assert (frame[["tier", "arm"]] == by_hand[["tier", "arm"]]).all().all()
    assert by_hand[["contacts", "complaints", "purchases"]].sum().min() > 0


def test_who_has_no_whole_window_is_counted(outcomes, by_hand):
    assert outcomes.assigned == 300
    assert outcomes.too_late == 300 - len(by_hand)


def test_totals_and_cross_products_by_hand(outcomes, by_hand):
    names = ["revenue", "retained", "complaints"]
    totals = outcomes.totals(names).set_index(["tier", "arm"])
    for key, rows in by_hand.groupby(["tier", "arm"]):
        row = totals.loc[key]
        assert row["n"] == len(rows)
        assert row["sum_x2"] == pytest.approx((rows["x"] ** 2).sum())
        for one, other in itertools.combinations_with_replacement(names, 2):
            assert row[f"sum_{one}_{other}"] == pytest.approx((rows[one] * rows[other]).sum())
        for one in names:
            assert row[f"sum_x_{one}"] == pytest.approx((rows["x"] * rows[one]).sum())


def test_units_that_were_randomised_together_are_added_up(outcomes, by_hand):
    units = by_hand.groupby(["tier", "arm"]).cumcount() // 3
    units = by_hand["tier"] + by_hand["arm"] + units.astype(str)
    clusters = pd.DataFrame({"customer_id": by_hand["customer_id"], "unit_id": units})
    totals = outcomes.totals(["revenue"], clusters).set_index(["tier", "arm"])
    added = by_hand.assign(unit=units, size=1.0).groupby(["tier", "arm", "unit"])
    added = added[["revenue", "size"]].sum().reset_index()
    for key, rows in added.groupby(["tier", "arm"]):
        row = totals.loc[key]
        assert row["n"] == len(rows)
        assert row["sum_revenue_size"] == pytest.approx((rows["revenue"] * rows["size"]).sum())
        assert row["sum_size_size"] == (rows["size"] ** 2).sum()


def test_units_that_are_split_or_missing(outcomes, by_hand):
    together = pd.DataFrame({"customer_id": by_hand["customer_id"], "unit_id": "one"})
    with pytest.raises(DataError, match="1 units have customers in several arms"):
        outcomes.totals(["revenue"], together)
    with pytest.raises(DataError, match="customers of the experiment have no unit_id"):
        outcomes.totals(["revenue"], together.head(5))


def test_what_is_asked_for_must_be_there(source, outcomes):
    with pytest.raises(ParameterError, match="no metric 'revenu' in these outcomes; did you mean"):
        outcomes.totals(["revenu"])
    with pytest.raises(ParameterError, match="no experiment 'SYN-EXP-2'"):
        experiment_outcomes(source, 20, 26, 8, experiment="SYN-EXP-2")
    with pytest.raises(DataError, match="none has a whole window of 60 weeks"):
        experiment_outcomes(source, 60, 26, 8)


@pytest.mark.parametrize(
    ("weeks", "said"),
    [
        ((0, 26, 8), "window_weeks=0"),
        ((20, -1, 8), "covariate_weeks=-1"),
        ((20, 26, 21), "retained_within_weeks=21 must lie inside window_weeks=20"),
        ((20.5, 26, 8), "window_weeks=20.5 must be a whole number"),
    ],
)
def test_lengths_that_cannot_be(source, weeks, said):
    with pytest.raises(ParameterError, match=said):
        experiment_outcomes(source, *weeks)


def test_without_assignments_there_is_no_experiment():
    source = rk.open_source("params/sources/cdnow_sample.yaml")
    with pytest.raises(DataError, match="not supplied: assignments"):
        experiment_outcomes(source, 10, 10, 5)


def test_tables_that_are_missing_are_named(source):
    class Without:
        """The source without its touches and tickets."""

        def has(self, name):
            return name not in ("touches", "tickets") and source.has(name)

        def __getattr__(self, name):
            return getattr(source, name)

    outcomes = experiment_outcomes(Without(), WINDOW, BEFORE, LATELY)
    assert outcomes.not_supplied == ("tickets", "touches")
    assert "complaints" not in outcomes.metrics
    with pytest.raises(ParameterError, match="tickets is not supplied"):
        outcomes.totals(["complaints"])


# ---- what the gates are given ------------------------------------------------------


@pytest.fixture(scope="module")
def checks(source, outcomes):
    return rk.experiment_checks(source, outcomes)


def test_everybody_who_was_assigned_is_counted(checks, world, outcomes):
    assigned = world.tables["assignments"]
    by_hand = assigned.groupby(["stratum", "arm"]).size()
    counted = checks.assigned.set_index(["tier", "arm"])["customers"]
    assert counted.to_dict() == by_hand.to_dict()
    late = checks.too_late.set_index(["tier", "arm"])
    assert late["customers"].to_dict() == by_hand.to_dict()
    assert late["too_late"].sum() == outcomes.too_late
    first = assigned["assigned_at"].min().normalize()
    weeks = (assigned["assigned_at"].dt.normalize() - first).dt.days // 7
    by_week = checks.assigned_by_week.set_index(["arm", "week"])["customers"]
    assert by_week.to_dict() == assigned.groupby(["arm", weeks.rename("week")]).size().to_dict()


def test_contacts_are_counted_as_by_hand(checks, by_hand, world):
    frame = checks.contacts.set_index(["tier", "arm"])
    own = by_hand.assign(contacted=by_hand["contacts"] > 0).groupby(["tier", "arm"])
    assert frame["customers"].to_dict() == own.size().to_dict()
    np.testing.assert_allclose(frame["delivered"], own["contacts"].sum().loc[frame.index])
    assert (frame["contacted"] >= own["contacted"].sum().loc[frame.index]).all()
    before = checks.before.set_index(["tier", "arm"])
    np.testing.assert_allclose(before["sum_x"], own["x"].sum().loc[before.index])


def test_a_contact_after_unsubscribing_is_found(world, source, outcomes):
    # The world keeps to it; one contact of somebody who unsubscribed is planted.
    assert rk.experiment_checks(source, outcomes).after_unsubscribing["after"].sum() == 0
    touches = world.tables["touches"].copy()
    inside = touches[touches["occurred_at"] >= "2024-10-15"]
    inside = inside[inside["customer_id"].str.startswith("SYN-C")]
    busy = inside["customer_id"].value_counts().index[0]
    earlier = inside.index[inside["customer_id"] == busy][0]
    touches["unsubscribed"] = touches["unsubscribed"].astype("boolean")
    touches.loc[earlier, "unsubscribed"] = True
    end = pd.Timestamp("2024-09-30") + pd.Timedelta(weeks=WINDOW)
    own = touches[touches["customer_id"] == busy]
    after = own[(own["occurred_at"] > own.loc[earlier, "occurred_at"]) & (own["occurred_at"] < end)]

    class Planted:
        """The source with the planted touches."""

        def __getattr__(self, name):
            import ibis

            return ibis.memtable(touches) if name == "touches" else getattr(source, name)

    found = rk.experiment_checks(Planted(), outcomes).after_unsubscribing
    assert found["after"].sum() == len(after) > 0
