"""What policies add up to, against caps, optima and what stands behind each cell."""

from pathlib import Path

import pytest

import relkit as rk
from relkit.errors import ParameterError
from relkit.frequency.decision import Decisions
from relkit.frequency.policy_file import policy_from

PRESETS = Path(__file__).parents[2] / "params" / "policies"
WEEKLY = 365.25 / 7 / 12


def preset(name):
    return rk.read_policy(PRESETS / f"{name}.yaml")


def codes(lint):
    return [one.code for one in lint.findings]


def policy(signed=False, **tier):
    cell = {"type": "deep", "channel": "phone", "every": "month"}
    evidence = tier.pop("evidence", None)
    if evidence:
        cell["evidence"] = evidence
    content = {"policy": "p", "title": "P", "tiers": {"high": {"contacts": [cell], **tier}}}
    if signed:
        content |= {"signed_off_by": "Li", "signed_off_on": "2026-01-05"}
    return policy_from(content)


def test_the_automated_mid_tier_is_flagged_against_the_claimed_optimum():
    (found,) = rk.lint_policy(preset("mid_tier_automation")).of("above_optimum")
    assert found.value == pytest.approx(1 + WEEKLY + 1 / 3, abs=1e-12)
    assert round(found.value, 1) == 5.7
    assert round(found.limit, 2) == 1.33
    assert (found.tier, found.reference, found.severity) == ("mid", "F16", "warning")
    # And the optimum itself is a claim, which the reader is told.
    assert rk.lint_policy(preset("mid_tier_automation")).of("optimum_not_measured")


def test_sums_by_tier_channel_and_type_by_hand():
    lint = rk.lint_policy(preset("channel_mix"), caps={"high": 8})
    touches = lint.touches.set_index(["channel", "type"])["per_month"]
    assert touches["phone", "deep"] == pytest.approx(WEEKLY)
    assert touches["email", "message"] == 1
    assert lint.totals.loc[0, "per_month"] == pytest.approx(2 * WEEKLY + 1)
    assert lint.totals.loc[0, "per_quarter"] == 29
    (over,) = lint.of("above_cap")
    assert (round(over.value, 1), over.limit) == (9.7, 8)
    assert not rk.lint_policy(preset("channel_mix"), caps={"high": 10}).of("above_cap")


def test_a_sum_that_meets_its_cap_or_optimum_exactly_is_no_finding():
    lint = rk.lint_policy(
        preset("tier_depth"),
        caps={"mid": 4 / 3},
        optima={"mid": rk.Optimum(4 / 3, 4 / 3, rk.Evidence("claim", "F16"))},
    )
    assert not lint.of("above_cap")
    assert not lint.of("above_optimum")


def test_below_the_optimum_only_where_everything_is_counted():
    best = rk.Optimum(2.0, 4.0, rk.Evidence("experiment", "spring", "A"))
    measured = {"experiment": "spring", "grade": "A"}
    lint = rk.lint_policy(policy(evidence=measured), optima={"high": best})
    assert codes(lint) == ["below_optimum", "no_cap", "draft"]
    # Festivals that nobody counted may make up for it.
    assert not rk.lint_policy(preset("tier_depth"), optima={"low": best}).of("below_optimum")


def test_the_channel_mix_conflicts_with_the_monthly_talk():
    found = rk.policy_conflicts(preset("tier_depth"), preset("channel_mix"))
    assert [(one.tier, one.type) for one in found] == [("high", "deep"), ("high", "all")]
    assert (found[0].first, found[0].second) == (1, pytest.approx(WEEKLY))
    assert found[1].first == pytest.approx(4 / 3)
    assert rk.policy_conflicts(preset("tier_depth"), preset("tier_depth")) == ()


@pytest.mark.parametrize(
    ("evidence", "signed", "code"),
    [
        (None, False, "no_evidence"),
        ({"claim": "F03"}, False, "claim"),
        ({"claim": "F03"}, True, "claim_signed"),
        ({"origin": "G09"}, True, "claim_signed"),
        ({"assumed": "no figure"}, False, "assumed"),
        ({"today": "spring"}, False, "no_verdict"),
        ({"experiment": "spring", "grade": "C"}, True, "grade_c"),
    ],
)
def test_what_stands_behind_a_cell(evidence, signed, code):
    lint = rk.lint_policy(policy(signed, evidence=evidence, cap="2"))
    assert codes(lint)[0] == code
    assert len(lint.findings) == (1 if signed else 2)  # and that it is a draft


def test_a_measured_signed_policy_within_its_cap_has_no_finding():
    measured = {"experiment": "spring", "grade": "A"}
    lint = rk.lint_policy(policy(True, evidence=measured, cap="2"), tiers=["high"])
    assert lint.findings == ()
    assert lint.passes


def test_tiers_and_channels_that_are_not_there():
    lint = rk.lint_policy(preset("care_guide"), tiers=["high", "mid", "vip"], channels=["email"])
    assert [one.tier for one in lint.of("missing_tier")] == ["vip"]
    assert [one.tier for one in lint.of("unknown_tier")] == ["ordinary"]
    assert {one.reference for one in lint.of("unknown_channel")} == {"visit", "phone", "sms"}
    assert not lint.passes
    assert lint.findings[0].severity == "fault"
    frame = lint.to_frame()
    assert len(frame) == len(lint.findings)
    assert frame.loc[0, "code"] == "missing_tier"


def test_a_grade_that_the_experiment_did_not_give_is_a_fault():
    from types import SimpleNamespace

    decided = Decisions((SimpleNamespace(tier="high", grade="C"),), 2.0)
    cell = policy(evidence={"experiment": "spring", "grade": "A"})
    assert rk.lint_policy(cell, experiments={"spring": decided}).of("grade_differs")
    assert rk.lint_policy(cell, experiments={}).of("unknown_experiment")
    right = policy(evidence={"experiment": "spring", "grade": "C"})
    assert not rk.lint_policy(right, experiments={"spring": decided}).of("grade_differs")


def test_caps_that_cannot_be():
    with pytest.raises(ParameterError) as caught:
        rk.lint_policy(preset("care_guide"), caps={"hihg": 2, "mid": 0})
    assert "did you mean 'high'" in str(caught.value)
    assert "mid: 0" in str(caught.value)
    with pytest.raises(ParameterError, match="did you mean 'above_cap'"):
        rk.lint_policy(preset("care_guide")).of("above_caps")
