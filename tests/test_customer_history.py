"""One customer's path and the matrices: by hand, against lifetimes, and in simulation."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.errors import DataError, FitError, ParameterError
from relkit.privacy import shown_id

MODEL = rk.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week")
ROWS = pd.DataFrame(
    [
        ("anna", "1997-01-03 09:00", 10.0),
        ("anna", "1997-01-03 17:00", 5.0),
        ("anna", "1997-01-17 12:00", 20.0),
        ("anna", "1997-01-18 12:00", -20.0),
        ("anna", "1997-02-14 08:30", 30.0),
        ("bert", "1997-01-05 10:00", 7.0),
        ("anna", "1997-05-01 10:00", 99.0),
    ],
    columns=["customer_id", "occurred_at", "amount"],
).astype({"occurred_at": "datetime64[us]"})


def alive(x, t_x, T):
    """Fader, Hardie & Lee (2008), equation 1, written out."""
    if x == 0:
        return 1.0
    r, alpha, a, b = MODEL.params
    return 1 / (1 + a / (b + x - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x))


def test_the_path_day_by_day_by_hand():
    found = rk.customer_history(ROWS, "anna", MODEL, as_of="1997-03-31")
    assert (found.customer_id, found.unit, found.as_of) == ("anna", "week", dt.date(1997, 3, 31))
    # Refunds and what came after as_of are no purchases up to then.
    assert list(found.purchases["amount"]) == [10.0, 5.0, 20.0, 30.0]
    assert found.total_spend == 65.0
    path = found.to_frame()
    assert len(path) == 88  # 3 January to 31 March, both counted
    born = dt.date(1997, 1, 3)
    bought = [born, dt.date(1997, 1, 17), dt.date(1997, 2, 14)]
    for row in path.itertuples():
        day = row.at.date()
        seen = [one for one in bought if one <= day]
        t_x, T = (seen[-1] - born).days / 7, (day - born).days / 7
        assert (row.frequency, row.purchased) == (len(seen) - 1, day in bought)
        assert (row.recency, row.T) == (pytest.approx(t_x), pytest.approx(T))
        assert row.probability_alive == pytest.approx(alive(len(seen) - 1, t_x, T), rel=1e-12)
    assert found.probability_alive == path["probability_alive"].iloc[-1]


def test_it_falls_in_silence_jumps_at_purchases_and_never_looks_ahead():
    found = rk.customer_history(ROWS, "anna", MODEL, as_of="1997-05-31").to_frame()
    back = found[found["frequency"] > 0].reset_index(drop=True)
    change = back["probability_alive"].diff()[1:]
    purchased = back["purchased"][1:]
    assert purchased.sum() == 2
    assert (change[purchased] > 0).all()
    assert (change[~purchased] < 0).all()
    for end in ("1997-01-20", "1997-02-13", "1997-04-30"):
        then = rk.customer_history(ROWS, "anna", MODEL, as_of=end).to_frame()
        pd.testing.assert_frame_equal(then, found.iloc[: len(then)])


def test_longer_steps_and_exact_times():
    daily = rk.customer_history(ROWS, "anna", MODEL, as_of="1997-03-31").to_frame()
    weekly = rk.customer_history(ROWS, "anna", MODEL, as_of="1997-03-31", step_days=10).to_frame()
    assert weekly["purchased"].sum() == 3
    assert weekly["at"].iloc[-1] == daily["at"].iloc[-1]
    kept = daily[daily["at"].isin(weekly["at"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, weekly)
    exact = rk.customer_history(ROWS, "anna", MODEL, as_of="1997-03-31", grain="exact").to_frame()
    assert exact["frequency"].iloc[-1] == 3
    last = exact.iloc[-1]
    assert last["recency"] == pytest.approx((42 - 0.5 / 24) / 7)
    assert last["T"] == pytest.approx((88 - 9 / 24) / 7)
    assert last["probability_alive"] == pytest.approx(alive(3, last["recency"], last["T"]))


def test_the_last_day_is_the_summary_s(tmp_path):
    summary = rk.rfm_summary(ROWS, as_of="1997-03-31", unit="week").set_index("customer_id")
    path = rk.customer_history(ROWS, "anna", MODEL, as_of="1997-03-31").to_frame()
    for name in ("frequency", "recency", "T"):
        assert path[name].iloc[-1] == pytest.approx(summary.loc["anna", name])


def test_what_is_refused_for_one_customer():
    with pytest.raises(DataError) as caught:
        rk.customer_history(ROWS, "ann", MODEL, as_of="1997-03-31")
    assert str(caught.value).startswith(
        f"customer {shown_id('ann')} has no purchase up to 1997-03-31; ids are"
    )
    # Ids of other customers are nobody's business.
    assert "anna" not in str(caught.value)
    assert "bert" not in str(caught.value)
    with pytest.raises(DataError, match="no purchase up to 1997-01-04"):
        rk.customer_history(ROWS, "bert", MODEL, as_of="1997-01-04")
    with pytest.raises(ParameterError, match="does not say its unit of time"):
        rk.customer_history(ROWS, "anna", rk.BGNBD(0.2, 4, 0.8, 2.4), as_of="1997-03-31")
    with pytest.raises(ParameterError, match="step_days=0 must be"):
        rk.customer_history(ROWS, "anna", MODEL, as_of="1997-03-31", step_days=0)
    with pytest.raises(ParameterError, match="grain='week' must be 'day' or 'exact'"):
        rk.customer_history(ROWS, "anna", MODEL, as_of="1997-03-31", grain="week")
    silent = rk.fit_bgnbd(frequency=[0] * 20, recency=[0] * 20, T=[5] * 20, unit="week")
    with pytest.raises(FitError, match="too few repeaters"):
        rk.customer_history(ROWS, "anna", silent, as_of="1997-03-31")


def lifetimes_fitter():
    from lifetimes import BetaGeoFitter

    fitter = BetaGeoFitter()
    fitter.params_ = pd.Series(MODEL.params._asdict())
    fitter.predict = fitter.conditional_expected_number_of_purchases_up_to_time
    return fitter


def base():
    rng = np.random.default_rng(1)
    x = rng.poisson(rng.gamma(0.7, 3.0, 400))
    T = rng.uniform(20, 39, 400)
    return pd.DataFrame(
        {"frequency": x, "recency": np.where(x > 0, T * rng.random(400), 0), "T": T}
    )


def test_matrices_against_lifetimes():
    """lifetimes 0.11.3, from its own formulas."""
    summary, theirs = base(), lifetimes_fitter()
    expected = rk.expected_purchase_matrix(MODEL, summary, horizon=39, T=39.0)
    active = rk.probability_alive_matrix(MODEL, summary, T=39.0)
    for matrix, function in (
        (expected, lambda *h: theirs.predict(39.0, *h)),
        (active, theirs.conditional_probability_alive),
    ):
        cells = matrix.to_frame()
        told = function(cells["frequency"], cells["recency"], np.full(len(cells), 39.0))
        assert cells["value"].to_numpy() == pytest.approx(np.asarray(told), rel=1e-7)
    assert (expected.quantity, expected.horizon, active.horizon) == (
        "expected_purchases", 39.0, None,
    )  # fmt: skip


def test_every_history_has_a_cell_and_every_customer_one():
    summary = base()
    matrix = rk.expected_purchase_matrix(MODEL, summary, horizon=12)
    cells = matrix.to_frame()
    assert summary["T"].max() == matrix.T
    most = cells["frequency"].max()
    assert len(cells) == 1 + 41 * most
    assert not cells.duplicated(["frequency", "recency"]).any()
    beyond = (summary["frequency"] > most).sum()
    assert matrix.customers_beyond == beyond
    assert cells["customers"].sum() + beyond == matrix.customers == 400
    by_row = cells.groupby("frequency")["customers"].sum()
    told = summary["frequency"].value_counts()
    assert all(by_row[x] == told.get(x, 0) for x in by_row.index)
    # By plain search: the cell of each customer is the nearest in silence.
    step = matrix.T / 40
    for row in summary[summary["frequency"].between(1, most)].head(60).itertuples():
        mine = cells[cells["frequency"] == row.frequency]
        near = mine.loc[(mine["silence"] - (row.T - row.recency)).abs().idxmin()]
        assert near["customers"] >= 1
        assert abs(near["silence"] - (row.T - row.recency)) <= step / 2 + 1e-9


def test_heavy_buyers_do_not_squeeze_the_rest():
    summary = base()
    summary.loc[0, "frequency"] = 20_000
    matrix = rk.probability_alive_matrix(MODEL, summary)
    assert 5 <= matrix.to_frame()["frequency"].max() <= 30
    assert matrix.customers_beyond >= 1
    told = rk.probability_alive_matrix(MODEL, summary, most_frequency=3, T=10.0)
    cells = told.to_frame()
    assert (cells["frequency"].max(), told.T) == (3, 10.0)
    assert cells["customers"].sum() + told.customers_beyond == 400
    # All of one purchase: there is a matrix still.
    ones = rk.probability_alive_matrix(MODEL, summary.assign(frequency=0, recency=0.0))
    assert ones.to_frame()["customers"].iloc[0] == 400


def test_what_is_refused_for_a_matrix():
    with pytest.raises(ParameterError, match="horizon=0.0 must be"):
        rk.expected_purchase_matrix(MODEL, base(), horizon=0)
    with pytest.raises(ParameterError, match="most_frequency=0 must be"):
        rk.probability_alive_matrix(MODEL, base(), most_frequency=0)
    with pytest.raises(DataError, match="the summary has no customers"):
        rk.probability_alive_matrix(MODEL, base().head(0))


def values(summary):
    return rk.customer_lifetime_value(
        MODEL, rk.GammaGamma(6.25, 3.74, 15.45), summary, horizon=52, annual_discount_rate=0.1
    )


def test_a_customer_is_picked_by_rule():
    summary = base().assign(monetary_value=30.0, customer_id=[f"c{i:03}" for i in range(400)])
    clv = values(summary)
    picked = rk.pick_customer(clv, summary)
    table = clv.to_frame().merge(summary[["customer_id", "frequency"]], on="customer_id")
    able = table[table["frequency"] >= 4]
    assert (picked.among, picked.at_least) == (len(able), 5)
    row = able.set_index("customer_id").loc[picked.customer_id]
    # p (1 - p) times what the customer is worth if active, from its two columns.
    p, at_risk = able["probability_alive"], able["value_at_risk"]
    assert picked.in_the_balance == pytest.approx((p * at_risk).max())
    assert row["probability_alive"] * row["value_at_risk"] == pytest.approx(picked.in_the_balance)
    assert picked.purchases == row["frequency"] + 1
    # Whatever the order of rows.
    turned = summary.sample(frac=1, random_state=1)
    assert rk.pick_customer(values(turned), turned) == picked
    few = summary[summary["frequency"] <= 2]
    lowered = rk.pick_customer(values(few), few)
    assert (lowered.at_least, lowered.purchases) == (3, 3)
    never = summary[summary["frequency"] == 0]
    with pytest.raises(DataError, match="customers bought twice"):
        rk.pick_customer(values(never), never)


def three():
    """A base of three; the last came back most."""
    frame = pd.DataFrame(
        {
            "customer_id": ["a", "b", "c"],
            "frequency": [0, 2, 6],
            "recency": [0.0, 9.0, 30.0],
            "T": [30.0, 40.0, 42.0],
            "monetary_value": [0.0, 20.0, 35.0],
        }
    )
    frame.attrs["unit"] = "week"
    return frame


@pytest.mark.parametrize(
    "change",
    [
        {"T": "x"},
        {"T": np.nan},
        {"recency": 1e9},
        {"frequency": -2},
        {"frequency": 1.5},
    ],
)
def test_a_matrix_of_customers_that_cannot_be(change):
    base = three().assign(**change)
    for ask in (
        lambda: rk.expected_purchase_matrix(MODEL, base, horizon=5),
        lambda: rk.probability_alive_matrix(MODEL, base),
    ):
        with pytest.raises(DataError, match="customer histories"):
            ask()


def test_a_matrix_is_of_one_unit_and_of_a_purchase_model():
    days = three()
    days.attrs["unit"] = "day"
    with pytest.raises(ParameterError, match="units of one week"):
        rk.expected_purchase_matrix(MODEL, days, horizon=5)
    for none in (None, rk.GammaGamma(6.0, 4.0, 15.0)):
        with pytest.raises(ParameterError, match="must be a purchase model"):
            rk.probability_alive_matrix(none, three())
        with pytest.raises(ParameterError, match="must be a purchase model"):
            rk.customer_history(ROWS, "anna", none, as_of="1997-03-31")
    with pytest.raises(ParameterError, match="not list"):
        rk.probability_alive_matrix(MODEL, [1])


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_a_matrix_does_not_depend_on_types_or_order(backend):
    found = rk.expected_purchase_matrix(MODEL, three(), horizon=5).to_frame()
    other = three().convert_dtypes(dtype_backend=backend).iloc[::-1]
    other.attrs["unit"] = "week"
    pd.testing.assert_frame_equal(
        rk.expected_purchase_matrix(MODEL, other, horizon=5).to_frame(), found
    )


def test_picking_needs_values_and_the_same_customers():
    base = three()
    clv = rk.customer_lifetime_value(
        MODEL, rk.GammaGamma(6.0, 4.0, 15.0), base, horizon=52, annual_discount_rate=0.1
    )
    assert rk.pick_customer(clv, base, min_purchases=np.int64(2)).among == 2
    assert rk.pick_customer(clv, base.iloc[::-1]) == rk.pick_customer(clv, base)
    with pytest.raises(ParameterError, match="what customer_lifetime_value returns"):
        rk.pick_customer(base, clv)
    with pytest.raises(DataError, match="none of the 3 customers of clv is in the summary"):
        rk.pick_customer(clv, base.assign(customer_id=[1, 2, 3]))
    with pytest.raises(DataError, match="1 rows repeat a customer_id"):
        rk.pick_customer(clv, base.assign(customer_id=["a", "b", "b"]))
    with pytest.raises(DataError, match="column customer_id is missing"):
        rk.pick_customer(clv, base.drop(columns="customer_id"))
    with pytest.raises(DataError, match="frequency is no number"):
        rk.pick_customer(clv, base.assign(frequency="x"))
