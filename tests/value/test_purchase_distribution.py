"""How many purchases: printed formulas in many digits, another implementation, lives."""

import math

import mpmath
import numpy as np
import pandas as pd
import pytest
from lifetimes import BetaGeoFitter, ParetoNBDFitter

import relkit as rk
from relkit.errors import FitError, ParameterError

BG = rk.BGNBD(0.243, 4.414, 0.793, 2.426)
MBG = rk.MBGNBD(0.525, 6.183, 0.891, 1.614)
PARETO = rk.ParetoNBD(0.553, 10.578, 0.606, 11.669)
MODELS = pytest.mark.parametrize("model", [BG, MBG, PARETO], ids=lambda model: model.name)
# One-time buyer, the papers' customer, one who bought at T, a heavy buyer gone and one not.
HISTORIES = [
    (0, 0.0, 38.86),
    (2, 30.43, 38.86),
    (7, 9.0, 9.0),
    (300, 60.0, 80.0),
    (5_000, 399.0, 400.0),
]


def negative_binomial(k, shape, scale, t):
    choices = mpmath.gammaprod([shape + k], [shape, k + 1])
    return choices * (scale / (scale + t)) ** shape * (t / (scale + t)) ** k


def with_chances(k, shape, scale, a, b, t):
    """Fader, Hardie & Lee (2005), equation 8, as it is printed: with a difference."""
    beta = mpmath.beta
    chance = beta(a, b + k) / beta(a, b) * negative_binomial(k, shape, scale, t)
    if k:
        fewer = mpmath.fsum(negative_binomial(j, shape, scale, t) for j in range(k))
        chance += beta(a + 1, b + k - 1) / beta(a, b) * (1 - fewer)
    return chance


def with_rate(k, shape, scale, s, active, t):
    """The integral over the time of leaving, and the chance to stay."""

    def term(y):
        density = s / (active + y) * (active / (active + y)) ** s
        return density * negative_binomial(k, shape, scale, y)

    peak = scale * k / shape if k else t / 2
    ends = sorted({0, t, *(min(t, peak * share) for share in (0.8, 1, 1.25))})
    stay = (active / (active + t)) ** s * negative_binomial(k, shape, scale, t)
    # The integration stops by an absolute error, so its terms are made near 1.
    size = term(min(t, peak))
    return stay + size * mpmath.quad(lambda y: term(y) / size, [mpmath.mpf(end) for end in ends])


def exactly(model, x, t_x, T, t, k):
    """P(exactly k purchases), in as many digits as are set."""
    r, alpha, three, four = (mpmath.mpf(value) for value in model.params)
    x, t_x, T, t = (mpmath.mpf(value) for value in (x, t_x, T, t))
    if model.name == "Pareto/NBD":
        ends = [t_x + (T - t_x) * share for share in (0, 0.1, 1)] if t_x < T else []
        gone = mpmath.mpf(0)
        if ends:
            gone = mpmath.quad(
                lambda y: (
                    three / (four + y)
                    * ((alpha + T) / (alpha + y)) ** (r + x)
                    * ((four + T) / (four + y)) ** three
                ),
                ends,
            )  # fmt: skip
        chance = with_rate(k, r + x, alpha + T, three, four + T, t)
    else:
        first = 1 if model.name == "MBG/NBD" else 0
        gone = mpmath.mpf(0)
        if x + first:
            gone = three / (four + x + first - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x)
        chance = with_chances(k, r + x, alpha + T, three, four + x + first, t)
    return (gone * (k == 0) + chance) / (1 + gone)


@MODELS
@pytest.mark.parametrize("history", HISTORIES)
def test_against_the_printed_formulas_in_many_digits(model, history):
    x, t_x, T = history
    for horizon in (0.5, 39.0, 3652.0):
        asked = {"frequency": x, "recency": t_x, "T": T, "horizon": horizon}
        expected = x * horizon / T
        for k in {0, 1, 2, 30, *([round(expected)] if expected < 500 else [])}:
            found = model.purchase_distribution(**asked, most=k)[k]
            # The difference that is printed loses as many digits as the chance is small.
            with mpmath.workdps(18 if model is PARETO else 120 + int(min(expected, 280))):
                true = float(exactly(model, *history, horizon, k))
            assert found == pytest.approx(true, rel=1e-9, abs=1e-300), (k, horizon)


@MODELS
@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("horizon", [1.0, 52.0, 520.0])
def test_the_mean_is_what_is_expected(model, history, horizon):
    x, t_x, T = history
    asked = {"frequency": x, "recency": t_x, "T": T, "horizon": horizon}
    most = 200 + int(6 * (x + 20) * horizon / T)
    chances = model.purchase_distribution(**asked, most=most)
    assert chances.shape == (most + 1,)
    assert chances.sum() == pytest.approx(1, abs=1e-10)
    assert chances.min() >= 0
    expected = model.expected_purchases(**asked)
    assert chances @ np.arange(most + 1) == pytest.approx(expected, rel=1e-9)


@MODELS
@pytest.mark.parametrize("horizon", [1e-3, 7.0, 520.0])
def test_a_new_customer(model, horizon):
    chances = model.purchase_distribution_new(horizon, 6_000)
    assert chances @ np.arange(6_001) == pytest.approx(
        model.expected_purchases_new(horizon), rel=1e-9
    )
    several = model.purchase_distribution_new([[horizon, 1.0]], 3)
    assert several.shape == (1, 2, 4)
    assert several[0, 0] == pytest.approx(chances[:4], rel=1e-13)


