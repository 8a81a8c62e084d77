"""Carry-over planted and found, or planted as none."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from relkit.errors import DataError, ParameterError
from relkit.frequency.carry_over import early_late_effect, step_down_effect
from relkit.frequency.sums import ArmSums


def part(lasting, n=20_000, seed=0):
    """Margin of two arms over 13 weeks; the arm 'down' still has `lasting` a week."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"arm": np.repeat(["down", "low"], n // 2), "tier": "a"})
    frame["margin"] = rng.normal(100, 30, n) + 13 * lasting * (frame["arm"] == "down")
    return frame


def sums(frame):
    return ArmSums.of_units(frame, ["margin"])


@pytest.mark.parametrize(
    ("lasting", "n", "status"),
    [(0.5, 20_000, "lasting"), (-0.5, 20_000, "lasting"),
     (0.0, 20_000, "faded"), (0.0, 400, "undecided")],
)  # fmt: skip
def test_what_stepped_down_contacts_leave_behind(lasting, n, status):
    frame = part(lasting, n)
    found = step_down_effect(sums(frame), "down", "low", "margin", weeks=13, margin=0.1)
    assert found.status == (status,)
    down, low = (frame.loc[frame["arm"] == arm, "margin"] / 13 for arm in ("down", "low"))
    known = stats.ttest_ind(down, low, equal_var=False).confidence_interval(0.95)
    assert (found.low[0], found.high[0]) == pytest.approx((known.low, known.high), rel=0.02)
    assert found.to_frame()["status"].tolist() == [status]


def test_an_effect_that_turns_is_seen_between_the_parts():
    early, late = sums(part(1.0, seed=1)), sums(part(-0.5, seed=2))
    found = early_late_effect(early, late, "down", "low", "margin", 13, 13, margin=0.1)
    assert found.status == ("lasting",)
    assert found.difference[0] == pytest.approx(-1.5, abs=0.15)
    same = early_late_effect(early, early, "down", "low", "margin", 13, 13, margin=0.2)
    assert same.status == ("faded",)
    assert same.difference[0] == 0


def test_what_is_wrong_is_said():
    one = sums(part(0.0, 400))
    with pytest.raises(DataError, match="same tiers, arms and customers"):
        early_late_effect(one, sums(part(0.0, 402)), "down", "low", "margin", 13, 13, margin=0.1)
    with pytest.raises(ParameterError) as told:
        step_down_effect(one, "down", "low", "margin", weeks=0, margin=-1)
    assert len(told.value.faults) == 2
    with pytest.raises(ParameterError, match="no arm 'up'"):
        step_down_effect(one, "up", "low", "margin", weeks=13, margin=0.1)
