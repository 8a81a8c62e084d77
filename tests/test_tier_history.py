"""Tiers as of past days: nothing later decides them; what holding costs on the world."""

import datetime as dt
import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.data.summaries import summary_with_outcome
from relkit.errors import DataError, FitError, ParameterError

QUARTERS = [dt.date(2022, 1, 3) + dt.timedelta(days=7 * week - 1) for week in range(52, 157, 13)]


def world_of(seed, customers):
    made = rk.simulate_world(customers=customers, seed=seed, faults=None, tables=["transactions"])
    return made.tables["transactions"]


@pytest.fixture(scope="module")
def transactions():
    return world_of(5, 1500)


@pytest.mark.parametrize("by", ["clv", "past_spend", "rfm_sum"])
def test_later_rows_never_change_earlier_tiers(transactions, by):
    day = dt.date(2023, 12, 31)
    midnight = pd.Timestamp(day) + pd.Timedelta(days=1)
    known = transactions[transactions["occurred_at"] < midnight]
    random = np.random.default_rng(1)
    expected = rk.tiers_as_of(known, day, by=by).to_frame()
    for _ in range(3):
        # A future in which everything differs: other amounts, new people, in any order.
        later = transactions[transactions["occurred_at"] >= midnight]
        later = later.sample(int(random.integers(1, len(later))), random_state=random)
        strangers = later.head(50).assign(customer_id="new", amount=999.0)
        mixed = pd.concat([known, later.assign(amount=later["amount"].to_numpy()[::-1]), strangers])
        mixed = mixed.sample(frac=1, random_state=random).set_axis([0] * len(mixed))
        found = rk.tiers_as_of(mixed, [day, "2024-06-30"], by=by).at(day)
        pd.testing.assert_frame_equal(found, expected.drop(columns="as_of"))


def test_the_last_instant_of_a_day_counts_and_the_next_one_does_not():
    rows = pd.DataFrame(
        {
            "customer_id": ["a", "b", "c"],
            "occurred_at": pd.to_datetime(
                ["2024-01-10", "2024-01-31 23:59:59.999999", "2024-02-01 00:00"],
                format="ISO8601",
            ),
            "amount": [1.0, 2.0, 3.0],
        }
    )
    history = rk.tiers_as_of(rows, "2024-01-31", by="past_spend", shares=(0.5,))
    assert dict(history.to_frame()[["customer_id", "tier"]].to_numpy()) == {"a": "B", "b": "A"}
    assert rk.revenue_between(rows, "2024-01-10", "2024-01-31")["customer_id"].tolist() == ["b"]
    assert rk.revenue_between(rows, "2024-01-31", "2024-02-01")["customer_id"].tolist() == ["c"]


def test_the_same_day_twice_gives_the_same_bytes(transactions):
    day = dt.date(2024, 6, 30)
    frames = [rk.tiers_as_of(transactions, day).to_frame() for _ in range(2)]
    shuffled = transactions.sample(frac=1, random_state=3)
    frames.append(rk.tiers_as_of(shuffled, [day, "2023-06-30"]).to_frame().query("as_of == @day"))
    texts = {frame.to_csv(index=False, float_format="%.17g") for frame in frames}
    assert len(texts) == 1
    assert pickle.dumps(frames[0].to_numpy().tolist()) == pickle.dumps(
        frames[1].to_numpy().tolist()
    )


def test_days_in_any_order_come_out_in_theirs(transactions):
    history = rk.tiers_as_of(transactions, ["2024-06-30", "2023-06-30"], by="past_spend")
    assert [str(day) for day in history.dates] == ["2023-06-30", "2024-06-30"]
    assert history.by == "past_spend"
    assert history.shares == pytest.approx((0.1, 0.2, 0.7))


def test_tiers_of_another_kind_take_that_days_summary(transactions):
    def by_count(summary):
        tier = np.where(summary["purchases"] > 3, "often", "seldom")
        return pd.DataFrame({"customer_id": summary["customer_id"], "tier": tier}).assign(
            tier=lambda f: pd.Categorical(f["tier"], categories=["often", "seldom"])
        )

    days = ["2023-06-30", "2023-12-31", "2024-06-30"]
    history = rk.tiers_as_of(transactions, days, by="past_spend", rules=by_count)
    assert history.names == ("often", "seldom")
    assert history.shares is None
    # Purchases only grow in number, so nobody moves down.
    assert history.migration().counts["down"] == 0
    assert rk.hold_tiers(history, band=None, dwell=2).flapping()["changes"].is_monotonic_decreasing


def test_rules_of_a_file_are_applied_to_each_day(transactions):
    rules = rk.read_tier_rules("params/tiers/four_tiers.yaml")
    days = ["2023-12-31", "2024-06-30"]
    history = rk.tiers_as_of(transactions, days, rules=rules, currency="CNY")
    assert history.names == (*rules.names, "unassigned")
    change = rk.tier_change(transactions, *days, rules=rules, currency="CNY")
    assert change.migration.matrix().loc["total", "total"] == len(history.at(days[1]))
    alone = rk.tiers_as_of(transactions, days[0], rules=rules, currency="CNY")
    pd.testing.assert_frame_equal(alone.at(days[0]), history.at(days[0]))
    with pytest.raises(ParameterError, match="give band=None"):
        rk.hold_tiers(history)


