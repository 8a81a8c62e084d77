"""The design of an experiment in words, pictures and tables: what they say is what it holds."""

import dataclasses
import datetime as dt
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from relkit.frequency.arm_proposal import propose_arms
from relkit.frequency.assignment import assign_arms
from relkit.frequency.balance import collisions, covariate_balance
from relkit.frequency.claim_sizes import claim_sizes
from relkit.frequency.claims import published_claims
from relkit.frequency.design import design_experiment
from relkit.frequency.freezing import Change, PlanState
from relkit.frequency.operating_characteristics import operating_characteristics
from relkit.frequency.plan_file import read_plan
from relkit.frequency.power import Baseline
from relkit.frequency.tier_baseline import TierBaseline
from relkit.report import blocks, design_gates, design_tables, findings, plots
from relkit.report.language import set_language
from relkit.report.vocabulary import all_texts
from relkit.studies.experiment_design import BeforeStart

PLAN = read_plan(Path(__file__).parents[2] / "params" / "experiments" / "world.yaml")
OUTCOMES = ("margin", "complaints", "retained")


@pytest.fixture(autouse=True, params=["en", "zh"])
def language(request):
    set_language(request.param, currency="CNY")
    yield request.param
    set_language("en")


def tier(name, customers, complaints=0.1):
    metrics = {
        "net_value": Baseline("mean", 1_000.0, 900.0**2, 0.2),
        "retained": Baseline("binary", 0.5),
        "repurchase": Baseline("binary", 0.6),
        "complaints": Baseline("count", complaints, complaints),
    }
    mean = np.array([400.0, complaints, 0.5, 300.0])
    spread = np.diag([500.0**2, complaints, 0.25, 400.0**2])
    return TierBaseline(
        name, customers, customers, 5.0, metrics, {"unsubscribes": "not_supplied"},
        OUTCOMES, mean, spread,
    )  # fmt: skip


def designed(*customers, plan=PLAN):
    return design_experiment(plan, [tier(t, n) for t, n in zip(PLAN.tiers, customers, strict=True)])


FEW, MANY = designed(1_000, 2_000, 3_000, 4_000), designed(*[10**6] * 4)
MIXED = designed(1_000, 10**6, 3_000, 10**6)


def people(n=800):
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "customer_id": [f"C{i:04d}" for i in range(n)],
            "tier": np.repeat(PLAN.tiers, n // 4),
            "activity": rng.poisson(2, n) * 1.0,
            "spend": rng.gamma(2, 50, n),
        }
    )


def test_the_answer_names_who_can_and_who_cannot():
    said = findings.design_answer(MIXED)
    assert said.key == "design.some_can"
    assert (said.values["yes"], said.values["n"], said.values["arms"]) == (2, 4, 6)
    assert said.values["customers"] == 2_004_000
    assert re.search(r"growth(, |、)occasional", said.text())
    assert re.search(r"high(, |、)standard", said.text())
    none = findings.design_answer(FEW)
    assert none.key == "design.cannot"
    nearest = min(FEW.answers, key=lambda one: one.times)
    assert none.values["tier"] == nearest.tier == "occasional"
    assert none.values["times"] == nearest.times
    assert findings.design_answer(MANY).key == "design.all_can"


def test_the_smallest_fall_that_is_seen_is_in_points():
    said = findings.design_seen(FEW).values
    falls = {
        one.tier: -100 * one.detectable.difference
        for one in FEW.effects
        if one.metric == "retained"
    }
    assert said["most"] == pytest.approx(max(falls.values()))
    assert (said["worst"], said["tier"]) == ("high", "occasional")
    assert said["least"] == pytest.approx(min(falls.values()))
    assert findings.design_seen(FEW, "satisfaction").key == "design.seen_not"


def test_remedies_are_arms_where_they_do_and_customers_where_not():
    said = findings.design_remedy(FEW)
    assert said.key == "design.remedy_customers"
    nearest = next(one for one in FEW.answers if one.tier == said.values["tier"])
    assert said.values["needed"] == nearest.customers_needed
    assert findings.design_remedy(MANY).key == "design.remedy_none"
    enough = int(0.7 * FEW.answers[0].customers_needed)
    some = designed(enough, 2_000, 3_000, 4_000)
    fewer = findings.design_remedy(some)
    assert fewer.key == "design.remedy_arms"
    assert (fewer.values["saved"], fewer.values["short"]) == (1, 4)


