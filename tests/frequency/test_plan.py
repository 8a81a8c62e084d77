"""The plan of an experiment: read strictly, frozen before the start, changes shown."""

import datetime as dt
import json
from pathlib import Path

import pytest

from relkit.errors import ParameterError, SourceError
from relkit.frequency.cadence import Cadence, Contact
from relkit.frequency.freezing import freeze_plan, plan_state
from relkit.frequency.plan_file import plan_from, read_plan
from relkit.yaml_files import read_yaml

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "params" / "experiments" / "world.yaml"


@pytest.fixture
def content():
    """What the shipped plan says, to be changed at will."""
    return read_yaml(SHIPPED, "world.yaml")[0]


def faults(content):
    with pytest.raises(ParameterError) as caught:
        plan_from(content)
    return caught.value.faults


def test_the_shipped_plan_says_what_its_file_says():
    plan = read_plan(SHIPPED)
    assert list(plan.arms) == ["0", "1/3", "1", "2", "4", "8"]  # by dose
    assert plan.arms["0"].hold_out
    assert plan.today["high"] == "4"
    assert plan.margin_share == 0.35
    assert plan.starts_on == dt.date(2024, 9, 30)
    assert plan.doses["1/3"] == pytest.approx(1 / 3)
    # 26 weeks are 182 days, 5.979... months of 365.25 / 12 days; 8 contacts at 1.5 each.
    assert plan.costs["8"] == pytest.approx(8 * 1.5 * 182 / 30.4375)
    frame = plan.to_frame().set_index("arm")
    assert frame.loc["2", "today_of"] == "growth, standard"
    assert list(frame["hold_out"]) == [True] + [False] * 5


def test_dose_and_cost_add_up_over_types_and_channels():
    arm = Cadence("vip", (Contact("message", "email", 2.0), Contact("deep", "phone", 0.5)))
    assert arm.per_month == 2.5
    assert arm.dose({"message": 1.0, "deep": 3.0}) == 3.5
    assert arm.cost_per_month({("message", "email"): 0.1, ("deep", "phone"): 20.0}) == 10.2
    with pytest.raises(ParameterError, match="no cost is given for deep by phone"):
        arm.cost_per_month({("message", "email"): 0.1})
    with pytest.raises(ParameterError, match="no dose weight for deep"):
        arm.dose({"message": 1.0})


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("residual_value", "what a customer of each tier is worth"),
        ("complaint_cost", "what one complaint costs; it is never assumed"),
        ("contact_cost", "it is never assumed"),
        ("margin_share", "it is never assumed"),
        ("today", "which arm is today's cadence"),
        ("guardrails", "guardrails is not given"),
        ("salt", "salt is not given"),
    ],
)
def test_what_is_a_judgement_is_asked_for(content, key, said):
    del content[key]
    assert any(said in fault for fault in faults(content))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("contact_cost", "message", "any"), "-1", "contact_cost: message: any: -1 must be at le"),
        (("complaint_cost",), "-3", "complaint_cost: -3 must be at least 0"),
        (("margin_share",), "0", "margin_share: 0 must be above 0 and at most 1"),
        (("today", "high"), "5", "today: high: no arm '5'"),
        (("today", "hihg"), "4", "today: no tier 'hihg'; did you mean 'high'?"),
        (("unit",), "custmer", "unit: custmer must be one of customer, household, account; did"),
        (("tiers_frozen_on",), "2024-09-30", "must be before starts_on"),
        (("ends_on",), "2024-09-30", "must be after starts_on"),
        (("starts_on",), "30.9.2024", "30.9.2024 is no day; write it as 2025-01-31"),
        (("window_weeks",), "2.5", "must be a whole number of weeks"),
        (("window_weeks",), "0", "window_weeks: 0 must be at least 1"),
        (("burn_in_weeks",), "26", "leaves nothing of window_weeks: 26"),
        (("currency",), "yuan", "currency must be a three-letter code"),
        (("guardrails", "complaints", "margin"), "0.9", "must be above 1"),
        (("guardrails", "retained", "margin"), "0.02", "must be below 0"),
        (("guardrails", "complaint"), {"scale": "ratio", "margin": "2"}, "must be one of"),
        (("stop",), {"looks": "daily", "early": "harm"}, "stop: looks: daily must be one of"),
        (("retained_within_weeks",), "27", "is more than window_weeks: 26"),
        (("decide", "tolerated_loss", "high"), "0", "decide: tolerated_loss: high: 0 must be ab"),
        (("decide", "tolerated_loss"), {"high": "1"}, "decide: tolerated_loss is not given for"),
        (("decide", "loss_share"), "1", "decide must be like"),
        (("decide", "probability"), "0.3", "decide: probability: 0.3 must be at least 0.5"),
        (("arms", "2"), {"contacts": [], "hold_out": False}, "must have contacts, or else"),
        (("arms", "2"), {"contacts": [{"type": "sms"}]}, "a contact must have channel, per_mon"),
        (("arms", "2", "hold_out"), "perhaps", "hold_out must be true or false"),
        (("arms", "2", "step_down_to"), "7", "step_down_to: no arm '7'"),
        (("fatigue_cap", "high"), "many", "'many' is no number"),
        (("complaint_cost",), "1e999", "is no number"),
        (("windo_weeks",), "26", "unknown key 'windo_weeks'; did you mean 'window_weeks'?"),
    ],
)
def test_one_fault(content, path, value, said):
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert any(said in fault for fault in faults(content)), faults(content)