def test_the_bridge_between_two_days_is_that_of_plain_sums(transactions):
    change = rk.tier_change(transactions, "2024-06-30", "2024-12-29", by="past_spend")
    assert (change.as_of - change.compare_to) == (change.compare_to - change.start)
    day = transactions["occurred_at"].dt.date
    sums = []
    for low, high in ((change.start, change.compare_to), (change.compare_to, change.as_of)):
        inside = transactions[(day > low) & (day <= high)]
        sums.append(sum((Decimal(str(a)) for a in inside["amount"]), Decimal(0)))
    assert Decimal(str(change.bridge.before)) == sums[0]
    assert Decimal(str(change.bridge.after)) == sums[1]
    amounts = [Decimal(str(a)) for a in change.bridge.to_frame()["amount"]]
    assert sum(amounts) == sums[1] - sums[0]
    assert change.migration.counts["left"] == 0  # who once bought stays in the base
    # Who is new is new: no purchase before the second period.
    new = change.bridge.customers("new")["customer_id"]
    firsts = transactions.groupby("customer_id")["occurred_at"].min()[new]
    assert (firsts.dt.date > change.compare_to).all()


def test_revenue_after_leaves_out_days_without_a_whole_time_after_them(transactions):
    found = rk.revenue_after(transactions, QUARTERS[-2:], 91, until="2025-01-15")
    assert found["as_of"].dt.date.unique().tolist() == [QUARTERS[-2]]
    with pytest.raises(ParameterError, match="no date is followed by 91 days"):
        rk.revenue_after(transactions, QUARTERS[-1:], 91, until="2025-01-15")
    with pytest.raises(ParameterError, match="days=0 must be 1 or more"):
        rk.revenue_after(transactions, QUARTERS, 0)


def test_a_riser_planted_among_the_transactions_is_listed_in_the_next_run(transactions):
    # V12: spend of the year +300 % and still in the lowest level of the CRM.
    compare_to, as_of = dt.date(2024, 6, 30), dt.date(2024, 12, 29)
    change = rk.tier_change(transactions, compare_to, as_of, by="past_spend")
    crm = change.history.at(compare_to)[["customer_id", "tier"]]
    steady = change.revenue_before["customer_id"].isin(change.revenue_after["customer_id"])
    lowest = change.revenue_before[steady].merge(crm[crm["tier"] == "C"])
    riser, spent = lowest[["customer_id", "revenue"]].iloc[0]
    more = pd.DataFrame(
        {
            "customer_id": [riser],
            "occurred_at": [pd.Timestamp(as_of)],
            "amount": [round(4 * spent, 2)],
            "kind": ["purchase"],
        }
    )
    again = rk.tier_change(pd.concat([transactions, more]), compare_to, as_of, by="past_spend")
    found = rk.stale_tiers(
        crm, again.history.at(as_of), again.revenue_before, again.revenue_after,
        names=again.history.names, rise=3.0,
    )  # fmt: skip
    listed = found.to_frame().set_index("customer_id")
    assert "rose" in listed.loc[riser, "reasons"]
    assert listed.loc[riser, "growth"] >= 3.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("2024-06-30", "cvl"), ParameterError, "did you mean 'clv'"),
        (("1999-01-01", "past_spend"), ParameterError, "before the first purchase"),
        ((["2024-06-30", "2024-06-30"], "past_spend"), ParameterError, "stands twice"),
        (("soon", "past_spend"), ParameterError, "must be a day"),
        (([], "past_spend"), ParameterError, "at least one day"),
    ],
)
def test_days_that_cannot_be_meant(transactions, arguments, error, message):
    with pytest.raises(error, match=message):
        rk.tiers_as_of(transactions, *arguments)


def test_two_days_must_be_in_order(transactions):
    with pytest.raises(ParameterError, match="must lie after compare_to"):
        rk.tier_change(transactions, "2024-06-30", "2024-06-30")
    with pytest.raises(ParameterError, match="must lie after"):
        rk.revenue_between(transactions, "2024-06-30", "2024-06-30")


def test_a_day_on_which_no_model_can_be_fitted_is_named():
    rows = pd.DataFrame(
        {
            "customer_id": ["a", "b"],
            "occurred_at": pd.to_datetime(["2024-01-10", "2024-01-11"]),
            "amount": [1.0, 2.0],
        }
    )
    with pytest.raises((FitError, DataError), match="2024-01-31"):
        rk.tiers_as_of(rows, "2024-01-31")
    alone = rk.tiers_as_of(rows.head(1), "2024-01-31", by="past_spend").to_frame()
    assert len(alone) == 1


