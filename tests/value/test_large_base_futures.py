"""Futures of a large base, drawn of some customers only, beside those of everybody."""

import numpy as np
import pytest

from benchmarks.coverage import HORIZON, RATE, WORLDS, live
from relkit.value import futures
from relkit.value.bgnbd import BGNBD, fit_bgnbd
from relkit.value.futures import draw_futures, prediction
from relkit.value.gamma_gamma import GammaGamma, fit_gamma_gamma
from relkit.value.lifetime_value import customer_lifetime_value

TERMS = {"horizon": HORIZON, "annual_discount_rate": RATE}


@pytest.fixture
def some_of_many(monkeypatch):
    """A base counts as large from 2,000 customers, of whom so many are drawn."""
    monkeypatch.setattr(futures, "MOST_WHOLE", 2_000)
    return lambda sampled: monkeypatch.setattr(futures, "SAMPLED", sampled)


def population(seed, world, n):
    lives = live(np.random.default_rng([97, seed]), WORLDS[world], n)
    summary = lives.summary()
    return lives, summary, (fit_bgnbd(summary), fit_gamma_gamma(summary))


def test_totals_scatter_as_those_of_everybody(some_of_many, monkeypatch):
    """Of 600 draws a standard deviation is known to 3 %: 15 % off is 3.6 errors."""
    _, summary, fits = population(0, "pure", 5_000)
    known = BGNBD(*WORLDS["pure"].purchases, unit="week"), GammaGamma(*WORLDS["pure"].spend)
    for models in (fits, known):
        value = customer_lifetime_value(*models, summary, **TERMS)
        some_of_many(500)
        some = value._futures(600, seed=1)
        monkeypatch.setattr(futures, "MOST_WHOLE", 50_000)
        whole = value._futures(600, seed=2)
        monkeypatch.setattr(futures, "MOST_WHOLE", 2_000)
        for one, other in ((some.purchases, whole.purchases), (some.spend, whole.spend)):
            assert one.std() == pytest.approx(other.std(), rel=0.15)
            apart = np.hypot(one.std(), other.std()) / 600**0.5
            assert one.mean() == pytest.approx(other.mean(), abs=4 * apart)
            assert np.quantile(one, [0.05, 0.95]) == pytest.approx(
                np.quantile(other, [0.05, 0.95]), abs=0.35 * other.std()
            )


def test_parameters_that_are_known_badly_are_not_shrunk_with_chance(some_of_many, monkeypatch):
    """A fit of 1,000 customers said of 5,000 others: what it does not know moves them all."""
    _, _few, fits = population(1, "young", 1_000)
    _, many, _ = population(2, "young", 5_000)
    value = customer_lifetime_value(*fits, many, **TERMS)
    some_of_many(500)
    some = value._futures(600, seed=1)
    monkeypatch.setattr(futures, "MOST_WHOLE", 50_000)
    whole = value._futures(600, seed=2)
    assert some.purchases.std() == pytest.approx(whole.purchases.std(), rel=0.15)
    assert some.spend.std() == pytest.approx(whole.spend.std(), rel=0.15)


def test_the_order_of_the_rows_decides_nothing(some_of_many):
    some_of_many(500)
    _, summary, fits = population(3, "young", 3_000)
    one = customer_lifetime_value(*fits, summary, **TERMS)
    turned = summary.sample(frac=1, random_state=1)
    other = customer_lifetime_value(*fits, turned, **TERMS)
    drawn = [value._futures(20, seed=1) for value in (one, other)]
    assert drawn[1].purchases == pytest.approx(drawn[0].purchases, rel=1e-9)
    assert drawn[1].spend == pytest.approx(drawn[0].spend, rel=1e-9)


@pytest.mark.parametrize(
    ("purchases", "spend"),
    [
        # Amounts without variance: the root of n is not what their sums scatter by.
        (BGNBD(0.5, 6.0, 0.8, 2.4), GammaGamma(6.25, 1.9, 15.0)),
        # A purchase in a hundred customers: of 500 about five.
        (BGNBD(0.002, 6.0, 0.8, 2.4), GammaGamma(6.25, 3.74, 15.0)),
    ],
)
def test_everybody_is_drawn_where_a_sample_would_not_do(some_of_many, purchases, spend):
    some_of_many(500)
    new = np.zeros(5_000)
    drawn = draw_futures(
        purchases, spend, (new, new, new + 20, new), horizon=52, discount=0.0, draws=20, seed=1
    )
    assert (drawn.purchases == np.round(drawn.purchases)).all()
    some_of_many(2_000)
    drawn = draw_futures(
        BGNBD(0.5, 6.0, 0.8, 2.4), None, (new, new, new + 20, new),
        horizon=52, discount=0.0, draws=20, seed=1,
    )  # fmt: skip
    assert not (drawn.purchases == np.round(drawn.purchases)).all()
    assert not drawn.spend.any()


@pytest.mark.slow
@pytest.mark.parametrize("world", list(WORLDS))
def test_what_really_happens_is_covered(some_of_many, world):
    """150 populations of 3,000, of whom 300 are drawn: 95 % within its binomial noise.

    P(fewer than 135 of 150) is .004 at 95 %; P(all 150) is .0005.
    """
    some_of_many(300)
    hits = np.zeros(2)
    for seed in range(150):
        lives, summary, fits = population(1_000 + seed, world, 3_000)
        value = customer_lifetime_value(*fits, summary, **TERMS)
        drawn, frame = value._futures(200, seed), value.to_frame()
        bought, spent = lives.to_come()
        for i, (totals, expected, real) in enumerate(
            [
                (drawn.purchases, frame["expected_purchases"].sum(), bought.sum()),
                (drawn.spend, value.total.value, spent.sum()),
            ]
        ):
            found = prediction(totals, expected, value.n, 0.95)
            hits[i] += found.low <= real <= found.high
    assert (hits >= 135).all()
    assert (hits < 150).all()
