"""One customer's figures: how sure of the expectation, and what may really happen."""

import math

import numpy as np
import pandas as pd
import pytest

from relkit.errors import DataError, ParameterError
from relkit.privacy import shown_id
from relkit.value.bgnbd import BGNBD, fit_bgnbd
from relkit.value.gamma_gamma import GammaGamma, fit_gamma_gamma
from relkit.value.history_grid import HistoryGrid
from relkit.value.lifetime_value import customer_lifetime_value
from relkit.value.mbgnbd import MBGNBD, fit_mbgnbd
from relkit.value.pareto_nbd import ParetoNBD, fit_pareto_nbd
from relkit.value.purchase_slopes import expectation_with_slopes

KNOWN = BGNBD(r=0.5, alpha=6.0, a=0.8, b=2.4, unit="week")
SPEND = GammaGamma(p=6.25, q=3.74, v=15.45)
YEAR = {"horizon": 52, "annual_discount_rate": 0.10}
COLUMNS = [
    "customer_id", "expected_purchases", "purchases_low", "purchases_high", "clv", "clv_low",
    "clv_high",
]  # fmt: skip


@pytest.fixture(scope="module")
def value(sample):
    return customer_lifetime_value(fit_bgnbd(sample), fit_gamma_gamma(sample), sample, **YEAR)


# ---- of the expectation ----


@pytest.mark.parametrize("fit", [fit_bgnbd, fit_mbgnbd, fit_pareto_nbd])
@pytest.mark.parametrize("horizon", [52, math.inf])
def test_intervals_are_the_delta_method(sample, fit, horizon):
    """Every parameter moved by hand, every customer valued anew with known models."""
    purchases, spend = fit(sample), fit_gamma_gamma(sample)
    few = sample.iloc[[0, 1, 2, 3, 10, 50, 200, int(sample["frequency"].argmax())]]
    terms = {"horizon": horizon, "annual_discount_rate": 0.10}
    found = customer_lifetime_value(purchases, spend, few, **terms).customer_intervals()
    columns = found.columns[[1, 4]]
    slopes = np.zeros((7, len(few), 2))
    for i in range(7):
        for step in (1e-3, -1e-3):
            logs = np.log([*purchases.params, *spend.params])
            logs[i] += step
            p = np.exp(logs)
            model = purchases.model.at(p[:4])
            moved = customer_lifetime_value(model, GammaGamma(*p[4:]), few, **terms).to_frame()
            slopes[i] += np.sign(step) * np.log(moved[columns]).to_numpy() / 2e-3
    covariance = np.zeros((7, 7))
    covariance[:4, :4], covariance[4:, 4:] = purchases.covariance, spend.covariance
    half = 1.959964 * np.sqrt(np.einsum("inc,ij,jnc->nc", slopes, covariance, slopes))
    for column, (name, side) in enumerate(zip(columns, ("purchases", "clv"), strict=True)):
        middle = found[name].to_numpy()
        low, high = (found[f"{side}_{end}"].to_numpy() for end in ("low", "high"))
        assert np.log(high / middle) == pytest.approx(half[:, column], rel=1e-4)
        assert np.log(middle / low) == pytest.approx(half[:, column], rel=1e-4)


def test_the_frame(value, sample):
    frame = value.customer_intervals()
    assert frame.columns.tolist() == COLUMNS
    assert frame["customer_id"].tolist() == sample["customer_id"].tolist()
    assert frame["clv"].tolist() == value.to_frame()["clv"].tolist()
    narrow = value.customer_intervals(level=0.5)
    assert (narrow["clv_low"] > frame["clv_low"]).all()
    assert (narrow["purchases_high"] < frame["purchases_high"]).all()
    with pytest.raises(ParameterError, match="level"):
        value.customer_intervals(level=95)


def test_one_customer_alone_has_the_interval_of_its_total(value, sample):
    labels = sample["customer_id"].to_numpy()
    frame, totals = value.customer_intervals().iloc[:5], value.total_by(labels).set_index("label")
    for line in frame.itertuples():
        alone = totals.loc[line.customer_id]
        assert (line.clv_low, line.clv_high) == pytest.approx((alone["low"], alone["high"]))


