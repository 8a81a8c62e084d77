"""P(alive) and expected purchases against arbitrary precision, where formulas break.

The grid: no, one, a few and 20,000 repeat purchases; the last of them at once, in the
middle, and at the end; drop-out shapes within 1e-10 of 1, below 1/2, tiny and huge;
horizons from an instant to ten years in days.
"""

import functools
import itertools
import math
import sys

import mpmath
import pytest

import relkit as rk

# Repeat purchases, the last of them and the end, in days.
HISTORIES = [
    (0, 0.0, 0.0),
    (0, 0.0, 400.0),
    (1, 0.0, 400.0),
    (1, 400.0, 400.0),
    (3, 200.0, 400.0),
    (250, 390.0, 400.0),
    (20_000, 399.9, 400.0),
    (20_000, 400.0, 400.0),
    (20_000, 0.0, 400.0),
]
HORIZONS = [1e-3, 30.0, 3652.0]
SHAPES = [1e-6, 0.2, 0.49, 1 - 1e-10, 1 + 1e-10, 2.5, 5e3]
CHANCES = list(itertools.product([0.05, 0.8], [30.0], SHAPES, [0.3, 2.4]))
SCALES = [(30.0, 30.0), (30.0, 31.0), (0.1, 900.0), (900.0, 0.1)]
RATES = [
    (r, alpha, s, beta)
    for r, s, (alpha, beta) in itertools.product([0.05, 0.8, 20.0], [*SHAPES[:6], 50.0], SCALES)
]
SMALLEST = sys.float_info.min


def some(cases, first, step):
    """Every step-th case at once, the others with the long studies."""
    return [
        case if i % step == first else pytest.param(*case, marks=pytest.mark.slow)
        for i, case in enumerate(cases)
    ]


def same(found, true):
    """Within 1e-9 of the truth; below the smallest normal number, not above it."""
    assert math.isfinite(found)
    assert found >= 0
    if true >= SMALLEST:
        assert abs(float((mpmath.mpf(found) - true) / true)) <= 1e-9
    else:
        assert found <= SMALLEST


@functools.cache
def gauss(r, a, b, x, s):
    """Purchases while active: the published formula after Euler's transformation.

    Source: Fader, Hardie & Lee (2005), equation 10. With z = s / (1 + s):
    (1 - z) ** (r + x) F(r + x, b + x; c; z) = (1 - z) ** (a - 1) F(a + b - 1 - r, a - 1; c; z)
    where c = a + b + x - 1.
    """
    c = a + b + x - 1
    z = s / (1 + s)
    return c / (a - 1) * (1 - (1 + s) ** (1 - a) * mpmath.hyp2f1(a + b - 1 - r, a - 1, c, z))


KINDS = [(kind, params) for params in CHANCES for kind in (rk.BGNBD, rk.MBGNBD)]


@pytest.mark.parametrize(("kind", "params"), some(KINDS, 0, 3))
def test_leaving_after_a_purchase(kind, params):
    """19 of 56 models, 9 histories, 3 horizons: 513 of 1,512 cases."""
    model, first = kind(*params), int(kind is rk.MBGNBD)
    for x, t_x, T in HISTORIES:
        given = {"frequency": x, "recency": t_x, "T": T}
        # The difference from 1 that is printed loses the digits of the horizon, and of a.
        with mpmath.workdps(45):
            r, alpha, a, b = (mpmath.mpf(value) for value in params)
            chances = x + first
            silence = (alpha + mpmath.mpf(T)) / (alpha + mpmath.mpf(t_x))
            odds = a / (b + chances - 1) * silence ** (r + x) if chances else mpmath.mpf(0)
            alive = 1 / (1 + odds)
            same(model.probability_alive(**given), alive)
            for horizon in HORIZONS:
                ahead = gauss(r, a, b + first, x, mpmath.mpf(horizon) / (alpha + mpmath.mpf(T)))
                same(model.expected_purchases(**given, horizon=horizon), alive * ahead)
                if T == 0:
                    same(model.expected_purchases_new(horizon), alive * ahead)


def left_at_some_time(r, alpha, s, beta, x, t_x, T):
    """Odds of having left: the integral over the time of leaving, by tanh-sinh.

    Against the form with Gauss's functions (``test_pareto_nbd.py``), which needs minutes
    where z is near 1 for 20,000 purchases, it agrees to 20 digits.

    Source: Fader & Hardie (2005), "A note on deriving the Pareto/NBD model".
    """

    def term(y):
        stays = ((alpha + T) / (alpha + y)) ** (r + x) * ((beta + T) / (beta + y)) ** s
        return s / (beta + y) * stays

    if t_x == T:
        return mpmath.mpf(0)
    pace = min((alpha + t_x) / (r + x), (beta + t_x) / (s + 1))
    ends = sorted({t_x, T, *(min(T, t_x + pace * step) for step in (3, 30, 300, 3000))})
    size = term(t_x)
    return size * mpmath.quad(lambda y: term(y) / size, ends)


@pytest.mark.parametrize(("r", "alpha", "s", "beta"), some(RATES, 0, 5))
def test_leaving_at_any_time(r, alpha, s, beta):
    """17 of 84 models, 9 histories, 3 horizons: 459 of 2,268 cases."""
    model = rk.ParetoNBD(r, alpha, s, beta)
    for x, t_x, T in HISTORIES:
        given = {"frequency": x, "recency": t_x, "T": T}
        with mpmath.workdps(22):
            r, alpha, s, beta = (mpmath.mpf(value) for value in model.params)
            first, end = mpmath.mpf(t_x), mpmath.mpf(T)
            odds = left_at_some_time(r, alpha, s, beta, x, first, end)
            alive = 1 / (1 + odds)
            same(model.probability_alive(**given), alive)
        # Near s = 1 the printed difference loses the digits of s - 1 and of the horizon.
        with mpmath.workdps(50):
            for horizon in HORIZONS:
                grown = (beta + end + mpmath.mpf(horizon)) / (beta + end)
                spell = (beta + end) * (1 - grown ** (1 - s)) / (s - 1)
                ahead = (r + x) / (alpha + end) * spell
                same(model.expected_purchases(**given, horizon=horizon), alive * ahead)
                if T == 0:
                    same(model.expected_purchases_new(horizon), ahead)
