"""The coverage study of the benchmarks, in short: the bounds are those of chance."""

import numpy as np
import pytest

import relkit as rk
from benchmarks.coverage import WORLDS, live, main, study

# With 60 populations of true coverage .95 a count below 50 has a chance of 2e-4, one of
# 60 occurs; so only too narrow intervals can be told from chance for those.
POPULATIONS, FEWEST = 60, 50


@pytest.mark.slow
@pytest.mark.parametrize("world", list(WORLDS))
def test_nominal_95_percent_is_95_percent(world):
    table = study(world, POPULATIONS, seed=7, workers=2).set_index("interval")
    assert table["populations"].max() == POPULATIONS
    often = table[table["populations"] == POPULATIONS]
    assert (often["coverage"] >= FEWEST / POPULATIONS).all()
    # Shares of customers vary less; too wide would show there.
    for name in ("expected purchases of a customer", "CLV of a customer"):
        line = table.loc[name]
        assert abs(line["coverage"] - 0.95) < 4 * line["monte_carlo_error"]
    real = table.loc[["real purchases of a customer", "real spend of a customer"], "coverage"]
    # Whole purchases cannot hit 95 % exactly; at least so much, and not everybody.
    assert ((real > 0.95) & (real < 0.995)).all()


def test_the_simulated_customers_are_those_of_the_models():
    """Against the mean of the model itself: repeat purchases by T, spend per purchase."""
    world = WORLDS["young"]
    lives = live(np.random.default_rng(1), world, 40_000)
    summary = lives.summary()

    expected = rk.BGNBD(*world.purchases).expected_purchases_new(summary["T"].to_numpy())
    x = summary["frequency"]
    assert x.mean() == pytest.approx(expected.mean(), abs=4 * x.std() / len(x) ** 0.5)
    p, q, v = world.spend
    again = summary[summary["frequency"] > 0]["monetary_value"]
    assert again.mean() == pytest.approx(p * v / (q - 1), abs=4 * again.std() / len(again) ** 0.5)
    bought, spent = lives.to_come()
    assert ((bought > 0) == (spent > 0)).all()


def test_the_script_prints_its_table(capsys):
    main(["--populations", "2", "--workers", "1", "--world", "young", "--seed", "3"])
    said = capsys.readouterr().out
    assert "young world: 2 of 2 populations" in said
    assert "CLV of all" in said
