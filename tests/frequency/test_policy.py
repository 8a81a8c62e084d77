"""Cadence policies: presets as their sources say, faults, signatures, drafts, days."""

import datetime as dt
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import relkit as rk
from relkit.data import contracts
from relkit.errors import ParameterError
from relkit.frequency.bracket import Brackets
from relkit.frequency.cadence import Cadence, Contact
from relkit.frequency.decision import Decisions, TierDecision
from relkit.frequency.policy import CHANNELS
from relkit.frequency.policy_file import policy_from
from relkit.intervals import Estimate

PRESETS = Path(__file__).parents[2] / "params" / "policies"


def preset(name):
    return rk.read_policy(PRESETS / f"{name}.yaml")


def quarter(policy, tier):
    return [cell.rhythm and cell.rhythm.per_quarter for cell in policy.cells_of(tier)]


# Contacts of one customer in a quarter, as the rows of the sources say them.
@pytest.mark.parametrize(
    ("name", "tier", "counts"),
    [
        ("tier_depth", "high", [3, 1, None]),  # F08; answering in real time has no number
        ("tier_depth", "mid", [3, 1, None]),
        ("tier_depth", "low", [1, None]),
        ("care_guide", "high", [1, 3, 13]),  # G09
        ("care_guide", "mid", [3, 1]),
        ("care_guide", "ordinary", [1, None]),  # one message and the festivals
        ("channel_mix", "high", [13, 3, 13]),  # F14
        ("mid_tier_automation", "mid", [3, 13, 1]),  # F18
        ("industry_finance", "all", [13]),
        ("industry_medical_devices", "all", [1]),
        ("industry_saas", "all", [None]),
        ("gold_and_attention", "gold", [None]),  # V37
        ("low_frequency", "low", [1]),  # F20
    ],
)
def test_presets_count_as_their_sources_say(name, tier, counts):
    assert quarter(preset(name), tier) == counts


def test_presets_add_up_to_what_is_said_of_them():
    # 2 · 52.18 / 12 + 1 and 52.18 / 12 + 1 + 1/3 contacts a month.
    assert round(preset("channel_mix").cadence("high").per_month, 1) == 9.7
    assert round(preset("mid_tier_automation").cadence("mid").per_month, 1) == 5.7


