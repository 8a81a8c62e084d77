"""Cadences that follow the customer: bounded, one step, monotone, at rest on constant input."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import relkit as rk
from relkit.errors import DataError, ParameterError
from relkit.frequency.adjustment import ACTIVITIES, RESPONSES
from relkit.frequency.cadence import Cadence, Contact

STAGES = {"new": ("quarterly", "monthly"), "leaving": ("greeting", "quarterly")}
RULES = rk.activity_ladder(stages=STAGES)
NAMES = ["greeting", "quarterly", "monthly", "weekly"]
MONTH = [dt.date(2026, month, 1) for month in range(1, 13)]

signals = st.fixed_dictionaries(
    {
        "level": st.sampled_from(NAMES),
        "activity": st.sampled_from([*ACTIVITIES, None]),
        "response": st.sampled_from([*RESPONSES, None]),
        "stage": st.sampled_from(["new", "leaving", "grown", None]),
        "complaint": st.booleans(),
    }
)
many = st.lists(signals, min_size=1, max_size=20)


def people(rows):
    frame = pd.DataFrame(rows, dtype=object)
    return frame.assign(customer_id=[f"c{i}" for i in range(len(frame))])


def levels(frame):
    return frame["level"].map(NAMES.index).to_numpy()


def one(**signal):
    row = {"level": "monthly", "activity": "active"} | signal
    return rk.adjust_cadences(people([row]), RULES, MONTH[0]).customers.iloc[0]


# F13: active weekly, mild quarterly, frozen a greeting; one step at a time.
@pytest.mark.parametrize(
    ("signal", "level", "reason"),
    [
        ({}, "weekly", "activity_up"),
        ({"level": "greeting"}, "quarterly", "activity_up"),
        ({"activity": "mild"}, "quarterly", "activity_down"),
        ({"activity": "frozen"}, "quarterly", "activity_down"),
        ({"activity": "mild", "level": "quarterly"}, "quarterly", "at_level"),
        ({"activity": "mild", "level": "quarterly", "response": "up"}, "monthly", "response_up"),
        ({"level": "weekly", "response": "down"}, "monthly", "response_down"),
        ({"level": "weekly", "response": "up"}, "weekly", "at_level"),
        ({"complaint": True}, "quarterly", "complaint"),
        ({"stage": "new"}, "monthly", "stage_bound"),
        ({"activity": None}, "monthly", "activity_unknown"),
        ({"activity": None, "complaint": True}, "quarterly", "complaint"),
        ({"adjusted_on": "2026-01-01"}, "monthly", "done_this_period"),
    ],
)
def test_each_reason_by_hand(signal, level, reason):
    row = one(**signal)
    assert (row["level"], row["reason"]) == (level, reason)


@given(many)
@settings(deadline=None, max_examples=50)
def test_one_step_at_most_towards_the_target_and_never_outside(rows):
    before = people(rows)
    after = rk.adjust_cadences(before, RULES, MONTH[0]).customers
    step = levels(after) - levels(before)
    assert (np.abs(step) <= 1).all()
    assert (step == after["step"].astype(int)).all()
    target = after["target"].map(NAMES.index).to_numpy()
    assert (np.abs(target - levels(after)) <= np.abs(target - levels(before))).all()
    for low_high in STAGES.items():
        inside = after["stage"] == low_high[0]
        assert (
            after.loc[inside, "target"]
            .isin(NAMES[NAMES.index(low_high[1][0]) : NAMES.index(low_high[1][1]) + 1])
            .all()
        )


@given(many)
@settings(deadline=None, max_examples=50)
def test_twice_in_a_period_is_once(rows):
    first = rk.adjust_cadences(people(rows), RULES, MONTH[0])
    again = rk.adjust_cadences(first.customers, RULES, MONTH[0])
    assert list(again.customers["level"]) == list(first.customers["level"])
    assert set(again.customers["reason"]) == {"done_this_period"}


@given(many)
@settings(deadline=None, max_examples=30)
def test_constant_input_comes_to_rest_without_turning_back(rows):
    frame, path = people(rows), []
    path.append(levels(frame))
    for month in MONTH:
        frame = rk.adjust_cadences(frame, RULES, month).customers
        path.append(levels(frame))
    steps = np.diff(np.array(path), axis=0)
    # Nobody goes up and down, and after the last level nobody moves.
    assert not ((steps > 0).any(axis=0) & (steps < 0).any(axis=0)).any()
    assert (steps[len(NAMES) :] == 0).all()


@given(many)
@settings(deadline=None, max_examples=30)
def test_more_activity_or_response_never_means_fewer_contacts(rows):
    frame = people(rows)
    for column, order in (("activity", ACTIVITIES), ("response", RESPONSES)):
        got = [
            levels(rk.adjust_cadences(frame.assign(**{column: word}), RULES, MONTH[0]).customers)
            for word in order
        ]
        assert (np.diff(np.array(got), axis=0) >= 0).all()
    calm = rk.adjust_cadences(frame.assign(complaint=False), RULES, MONTH[0]).customers
    cross = rk.adjust_cadences(frame.assign(complaint=True), RULES, MONTH[0]).customers
    assert (levels(cross) <= levels(calm)).all()


def test_the_arm_to_test_stands_beside_one_of_the_same_dose():
    shares = {"greeting": 0.5, "quarterly": 0.2, "monthly": 0.2, "weekly": 0.1}
    adaptive, fixed = rk.arms_to_test(RULES, shares)
    by_hand = 0.5 / 12 + 0.2 / 3 + 0.2 + 0.1 * 365.25 / 7 / 12
    assert adaptive.per_month == pytest.approx(by_hand, abs=1e-12)
    assert fixed.per_month == adaptive.per_month
    assert (adaptive.name, fixed.name) == ("adaptive", "adaptive_fixed")
    with pytest.raises(ParameterError, match="sum to 0.5"):
        rk.arms_to_test(RULES, {"weekly": 0.5})


def test_response_by_the_score_test_of_two_shares():
    from statsmodels.stats.proportion import proportions_ztest

    pairs = [(2, 20, 9, 20), (9, 20, 2, 20), (5, 20, 6, 20), (0, 0, 3, 5), (0, 10, 0, 10)]
    found = rk.response_direction(*zip(*pairs, strict=True))
    assert list(found) == ["up", "down", "steady", "steady", "steady"]
    for (a, n, b, m), word in list(zip(pairs, found, strict=True))[:3]:
        p = proportions_ztest([b, a], [m, n])[1]
        assert (p < 0.1) == (word != "steady")
    with pytest.raises(DataError, match="1 customers have more answers"):
        rk.response_direction([3], [2], [0], [1])


def test_activity_by_days():
    found = rk.activity_of([0, 30, 31, 180, 181, np.nan], 30, 180)
    assert list(found) == ["active", "active", "mild", "mild", "frozen", None]
    with pytest.raises(ParameterError):
        rk.activity_of([1], 30, 30)


def test_faults_at_once():
    frame = people([{"level": "weekli", "activity": "asleep"}, {"level": None, "activity": None}])
    with pytest.raises(DataError) as caught:
        rk.adjust_cadences(frame.assign(customer_id="same"), RULES, MONTH[0])
    said = str(caught.value)
    assert "did you mean 'weekly'" in said
    assert "asleep" in said
    assert "stand twice" in said
    later = people([{"level": "weekly", "activity": "mild", "adjusted_on": "2026-02-01"}])
    with pytest.raises(DataError, match="periods go forward"):
        rk.adjust_cadences(later, RULES, MONTH[0])
    up = (Cadence("a", (Contact("message", "any", 2),)), Cadence("b"))
    with pytest.raises(ParameterError, match="from the fewest"):
        rk.AdjustmentRules(up, dict.fromkeys(ACTIVITIES, "a"))
    with pytest.raises(ParameterError, match="more activity must not"):
        rk.AdjustmentRules(
            RULES.levels, {"frozen": "weekly", "mild": "monthly", "active": "weekly"}
        )


def test_many_customers_take_no_time():
    import time

    n = 200_000
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "customer_id": np.arange(n).astype(str),
            "level": rng.choice(NAMES, n),
            "activity": rng.choice(list(ACTIVITIES), n),
        }
    )
    begin = time.process_time()
    done = rk.adjust_cadences(frame, RULES, MONTH[0])
    assert time.process_time() - begin < 4
    assert done.counts()["customers"].sum() == n
    assert sum(done.shares().values()) == pytest.approx(1)