def test_claims_say_how_many_can_be_tested_and_the_farthest():
    sizes = claim_sizes(FEW, published_claims())
    said = findings.design_claims(sizes).values
    by_key = {}
    for one in sizes:
        by_key.setdefault(one.key, []).append(one)
    testable = [k for k, each in by_key.items() if any(o.needed_per_arm <= o.n_arm for o in each)]
    assert said["n"] == len(by_key)
    assert said["testable"] == len(testable)
    left = {k: min(o.needed_per_arm for o in each) for k, each in by_key.items()}
    assert said["needed"] == max(v for k, v in left.items() if k not in testable)
    table = design_tables.design_claims(sizes)
    assert len(table.rows) == len(by_key) + 1
    assert findings.design_claims([]).key == "design.claims_none"
    assert design_tables.design_claims([]) is None


def test_the_load_is_told_by_what_can_be_sent():
    customers = dict.fromkeys(PLAN.tiers, 1_000)
    free = propose_arms(PLAN, customers)
    assert findings.design_load(free).key == "design.load_free"
    assert design_gates.capacity(free).passed is None
    for limit, key in ((10**6, "design.load_fits"), (0.7 * free.load, "design.load_cut")):
        plan = dataclasses.replace(PLAN, contacts_per_week=float(limit))
        held = propose_arms(plan, customers)
        assert findings.design_load(held).key == key
        assert design_gates.capacity(held).passed is True
    assert findings.design_arms_left_out(free) is None
    capped = dataclasses.replace(PLAN, fatigue_cap={**PLAN.fatigue_cap, "growth": 4})
    left = findings.design_arms_left_out(propose_arms(capped, customers))
    assert (left.values["cap"], left.values["capacity"]) == (1, 0)


def test_simulations_are_told_with_their_error_in_words_picture_and_table():
    found = operating_characteristics(designed(3_000, 3_000, 3_000, 3_000), runs=4, seed=1)
    said = findings.design_simulated(found)
    worst = max(found.worlds, key=lambda one: one.false_switch.value)
    assert said.values["worst"] == worst.false_switch
    caught = findings.design_captured(found)
    assert caught.values["captured"] == found.of("smooth").captured
    assert str(findings.design_simulated_note(found))
    assert findings.design_not_simulated(found) is None
    ax = plots.design_actions(found)
    widths = sum(patch.get_width() for patch in ax.patches)
    assert widths == pytest.approx(3)  # each world's actions are all there is
    assert "4" in blocks.figure(ax).alt.text
    table = design_tables.design_simulated(found)
    assert len(table.rows) == 3
    nothing = dataclasses.replace(found.of("smooth"), captured=None, by_curve=None)
    only = dataclasses.replace(found, worlds=(nothing,), not_simulated=("satisfaction",))
    assert findings.design_captured(only).key == "design.captured_none"
    assert design_tables.design_simulated(only).rows[0][3] == "–"
    assert findings.design_not_simulated(only) is not None


def test_pictures_show_what_the_design_holds():
    reach = plots.design_reach(MIXED)
    shown = [text.get_text() for text in reach.texts]
    assert len(shown) == 4 * (1 + len(PLAN.guardrails))
    least = min(
        [one.value_power for one in MIXED.answers] + [one.power for one in MIXED.guardrails]
    )
    assert f"{100 * least:.0f}%" in shown
    needed = plots.design_needed(FEW)
    ends = sorted(patch.get_x() + patch.get_width() for patch in needed.patches)
    assert ends[:4] == [1_000, 2_000, 3_000, 4_000]
    assert ends[4:] == sorted(one.customers_needed for one in FEW.answers)
    # Nothing sticks out of the picture: a logarithm has no 0.
    assert {patch.get_x() for patch in needed.patches} == {needed.get_xlim()[0]}
    for ax in (reach, needed):
        assert blocks.figure(ax).alt.text


