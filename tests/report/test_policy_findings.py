"""Policies and contact practice in words, tables and pictures; every figure by hand."""

import datetime as dt
import re
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
import pytest

import relkit as rk
from relkit.frequency import overrides, policy_linter, practice
from relkit.frequency.policy import EVIDENCE
from relkit.report import findings, plots, policy_tables, practice_tables
from relkit.report.blocks import figure
from relkit.report.language import set_language
from relkit.report.policy_words import finding_words
from relkit.report.vocabulary import all_texts

ROOT = Path(__file__).parents[2]
PRESETS = ROOT / "params" / "policies"
LABELS = {"high": {"en": "High value", "zh": "高价值客户"}}


@pytest.fixture(autouse=True)
def english():
    set_language("en", currency="CNY")
    yield
    set_language("en")
    plt.close("all")


def preset(name):
    return rk.read_policy(PRESETS / f"{name}.yaml")


def lint(name, **options):
    return rk.lint_policy(preset(name), **options)


# F18: a points mail a month, 52.18 pushes a year and a person a quarter are 5.68 a month.
def test_the_plan_that_is_too_much_says_how_much_and_that_the_best_is_a_claim():
    assert findings.policy_touches(lint("mid_tier_automation")).text() == (
        "In the policy “Mid tier: automation and people”, Mid tier gets 5.7 contacts a month over "
        "all channels, 4.3 times the best that is claimed (1.33)"
    )
    best = rk.Optimum(1.0, 2.0, rk.Evidence("experiment", "spring", "A"))
    measured = lint("mid_tier_automation", optima={"mid": best})
    assert "2.8 times the best that is measured (2.00)" in findings.policy_touches(measured).text()
    capped = lint("channel_mix", caps={"high": 8})
    assert findings.policy_touches(capped).text("zh") == (
        "策略“高价值客户渠道组合”中，高价值客户各渠道合计每月 9.7 次联系，超过上限 8.0 次"
    )


def test_other_headlines_of_a_policy():
    said = findings.policy_touches(lint("tier_depth")).text()
    assert "from 0.33 contacts a month (Low value) to 1.3 (High value); no cap" in said
    whole = lint("care_guide", caps={"high": 8, "mid": 8, "ordinary": 8})
    assert "within every cap" in findings.policy_touches(whole).text()
    assert "nobody can say" in findings.policy_touches(lint("industry_saas")).text()
    assert findings.policy_lint(capped := lint("channel_mix", caps={"high": 8})).text() == (
        "What stands against the policy: faults 1, warnings 0"
    )
    assert "Nothing was found" in findings.policy_lint(lint("care_guide")).text()
    assert "0 of 3 lines" in findings.policy_evidence(capped.policy).text()
    first, second = preset("tier_depth"), preset("channel_mix")
    conflict = findings.policy_conflict(rk.policy_conflicts(first, second), first, second)
    assert "High value gets 1.3 contacts a month by one and 9.7 by the other" in conflict.text()
    assert "plan the same" in findings.policy_conflict((), first, first).text()


@pytest.mark.parametrize("code", ["en", "zh"])
@pytest.mark.parametrize("name", ["care_guide", "mid_tier_automation", "gold_and_attention"])
def test_pictures_and_tables_of_policies_in_both_languages(name, code):
    set_language(code, currency="CNY")
    found = lint(name)
    shown = [figure(plots.policy_matrix(found)), figure(plots.policy_touches(found))]
    tables = [policy_tables.policy_cells(found.policy), policy_tables.policy_lint(found)]
    page = "".join(str(block) for block in (*shown, *tables))
    assert not re.search(r"\bnan\b|lint\.|evidence\.|rhythm\.|contact_type\.", page)
    for table in tables:
        for row in table.rows:
            for cell in row:
                if code == "zh" and cell:
                    assert not re.search(r"monthly|festival|customer|channel", cell)


def test_the_matrix_is_the_policy():
    table = policy_tables.policy_cells(preset("care_guide"))
    assert table.rows[0] == (
        "High value", "in-depth contact", "visit", "visit", "quarterly", "1",
        "customer success manager", "plan of G09",
    )  # fmt: skip
    assert [row[5] for row in table.rows] == ["1", "3", "13", "3", "1", "1", None]
    axes = plots.policy_matrix(lint("care_guide"))
    drawn = {text.get_text() for text in axes.texts}
    assert drawn == {"0.33", "1.00", "4.35", "on occasion", ""}


def test_who_signed_is_said():
    state = SimpleNamespace(
        status="changed", signed_off_by="Li Wei", signed_off_on=dt.date(2026, 1, 5),
        changes=[SimpleNamespace(place="tiers: high: cap")],
    )  # fmt: skip
    assert findings.policy_state(state).text() == (
        "Signed by Li Wei on 5 January 2026 and changed since: places 1, tiers: high: cap"
    )
    draft = SimpleNamespace(status="draft", signed_off_by=None)
    assert "草案" in findings.policy_state(draft).text("zh")