@pytest.mark.parametrize("path", sorted(PRESETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_is_a_draft_and_every_figure_has_an_origin(path):
    policy = rk.read_policy(path)
    assert policy.draft
    assert policy.origin["zh"]
    assert all(cell.evidence is not None and cell.evidence.reference for cell in policy.cells)
    assert not any(cell.evidence.measured for cell in policy.cells)
    if path.stem.startswith("industry_") and policy.cells[0].rhythm:
        # F07 has words and no number, and that is said.
        assert policy.cells[0].evidence.kind == "assumed"


def test_owners_of_the_care_guide():
    roles = {cell.tier: cell.owner_role["zh"] for cell in preset("care_guide").cells}
    assert roles == {"high": "客户成功经理", "mid": "销售代表", "ordinary": "客服专员"}


def test_channels_are_those_of_the_touches():
    assert (*contracts.CHANNELS, "any") == CHANNELS


def test_a_preset_is_changed_cell_by_cell_and_becomes_a_draft():
    policy = preset("industry_finance")
    cell = policy.cells[0]
    mine = rk.PolicyCell(
        "all", cell.type, cell.channel, cell.rhythm,
        evidence=rk.Evidence("experiment", "spring", "A"),
    )  # fmt: skip
    changed = policy.with_cell(mine)
    assert len(changed.cells) == 1
    assert changed.cells[0].evidence.measured
    assert policy.cells[0].evidence.kind == "assumed"


def content(**changes):
    cell = {"type": "deep", "channel": "phone", "every": "month", "evidence": {"claim": "F16"}}
    return {
        "policy": "p",
        "title": "P",
        "tiers": {"high": {"contacts": [cell | changes.pop("cell", {})], **changes}},
    }


def test_rhythms_in_every_way_to_write_them():
    for given, month, per_quarter in [
        ({"every": "2 weeks"}, 365.25 / 12 / 14, Fraction(13, 2)),
        ({"every": None, "per_month": "4/3"}, 4 / 3, Fraction(4)),
        ({"every": None, "per_week": "2"}, 365.25 / 12 / 7 * 2, Fraction(26)),
        ({"every": None, "per_year": "6", "on": "festival"}, 0.5, Fraction(3, 2)),
        ({"every": "day"}, 30.4375, Fraction(91)),
    ]:
        rhythm = policy_from(content(cell=given)).cells[0].rhythm
        assert rhythm.per_month == pytest.approx(month, abs=1e-12)
        assert rhythm.per_quarter == per_quarter


def test_all_faults_are_said_at_once():
    wrong = content(
        cell={"channel": "fone", "every": "fortnight", "evidence": {"experiment": "x"}}, cap="-1"
    )
    wrong["tiers"]["mid"] = {}
    wrong["signed_of_by"] = "A"
    with pytest.raises(ParameterError) as caught:
        policy_from(wrong, "mine.yaml")
    said = str(caught.value)
    for part in (
        "mine.yaml: 6 faults",
        "unknown key 'signed_of_by'; did you mean 'signed_off_by'?",
        "fone must be one of phone, email",
        "every: fortnight is no interval",
        "an experiment has a grade",
        "cap: -1 must be above 0",
        "tiers: mid: must have contacts, or else no_contacts",
    ):
        assert part in said


def test_two_ways_to_say_how_often_and_a_name_without_a_day_are_faults():
    with pytest.raises(ParameterError, match="must say how often in one way"):
        policy_from(content(cell={"per_month": "2"}))
    with pytest.raises(ParameterError, match="go together"):
        policy_from(content() | {"signed_off_by": "Wang"})
    twice = content()
    twice["tiers"]["high"]["contacts"] *= 2
    with pytest.raises(ParameterError, match="deep phone stands twice"):
        policy_from(twice)


# ---- signatures ------------------------------------------------------------------


def signed_copy(folder, by="Li Wei", on="2026-01-05"):
    path = folder / "mine.yaml"
    shutil.copy(PRESETS / "care_guide.yaml", path)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"signed_off_by: {by}\nsigned_off_on: {on}\n")
    return path


def test_a_draft_cannot_be_signed_by_nobody(tmp_path):
    path = tmp_path / "mine.yaml"
    shutil.copy(PRESETS / "care_guide.yaml", path)
    assert rk.policy_state(path).status == "draft"
    with pytest.raises(ParameterError, match="is a draft"):
        rk.sign_policy(path)


def test_a_change_after_the_signature_is_shown_and_must_be_signed_anew(tmp_path):
    path = signed_copy(tmp_path)
    assert rk.policy_state(path).status == "named_only"
    assert rk.sign_policy(path).status == "signed"
    text = path.read_text(encoding="utf-8")
    path.write_text(f"# a comment is no change\n{text}", encoding="utf-8")
    assert rk.policy_state(path).status == "signed"
    path.write_text(text.replace("every: week", "every: month"), encoding="utf-8")
    state = rk.policy_state(path)
    assert (state.status, state.signed_off_by) == ("changed", "Li Wei")
    assert [change.place for change in state.changes] == ["tiers: high: contacts"]
    with pytest.raises(ParameterError, match="was changed after Li Wei signed it on 2026-01-05"):
        rk.sign_policy(path)
    later = path.read_text(encoding="utf-8").replace("2026-01-05", "2026-02-01")
    path.write_text(later, encoding="utf-8")
    state = rk.sign_policy(path)
    assert (state.status, state.signatures) == ("signed", 2)


def test_a_record_that_was_edited_is_refused(tmp_path):
    path = signed_copy(tmp_path)
    rk.sign_policy(path)
    record = path.with_name("mine.signed.json")
    record.write_text(record.read_text(encoding="utf-8").replace('"week"', '"month"'))
    with pytest.raises(ParameterError, match="its hash does not fit"):
        rk.policy_state(path)


# ---- drafts from decisions ----------------------------------------------------------


def decision(tier, action, arm, grade):
    return TierDecision(
        tier=tier, current="2", action=action, arm=arm, candidate=arm or "4", reasons=(),
        gain=Estimate(1.0, 0.0, 2.0, 100), probability_better=0.9, probability_best=0.5,
        expected_loss=0.1, guardrails="pass", grade=grade, hypothesis_only=grade == "C",
        next_dose=None, more_customers=None,
    )  # fmt: skip


DECISIONS = Decisions(
    (
        decision("high", "switch", "4", "A"),
        decision("mid", "no_verdict", None, "C"),
        decision("low", "switch", "0", "A"),
    ),
    2.0,
)
ARMS = [
    Cadence("0"),
    Cadence("2", (Contact("message", "any", 2.0),)),
    Cadence("4", (Contact("message", "email", 3.0), Contact("deep", "phone", 4 / 3))),
]


def test_a_decision_becomes_a_draft_with_its_evidence(tmp_path):
    written = rk.write_policy(DECISIONS, ARMS, tmp_path / "p.yaml", experiment="spring: 1")
    read = rk.read_policy(tmp_path / "p.yaml")
    assert read == written
    assert read.draft
    high, mid = read.cells_of("high"), read.cells_of("mid")
    assert [(c.channel, c.per_month, c.evidence.grade) for c in high] == [
        ("email", 3.0, "A"), ("phone", pytest.approx(4 / 3, rel=1e-15), "A"),
    ]  # fmt: skip
    # No verdict: today's cadence, and that it is not measured.
    assert [(c.per_month, c.evidence.kind) for c in mid] == [(2.0, "today")]
    assert read.tier("low").none == rk.Evidence("experiment", "spring: 1", "A")
    assert read.cadence("low").hold_out


def test_a_signed_policy_is_never_overwritten(tmp_path):
    path = signed_copy(tmp_path)
    before = path.read_bytes()
    with pytest.raises(ParameterError, match="is signed off and is never overwritten"):
        rk.write_policy(DECISIONS, ARMS, path, experiment="s", replace_draft=True)
    rk.sign_policy(path)
    stripped = path.read_text(encoding="utf-8").split("signed_off_by")[0]
    path.write_text(stripped, encoding="utf-8")
    # The names are gone from the file, but what was signed lies beside it.
    with pytest.raises(ParameterError, match="never overwritten"):
        rk.write_policy(DECISIONS, ARMS, path, experiment="s", replace_draft=True)
    assert path.read_text(encoding="utf-8") == stripped
    assert len(before) > len(stripped)


def test_a_draft_that_a_person_changed_is_kept_unless_told(tmp_path):
    path = tmp_path / "p.yaml"
    rk.write_policy(DECISIONS, ARMS, path, experiment="s")
    rk.write_policy(DECISIONS, ARMS, path, experiment="s")  # the same again is no loss
    path.write_text(path.read_text().replace("3.0", "2.0"))
    with pytest.raises(ParameterError, match="says something else"):
        rk.write_policy(DECISIONS, ARMS, path, experiment="s")
    rk.write_policy(DECISIONS, ARMS, path, experiment="s", replace_draft=True)
    assert rk.read_policy(path).cells[0].per_month == 3.0


def brackets(doses):
    open_above = np.array([False, False, True])
    return Brackets(
        ("high", "mid", "low"), ("0", "2", "4"), np.array(doses), np.ones((3, 3), bool),
        np.array([2.0, 0.0, 0.0]), np.array([4.0, 4.0, 4.0]), open_above, ~open_above & False,
        0.95,
    )  # fmt: skip


def test_brackets_go_into_a_draft_where_they_are_measured(tmp_path):
    doses = [0.0, 2.0, 3 + 4 / 3]
    policy = rk.write_policy(
        DECISIONS, ARMS, tmp_path / "p.yaml", experiment="s", brackets=brackets(doses)
    )
    assert (policy.tier("high").optimum.low, policy.tier("high").optimum.high) == (2.0, 4.0)
    assert policy.tier("mid").optimum is None  # grade C
    assert policy.tier("low").optimum is None  # open above
    with pytest.raises(ParameterError, match="dose scale"):
        rk.write_policy(
            DECISIONS, ARMS, tmp_path / "q.yaml", experiment="s", brackets=brackets([0, 2, 7])
        )
    with pytest.raises(ParameterError, match="no cadence for arm '4'"):
        rk.write_policy(DECISIONS, ARMS[:2], tmp_path / "q.yaml", experiment="s")


# ---- days ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tier_depth", "care_guide", "channel_mix"])
def test_the_calendar_of_a_quarter_counts_as_the_policy_before_caps(name):
    policy = preset(name)
    for tier in policy.tiers:
        plan = rk.contact_calendar(policy, tier.name, dt.date(2026, 1, 5), quarters=2)
        first = plan.contacts[plan.contacts["day"] < dt.date(2026, 1, 5) + dt.timedelta(days=91)]
        counted = first.groupby(["type", "channel", "content"]).size()
        for cell in policy.cells_of(tier.name):
            if cell.rhythm:
                key = (cell.type, cell.channel, cell.content["en"])
                assert counted[key] == cell.rhythm.per_quarter
        assert len(plan.contacts) == 2 * counted.sum()


@pytest.mark.parametrize("cap", [1, 4, 8])
def test_no_sliding_window_holds_more_than_the_cap(cap):
    plan = rk.contact_calendar(
        preset("channel_mix"), "high", dt.date(2026, 1, 5), quarters=4, cap=cap
    )
    days = plan.contacts.loc[plan.contacts["kept"], "day"]
    start = dt.date(2026, 1, 5)
    for shift in range(-30, 365):
        first = start + dt.timedelta(days=shift)
        inside = days[(days >= first) & (days < first + dt.timedelta(days=30))]
        assert len(inside) <= cap
    assert plan.left_out == len(plan.contacts) - len(days) > 0
    # Calls come before messages.
    lost = plan.contacts[~plan.contacts["kept"]]
    assert (lost["type"] == "message").any()


def test_a_yearly_contact_comes_once_in_four_quarters():
    policy = policy_from(content(cell={"every": "year"}))
    plan = rk.contact_calendar(policy, "high", dt.date(2026, 1, 5), quarters=4)
    assert len(plan.contacts) == 1
    with pytest.raises(ParameterError, match="cap=0 must be a whole number"):
        rk.contact_calendar(policy, "high", dt.date(2026, 1, 5), cap=0)
