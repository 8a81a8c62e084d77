"""An experiment read whole: what is hidden, what is not supplied, what looks allow to say."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import yaml
from statsmodels.stats.power import NormalIndPower

import relkit as rk
from relkit.errors import DataError, ParameterError
from relkit.report import findings, frequency_tables, plots
from relkit.report.language import set_language
from relkit.studies.experiment import study_experiment

PLAN = {
    "experiment": "SYN-EXP-1",
    "name": {"en": "Test", "zh": "试验"},
    "hypothesis": {"en": "Frequency matters", "zh": "频率有作用"},
    "unit": "customer",
    "tiers": ["high", "growth", "standard", "occasional"],
    "tiers_frozen_on": "2024-09-29",
    "starts_on": "2024-09-30",
    "ends_on": "2025-06-29",
    "window_weeks": 26,
    "covariate_weeks": 26,
    "retained_within_weeks": 13,
    "currency": "CNY",
    "arms": {
        "0": {"hold_out": True},
        **{
            name: {"contacts": [{"type": "message", "channel": "any", "per_month": times}]}
            for name, times in (("1/3", "1/3"), ("1", "1"), ("2", "2"), ("4", "4"), ("8", "8"))
        },
    },
    "today": {"high": "4", "growth": "2", "standard": "2", "occasional": "1"},
    "margin_share": "35 %",
    "residual_value": {"high": 6000, "growth": 2400, "standard": 700, "occasional": 250},
    "complaint_cost": 120,
    "contact_cost": {"message": {"any": 1.5}},
    "guardrails": {
        "complaints": {"scale": "ratio", "margin": 1.10},
        "retained": {"scale": "difference", "margin": -0.02},
    },
    "stop": {"looks": "monthly", "early": "harm"},
    "decide": {"probability": 0.9, "tolerated_loss": 3},
    "salt": "test",
}
ONLY_RETAINED = {"retained": {"scale": "difference", "margin": -0.02}}


def frozen(folder, **changes):
    """The path of a plan that was frozen before the start."""
    path = folder / f"plan{len(list(folder.glob('plan*.yaml')))}.yaml"
    path.write_text(yaml.safe_dump(PLAN | changes, allow_unicode=True), encoding="utf-8")
    rk.freeze_plan(path, today=dt.date(2024, 9, 20))
    return path


@pytest.fixture(autouse=True)
def english():
    set_language("en", currency="CNY")
    yield
    set_language("en")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("experiment")


@pytest.fixture(scope="module")
def pair(folder):
    """Two files and nothing else: assignments and transactions."""
    world = rk.simulate_world(customers=1_200, accounts=10, seed=3, faults=None)
    rows = world.tables["assignments"].rename(
        columns={"customer_id": "client", "arm": "group", "stratum": "class"}
    )
    rows.to_csv(folder / "assignments.csv", index=False)
    bought = world.tables["transactions"].rename(
        columns={"customer_id": "client", "occurred_at": "day", "amount": "paid"}
    )
    bought[["transaction_id", "client", "day", "paid"]].to_csv(
        folder / "transactions.csv", index=False
    )
    mapping = {
        "name": {"en": "Two files", "zh": "两个文件"},
        "format": "csv",
        "currency": "CNY",
        "synthetic": True,
        "tables": {
            "transactions": {
                "files": str(folder / "transactions.csv"),
                "columns": {
                    "transaction_id": "transaction_id", "customer_id": "client",
                    "occurred_at": "day", "amount": "paid",
                },
            },
            "assignments": {
                "files": str(folder / "assignments.csv"),
                "columns": {
                    "experiment_id": "experiment_id", "customer_id": "client", "arm": "group",
                    "assigned_at": "assigned_at", "stratum": "class",
                },
            },
        },
    }  # fmt: skip
    path = folder / "source.yaml"
    path.write_text(yaml.safe_dump(mapping, allow_unicode=True), encoding="utf-8")
    return rk.open_source(path, as_of="2025-06-29")


@pytest.fixture(scope="module")
def bare(pair, folder):
    """Plan with a price on complaints, of which nobody knows."""
    return study_experiment(pair, frozen(folder))


@pytest.fixture(scope="module")
def whole(pair, folder):
    """Plan that asks only for what two files hold."""
    return study_experiment(pair, frozen(folder, complaint_cost=0, guardrails=ONLY_RETAINED))


@pytest.fixture(scope="module")
def red(pair, folder):
    """The same, on a plan that was never frozen."""
    path = folder / "loose.yaml"
    path.write_text(yaml.safe_dump(PLAN, allow_unicode=True), encoding="utf-8")
    return study_experiment(pair, path)


def shown(study):
    """Every headline, picture and table of the sections that may be hidden."""
    said = {
        name: getattr(findings, f"frequency_{name}")(study)
        for name in (
            *("decision", "time", "steps", "effects", "intervals", "guardrails", "response"),
            *("spline", "value", "prices", "carry_over", "peeking", "exploratory", "reasons"),
        )
    }
    tables = ("value", "prices", "carry_over", "peeking", "exploratory", "spline", "reasons")
    drawn = {name: getattr(frequency_tables, name)(study) for name in (*tables, "effects")}
    pictures = ("looks", "steps", "effects", "guardrails", "response")
    drawn |= {f"plot_{name}": getattr(plots, f"frequency_{name}")(study) for name in pictures}
    drawn["card"] = frequency_tables.decision_card(study, review_weeks=26)
    return said, drawn


def test_red_hides_every_number(red):
    assert red.shown == ()
    assert red.read_out is red.prices is red.time is None
    assert red.effects == ()
    said, drawn = shown(red)
    for name, statement in said.items():
        assert statement.key == "frequency.hidden", name
        assert "Plan unchanged" in statement.text("en")
        assert "隐藏" in statement.text("zh")
    assert [name for name, block in drawn.items() if block is not None] == []
    for frame in ("effects", "decisions", "values", "guardrails", "steps", "looks", "log"):
        assert getattr(red, f"{frame}_frame")().empty
    assert findings.frequency_why_hidden(red).key == "frequency.why_hidden"
    assert findings.frequency_trust(red).key == "frequency.trust.red"
    assert findings.frequency_plan(red).key == "frequency.plan.not_frozen"
    # What the plan and the assignments say stays readable.
    assert frequency_tables.plan_prices(red).rows
    assert frequency_tables.power(red).rows


def test_what_is_not_supplied_is_said(bare):
    assert bare.read_out is None
    why = findings.frequency_decision(bare).text("en")
    assert "complaints" in why
    assert "tickets" in why
    missing = {one.metric: (one.why, one.table) for one in bare.missing}
    assert missing == {
        "complaints": ("not_supplied", "tickets"),
        "unsubscribes": ("not_supplied", "touches"),
        "engagement": ("not_supplied", "engagement"),
        "satisfaction": ("not_supplied", "feedback"),
    }
    assert (
        "satisfaction (not supplied: feedback)" in findings.frequency_effects_missing(bare).text()
    )
    unknown = [one.phrase.text for one in frequency_tables.trust_gates(bare, delivery=True)
               if one.passed is None]  # fmt: skip
    assert len(unknown) == 4  # all but the outcomes that came too late
    # The metrics that two files hold are there, and so is what they did over time.
    assert bare.metrics == ("retained", "repurchase", "revenue", "margin")
    assert bare.time is not None
    assert "tickets" in findings.frequency_no_complaints(bare).text("en")
    assert plots.frequency_looks(bare) is not None
    assert [one.guardrails["complaints"] for one in bare.power] == [None] * 4


def test_two_files_are_enough_where_the_plan_asks_no_more(whole):
    assert whole.read_out is not None
    card = frequency_tables.decision_card(whole, review_weeks=26)
    assert [row[0] for row in card.rows] == PLAN["tiers"]
    assert {row[-1] for row in card.rows} == {"28 December 2025"}
    said, drawn = shown(whole)
    assert all(any("\u4e00" <= c <= "\u9fff" for c in one.text("zh")) for one in said.values())
    assert [name for name, block in drawn.items() if block is None] == []


def test_margin_is_a_share_of_revenue(whole):
    frame = whole.effects_frame().set_index(["metric", "tier", "arm"])["difference"]
    np.testing.assert_allclose(frame["margin"], 0.35 * frame["revenue"], atol=1e-9)


def test_a_gate_of_one_tier_hides_that_tier_alone(pair, folder, tmp_path):
    rows = pd.read_csv(folder / "assignments.csv", dtype=str)
    lost = rows[(rows["class"] == "growth") & (rows["group"] == "8")].index[:40]
    path = tmp_path / "assignments.csv"
    rows.drop(lost).to_csv(path, index=False)
    mapping = yaml.safe_load((folder / "source.yaml").read_text(encoding="utf-8"))
    mapping["tables"]["assignments"]["files"] = str(path)
    (tmp_path / "source.yaml").write_text(yaml.safe_dump(mapping, allow_unicode=True))
    source = rk.open_source(tmp_path / "source.yaml", as_of="2025-06-29")
    plan = frozen(folder, complaint_cost=0, guardrails=ONLY_RETAINED)
    found = study_experiment(source, plan)
    red = {gate.key for gate in found.trust.red}
    assert "growth: sample_ratio" in red
    assert "sample_ratio" not in red
    assert found.shown == ("high", "standard", "occasional")
    card = {row[0]: row for row in frequency_tables.decision_card(found, review_weeks=26).rows}
    assert card["growth"][10] == "hidden"
    assert set(card["growth"][2:10]) == {None}
    assert "growth" not in set(found.effects_frame()["tier"]) | set(found.looks_frame()["tier"])
    assert "growth" in findings.frequency_why_hidden(found).text("en")
    assert "growth" not in findings.frequency_response(found).text("en")


def test_observed_only_is_a_hypothesis_only(pair, folder):
    plan = frozen(folder, complaint_cost=0, guardrails=ONLY_RETAINED)
    found = study_experiment(pair, plan, randomised=False)
    assert "Hypothesis only" in findings.frequency_decision(found).text("en")
    assert "仅为假设" in findings.frequency_hypothesis(found).text("zh")
    assert {one.grade for one in found.read_out.decisions.tiers} == {"C"}
    assert {one.action for one in found.read_out.decisions.tiers} == {"no_verdict"}


def test_power_beside_statsmodels(whole):
    """Chance that a harmless arm passes: a one-sided z-test of the margin."""
    rows = whole.outcomes.to_frame()
    for one in whole.power:
        own = rows[rows["tier"] == one.tier]
        today = own[own["arm"] == PLAN["today"][one.tier]]["retained"]
        assert one.n_today == len(today)
        others = own.groupby("arm").size().drop(PLAN["today"][one.tier])
        assert one.n == others.min()
        pooled = []
        for _, arm in own.groupby("arm"):
            y = arm["retained"] - arm["retained"].mean()
            pooled.append((y, arm["x"] - arm["x"].mean(), len(arm)))
        y, x = (np.concatenate([part[i] for part in pooled]) for i in (0, 1))
        explained = (x @ y) ** 2 / (x @ x) / (y @ y)
        spread = np.sqrt(today.mean() * (1 - today.mean()) * (1 - explained))
        chance = NormalIndPower().power(
            0.02 / spread, one.n, 0.05, ratio=len(today) / one.n, alternative="larger"
        )
        assert one.guardrails["retained"] == pytest.approx(chance, rel=2e-3)


def test_looks_by_the_plan(whole):
    looks = whole.time.looks
    weeks = sorted(looks["week"].unique())
    assert weeks == [4, 8, 12, 16, 20, 24, 26]
    last = looks[looks["week"] == 26].set_index(["tier", "arm"])
    assert (last["low"] < last["alone_low"]).all()
    # At the end the mean so far is the margin of the whole window, a week, less contacts.
    effects = whole.effects_frame()
    margin = effects[effects["metric"] == "margin"].set_index(["tier", "arm"])["difference"]
    doses = {"0": 0.0, "1/3": 1 / 3, "1": 1.0, "2": 2.0, "4": 4.0, "8": 8.0}
    for (tier, arm), row in last.iterrows():
        more = (doses[arm] - doses[PLAN["today"][tier]]) * 1.5 * 12 / 365.25 * 7
        assert row["difference"] == pytest.approx(margin[tier, arm] / 26 - more)


def test_carry_over_needs_its_arms(whole):
    assert not whole.time.step_down
    assert set(whole.time.carry_over["comparison"]) == {"early_late"}
    assert "no step-down arm" in findings.frequency_carry_over(whole).text("en")
    assert findings.frequency_no_step_down(whole) is not None


def test_other_tiers_than_planned(pair, folder):
    tiers = {"top": "4", "growth": "2", "standard": "2", "occasional": "1"}
    path = frozen(
        folder,
        tiers=list(tiers),
        today=tiers,
        residual_value=dict.fromkeys(tiers, 100),
    )
    with pytest.raises(DataError, match="tier 'high' is not in the plan"):
        study_experiment(pair, path)


def test_households_are_not_read_as_if_they_were_customers(pair, folder):
    plan = frozen(folder, unit="household")
    with pytest.raises(ParameterError, match="randomises by household; this read-out takes"):
        study_experiment(pair, plan)
