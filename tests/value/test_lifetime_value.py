"""Lifetime value: discounting, units, intervals, sums that hold, change of a base."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad

from relkit.errors import DataError, FitError, ParameterError
from relkit.units import discount_factor
from relkit.value.bgnbd import BGNBD, fit_bgnbd
from relkit.value.concentration import Concentration
from relkit.value.futures import draw_futures
from relkit.value.gamma_gamma import GammaGamma, fit_gamma_gamma
from relkit.value.lifetime_value import customer_lifetime_value, value_change

KNOWN = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week")
SPEND = GammaGamma(p=6.25, q=3.74, v=15.45)
YEAR = {"horizon": 52, "annual_discount_rate": 0.10}


@pytest.fixture(scope="module")
def models(sample):
    return fit_bgnbd(sample), fit_gamma_gamma(sample)


@pytest.fixture(scope="module")
def value(models, sample):
    return customer_lifetime_value(*models, sample, **YEAR)


@pytest.fixture(scope="module")
def few(sample):
    return sample.iloc[[0, 1, 2, 3, 10, 50, 200, int(sample["frequency"].argmax())]]


# ---- one customer ----


def test_each_purchase_is_discounted_from_its_own_time(few):
    """New purchases of 500 growing steps, times the factor in the middle of each."""
    frame = customer_lifetime_value(KNOWN, SPEND, few, **YEAR).to_frame()
    # Steps grow, since a heavy buyer's expectation bends most at the start.
    ends = 52 * np.linspace(0, 1, 501) ** 2
    factors = [discount_factor(t, "week", 0.10) for t in (ends[1:] + ends[:-1]) / 2]
    by_then = np.array([KNOWN.expected_purchases(few, horizon=h) for h in ends[1:]])
    new = np.diff(by_then, axis=0, prepend=0.0)
    expected = (factors @ new) * SPEND.expected_spend(few)
    assert frame["clv"].to_numpy() == pytest.approx(expected, rel=1e-6)


def test_a_customer_in_full(few):
    frame = customer_lifetime_value(KNOWN, SPEND, few, **YEAR).to_frame()
    assert frame.columns.tolist() == [
        "customer_id", "probability_alive", "expected_purchases", "expected_spend", "clv",
        "value_at_risk",
    ]  # fmt: skip
    assert frame["customer_id"].tolist() == few["customer_id"].tolist()
    assert frame["probability_alive"].to_numpy() == pytest.approx(KNOWN.probability_alive(few))
    assert frame["expected_purchases"].to_numpy() == pytest.approx(
        KNOWN.expected_purchases(few, horizon=52)
    )
    assert frame["expected_spend"].to_numpy() == pytest.approx(SPEND.expected_spend(few))
    plain = frame["expected_purchases"] * frame["expected_spend"]
    assert (frame["clv"] < plain).all()
    assert (frame["clv"] > plain / 1.10).all()
    one_time = frame[few["frequency"].to_numpy() == 0]
    assert (one_time["value_at_risk"] == 0).all()
    back = frame[few["frequency"].to_numpy() > 0]
    at_risk = back["clv"] / back["probability_alive"] * (1 - back["probability_alive"])
    assert back["value_at_risk"].to_numpy() == pytest.approx(at_risk.to_numpy())


def test_without_discount_it_is_purchases_times_spend(few):
    frame = customer_lifetime_value(
        KNOWN, SPEND, few, horizon=52, annual_discount_rate=0, margin=0.3
    ).to_frame()
    expected = 0.3 * frame["expected_purchases"] * frame["expected_spend"]
    assert frame["clv"].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-12)
    assert frame["expected_spend"].to_numpy() == pytest.approx(SPEND.expected_spend(few))


@pytest.mark.parametrize("rate", [0.02, 0.9])
@pytest.mark.parametrize("x", [40, 20_000])
def test_heavy_buyers_are_discounted_as_exactly(rate, x):
    """Buying that will soon be over, ten years: the integral by adaptive quadrature."""
    model = BGNBD(r=0.24, alpha=4.4, a=30.0, b=2.4, unit="week")
    heavy = pd.DataFrame({"frequency": [x], "recency": 52.0, "T": 52.0, "monetary_value": 20.0})
    found = customer_lifetime_value(
        model, SPEND, heavy, horizon=520, annual_discount_rate=rate
    ).to_frame()
    continuous = math.log1p(rate) * 7 / 365.25

    def worth(t):
        bought = model.expected_purchases(frequency=x, recency=52, T=52, horizon=t)
        return math.exp(-continuous * t) * bought

    area = sum(
        quad(worth, low, high, limit=200, epsabs=1e-12, epsrel=1e-10)[0]
        for low, high in ((1e-12, 1), (1, 20), (20, 520))
    )
    true = (worth(520) + continuous * area) * found["expected_spend"][0]
    assert found["clv"][0] == pytest.approx(true, rel=1e-7)


@pytest.mark.parametrize("unit_days", [("day", 1.0), ("month", 30.4375), ("year", 365.25)])
def test_the_unit_does_not_change_the_value(sample, value, unit_days):
    unit, days = unit_days
    other = sample.copy()
    other[["recency", "T"]] *= 7 / days
    other.attrs["unit"] = unit
    models = fit_bgnbd(other), fit_gamma_gamma(other)
    again = customer_lifetime_value(
        *models, other, horizon=52 * 7 / days, annual_discount_rate=0.10
    )
    assert again.to_frame()["clv"].to_numpy() == pytest.approx(
        value.to_frame()["clv"].to_numpy(), rel=1e-7
    )
    assert again.total.low == pytest.approx(value.total.low, rel=1e-6)
    one, other = (each.predicted_total(draws=20) for each in (value, again))
    assert (other.low, other.high) == pytest.approx((one.low, one.high), rel=1e-6)


# ---- totals and their intervals ----


def test_the_interval_of_the_total_is_the_delta_method(models, sample, value):
    """Against refitted-by-hand derivatives: every parameter moved, everything recomputed."""
    purchases, spend = models
    slopes = []
    for i in range(7):
        ends = []
        for step in (1e-3, -1e-3):
            logs = np.log([*purchases.params, *spend.params])
            logs[i] += step
            p = np.exp(logs)
            moved = customer_lifetime_value(
                BGNBD(*p[:4], unit="week"), GammaGamma(*p[4:]), sample, **YEAR
            )
            ends.append(math.log(moved.total.value))
        slopes.append((ends[0] - ends[1]) / 2e-3)
    slopes = np.array(slopes)
    variance = slopes[:4] @ purchases.covariance @ slopes[:4]
    variance += slopes[4:] @ spend.covariance @ slopes[4:]
    half = 1.959964 * math.sqrt(variance)
    assert value.total.low == pytest.approx(value.total.value * math.exp(-half), rel=1e-4)
    assert value.total.high == pytest.approx(value.total.value * math.exp(half), rel=1e-4)
    assert (value.total.n, value.total.kind) == (2357, "confidence")


def test_known_parameters_leave_no_doubt_in_an_expectation(few):
    total = customer_lifetime_value(KNOWN, SPEND, few, **YEAR).total
    assert total.low == total.value == total.high


def test_totals_by_group_sum_to_the_total(value, sample):
    labels = np.where(sample["frequency"] > 1, "many", np.where(sample["frequency"], "one", "none"))
    frame = value.total_by(labels)
    assert frame.columns.tolist() == ["label", "customers", "clv", "low", "high", "share"]
    assert frame["clv"].sum() == pytest.approx(value.total.value, rel=1e-12)
    assert frame["share"].sum() == pytest.approx(1, rel=1e-12)
    assert frame["customers"].sum() == value.n
    assert frame["clv"].is_monotonic_decreasing
    assert ((frame["low"] < frame["clv"]) & (frame["clv"] < frame["high"])).all()
    ordered = value.total_by(pd.Categorical(labels, ["none", "one", "many"], ordered=True))
    assert ordered["label"].tolist() == ["none", "one", "many"]
    whole = value.total_by(["all"] * value.n).iloc[0]
    assert (whole["low"], whole["high"]) == pytest.approx((value.total.low, value.total.high))


@pytest.mark.parametrize("end", [52, math.inf])
def test_the_total_is_that_of_one_group(models, sample, end):
    """Summed at the points of the grid, and customer by customer."""
    many = pd.concat([sample] * 4, ignore_index=True).assign(customer_id=lambda f: f.index)
    many.loc[::3, "T"] += 0.4
    known = KNOWN, models[1]
    for pair in (models, known):
        value = customer_lifetime_value(*pair, many, horizon=end, annual_discount_rate=0.1)
        only = value.total_by(np.zeros(len(many))).iloc[0]
        total = value.total
        assert [total.value, total.low, total.high] == pytest.approx(
            [only["clv"], only["low"], only["high"]], rel=1e-11
        )
        assert total.low < total.value < total.high


def test_simulated_futures_have_the_expected_mean(value, models):
    """With known parameters the mean of many futures is the expectation itself."""
    purchases, spend = BGNBD(*models[0].params, unit="week"), GammaGamma(*models[1].params)
    draws = 600
    futures = draw_futures(
        purchases, spend, value._histories,
        horizon=52.0, discount=math.log(1.1) * 7 / 365.25, draws=draws, seed=8,
    )  # fmt: skip
    error = futures.purchases.std() / draws**0.5
    expected = value.to_frame()["expected_purchases"].sum()
    assert futures.purchases.mean() == pytest.approx(expected, abs=4 * error)
    error = futures.spend.std() / draws**0.5
    assert futures.spend.mean() == pytest.approx(value.total.value, abs=4 * error)


def test_the_prediction_is_wider_and_says_so(value):
    total, predicted = value.total, value.predicted_total()
    assert predicted.kind == "prediction"
    assert predicted.value == total.value
    assert predicted.high - predicted.low > total.high - total.low
    narrow = value.predicted_total(draws=100, level=0.5)
    assert narrow.high - narrow.low < predicted.high - predicted.low


def test_the_prediction_depends_on_the_seed_and_not_on_the_row_order(models, sample, value):
    shuffled = sample.sample(frac=1, random_state=2)
    again = customer_lifetime_value(*models, shuffled, **YEAR)
    one, other = value.predicted_total(draws=30), again.predicted_total(draws=30)
    assert (other.low, other.high) == pytest.approx((one.low, one.high), rel=1e-9)
    assert value.predicted_total(draws=30, seed=1).low != one.low
    assert again.total.value == pytest.approx(value.total.value, rel=1e-12)


def test_predictions_cover_what_really_happens(simulate):
    """40 populations of 400; of nominal 90 % at least 30 hits: fails once in 500 times."""
    truth = (0.8, 10.0, 0.8, 2.4)
    hits = 0
    for seed in range(40):
        rng = np.random.default_rng(100 + seed)
        # One simulation of both periods; its first part is what the model may see.
        past, future = lived_on(rng, 400, truth, seen=40.0, ahead=30.0)
        fit = fit_bgnbd(past, unit="week")
        if fit.status != "converged":
            continue
        histories = (*past[["frequency", "recency", "T"]].to_numpy().T, np.zeros(400))
        futures = draw_futures(
            fit, None, histories, horizon=30.0, discount=0.0, draws=200, seed=seed
        )
        low, high = np.quantile(futures.purchases, [0.05, 0.95])
        hits += low <= future <= high
    assert 30 <= hits <= 40


def lived_on(rng, n, truth, seen, ahead):
    r, alpha, a, b = truth
    rate, leave = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
    x, t_x, later = np.zeros(n), np.zeros(n), 0
    for i in range(n):
        now = 0.0
        while (now := now + rng.exponential(1 / rate[i])) <= seen + ahead:
            if now <= seen:
                x[i], t_x[i] = x[i] + 1, now
            else:
                later += 1
            if rng.random() < leave[i]:
                break
    return pd.DataFrame({"frequency": x, "recency": t_x, "T": np.full(n, seen)}), later


# ---- concentration ----


def test_concentration_by_hand(models, few):
    value = customer_lifetime_value(*models, few, **YEAR)
    clv = np.sort(value.to_frame()["clv"])[::-1]
    held = value.concentration()
    assert held.share_of_top(0.25) == pytest.approx(clv[:2].sum() / clv.sum())
    assert held.share_of_top(1) == pytest.approx(1)
    differences = np.abs(clv[:, None] - clv[None, :]).sum()
    assert held.gini == pytest.approx(differences / (2 * len(clv) ** 2 * clv.mean()))
    frame = held.to_frame()
    assert frame.columns.tolist() == ["customer_share", "value_share"]
    assert frame.iloc[0].tolist() == [0, 0]
    with pytest.raises(ParameterError, match=r"0\.10"):
        held.share_of_top(10)


def test_equal_customers_are_not_concentrated():
    line = np.linspace(0, 1, 5)
    assert Concentration(line, line).gini == pytest.approx(0)


# ---- change between two days ----


@pytest.fixture(scope="module")
def change(sample, sample_later):
    models = fit_bgnbd(sample_later), fit_gamma_gamma(sample_later)
    early = sample.iloc[100:]
    early.attrs["unit"] = "week"
    before, now = (customer_lifetime_value(*models, s, **YEAR) for s in (early, sample_later))
    return value_change(before, now)


def test_the_parts_sum_to_the_change(change):
    parts = change.to_frame().set_index("part")
    assert parts.index.tolist() == ["new", "grew", "shrank"]
    assert parts["amount"].sum() == pytest.approx(change.change.value, abs=1e-9)
    assert change.change.value == pytest.approx(
        change.now.total.value - change.before.total.value, rel=1e-9
    )
    assert parts["customers"].sum() == change.now.n
    assert parts.loc["new", "customers"] == 100
    before = change.before.to_frame().set_index("customer_id")["clv"]
    now = change.now.to_frame().set_index("customer_id")["clv"]
    fell = (now.reindex(before.index) < before).sum()
    assert parts.loc["shrank", "customers"] == fell
    assert parts.loc["new", "amount"] == pytest.approx(now.drop(before.index).sum())
    assert change.change_share == pytest.approx(change.change.value / change.before.total.value)


def test_the_difference_is_paired(change):
    """Shared parameters cancel: far narrower than if both days were independent."""
    half = change.change.high - change.change.value
    apart = math.hypot(
        change.before.total.high - change.before.total.value,
        change.now.total.high - change.now.total.value,
    )
    assert 0 < half < 0.5 * apart


def test_the_interval_of_the_change_is_that_of_drawn_parameters(change):
    """Draw both models' parameters, value both days anew, take the spread."""
    purchases, spend = change.now.purchases, change.now.spend
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(30):
        p = np.exp(rng.multivariate_normal(np.log(purchases.params), purchases.covariance))
        s = np.exp(rng.multivariate_normal(np.log(spend.params), spend.covariance))
        totals = [
            customer_lifetime_value(
                BGNBD(*p, unit="week"), GammaGamma(*s),
                pd.DataFrame(dict(zip(("frequency", "recency", "T", "monetary_value"),
                                      day._histories, strict=True))),
                **YEAR,
            ).total.value
            for day in (change.before, change.now)
        ]  # fmt: skip
        differences.append(totals[1] - totals[0])
    half = 1.96 * np.std(differences, ddof=1)
    # 30 draws know a standard deviation to 13 %.
    assert change.change.high - change.change.value == pytest.approx(half, rel=0.5)