@MODELS
def test_fewer_counts_are_the_beginning_of_more(model, sample):
    few = sample.head(300)
    short = model.purchase_distribution(few, horizon=39, most=3)
    assert model.purchase_distribution(few, horizon=39, most=40)[:, :4] == pytest.approx(
        short, rel=1e-11
    )
    assert short.shape == (300, 4)
    # More rows than are held at a time, and many of them alike.
    many = pd.concat([few] * 20)
    wide = model.purchase_distribution(many, horizon=39, most=40)
    assert wide[300 * 19 :, :4] == pytest.approx(short, rel=1e-11)
    assert model.purchase_distribution(few.head(0), horizon=39, most=2).shape == (0, 3)
    one = model.purchase_distribution(few, horizon=39, most=0)[:, 0]
    assert one == pytest.approx(short[:, 0], rel=1e-13)


def test_agrees_with_another_implementation(sample):
    other = BetaGeoFitter()
    other.params_ = pd.Series(BG.params._asdict())
    found = BG.purchase_distribution_new(52.0, 9)
    theirs = [other.probability_of_n_purchases_up_to_time(52.0, k) for k in range(10)]
    assert found == pytest.approx([float(np.ravel(p)[0]) for p in theirs], rel=1e-9)
    pareto = ParetoNBDFitter()
    pareto.params_ = pd.Series(PARETO.params._asdict())
    few = sample.head(40)
    columns = [few[name].to_numpy() for name in ("frequency", "recency", "T")]
    found = PARETO.purchase_distribution(few, horizon=26.0, most=5)
    for k in range(6):
        theirs = pareto.conditional_probability_of_n_purchases_up_to_time(k, 26.0, *columns)
        assert found[:, k] == pytest.approx(np.array(theirs), rel=1e-6)


def lived(rng, model, n, T, horizon):
    """Frequency, recency and what was bought within the horizon after T, life by life."""
    r, alpha, three, four = model.params
    rate = rng.gamma(r, 1 / alpha, n)
    x, t_x, later, now = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    pareto = model.name == "Pareto/NBD"
    end = rng.exponential(1 / rng.gamma(three, 1 / four, n)) if pareto else np.full(n, np.inf)
    leave = np.zeros(n) if pareto else rng.beta(three, four, n)
    going = rng.random(n) >= leave if model.name == "MBG/NBD" else np.ones(n, bool)
    while going.any():
        now[going] += rng.exponential(1 / rate[going])
        going &= now <= np.minimum(T + horizon, end)
        before = going & (now <= T)
        x[before] += 1
        t_x[before] = now[before]
        later[going & (now > T)] += 1
        going &= rng.random(n) >= leave
    return x, t_x, later


@MODELS
def test_simulated_lives(model):
    n, T, horizon, most = 120_000, 40.0, 30.0, 6
    x, t_x, later = lived(np.random.default_rng(4), model, n, T, horizon)
    chances = model.purchase_distribution(
        frequency=x, recency=t_x, T=np.full(n, T), horizon=horizon, most=most
    )
    for group in (x == 0, x == 1, (x > 1) & (t_x < 20), (x > 1) & (t_x >= 20), x > 4):
        for k in range(most + 1):
            said = chances[group, k]
            error = math.sqrt(float((said * (1 - said)).sum())) / group.sum()
            happened = (later[group] == k).mean()
            assert happened == pytest.approx(said.mean(), abs=4 * error), k


def test_a_small_chance_of_having_left_is_not_lost():
    # Who bought at T may only have left right then: a / (b + x - 1) to 1.
    model = rk.BGNBD(0.5, 1.0, 1e-13, 10.0)
    none = model.purchase_distribution(frequency=600, recency=80.0, T=80.0, horizon=20.0, most=0)
    left = 1e-13 / 609
    stays = (81.0 / 101.0) ** 600.5
    assert none[0] == pytest.approx(left + stays, rel=1e-10, abs=0)


def test_wrong_use(sample):
    one = {"frequency": 1, "recency": 1.0, "T": 2.0}
    for most in (-1, 2.5, "3", True, None):
        with pytest.raises(ParameterError, match=r"most=.*must be a whole number from 0"):
            BG.purchase_distribution(**one, horizon=1, most=most)
    with pytest.raises(ParameterError, match="horizon=0"):
        BG.purchase_distribution(**one, horizon=0, most=2)
    for horizon in (-1, [1.0, math.nan]):
        with pytest.raises(ParameterError, match="horizon"):
            BG.purchase_distribution_new(horizon, 2)
    with pytest.raises(ParameterError, match="horizon='soon' must be a number of units"):
        BG.purchase_distribution_new("soon", 2)
    fit = rk.fit_pareto_nbd(frequency=[0] * 9, recency=[0] * 9, T=[9] * 9)
    for ask in (
        lambda: fit.purchase_distribution(**one, horizon=1, most=2),
        lambda: fit.purchase_distribution_new(1, 2),
    ):
        with pytest.raises(FitError, match="too few repeaters"):
            ask()
    fit = rk.fit_bgnbd(sample)
    assert fit.purchase_distribution(**one, horizon=1, most=np.int64(2)).tolist() == (
        fit.model.purchase_distribution(**one, horizon=1, most=2).tolist()
    )
