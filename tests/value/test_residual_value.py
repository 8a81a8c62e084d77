"""Value without end: against arbitrary precision, and as the limit of finite horizons."""

import math

import mpmath as mp
import numpy as np
import pandas as pd
import pytest

from relkit.errors import ParameterError
from relkit.units import periods_per_year
from relkit.value.bgnbd import BGNBD, fit_bgnbd
from relkit.value.discounting import discounted_while_active
from relkit.value.gamma_gamma import GammaGamma, fit_gamma_gamma
from relkit.value.lifetime_value import customer_lifetime_value
from relkit.value.mbgnbd import MBGNBD, fit_mbgnbd
from relkit.value.pareto_nbd import ParetoNBD, fit_pareto_nbd

SPEND = GammaGamma(p=6.25, q=3.74, v=15.45)
HISTORIES = [
    (0, 0.0, 0.0),
    (0, 0.0, 90.0),
    (2, 30.43, 38.86),
    (40, 100.0, 104.0),
    (900, 51.0, 52.0),
]
FEW = pd.DataFrame(HISTORIES, columns=["frequency", "recency", "T"]).assign(monetary_value=30.0)


def at_purchases_by_mpmath(k, y, a, b, rate):
    """Mean over p of the integral of exp(-rate t) k / y (1 + p t / y) ** -(k + 1) dt.

    With u = p t / y the inner one is an exponential integral, DLMF 8.19.3.
    """

    def given(p):
        z = rate * y / p
        return (y / p) * mp.exp(z) * mp.expint(k + 1, z)

    def weighted(log_odds):
        p = 1 / (1 + mp.exp(-log_odds))
        return given(p) * p**a * (1 - p) ** b

    middle = mp.log(a / b)
    ends = [middle + step for step in (-120, -40, -15, -6, -2, 0, 2, 6, 15, 60)]
    return k / y * mp.quad(weighted, ends) / mp.beta(a, b)


def pareto_by_mpmath(k, y, s, span, rate):
    """Fader, Hardie & Lee (2005), "RFM and CLV", appendix: Tricomi's function."""
    return k / y * rate ** (s - 1) * span**s * mp.hyperu(s, s, rate * span)


@pytest.mark.parametrize("annual", [0.005, 0.9])
@pytest.mark.parametrize("shapes", [(0.243, 4.414, 0.793, 2.426), (2.3, 30.0, 0.2, 0.4)])
@pytest.mark.parametrize("kind", [BGNBD, MBGNBD])
def test_leaving_at_purchases_without_end(kind, shapes, annual):
    r, alpha, a, b = shapes
    rate = math.log1p(annual) / periods_per_year("week")
    model = kind(*shapes, unit="week")
    frame = customer_lifetime_value(
        model, SPEND, FEW, horizon=math.inf, annual_discount_rate=annual
    ).to_frame()
    found = frame["discounted_purchases"] / model.probability_alive(FEW)
    first = 1 if kind is MBGNBD else 0
    with mp.workdps(25):
        for (x, _, T), ours in zip(HISTORIES[1:4], found[1:4], strict=True):
            true = at_purchases_by_mpmath(
                mp.mpf(r + x), mp.mpf(alpha + T), mp.mpf(a), mp.mpf(b + x + first), mp.mpf(rate)
            )
            assert ours == pytest.approx(float(true), rel=1e-8)


@pytest.mark.parametrize("annual", [0.005, 0.10, 0.9])
@pytest.mark.parametrize("shapes", [(0.553, 10.578, 0.606, 11.669), (2.0, 30.0, 3.5, 400.0)])
def test_leaving_at_any_time_without_end(shapes, annual):
    r, alpha, s, beta = shapes
    rate = math.log1p(annual) / periods_per_year("week")
    model = ParetoNBD(*shapes, unit="week")
    frame = customer_lifetime_value(
        model, SPEND, FEW, horizon=math.inf, annual_discount_rate=annual
    ).to_frame()
    found = frame["discounted_purchases"] / model.probability_alive(FEW)
    with mp.workdps(40):
        for (x, _, T), ours in zip(HISTORIES, found, strict=True):
            true = pareto_by_mpmath(*(mp.mpf(v) for v in (r + x, alpha + T, s, beta + T, rate)))
            assert ours == pytest.approx(float(true), rel=1e-8)