def test_one_arm_and_no_hold_out(content):
    content["arms"] = {"4": content["arms"]["4"]}
    content["today"] = dict.fromkeys(content["tiers"], "4")
    said = "\n".join(faults(content))
    assert "one arm only" in said
    assert "none is a hold-out" in said


def test_types_need_weights_when_there_are_two(content):
    contacts = content["arms"]["8"]["contacts"]
    contacts.append({"type": "deep", "channel": "phone", "per_month": "1"})
    content["contact_cost"]["deep"] = {"phone": "20"}
    assert "dose_weights is not given" in faults(content)[0]
    content["dose_weights"] = {"message": "1", "deep": "3"}
    assert plan_from(content).doses["8"] == 11.0


def test_all_faults_at_once(content):
    content["unit"], content["salt"] = "shop", ""
    content["complaint_cost"] = "-1"
    assert len(faults(content)) == 3


# ---- freezing ------------------------------------------------------------------


@pytest.fixture
def plan_file(tmp_path):
    path = tmp_path / "spring.yaml"
    path.write_text(SHIPPED.read_text(encoding="utf-8"), encoding="utf-8")
    return path


def test_a_plan_is_frozen_once_and_comments_are_no_change(plan_file):
    assert plan_state(plan_file).status == "not_frozen"
    state = freeze_plan(plan_file, today=dt.date(2024, 9, 1))
    assert (state.status, state.frozen_on) == ("frozen", dt.date(2024, 9, 1))
    text = plan_file.read_text(encoding="utf-8")
    plan_file.write_text("# a remark\n" + text.replace("unit: customer  ", "unit:   customer  "))
    assert plan_state(plan_file).status == "frozen"
    again = freeze_plan(plan_file, today=dt.date(2025, 9, 1))
    assert again.frozen_on == dt.date(2024, 9, 1)


def test_a_plan_frozen_on_the_first_day_is_late_even_if_the_start_is_moved(plan_file):
    assert freeze_plan(plan_file, today=dt.date(2024, 9, 30)).status == "frozen_late"
    text = plan_file.read_text(encoding="utf-8")
    plan_file.write_text(text.replace("starts_on: 2024-09-30", "starts_on: 2024-10-31"))
    state = plan_state(plan_file)
    assert state.status == "changed"
    assert state.starts_on == dt.date(2024, 9, 30)


def test_a_change_is_shown_and_refused(plan_file):
    freeze_plan(plan_file, today=dt.date(2024, 9, 1))
    text = plan_file.read_text(encoding="utf-8")
    text = text.replace("margin: 1.10", "margin: 1.50").replace("salt: spring-2025", "salt: x")
    plan_file.write_text(text.replace("covariate_weeks", "burn_in_weeks: 2\ncovariate_weeks"))
    state = plan_state(plan_file)
    shown = {(c.place, c.was, c.now) for c in state.changes}
    assert shown == {
        ("guardrails: complaints: margin", "1.10", "1.50"),
        ("salt", "spring-2025", "x"),
        ("burn_in_weeks", None, "2"),
    }
    assert list(state.to_frame().columns) == ["place", "was", "now"]
    with pytest.raises(ParameterError, match="has been changed since"):
        freeze_plan(plan_file)


def test_a_record_that_was_edited_is_refused(plan_file):
    freeze_plan(plan_file, today=dt.date(2024, 9, 1))
    record = plan_file.with_name("spring.frozen.json")
    content = json.loads(record.read_text(encoding="utf-8"))
    content["content"]["salt"] = "other"
    record.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ParameterError, match="its hash does not fit"):
        plan_state(plan_file)


def test_a_plan_with_faults_is_not_frozen(plan_file):
    text = plan_file.read_text(encoding="utf-8")
    plan_file.write_text(text.replace("unit: customer", "unit: shop"))
    with pytest.raises(ParameterError, match="unit: shop must be one of"):
        freeze_plan(plan_file)
    assert not plan_file.with_name("spring.frozen.json").exists()


def test_no_such_plan():
    with pytest.raises(SourceError, match="no such plan file"):
        read_plan("params/experiments/none.yaml")
