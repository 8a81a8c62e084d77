"""Expected purchases against arbitrary-precision arithmetic, hard cases included."""

import itertools

import mpmath
import numpy as np
import pytest
from scipy.special import expit

from relkit.value.bgnbd import BGNBD
from relkit.value.history_grid import NARROW
from relkit.value.purchase_integral import drop_out_nodes, purchases_while_active

SHAPES = [1e-6, 0.01, 0.2, 0.49, 0.793, 1 - 1e-10, 1 + 1e-10, 2.5, 30.0]
CASES = list(
    itertools.product([0.05, 0.243, 5.0], SHAPES, [0.01, 0.5, 2.426, 50.0], [0, 1, 7, 200, 20_000])
)
# Ten years in days, seen from a week; a week, seen from ten years; and further.
RATIOS = [1e-6, 1.9e-3, 0.7, 26.0, 520.0]


def exactly(r, a, b, x, s):
    """The published formula, Gauss's function transformed by Euler so that it converges.

    With z = s / (1 + s): (1 - z) ** (r + x) * F(r + x, b + x; c; z) equals
    (1 - z) ** (a - 1) * F(a + b - 1 - r, a - 1; c; z) where c = a + b + x - 1.
    """
    with mpmath.workdps(60):
        r, a, b, x, s = (mpmath.mpf(value) for value in (r, a, b, x, s))
        c = a + b + x - 1
        gauss = mpmath.hyp2f1(a + b - 1 - r, a - 1, c, s / (1 + s))
        return c / (a - 1) * (1 - (1 + s) ** (1 - a) * gauss)


@pytest.mark.parametrize("case", CASES[::4])
def test_against_sixty_digits(case):
    r, a, b, x = case
    for s in RATIOS:
        found = purchases_while_active(r, a, b, np.array([float(x)]), np.array([s]))[0]
        true = exactly(r, a, b, x, s)
        assert abs(float((found - true) / true)) < 1e-9, s


def test_many_horizons_take_the_interpolant_and_stay_exact():
    s = np.geomspace(1e-4, 300, 400 * NARROW.degrees)
    x = np.full(len(s), 3.0)
    found = purchases_while_active(0.243, 0.793, 2.426, x, s)
    for i in range(0, len(s), 97):
        true = exactly(0.243, 0.793, 2.426, 3, s[i])
        assert abs(float((found[i] - true) / true)) < 1e-10
    alone = purchases_while_active(0.243, 0.793, 2.426, x[:1], s[:1])
    assert found[0] == pytest.approx(alone[0], rel=1e-10)


def test_no_horizon_no_purchase():
    found = purchases_while_active(0.243, 0.793, 2.426, np.array([0.0, 5.0]), np.array([0.0, 0.0]))
    assert found.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("x", [0, 1, 20_000])
@pytest.mark.parametrize("a", [0.2, 1 - 1e-10, 3.0])
@pytest.mark.parametrize("silent", [0.0, 1.0, 400.0])
def test_whole_predictions_against_sixty_digits(x, a, silent):
    """Ten years in days; t_x = T where silent is 0, t_x = 0 where it is all of T."""
    model = BGNBD(r=0.24, alpha=30.0, a=a, b=2.4)
    history = {"frequency": x, "recency": 400.0 - silent if x else 0.0, "T": 400.0}
    with mpmath.workdps(60):
        odds = mpmath.mpf(0)
        if x:
            ratio = (mpmath.mpf(430)) / (30 + mpmath.mpf(history["recency"]))
            odds = mpmath.mpf(a) / (mpmath.mpf(2.4) + x - 1) * ratio ** (mpmath.mpf(0.24) + x)
        alive = 1 / (1 + odds)
        expected = alive * exactly(0.24, a, 2.4, x, mpmath.mpf(3652) / 430)
    found = model.probability_alive(**history)
    if alive > mpmath.mpf("1e-300"):
        assert abs(float((found - alive) / alive)) < 1e-9
    else:
        assert found < 1e-299
    ahead = model.expected_purchases(**history, horizon=3652.0)
    assert np.isfinite(ahead)
    assert ahead == pytest.approx(float(expected), rel=1e-9, abs=1e-280)


# An independent derivation: P(N = n) summed, by simulation of the story itself.
def test_the_mean_of_simulated_lives():
    rng = np.random.default_rng(5)
    n, (r, alpha, a, b), horizon = 400_000, (0.8, 6.0, 0.7, 2.0), 30.0
    rate, leave = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
    made = np.minimum(rng.poisson(rate * horizon), rng.geometric(leave))
    expected = BGNBD(r, alpha, a, b).expected_purchases_new(horizon)
    assert made.mean() == pytest.approx(expected, abs=4 * made.std() / n**0.5)


@pytest.mark.parametrize("a", [1e-6, 0.5, 0.793, 3.0, 30.0])
def test_nodes_know_the_moments_of_the_drop_out_probability(a):
    size = np.array([0.02, 0.6, 2.4, 30.0, 20_000.0])
    nodes = drop_out_nodes(a, size)
    assert nodes.weights.sum(axis=1) == pytest.approx(np.ones(len(size)), rel=1e-14)
    for row, length in enumerate(nodes.length):
        p = expit(nodes.log_odds[row, :length])
        weights = nodes.weights[row, :length]
        assert not nodes.weights[row, length:].any()
        mean = (a + 1) / (a + 1 + size[row])
        assert p @ weights == pytest.approx(mean, rel=1e-11)
        assert p**2 @ weights == pytest.approx(mean * (a + 2) / (a + 2 + size[row]), rel=1e-10)