def test_known_parameters_leave_no_doubt(sample):
    frame = customer_lifetime_value(KNOWN, SPEND, sample, **YEAR).customer_intervals()
    assert (frame["clv_low"] == frame["clv"]).all()
    assert (frame["purchases_high"] == frame["expected_purchases"]).all()


# ---- of what will happen ----


def lived_on(rng, history, horizon):
    """Purchases and discounted spend of one customer, event by event."""
    x, t_x, T, mean = history
    odds = 0.0
    if x:
        odds = (
            KNOWN.a / (KNOWN.b + x - 1) * ((KNOWN.alpha + T) / (KNOWN.alpha + t_x)) ** (KNOWN.r + x)
        )
    if rng.random() > 1 / (1 + odds):
        return 0, 0.0
    rate, leave = rng.gamma(KNOWN.r + x, 1 / (KNOWN.alpha + T)), rng.beta(KNOWN.a, KNOWN.b + x)
    scale = rng.gamma(SPEND.q + SPEND.p * x, 1 / (SPEND.v + x * mean))
    count, worth, now = 0, 0.0, 0.0
    while (now := now + rng.exponential(1 / rate)) <= horizon:
        count += 1
        worth += rng.gamma(SPEND.p) / scale * 1.1 ** (-now * 7 / 365.25)
        if rng.random() < leave:
            break
    return count, worth


def test_predictions_are_the_quantiles_of_lives_by_plain_loops():
    histories = [(0, 0.0, 30.0, 0.0), (4, 28.0, 30.0, 25.0), (30, 50.0, 52.0, 40.0)]
    frame = pd.DataFrame(histories, columns=["frequency", "recency", "T", "monetary_value"])
    value = customer_lifetime_value(KNOWN, SPEND, frame, **YEAR)
    found = value.customer_predictions([0, 1, 2], level=0.8, draws=4000, seed=3)
    rng = np.random.default_rng(5)
    for line, history in zip(found.itertuples(), histories, strict=True):
        lives = np.array([lived_on(rng, history, 52.0) for _ in range(4000)])
        assert line.buys == pytest.approx((lives[:, 0] > 0).mean(), abs=0.04)
        # 4,000 lives know a probability to .8 %: the ends must lie at the 10 and 90 % mark.
        for name, real in (("purchases", lives[:, 0]), ("clv", lives[:, 1])):
            low, high = getattr(line, f"{name}_low"), getattr(line, f"{name}_high")
            assert (real < low).mean() <= 0.1 + 0.03
            assert (real <= low).mean() >= 0.1 - 0.03
            assert (real <= high).mean() >= 0.9 - 0.03
            assert (real < high).mean() <= 0.9 + 0.03


def test_predictions_are_far_wider_than_the_expectation_is_unsure(value):
    best = value.to_frame().nlargest(20, "clv")["customer_id"]
    predicted = value.customer_predictions(best, draws=300)
    assert predicted.columns.tolist() == [*COLUMNS, "buys"]
    assert predicted["customer_id"].tolist() == best.tolist()
    assert predicted["purchases_low"].dtype.kind == "i"
    sure = value.customer_intervals().set_index("customer_id").loc[best]
    assert (
        (predicted["clv_high"] - predicted["clv_low"]).to_numpy()
        > 2 * (sure["clv_high"] - sure["clv_low"]).to_numpy()
    ).all()
    assert predicted["clv"].tolist() == sure["clv"].tolist()


def test_predictions_depend_on_the_seed_alone(value):
    ids = value.to_frame()["customer_id"].iloc[[5, 9, 400]].tolist()
    one, again = (value.customer_predictions(ids, draws=200) for _ in range(2))
    pd.testing.assert_frame_equal(one, again)
    turned = value.customer_predictions(ids[::-1], draws=200)
    pd.testing.assert_frame_equal(turned.iloc[::-1].reset_index(drop=True), one)
    assert value.customer_predictions(ids[0], draws=200)["customer_id"].tolist() == ids[:1]


