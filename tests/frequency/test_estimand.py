"""What a cadence is worth, counted by hand; and what must be asked for."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from relkit.errors import DataError, ParameterError
from relkit.frequency.cadence import Cadence, Contact
from relkit.frequency.estimand import ValueTerms, todays_arms, value_by_arm
from relkit.frequency.sums import ArmSums

CADENCES = (
    Cadence("monthly", (Contact("message", "email", 1.0),)),
    Cadence("none"),
    Cadence("both", (Contact("message", "email", 2.0), Contact("deep", "phone", 0.5))),
)
TERMS = ValueTerms(
    residual_value={"a": 200.0},
    complaint_cost=30.0,
    contact_cost={("message", "email"): 0.5, ("deep", "phone"): 20.0},
    weeks=26.0,
    dose_weights={"message": 1.0, "deep": 4.0},
)


@pytest.fixture
def sums():
    rows = [("none", 10, 0, 1), ("none", 30, 1, 0), ("monthly", 40, 0, 1), ("monthly", 60, 0, 1),
            ("both", 80, 2, 1), ("both", 20, 0, 0)]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["arm", "margin", "complaints", "retained"])
    return ArmSums.of_units(frame.assign(tier="a"), ["margin", "complaints", "retained"])


def test_value_by_hand(sums):
    value = value_by_arm(sums, CADENCES, TERMS)
    assert value.arms == ("none", "monthly", "both")
    assert value.doses.tolist() == [0, 1, 4]
    # (10 + 200 + 30 - 30) / 2, (40 + 60 + 400) / 2, (80 - 60 + 200 + 20) / 2
    assert value.gross.mean[0] == pytest.approx([105, 250, 120])
    months = 26 * 7 / 30.4375
    assert value.cost == pytest.approx([0, 0.5 * months, (1 + 10) * months])
    assert value.net[0] == pytest.approx(np.array([105, 250, 120]) - value.cost)
    assert TERMS.windows_per_year == pytest.approx(365.25 / 7 / 26)
    assert list(value.to_frame()["arm"]) == ["none", "monthly", "both"]


def test_prices_are_asked_for_and_never_assumed(sums):
    bare = replace(TERMS, residual_value={}, contact_cost={}, dose_weights={})
    with pytest.raises(ParameterError) as told:
        value_by_arm(sums, CADENCES, bare)
    said = "\n".join(told.value.faults)
    for part in ("residual_value of tier 'a'", "contact_cost of deep by phone",
                 "contact_cost of message by email", "dose_weights of 'deep'"):  # fmt: skip
        assert part in said


@pytest.mark.parametrize(
    "change",
    [{"complaint_cost": -1.0}, {"residual_value": {"a": np.nan}}, {"weeks": 0},
     {"contact_cost": {("message", "email"): -0.1}}, {"complaint_cost": None}],
)  # fmt: skip
def test_amounts_below_zero_or_missing_are_refused(change):
    with pytest.raises(ParameterError, match="terms of value"):
        replace(TERMS, **change)


def test_arms_that_one_dose_scale_cannot_tell_apart_are_refused(sums):
    with pytest.raises(ParameterError, match="same dose"):
        value_by_arm(sums, CADENCES, replace(TERMS, dose_weights={"message": 1.0, "deep": -0.0}
                     | {"message": 0.0}))  # fmt: skip


def test_a_single_arm_and_arms_twice_are_refused(sums):
    with pytest.raises(ParameterError, match="at least two"):
        value_by_arm(sums, CADENCES[:1], TERMS)
    with pytest.raises(ParameterError, match="stands twice"):
        value_by_arm(sums, (*CADENCES, CADENCES[0]), TERMS)


def test_outcomes_all_zero_teach_nothing(sums):
    frame = pd.DataFrame({"arm": ["none", "monthly", "both"] * 3, "tier": "a"})
    nothing = ArmSums.of_units(frame.assign(margin=0.0, complaints=0.0, retained=0.0),
                               ["margin", "complaints", "retained"])  # fmt: skip
    with pytest.raises(DataError, match="nothing to learn"):
        value_by_arm(nothing, CADENCES, TERMS)


def test_todays_cadence_must_be_an_arm_of_every_tier():
    assert todays_arms({"a": "4", "b": "0"}, ["a", "b"], ["0", "4"]).tolist() == [1, 0]
    assert todays_arms("4", ["a", "b"], ["0", "4"]).tolist() == [1, 1]
    with pytest.raises(ParameterError) as told:
        todays_arms({"a": "3"}, ["a", "b"], ["0", "4"])
    assert "tier 'a': today's cadence '3'" in told.value.faults[0]
    assert "tier 'b': today's cadence is not said" in told.value.faults[1]


def test_an_arm_whose_few_customers_are_all_alike_is_not_certain(sums):
    frame = pd.DataFrame({"arm": ["none", "monthly", "both"] * 3, "tier": "a"})
    frame["margin"] = [0.0, 5, 9, 0, 7, 3, 0, 6, 1]
    few = ArmSums.of_units(frame.assign(complaints=0.0, retained=0.0),
                           ["margin", "complaints", "retained"])  # fmt: skip
    value = value_by_arm(few, CADENCES, TERMS)
    # Variances within the arms 0, 1 and 52 / 3, each of 3 customers.
    assert value.gross.standard_error[0, 0] == pytest.approx(np.sqrt((0 + 1 + 52 / 3) / 3 / 3))