# ---- what was measured on the world --------------------------------------------------------


def hysteresis_on(seed, customers):
    rows = world_of(seed, customers)
    history = rk.tiers_as_of(rows, QUARTERS, shares=(0.2, 0.3))
    held = rk.hold_tiers(history, band=0.25, dwell=2)
    price = held.price(rk.revenue_after(rows, history.dates, 182, until="2025-06-29"))
    flaps = held.flapping().set_index("tiers")
    return (
        *flaps.loc["computed", ["changes", "there_and_back"]],
        *flaps.loc["held", ["changes", "there_and_back"]],
        price.captured_computed,
        price.captured_held,
    )


@pytest.mark.parametrize(
    ("seeds", "customers"),
    [((1,), 3000), pytest.param(range(1, 9), 10_000, marks=pytest.mark.slow)],
)
def test_hysteresis_calms_and_costs_what_was_measured(seeds, customers):
    # Measured on such worlds: changes per quarter 18.3 → 12.3 %, there and back 3.8 → .5 %,
    # revenue of the next 26 weeks in the best tier .685 → .671.
    found = np.mean([hysteresis_on(seed, customers) for seed in seeds], axis=0)
    changes, back, held_changes, held_back, captured, held_captured = found
    assert changes == pytest.approx(0.19, abs=0.03)
    assert back == pytest.approx(0.04, abs=0.01)
    assert held_changes / changes == pytest.approx(12.3 / 18.3, abs=0.05)
    assert held_back < 0.25 * back
    assert captured == pytest.approx(0.685, abs=0.03)
    assert 0.0 < captured - held_captured < 0.03


def truly_expected(truth, weeks):
    """What the world's own parameters expect of each customer; docs/world.md's formulas."""
    u = truth["dose_in_experiment"].to_numpy(float)
    rate = truth["purchase_rate"] * np.exp(0.20 * (np.maximum(2 * u - u**2, -6) - 1))
    leaving = truth["drop_out_chance"] * np.exp(0.8 * (np.log1p(u) - np.log(2)) ** 2)
    leaving = np.minimum(leaving, 1)
    # Purchases at a rate, the customer gone after each with a chance: a geometric stop.
    purchases = (1 - np.exp(-rate * leaving * weeks)) / leaving
    return np.where(truth["alive_at_snapshot"], purchases, 0) * truth["mean_spend"]


def caught_by_the_top_fifth(seed, customers):
    """Share of the next 26 weeks' revenue, by what customers are ranked by."""
    world = rk.simulate_world(customers=customers, seed=seed, faults=None, tables=["transactions"])
    rows, day = world.tables["transactions"], world.as_of
    summary = summary_with_outcome(rows, day, day + dt.timedelta(days=182), "week", "day")
    ids = summary["customer_id"]
    year = rk.revenue_between(rows, day - dt.timedelta(days=364), day)
    truth = world.truth["consumers"].set_index("customer_id").loc[ids]
    clv = rk.customer_lifetime_value(
        rk.fit_bgnbd(summary),
        rk.fit_gamma_gamma(summary),
        summary,
        horizon=26,
        annual_discount_rate=0.10,
    ).to_frame()["clv"]
    keys = {
        "clv": clv,
        "past_spend": summary["total_spend"],
        "past_year": year.set_index("customer_id")["revenue"].reindex(ids).fillna(0),
        "rfm_sum": rk.rfm_scores(summary).to_frame()["rfm_sum"],
        "oracle": truly_expected(truth, 26),
    }
    later = summary["holdout_spend"].to_numpy()
    shares = {}
    for name, values in keys.items():
        key = np.asarray(values, dtype=float)
        size = round(0.2 * len(key))
        edge = np.sort(key)[-size]
        # Equals at the edge share what is left of it, so no order of rows decides.
        room = (size - (key > edge).sum()) / (key == edge).sum()
        shares[name] = ((key > edge) + room * (key == edge)) @ later / later.sum()
    return shares


@pytest.mark.parametrize(
    ("seeds", "customers"),
    [((1, 2), 4000), pytest.param(range(1, 9), 20_000, marks=pytest.mark.slow)],
)
def test_value_to_come_finds_more_revenue_than_past_spend_and_rfm(seeds, customers):
    found = pd.DataFrame([caught_by_the_top_fifth(seed, customers) for seed in seeds]).mean()
    assert found["clv"] >= found["past_spend"]
    assert found["clv"] >= found["rfm_sum"]
    assert found["clv"] < found["oracle"]
    # Measured on such worlds elsewhere, where past spend was that of a year.
    measured = {"clv": 0.771, "past_year": 0.761, "rfm_sum": 0.722, "oracle": 0.847}
    assert found[list(measured)].to_dict() == pytest.approx(measured, abs=0.035)
    if len(seeds) > 4:  # with few customers these two lie within chance of each other
        assert found["clv"] >= found["past_year"]