def test_a_guardrail_never_measured_is_said_and_not_drawn():
    never = [
        dataclasses.replace(
            one,
            metrics={k: v for k, v in one.metrics.items() if k != "complaints"},
            unmeasured={"complaints": "never_happened"},
        )
        for one in FEW.tiers
    ]
    design = design_experiment(PLAN, never)
    assert findings.design_answer(design).key == "design.cannot_say"
    assert findings.design_remedy(design).key == "design.remedy_unknown"
    assert plots.design_needed(design) is None
    assert len(plots.design_reach(design).texts) == 12
    for make in ("design_answers", "design_effects", "design_remedies", "design_guardrails"):
        assert len(getattr(design_tables, make)(design).rows) > 0


def test_tables_hold_every_tier_and_guardrail():
    assert len(design_tables.design_answers(FEW).rows) == 4
    assert len(design_tables.design_remedies(FEW).rows) == 4
    assert len(design_tables.design_effects(FEW).rows) == 4  # metrics
    assert len(design_tables.design_guardrails(FEW).rows) == 8
    assert len(design_tables.design_plan(PLAN).rows) == 6
    day = dt.date(2024, 4, 1)
    before = BeforeStart(
        people(), FEW.tiers, 3, "spend", (day, day), (day, day), dt.date(2024, 9, 29), False
    )
    assert len(design_tables.design_baselines(before).rows) == 4 * 5
    assert findings.design_left_out(before).values == {"n": 3}


STATE = PlanState("frozen", "a", "a", dt.date(2024, 9, 15), PLAN.starts_on, ())


@pytest.mark.parametrize(
    ("change", "key", "passed"),
    [
        ({}, "frozen", True),
        ({"status": "frozen_late"}, "frozen_late", False),
        ({"status": "changed", "changes": (Change("salt", "a", "b"),)}, "changed", False),
        ({"status": "not_frozen", "frozen_on": None}, "not_frozen", False),
    ],
)
def test_the_plan_gate_says_its_state(change, key, passed):
    state = dataclasses.replace(STATE, **change)
    gate = design_gates.plan_frozen(state)
    assert gate.passed is passed
    assert gate.phrase.key == f"design.gate.{key}"
    assert (design_tables.design_changes(state) is None) == (not state.changes)


def test_assignment_and_balance_are_told_and_a_bad_one_is_red():
    assignment = assign_arms(people(), PLAN)
    sizes = assignment.sizes()
    said = findings.design_assigned(assignment).values
    assert said["gap"] == pytest.approx((sizes["units"] - sizes["planned_units"]).abs().max())
    assert design_gates.planned_sizes(assignment).passed is True
    balance = covariate_balance(assignment, people(), ["activity", "spend"])
    worst = findings.design_balance(balance).values
    assert worst["gap"] == balance["standardised_difference"].abs().max()
    assert design_gates.balanced(balance).passed is True
    assert len(design_tables.design_balance(balance, assignment).rows) == 8
    assert len(design_tables.design_sizes(assignment).rows) == 6
    lost = assignment.customers
    lost = lost[~((lost["arm"] == "8") & (lost["tier"] == "high"))]
    assert design_gates.planned_sizes(
        dataclasses.replace(assignment, customers=lost)
    ).passed is False  # fmt: skip
    off = balance.assign(p_value=np.where(balance["tier"] == "high", 1e-5, 0.5))
    assert design_gates.balanced(off).passed is False


def test_other_experiments_are_counted_and_one_that_leans_is_red():
    assignment = assign_arms(people(), PLAN)
    none = collisions(assignment, pd.DataFrame(columns=["experiment_id", "customer_id", "arm"]))
    assert findings.design_collisions(none).key == "design.no_collisions"
    assert design_tables.design_collisions(none) is None
    assert design_gates.alone(none).passed is True
    leaning = assignment.customers[["customer_id", "arm"]].assign(experiment_id="other")
    found = collisions(assignment, leaning)
    assert findings.design_collisions(found).values == {"customers": 800, "n": 1}
    assert design_gates.alone(found).passed is False
    assert len(design_tables.design_collisions(found).rows) == 1


def test_every_text_of_the_design_is_used_in_code():
    root = Path(__file__).parents[2]
    files = [*root.glob("relkit/**/*.py"), root / "notebooks" / "experiment_design.ipynb"]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    made = ("metric", "guardrail", "world", "world_name", "action", "answer", "status",
            "covariate", "unit")  # fmt: skip
    for key in all_texts():
        if key.startswith("design.") and key.split(".")[1] not in made:
            assert key in code, key