def test_whom_nobody_knows(value):
    known = value.to_frame()["customer_id"].iloc[0]
    with pytest.raises(DataError) as caught:
        value.customer_predictions([known, known, -7])
    assert caught.value.faults == (
        f"1 are not in the summary (first: {shown_id(-7)})",
        f"1 are named more than once (first: {shown_id(known)})",
    )
    with pytest.raises(DataError, match="names nobody"):
        value.customer_predictions([])
    with pytest.raises(ParameterError, match="draws=1"):
        value.customer_predictions([known], draws=1)
    for level in (95, "x", None):
        with pytest.raises(ParameterError, match="level"):
            value.customer_predictions([known], level=level)
    for unordered in ({known}, {known: 1}, np.array([[known]]), pd.DataFrame({"a": [known]})):
        with pytest.raises(ParameterError, match="one id or a list of ids"):
            value.customer_predictions(unordered)


@pytest.mark.parametrize("seed", [-1, 1.5, "x", None, math.nan, True])
def test_a_seed_that_would_not_give_the_same_again(value, seed):
    with pytest.raises(ParameterError, match="seed="):
        value.predicted_total(draws=10, seed=seed)
    with pytest.raises(ParameterError, match="seed="):
        value.customer_predictions([value.to_frame()["customer_id"].iloc[0]], seed=seed)


def test_predicted_purchases_are_those_of_the_same_futures(value):
    predicted = value.predicted_purchases(draws=100)
    assert predicted.kind == "prediction"
    expected = value.to_frame()["expected_purchases"].sum()
    assert predicted.value == pytest.approx(expected)
    assert predicted.low < expected < predicted.high


# ---- what they are computed from ----


@pytest.mark.parametrize("kind", [BGNBD, MBGNBD, ParetoNBD])
@pytest.mark.parametrize(
    "shapes", [(0.5, 6.0, 0.8, 2.4), (0.06, 300.0, 0.05, 12.0), (20.0, 0.2, 25.0, 0.1)]
)
def test_slopes_are_those_of_moved_models(kind, shapes):
    """Against differences of the published expectation, extrapolated to no step."""
    x, T = np.array([0, 0, 1, 5, 40, 1000, 20_000.0]), np.array([0, 100, 50, 3, 200, 100, 52.0])
    times = np.array([0.1, 52.0, 5200.0])
    found = expectation_with_slopes(kind(*shapes), x, T, times, np.eye(3))
    plain = kind(*shapes).purchases_if_alive(x, T, times)
    assert found[:, :, 0] == pytest.approx(plain, rel=1e-9)
    for i in range(4):

        def difference(step, i=i):
            ends = []
            for side in (step, -step):
                p = np.array(shapes)
                p[i] *= math.exp(side)
                ends.append(kind(*p).purchases_if_alive(x, T, times))
            return (ends[0] - ends[1]) / (2 * step)

        slope = (4 * difference(2e-4) - difference(4e-4)) / 3
        assert np.abs(found[:, :, 1 + i] - slope).max() / plain.max() < 1e-7
        assert (np.abs(found[:, :, 1 + i] - slope) < 1e-7 * plain).all()


@pytest.mark.parametrize("n", [50, 30_000])
def test_a_grid_knows_a_function_everywhere(n):
    rng = np.random.default_rng(0)
    x, T = rng.geometric(0.3, n) - 1.0, rng.uniform(0, 400, n)

    def functions(x, T):
        return np.column_stack([(1 + x) / (6 + T), np.log(6 + T) ** 2, np.exp(-x / (9 + T))])

    grid = HistoryGrid.of(x, T, 6.0)
    assert len(grid.x) <= n
    found = grid.spread(functions(grid.x, grid.T))
    assert found == pytest.approx(functions(x, T), rel=1e-10)
    weights = rng.random((n, 2))
    sums = grid.gather(weights).T @ functions(grid.x, grid.T)
    assert sums == pytest.approx(weights.T @ functions(x, T), rel=1e-10)
