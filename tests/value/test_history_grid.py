"""What is read off a grid, where T is far below what it is smooth against and elsewhere."""

import mpmath
import numpy as np
import pytest

import relkit as rk
from relkit.value.discounting import PurchaseFlow
from relkit.value.history_grid import NARROW, WIDE, HistoryGrid


def active_gauss(r, a, b, x, s):
    """Expected purchases given active by the published formula in 40 digits."""
    with mpmath.workdps(40):
        r, a, b, x, s = (mpmath.mpf(float(value)) for value in (r, a, b, x, s))
        c = a + b + x - 1
        gauss = mpmath.hyp2f1(a + b - 1 - r, a - 1, c, s / (1 + s))
        return float(c / (a - 1) * (1 - (1 + s) ** (1 - a) * gauss))


@pytest.mark.parametrize("alpha", [1e9, 1e4, 5.0])
@pytest.mark.parametrize("longest", [1e-3, 50.0])
def test_nothing_is_lost_where_customers_are_young_beside_the_scale(alpha, longest):
    """Points of T are alpha + T less alpha: digits of T are lost, none of the answer."""
    rng, n, horizon = np.random.default_rng(0), 20_000, 52.0
    model = rk.BGNBD(r=0.243, alpha=alpha, a=0.793, b=2.426)
    x, T = rng.integers(0, 4, n).astype(float), rng.uniform(0, longest, n)
    t_x = np.where(x > 0, T * rng.random(n), 0.0)
    flow = PurchaseFlow.of(model, np.zeros(4), (x, t_x, T), horizon, 0.0018)
    assert len(flow._grid.x) < n, "read off, not computed for each"
    plain, discounted = flow.while_active()
    for i in (int(T.argmin()), int(T.argmax()), *range(0, n, 4001)):
        with mpmath.workdps(40):
            s = mpmath.mpf(horizon) / (mpmath.mpf(alpha) + mpmath.mpf(float(T[i])))
        true = active_gauss(0.243, 0.793, 2.426, x[i], s)
        assert plain[i] == pytest.approx(true, rel=1e-10)
    # Discounted: each customer alone is computed from T itself, without any grid.
    for i in (int(T.argmin()), *range(0, n, 5003)):
        row = x[i : i + 1], t_x[i : i + 1], T[i : i + 1]
        alone = PurchaseFlow.of(model, np.zeros(4), row, horizon, 0.0018)
        assert discounted[i] == pytest.approx(alone.while_active()[1][0], rel=1e-10)


def test_leaving_at_any_time_with_scales_far_apart():
    rng, n, horizon = np.random.default_rng(1), 20_000, 52.0
    model = rk.ParetoNBD(r=0.55, alpha=1e6, s=0.6, beta=12.0)
    x, T = rng.integers(0, 4, n).astype(float), rng.uniform(0, 1e-4, n)
    flow = PurchaseFlow.of(model, np.zeros(4), (x, np.zeros(n), T), horizon, 0.0)
    assert len(flow._grid.x) < n
    direct = model.purchases_if_alive(x, T, np.array([horizon]))[:, 0]
    assert flow.while_active()[0] == pytest.approx(direct, rel=1e-10)


@pytest.mark.parametrize("cells", [NARROW, WIDE])
def test_a_scale_for_each_x(cells):
    """A pole at minus the scale of each x, as near as any function here has one."""
    rng, n = np.random.default_rng(2), 30_000
    x, s = rng.integers(0, 30, n).astype(float), np.exp(rng.uniform(-12, 4, n))
    scale = 1 / (1 + x)
    grid = HistoryGrid.of(x, s, scale, cells)

    def function(x, s):
        return (1 / (1 + (1 + x) * s))[:, None]

    assert len(grid.x) < n
    assert grid.spread(function(grid.x, grid.T)) == pytest.approx(function(x, s), rel=1e-10)
    weights = rng.normal(size=(n, 2))
    sums = grid.gather(weights).T @ function(grid.x, grid.T)
    assert sums == pytest.approx(weights.T @ function(x, s), rel=1e-9, abs=1e-9)


def test_keys_that_are_far_apart():
    x = np.repeat([0.0, 3.0, 9_000_000.0], 400)
    T = np.tile(np.linspace(1, 60, 400), 3)
    grid = HistoryGrid.of(x, T, 6.0)
    assert len(grid.x) < len(x)
    found = grid.spread((grid.x / (6 + grid.T))[:, None])[:, 0]
    assert found == pytest.approx(x / (6 + T), rel=1e-10)


@pytest.mark.parametrize("certain", [(), (0,), (1, 3), (0, 1, 2, 3)])
def test_the_slope_of_a_sum_is_the_sum_of_slopes(certain):
    rng, n = np.random.default_rng(3), 20_000
    model = rk.MBGNBD(r=0.5, alpha=6.0, a=0.9, b=2.5)
    x, T = rng.integers(0, 5, n).astype(float), rng.uniform(1, 90, n)
    variances = np.full(4, 0.01)
    variances[list(certain)] = 0.0
    histories = x, np.where(x > 0, T * rng.random(n), 0.0), T
    flow = PurchaseFlow.of(model, variances, histories, 52.0, 0.0018)
    prices = rng.gamma(3, size=n)
    worth = prices * flow.while_active()[1]
    slope = flow.slope_of_sum(prices, worth)
    assert slope == pytest.approx(prices @ flow.slopes(), rel=1e-10)
    assert (slope == 0).tolist() == [i in certain for i in range(4)]
