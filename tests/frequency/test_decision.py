"""The decision rule, reason by reason, on experiments whose figures are set by hand."""

import numpy as np
import pytest

from relkit.errors import ParameterError
from relkit.frequency.cadence import Cadence, Contact
from relkit.frequency.decision import REASONS, DecisionRule
from relkit.frequency.estimand import ValueTerms
from relkit.frequency.plan import Guardrail
from relkit.frequency.read_out import read_frequency_experiment
from relkit.frequency.sensitivity import sensitivity, with_factor
from relkit.frequency.sums import ArmSums

DOSES = (0, 1, 2, 4)
ARMS = tuple(map(str, DOSES))
N = 10_000
GOOD = {"sample ratio": True}


def sums_of(margin, complaints=(0.1, 0.1, 0.1, 0.1), retained=(0.5,) * 4, spread=50.0, n=N):
    """Means of one tier as given; outcomes of a customer are independent of each other."""
    means = np.array([margin, complaints, retained], float)[:, None]
    variance = np.stack([np.full((1, 4), spread**2), means[1], means[2] * (1 - means[2])])
    second = n * means[:, None] * means[None]
    for k in range(3):
        second[k, k] += (n - 1) * variance[k]
    zeros = np.zeros((1, 4))
    return ArmSums(
        ("margin", "complaints", "retained"), ("a",), ARMS, np.full((1, 4), n), n * means, second,
        zeros, zeros, np.zeros((3, 1, 4)),
    )  # fmt: skip


def cadences():
    return [Cadence(str(d), (Contact("message", "email", d),) if d else ()) for d in DOSES]


def arguments(sums, **changed):
    terms = ValueTerms({"a": 100.0}, 10.0, {("message", "email"): 0.1}, 26)
    given = {
        "sums": sums, "cadences": cadences(), "terms": terms,
        "guardrails": [Guardrail("complaints", "ratio", 1.10)],
        "rule": DecisionRule(tolerated_loss=1.0), "current": "1", "gates": GOOD, "randomised": True,
    }  # fmt: skip
    return given | changed


def decided(sums, **changed):
    return read_frequency_experiment(**arguments(sums, **changed)).decisions["a"]


FEWER_COMPLAINTS = (0.08, 0.10, 0.08, 0.10)


def test_a_switch_when_all_is_there():
    one = decided(sums_of((90, 100, 110, 95), FEWER_COMPLAINTS))
    assert (one.action, one.arm, one.grade) == ("switch", "2", "A")
    assert one.reasons[0] == "clear_gain"
    # 10 margin and .2 of complaints more, one contact a month more.
    assert one.gain.value == pytest.approx(10.2 - 0.1 * 26 * 7 / 30.4375, abs=1.0)
    assert one.gain.low > 0
    assert one.guardrails == "pass"
    assert one.probability_better > 0.99
    assert not one.hypothesis_only


@pytest.mark.parametrize("margin", [(90, 100, 110, 95), (50, 50, 50, 50), (0, 100, 500, 900)])
def test_observational_data_are_a_hypothesis_whatever_the_figures(margin):
    one = decided(sums_of(margin, FEWER_COMPLAINTS), randomised=False)
    assert (one.action, one.arm, one.grade) == ("no_verdict", None, "C")
    assert one.hypothesis_only
    assert one.reasons == ("observational",)


@pytest.mark.parametrize("gates", [{"sample ratio": False}, {"a: sample ratio": False}, {}])
def test_a_gate_that_failed_or_was_not_read_gives_no_verdict(gates):
    one = decided(sums_of((90, 100, 110, 95), FEWER_COMPLAINTS), gates=gates)
    assert (one.action, one.arm, one.grade) == ("no_verdict", None, None)
    assert one.reasons == ("gate_failed",)


def test_a_gate_of_another_tier_does_not_count():
    gates = {"sample ratio": True, "b: sample ratio": False}
    frame = sums_of((90, 100, 110, 95), FEWER_COMPLAINTS)
    # Of a tier that is not in the data nothing is known: it counts, to be safe.
    assert decided(frame, gates=gates).reasons == ("gate_failed",)


def test_a_guardrail_that_failed_rules_an_arm_out():
    one = decided(sums_of((90, 100, 110, 95), (0.10, 0.10, 0.20, 0.10)))
    assert one.action != "switch"
    assert one.arm != "2"
    assert one.candidate != "2"
    assert "better_arms_fail_guardrails" in one.reasons


def test_a_guardrail_undecided_is_no_pass():
    one = decided(sums_of((90, 100, 110, 95), (0.1, 0.1, 0.1, 0.1), n=2_000))
    assert one.action == "extend"
    assert (one.candidate, one.guardrails, one.grade) == ("2", "undecided", "B")
    assert "guardrail_undecided" in one.reasons


def test_without_effect_no_verdict():
    one = decided(sums_of((100, 100, 100, 100), spread=500.0))
    assert (one.action, one.arm, one.grade) == ("no_verdict", None, "B")
    assert one.reasons[0] == "no_effect_shown"


def test_without_effect_fewer_contacts_where_they_cost_enough():
    terms = ValueTerms({"a": 100.0}, 10.0, {("message", "email"): 2.0}, 26)
    one = decided(sums_of((100,) * 4, (0.08, 0.1, 0.1, 0.1), spread=30.0), terms=terms)
    assert (one.action, one.arm) == ("switch", "0")