def test_overrides_and_adjustments_are_said():
    day = dt.date(2026, 3, 1)
    given = ("deep", "phone", 4.0, "contract is up", "Li", day)
    listed = [
        rk.Override("high", "", *given, day + dt.timedelta(days=30)),
        rk.Override("", "C1", *given, day + dt.timedelta(days=5)),
    ]
    audit = rk.override_audit(preset("care_guide"), listed, day + dt.timedelta(days=1))
    assert findings.policy_overrides(audit).text() == (
        "2 overrides are in force, the next one ends in 4 days; 0 have expired"
    )
    table = policy_tables.overrides(audit, preset("care_guide"))
    assert table.rows[0][0] == "High value"
    assert table.rows[0][3:5] == ("1.00", "4.00")
    assert "C1" not in str(table.rows)
    later = rk.override_audit(preset("care_guide"), listed, dt.date(2027, 1, 1))
    assert findings.policy_overrides(later).text() == "No override is in force; 2 have expired"
    people = pd.DataFrame(
        {"customer_id": list("abcd"), "level": ["monthly"] * 4,
         "activity": ["active", "mild", "frozen", None]}
    )  # fmt: skip
    moved = rk.adjust_cadences(people, rk.activity_ladder(), day)
    assert findings.policy_adjustment(moved).text() == (
        "By these rules 75.0% of 4 customers would change by one level this period: 1 up, 2 down"
    )
    assert "An arm to test, not a finding" in findings.policy_adjustment_note().text()


# ---- practice ---------------------------------------------------------------------------


def tiers(high, low, automated=0.9):
    """200 customers a tier; half got `high` contacts in six months and half twice that."""
    rows = []
    for name, mean in (("high", high), ("low", low)):
        counts = pd.Series([mean, 2 * mean] * 100, dtype=float)
        own = counts * automated
        rows.append({
            "tier": name, "customers": 200, "contacted": 200, "contacts": counts.sum(),
            "sum_contacts2": (counts**2).sum(), "known": counts.sum(), "automated": own.sum(),
            "sum_automated2": (own**2).sum(), "sum_automated_known": (own * counts).sum(),
            "sum_known2": (counts**2).sum(),
        })  # fmt: skip
    return pd.DataFrame(rows)


def audit(high=24, low=4, harmed=40, automated=0.9):
    cells = [("high", 0, 1, 100, 50, 5), ("high", 1, 2, 100, 50, harmed)]
    doses = pd.DataFrame(
        cells, columns=["tier", "low", "high", "customers", "bought", "complainers"]
    )
    return rk.audit_practice(tiers(high, low, automated), doses, 6.0, ["high", "low"])


def test_practice_in_words():
    found = audit()
    said = findings.practice_cadence(found, LABELS).text()
    assert said.startswith("Tiers are contacted differently: High value gets 6.0 times")
    assert findings.practice_automation(found).text().startswith("90.0% of contacts are automated")
    # 40 of 100 against 5 of 100.
    assert "by 35.0% of customers" in findings.practice_care(found, LABELS).text()
    alike = findings.practice_cadence(audit(high=4, low=4)).text()
    assert alike.startswith("Tiers are contacted alike")
    turned = findings.practice_order(audit(high=4, low=24)).text()
    assert turned == "low is contacted 6.00 times as often as high, which is worth more"
    assert "never a cause" in findings.practice_care_note().text()
    assert "Nothing shows" in findings.practice_care(audit(harmed=5)).text()


def rates(low_open=0.2):
    cells = [("email", "channel", 100, 400), ("phone", "channel", 200, 400),
             ("offer", "content_type", 40, 400), ("news", "content_type", 120, 400)]  # fmt: skip
    rows = [
        {"split": split, "value": value, "response": response, "contacts": float(n),
         "answered": k, "sum_answered2": k, "sum_answered_contacts": k, "sum_contacts2": n}
        for value, split, k, n in cells
        for response in ("interaction", "opened")
    ]  # fmt: skip
    return rk.response_rates(pd.DataFrame(rows), low_open=low_open)


def test_responses_and_contents_in_words():
    assert (
        findings.practice_responses(rates())
        .text()
        .startswith("phone is answered most, 50.0% of contacts")
    )
    found = rk.compare_contents(rates(), "offer")
    assert (
        findings.practice_contents(found)
        .text()
        .startswith("news is answered 3.00 times as often as offer")
    )
    assert "Hypothesis only" in findings.practice_contents_note(found).text()
    chance = rk.compare_contents(rates(), "offer", randomised=True)
    assert "assigned by chance" in findings.practice_contents_note(chance).text()
    assert "No content is clearly answered" in (
        findings.practice_contents(rk.compare_contents(rates(), "news")).text()
    )
    assert findings.practice_low_open(rates()).text() == (
        "1 of 2 contents should change their form: fewer than 20% of them are opened, offer least "
        "(10.0%)"
    )
    assert "No content is clearly opened" in findings.practice_low_open(rates(0.05)).text()


