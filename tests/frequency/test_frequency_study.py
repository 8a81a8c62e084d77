"""The whole way from customers to decisions, on worlds whose truth is known.

The short version of docs/frequency-study.md; `./kit bench frequency` makes its table.
"""

import time

import numpy as np
import pytest

from benchmarks.frequency import (
    ARMS,
    CADENCES,
    DOSES,
    GUARDRAILS,
    TERMS,
    TIERS,
    WORLDS,
    customers,
    expected,
    read,
    rule_of,
    simulate,
    study,
    summary,
    truth,
    worth,
)
from relkit.frequency.read_out import read_frequency_experiment

FEW = 10


def test_truth_is_what_customers_do():
    rng = np.random.default_rng(6)
    for world, effects in WORLDS.items():
        for tier in TIERS[:3]:
            what = effects(4.0, tier.best)
            rows = customers(rng, tier, what, 40_000)[:, :3]
            error = rows.std(0) / np.sqrt(len(rows))
            assert (np.abs(rows.mean(0) - expected(tier, what)) < 4.5 * error).all(), world


def test_sums_drawn_scatter_as_sums_of_customers():
    rng = np.random.default_rng(2)
    many = [[simulate("smooth", 20_000, rng, drawn) for _ in range(25)] for drawn in (True, False)]
    drawn, lived = (np.array([one.means("margin").mean for one in each]) for each in many)
    apart = (drawn.mean(0) - lived.mean(0)) / np.sqrt((drawn.var(0) + lived.var(0)) / 25)
    assert (apart**2).mean() < 1.8
    assert (drawn.var(0) / lived.var(0)).mean() == pytest.approx(1, abs=0.3)
    said, real = (np.array([one.means("margin").standard_error for one in each]).mean()
                  for each in many)  # fmt: skip
    # Spend has so heavy a tail that 60,000 customers give its spread to a few percent only.
    assert said == pytest.approx(real, rel=0.06)


@pytest.mark.parametrize("world", ["smooth", "cliff", "rising", "flat", "harmful"])
def test_brackets_hold_and_no_switch_is_false(world):
    rows = study(world, 20_000, FEW, todays=("1",))
    line = summary(rows)
    assert line["covered"] >= 0.95
    assert line["false switch"] == 0
    if world == "smooth":
        assert line["curve captures"] > 0.7
    if world in ("flat", "harmful"):
        assert line["more contacts"] == 0
    if world == "flat":
        assert line["keep"] + line["extend"] + line["add_arm"] <= 0.05


def test_confounded_history_is_a_hypothesis_in_every_run():
    """Customers who buy more were contacted more; contacts do nothing."""
    rng = np.random.default_rng(4)
    for _ in range(10):
        sums = simulate("flat", 20_000, rng, True)
        # Who is better than others is in the arms of more contacts.
        tilt = np.array([0.7, 0.8, 1.0, 1.2, 1.5, 2.0])
        worn = type(sums)(
            sums.metrics, sums.tiers, sums.arms, sums.n, sums.sum_y * tilt,
            sums.sum_yy * tilt**2, sums.sum_x, sums.sum_x2, sums.sum_xy * tilt,
        )  # fmt: skip
        answer = read_frequency_experiment(
            worn, CADENCES, TERMS, GUARDRAILS, rule_of("flat"), "1", {"all": True}, randomised=False
        )
        # The figures alone would have said otherwise.
        assert answer.curves.expected.argmax(1).max() == len(ARMS) - 1
        for one in answer.decisions.tiers:
            assert (one.action, one.grade, one.hypothesis_only) == ("no_verdict", "C", True)


def test_a_read_out_is_quick_at_any_number_of_customers():
    for n in (20_000, 1_000_000):
        sums = simulate("smooth", n, np.random.default_rng(1), True)
        read("smooth", sums)
        start = time.process_time()
        read("smooth", sums)
        assert time.process_time() - start < 1.0


def test_the_worlds_have_one_peak():
    for world in WORLDS:
        for t, tier in enumerate(TIERS):
            doses = np.unique([*np.expm1(np.linspace(0, np.log(9), 60)), *DOSES, tier.best])
            steps = np.sign(np.diff([worth(tier, world, f) for f in doses]))
            peak = truth(world).best_dose[t]
            assert (steps[doses[1:] < peak - 0.4] >= 0).all(), (world, tier.name)
            assert (steps[doses[:-1] > peak + 0.4] <= 0).all(), (world, tier.name)


@pytest.mark.slow
@pytest.mark.parametrize("n", [20_000, 200_000, 1_000_000])
@pytest.mark.parametrize("world", ["smooth", "cliff", "rising", "flat", "harmful"])
def test_the_table_of_the_study(world, n):
    line = summary(study(world, n, 300, todays=("1",)))
    assert line["covered"] >= 0.95
    assert line["false switch"] <= 0.05
    if world == "smooth":
        assert line["curve captures"] >= {20_000: 0.84, 200_000: 0.96, 1_000_000: 0.98}[n]
    if world == "flat":
        assert line["more contacts"] == 0