def test_todays_cadence_is_kept_when_it_is_the_best():
    one = decided(sums_of((70, 100, 92, 60)))
    assert (one.action, one.arm, one.grade) == ("keep", "1", "A")
    assert one.reasons == ("no_better_arm",)
    assert one.gain.value == 0


def test_the_highest_arm_being_best_asks_for_one_beyond():
    one = decided(sums_of((60, 80, 100, 120)), current="4")
    assert (one.action, one.arm) == ("add_arm", "4")
    assert one.reasons[0] == "best_at_the_edge"
    # As far beyond 4 as 4 is beyond 2, in log(1 + dose): 25 / 3 - 1.
    assert one.next_dose == pytest.approx(5**2 / 3 - 1)


def test_too_little_data_for_a_gain_asks_for_more():
    one = decided(sums_of((60, 100, 101.5, 90), FEWER_COMPLAINTS, spread=120.0))
    assert one.action == "extend"
    assert "gain_uncertain" in one.reasons
    assert one.more_customers is not None
    assert one.more_customers > 1


def test_a_curve_that_is_sure_is_not_enough_where_the_arms_themselves_are_not():
    # From 1 on more contacts do harm, so a smooth curve expects it between 0 and 1 too.
    sums = sums_of((102.8, 99.9, 91.8, 81.6), (0.06, 0.1, 0.1, 0.1), spread=300.0)
    answer = read_frequency_experiment(**arguments(sums))
    one = answer.decisions["a"]
    assert one.probability_better > 0.9
    assert one.reasons == ("plain_difference_unclear",)
    assert one.action == "extend"


def test_two_arms_are_enough():
    given = arguments(sums_of((90, 100, 110, 95), FEWER_COMPLAINTS))
    given["cadences"] = given["cadences"][1:3]
    answer = read_frequency_experiment(**given)
    assert answer.spline is None
    assert (answer.decisions["a"].action, answer.decisions["a"].arm) == ("switch", "2")


def test_every_reason_is_known_and_in_the_frame():
    answer = read_frequency_experiment(**arguments(sums_of((90, 100, 110, 95), FEWER_COMPLAINTS)))
    frame = answer.to_frame()
    assert set(frame["reasons"].iloc[0]) <= set(REASONS)
    assert frame["gain_per_year"].iloc[0] == pytest.approx(frame["gain"].iloc[0] * 365.25 / 7 / 26)
    assert frame[["low_dose", "high_dose"]].iloc[0].tolist() == [1, 4]


def test_what_the_plan_leaves_out_is_asked_for():
    sums = sums_of((90, 100, 110, 95))
    with pytest.raises(ParameterError, match="tolerated_loss of tier 'a' is missing"):
        decided(sums, rule=DecisionRule(tolerated_loss={"b": 1.0}))
    with pytest.raises(ParameterError, match="positive amount"):
        DecisionRule(tolerated_loss=0.0)
    with pytest.raises(ParameterError, match="today's cadence '3' is none"):
        decided(sums, current="3")
    with pytest.raises(ParameterError, match="no tier 'b'"):
        read_frequency_experiment(**arguments(sums)).decisions["b"]


def test_break_even_is_where_the_two_cadences_are_worth_the_same():
    # More margin, but fewer stay and more contacts cost.
    sums = sums_of((90, 100, 110, 95), FEWER_COMPLAINTS, (0.5, 0.5, 0.48, 0.5))
    given = arguments(sums)
    found = sensitivity(**given)
    assert len(found.break_even) == 3
    known = [b for b in found.break_even if b.factor is not None]
    assert {b.term for b in known} == {"residual_value", "contact_cost"}
    for one in known:
        terms = with_factor(given["terms"], one.term, one.factor)
        value = read_frequency_experiment(**given | {"terms": terms}).value
        assert value.net[0, 2] == pytest.approx(value.net[0, 1], abs=1e-9)


@pytest.mark.parametrize("factors", [(0.0, 0.25, 0.5, 1.0, 2.0, 4.0), (0.0, 1.0, 64.0)])
def test_the_decision_turns_where_sensitivity_says(factors):
    sums = sums_of((90, 100, 110, 95), FEWER_COMPLAINTS, (0.5, 0.5, 0.48, 0.5))
    given = arguments(sums)
    found = sensitivity(**given, factors=factors)
    assert found.flips
    assert {flip.term for flip in found.flips} >= {"residual_value"}
    for flip in found.flips:
        for factor, said in ((flip.factor / 1.05, flip.below), (flip.factor * 1.05, flip.above)):
            terms = with_factor(given["terms"], flip.term, factor)
            one = decided(sums, terms=terms)
            assert (one.action, one.arm) == said, flip
    frame = found.to_frame()
    assert len(frame) == 3 * len(found.factors)
    assert len(found.flips_to_frame()) == len(found.flips)
    assert len(found.break_even_to_frame()) == 3


def test_factors_must_hold_the_plan_itself():
    with pytest.raises(ParameterError, match="one of them 1"):
        sensitivity(**arguments(sums_of((90, 100, 110, 95))), factors=(0.5, 2.0))