@pytest.mark.parametrize(
    "model", [BGNBD(0.5, 6, 0.8, 2.4), ParetoNBD(0.553, 10.578, 0.606, 11.669)]
)
@pytest.mark.parametrize("years", [1, 3, 20])
def test_finite_horizons_against_a_finer_rule(model, years):
    """Gauss-Legendre of 60 points on each of 60 pieces that grow from 1e-9 weeks."""
    rate, horizon = math.log1p(0.1) * 7 / 365.25, 52.18 * years
    ends = np.append(0, np.geomspace(1e-9, horizon, 60))
    nodes, weights = np.polynomial.legendre.leggauss(60)
    half = np.diff(ends) / 2
    times = ((ends[1:] + ends[:-1]) / 2)[:, None] + half[:, None] * nodes
    shares = rate * np.exp(-rate * times) * half[:, None] * weights
    x, T = (np.array([row[i] for row in HISTORIES], dtype=float) for i in (0, 2))
    area = model.purchases_if_alive(x, T, times.ravel()) @ shares.ravel()
    at_end = model.purchases_if_alive(x, T, np.array([horizon]))[:, 0]
    true = math.exp(-rate * horizon) * at_end + area
    found = discounted_while_active(model, x, T, horizon, rate)
    assert found == pytest.approx(true, rel=1e-9)


@pytest.mark.parametrize("fit", [fit_bgnbd, fit_mbgnbd, fit_pareto_nbd])
def test_the_residual_value_is_what_growing_horizons_come_to(sample, fit):
    models, rate = (fit(sample), fit_gamma_gamma(sample)), {"annual_discount_rate": 0.10}
    values = [
        customer_lifetime_value(*models, sample, horizon=horizon, **rate)
        for horizon in (52, 520, 300 * 52.18, math.inf)
    ]
    totals = [value.total for value in values]
    assert [t.value for t in totals] == sorted(t.value for t in totals)
    # What is left after 300 years is discounted to 4e-13 of itself.
    assert totals[3].value == pytest.approx(totals[2].value, rel=1e-7)
    assert (totals[3].low, totals[3].high) == pytest.approx(
        (totals[2].low, totals[2].high), rel=1e-6
    )
    assert totals[3].low < totals[3].value < totals[3].high
    groups = values[3].total_by(np.where(sample["frequency"] > 0, "again", "once"))
    assert groups["clv"].sum() == pytest.approx(totals[3].value, rel=1e-12)
    assert (groups["low"] < groups["clv"]).all()


def test_what_the_frame_holds_without_end():
    value = customer_lifetime_value(
        BGNBD(0.243, 4.414, 0.793, 2.426, "week"), SPEND, FEW, horizon=np.inf,
        annual_discount_rate=0.1, margin=0.5,
    )  # fmt: skip
    frame = value.to_frame()
    assert "expected_purchases" not in frame
    product = 0.5 * frame["discounted_purchases"] * frame["expected_spend"]
    assert frame["clv"].to_numpy() == pytest.approx(product.to_numpy(), rel=1e-12)
    assert value.customer_intervals()["discounted_purchases"].tolist() == pytest.approx(
        frame["discounted_purchases"].tolist()
    )


def test_without_discount_it_has_no_bound():
    with pytest.raises(ParameterError, match="has no bound; give an annual_discount_rate above 0"):
        customer_lifetime_value(
            BGNBD(0.243, 4.414, 0.793, 2.426, "week"), SPEND, FEW, horizon=math.inf,
            annual_discount_rate=0,
        )  # fmt: skip


@pytest.mark.parametrize("horizon", [-math.inf, math.nan])
def test_horizons_that_are_none(horizon):
    with pytest.raises(ParameterError, match="horizon"):
        customer_lifetime_value(
            BGNBD(0.243, 4.414, 0.793, 2.426, "week"), SPEND, FEW, horizon=horizon,
            annual_discount_rate=0.1,
        )  # fmt: skip


def test_a_future_without_end_cannot_be_drawn():
    value = customer_lifetime_value(
        BGNBD(0.243, 4.414, 0.793, 2.426, "week"), SPEND, FEW, horizon=math.inf,
        annual_discount_rate=0.1,
    )  # fmt: skip
    for draw in (value.predicted_total, value.predicted_purchases):
        with pytest.raises(ParameterError, match="simulated purchase by purchase"):
            draw()
    with pytest.raises(ParameterError, match="finite horizon"):
        value.customer_predictions([0])