def issues(later):
    periods = pd.DataFrame([
        {"issue": i, "half": h, "tickets": k, "all_tickets": n, "customers": k,
         "sum_issue2": k, "sum_issue_all": k, "sum_all2": n}
        for h, counts in (("earlier", {"complaint": 200, "app": 200}), ("later", later))
        for i, k in counts.items() for n in [sum(counts.values())]
    ])  # fmt: skip
    months = pd.DataFrame({"issue": ["complaint", "app"], "month": "2024-01", "tickets": 9})
    again = pd.DataFrame({"issue": ["complaint", "app"], "customers": 100, "repeated": 25})
    return rk.recurring_issues(periods, months, again)


def test_issues_and_opinions_in_words():
    grown = issues({"complaint": 600, "app": 200})
    assert findings.practice_issues(grown).text() == (
        "complaint grows beyond all tickets: from 50.0% to 75.0% of them, while all tickets "
        "changed by a factor of 2.00; a matter for the product"
    )
    assert "“投诉”的增长超过工单总体" in findings.practice_issues(grown).text("zh")
    doubled = findings.practice_issues(issues({"complaint": 400, "app": 400})).text()
    assert "comes back every month, 600 tickets, 25% of its customers" in doubled
    pressed = rk.wilson_interval(8, 10)
    felt = pd.DataFrame(
        [(o, f, 1) for o in (True, False) for f in ("cared_for", "pressed", "too_little")],
        columns=["often", "felt", "customers"],
    )
    said = SimpleNamespace(
        pressed=pressed, often_from=20.0, agree=rk.wilson_interval(5, 20), customers=20,
        kappa=None, counts=felt,
    )  # fmt: skip
    assert "80% of the customers on record" in findings.practice_opinions(said).text()
    assert "cannot be computed" in findings.practice_opinions_kappa(said).text()
    assert practice_tables.practice_opinions(said).rows[1] == ("pressed", "1", "1")


@pytest.mark.parametrize("code", ["en", "zh"])
def test_pictures_and_tables_of_practice_in_both_languages(code):
    set_language(code, currency="CNY")
    found, answered = audit(), rates()
    shown = [
        figure(plots.practice_cadence(found, LABELS)),
        figure(plots.practice_responses(answered, "content_type")),
        practice_tables.practice_flags(found, LABELS),
        practice_tables.practice_tiers(found, LABELS),
        practice_tables.practice_responses(answered),
        practice_tables.practice_contents(answered),
        practice_tables.practice_comparison(rk.compare_contents(answered, "offer")),
        practice_tables.practice_issues(issues({"complaint": 600, "app": 200})),
    ]
    page = "".join(str(block) for block in shown)
    assert not re.search(r"\bnan\b|flag_name|flag_status|content_status|issue_status", page)
    flags = shown[2].rows
    assert len(flags) == len(practice.FLAGS)
    assert flags[2][2:6] == ("90.0%", *flags[2][3:5], "80.0%")


# ---- texts --------------------------------------------------------------------------------


def test_every_word_of_a_result_has_a_text():
    keys = [f"lint.{code}" for code in policy_linter.CODES]
    keys += [f"severity.{one}" for one in ("fault", "warning", "note")]
    keys += [f"evidence.{kind}" for kind in (*EVIDENCE, "none")]
    keys += [f"rhythm.every_{unit}" for unit in ("day", "week", "month", "quarter", "year")]
    keys += [
        f"override_status.{one}"
        for one in (overrides.ACTIVE, overrides.EXPIRED, overrides.NOT_YET, overrides.SUPERSEDED)
    ]
    keys += [f"flag_name.{flag}" for flag in practice.FLAGS]
    keys += [f"flag_status.{s}" for s in ("raised", "clear", "unclear", "not_measured")]
    keys += [f"policy.state_{s}" for s in ("draft", "named_only", "signed", "changed")]
    for finding, states in (
        ("same", ("raised", "clear", "unclear")),
        ("automated", ("raised", "clear", "unclear", "not_measured")),
        ("care", ("raised", "clear", "unclear", "not_measured")),
    ):
        keys += [f"practice.{finding}_{state}" for state in states]
    assert set(keys) <= set(all_texts())
    for code in policy_linter.CODES:
        one = policy_linter.PolicyFinding(
            code, "note", tier="high", value=2.0, low=1.0, limit=1.5, reference="F16"
        )
        assert finding_words(one).text("zh")


def test_every_text_is_used():
    room = ROOT / "relkit" / "report"
    code = "".join(path.read_text(encoding="utf-8") for path in room.rglob("p*.py"))
    built = ("lint.", "severity.", "evidence.", "override_status.", "flag_", "content_status.",
             "issue", "felt.", "contact_type.", "rhythm.every_", "occasion.", "channel.",
             "policy.state_", "practice.same_", "practice.automated_", "practice.care_",
             "practice.contents_note")  # fmt: skip
    for name in ("policy.yaml", "practice.yaml"):
        text = (room / "texts" / name).read_text(encoding="utf-8")
        keys = re.findall(r"^([a-z_]+\.[a-z_0-9]+):", text, re.M)
        unused = {key for key in keys if f'"{key}"' not in code and not key.startswith(built)}
        assert unused == set()