def test_verdicts(change):
    assert change.verdict == ("losing" if change.change.high < 0 else "unclear")
    back = value_change(change.now, change.now)
    assert (back.verdict, back.change.value) == ("unclear", 0.0)
    assert (change.horizon, change.unit) == (52, "week")


def test_what_cannot_be_compared(change, models, sample):
    with pytest.raises(DataError, match="100 customers of the earlier day are missing"):
        value_change(change.now, change.before)
    other = customer_lifetime_value(*models, sample, horizon=26, annual_discount_rate=0.2)
    with pytest.raises(ParameterError) as caught:
        value_change(other, change.now)
    assert len(caught.value.faults) == 4  # horizon, rate and both models


# ---- wrong use ----


def test_a_unit_is_needed_and_must_agree(few):
    bare = pd.DataFrame(few)
    bare.attrs = {}
    without = BGNBD(*KNOWN.params)
    with pytest.raises(ParameterError, match="unit of time is unknown"):
        customer_lifetime_value(without, SPEND, bare, **YEAR)
    given = customer_lifetime_value(without, SPEND, bare, **YEAR, unit="week")
    assert given.unit == "week"
    days = few.copy()
    days.attrs["unit"] = "day"
    with pytest.raises(ParameterError, match="the summary has unit 'day'"):
        customer_lifetime_value(KNOWN, SPEND, days, **YEAR)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"horizon": 0}, "horizon"),
        ({"horizon": -3}, "horizon"),
        ({"annual_discount_rate": 10}, "give 10 % as 0.10"),
        ({"margin": 30}, "give 30 % as 0.30"),
        ({"margin": 0}, "margin"),
        ({"unit": "fortnight"}, "fortnight"),
    ],
)
def test_parameters_out_of_range(few, changed, match):
    with pytest.raises(ParameterError, match=match):
        customer_lifetime_value(KNOWN, SPEND, few, **{**YEAR, **changed})


def test_labels_must_fit(value):
    with pytest.raises(ParameterError, match="3 for 2,357 customers"):
        value.total_by(["a", "b", "c"])
    labels = ["a"] * (value.n - 1) + [None]
    with pytest.raises(DataError, match=r"1 customers have none \(first: "):
        value.total_by(labels)


def test_a_customer_twice_is_refused(few):
    twice = pd.concat([few, few.head(1)])
    twice.attrs["unit"] = "week"
    with pytest.raises(DataError, match="1 rows repeat a customer_id"):
        customer_lifetime_value(KNOWN, SPEND, twice, **YEAR)


def test_a_fit_without_parameters_has_no_value(few):
    nobody = fit_bgnbd(frequency=[0] * 20, recency=[0] * 20, T=[9] * 20, unit="week")
    with pytest.raises(FitError, match="too few repeaters"):
        customer_lifetime_value(nobody, SPEND, few, **YEAR)


def test_no_customers_have_no_value(few):
    with pytest.raises(DataError, match="no customers"):
        customer_lifetime_value(KNOWN, SPEND, few.head(0), **YEAR)


def test_draws(value):
    with pytest.raises(ParameterError, match="draws=1"):
        value.predicted_total(draws=1)
    with pytest.raises(ParameterError, match="level"):
        value.predicted_total(level=95)


def test_models_in_the_wrong_place_are_named():
    spend = GammaGamma(6.25, 3.74, 15.45)
    summary = pd.DataFrame(
        {"customer_id": ["1"], "frequency": [2], "recency": [30.0], "T": [39.0],
         "monetary_value": [20.0]}
    )  # fmt: skip
    with pytest.raises(ParameterError) as raised:
        customer_lifetime_value(spend, None, summary, horizon=52, annual_discount_rate=0.1)
    assert "purchases is of type GammaGamma" in str(raised.value)
    assert "spend is None" in str(raised.value)
    with pytest.raises(ParameterError, match="purchases is of type str"):
        customer_lifetime_value("bg", spend, summary, horizon=52, annual_discount_rate=0.1)
