"""The health of rules in words, tables and pictures; every figure by hand."""

import re

import matplotlib.pyplot as plt
import pandas as pd
import pytest

import relkit as rk
from relkit.report import findings, plots, rule_tables
from relkit.report.blocks import figure, slide
from relkit.report.language import set_language
from relkit.report.rule_words import box_words
from relkit.report.vocabulary import all_texts

TIERS = {
    "high": {
        "label": {"en": "High value", "zh": "高价值客户"},
        "share": "50 %",
        "clauses": {"limits": "R < 60 and F >= 3", "best": "k <= 25 %"},
    },
    "risk": {"share": "25 %", "clauses": {"silent": "R > 90", "never": "R > 90 and F = 1"}},
}
WHERE = {"R": "days", "F": "times, whole, at least 1", "k": "rank of clv"}


@pytest.fixture(autouse=True)
def english():
    set_language("en", currency="USD")
    yield
    set_language("en")
    plt.close("all")


def health_of(tiers=None, **columns):
    frame = pd.DataFrame(
        {
            "customer_id": ["p", "q", "r", "s"],
            "days": [10.0, 75.0, 75.0, 120.0],
            "times": [5, 2, 9, 4],
            "clv": [3.0, 1.0, 2.0, 9.0],
            "total_spend": [100.0, 300.0, 500.0, 100.0],
            **columns,
        }
    )
    tiers = tiers or TIERS
    used = " ".join(str(body) for body in tiers.values())
    where = {k: v for k, v in WHERE.items() if re.search(rf"\b{k}\b", used)}
    return rk.rules_health(frame, rk.tier_rules({"where": where, "tiers": tiers}))


# p is high, q and r fall between 60 and 90 days, s is the best by value and silent.
def test_the_headline_says_who_is_in_none_and_in_two():
    health = health_of()
    assert findings.rules_coverage(health).text() == (
        "50.0% of customers, with 80.0% of revenue, are in no tier; 25.0%, with 10.0%, are in two "
        "or more"
    )
    assert findings.rules_coverage(health).text("zh") == (
        "50.0% 的客户（占收入 80.0%）不属于任何层级；25.0%（占收入 10.0%）同时落入两个或以上层级"
    )


def test_the_largest_hole_in_words():
    health = health_of()
    # By hand: nobody's are R < 60 with F < 3, and R from 60 to 90, both below the best quarter.
    assert findings.rules_holes(health).text() == (
        "Holes proved in the rules: 2; most people here fall into R ≥ 60 and R ≤ 90 "
        "and k > 25%: 2 customers, 80.0% of revenue"
    )
    assert "R ≥ 60 且 R ≤ 90 且 k > 25%" in findings.rules_holes(health).text("zh")
    table = rule_tables.rules_holes(health)
    assert [row[0] for row in table.rows] == [
        "R ≥ 60 and R ≤ 90 and k > 25%",
        "R ≤ 90 and F ≤ 2 and k > 25%",
    ]
    # q, with two purchases, lies in both; it is added once.
    assert [row[1] for row in table.rows] == ["2", "1"]
    assert [row[-1] for row in table.rows] == ["2", "0"]
    # How many of them stand there is said by the renderer, which may show fewer still.
    cut = rule_tables.rules_holes(health, n=1)
    assert (len(cut.rows), cut.total_rows) == (1, 2)
    assert cut.note.text.startswith("Proved on the rules, then counted here")


def test_the_largest_overlap_in_words():
    health = health_of()
    assert findings.rules_overlaps(health).text() == (
        "Pairs of tiers that overlap: 1; most people here, 1, are both High value and risk, and "
        "High value wins"
    )
    row = rule_tables.rules_overlaps(health).rows[0]
    assert row[:4] == ("High value", "risk", "R > 90 and k ≤ 25%", "1")


def test_shares_and_clauses():
    health = health_of()
    # High holds p and s, as it was to; risk, which was to hold a quarter, holds nobody.
    assert findings.rules_shares(health).text() == (
        "risk was to hold 25% of the customers and holds 0.0%; 50.0% are in no tier"
    )
    assert [row[2:5] for row in rule_tables.rules_shares(health).rows] == [
        ("50.0%", "50.0%", "0.0%"), ("0.0%", "25.0%", "−25.0%"), ("50.0%", None, None),
    ]  # fmt: skip
    assert findings.rules_clauses(health).text() == (
        "2 of 4 clauses decide about nobody here, 1 of them never can"
    )
    table = rule_tables.rules_clauses(health)
    assert [row[-1] for row in table.rows] == [
        "decides", "decides", "those it is true of are taken earlier", "can never decide: proved",
    ]  # fmt: skip
    assert "k is the rank of clv (share of customers above)" in table.note.text


def test_rules_without_fault():
    whole = {"high": {"clauses": "R < 60"}, "risk": {"clauses": "R >= 60"}}
    health = health_of(whole)
    assert findings.rules_coverage(health).text() == (
        "Every one of 4 customers is in exactly one tier, and the rules can leave nobody out: "
        "proved"
    )
    assert findings.rules_holes(health).text() == (
        "The rules have no hole: proved for all 2 cases that the thresholds tell apart"
    )
    assert findings.rules_overlaps(health).text() == "No two tiers overlap: proved"
    assert findings.rules_shares(health) is None
    assert findings.rules_clauses(health).text() == "All 2 clauses decide about somebody"
    assert rule_tables.rules_holes(health) is None
    assert rule_tables.rules_overlaps(health) is None
    assert rule_tables.rules_missing(health) is None
    met = {"high": {"share": "25 %", "clauses": "R < 60"}, "risk": {"clauses": "R >= 60"}}
    assert findings.rules_shares(health_of(met)).key == "rules.shares_met"


def test_whole_today_is_not_whole_for_all():
    lucky = {"high": {"clauses": "R < 60"}, "risk": {"clauses": "R > 60"}}
    assert findings.rules_coverage(health_of(lucky)).text() == (
        "All 4 customers are in exactly one tier today; other customers may not be: the rules have "
        "holes (1) or overlaps (0)"
    )


def test_a_proof_that_was_not_made_is_said(monkeypatch):
    from relkit.segments import rule_health

    monkeypatch.setattr(rule_health.prove_rules, "__defaults__", (3,))
    health = health_of()
    assert findings.rules_holes(health).text() == (
        "The thresholds tell 18 cases apart, and at most 3 are tried: holes and overlaps are "
        "counted on these customers, not proved"
    )
    assert findings.rules_overlaps(health).key == "rules.unproved"
    assert rule_tables.rules_holes(health) is None
    alone = health_of({"high": {"clauses": "R < 60"}, "risk": {"clauses": "R >= 60 or F > 99"}})
    assert findings.rules_coverage(alone).key == "rules.whole_unproved"


def test_more_holes_than_can_be_listed_are_said(monkeypatch):
    from relkit.segments import rule_health

    monkeypatch.setattr(rule_health, "MOST_BOXES", 1)
    health = health_of()
    assert not health.proof.holes.complete
    assert findings.rules_holes(health).text().startswith("Holes proved in the rules: more than 1;")
    assert rule_tables.rules_holes(health).note.text == (
        "More than 1 ranges, too many to list; those with most customers stand first."
    )


def test_missing_values_are_said():
    health = health_of(days=[10.0, None, 75.0, None])
    assert findings.rules_missing(health).text() == (
        "R (days): 2 customers have no value, and no comparison with it is true of them; 1 of "
        "them are in no tier"
    )
    assert rule_tables.rules_missing(health).rows == (("R", "days", "2", "1"),)
    assert findings.rules_missing(health_of()).key == "rules.missing_none"


@pytest.mark.parametrize(
    ("clause", "where", "en", "zh"),
    [
        ("x > 3 or x <= 1", {}, "x > 1 and x ≤ 3", "x > 1 且 x ≤ 3"),
        ("x > 9999.5", {}, "x ≤ 9,999.5", "x ≤ 9,999.5"),
        ("x != 3", {}, "x = 3", "x = 3"),
        ("x = yes", {"x": "z, yes or no"}, "x = no", "x = 否"),
        ("x = a or x = b", {"x": "z, words"}, "x ≠ a and x ≠ b", "x ≠ a 且 x ≠ b"),
        ("x != a and x != b", {"x": "z, words"}, "x = a or x = b", "x = a 或 x = b"),
        ("x > 12.5 %", {"x": "rank of z"}, "x ≤ 12.5%", "x ≤ 12.5%"),
    ],
)
def test_regions_in_both_languages(clause, where, en, zh):
    rules = rk.tier_rules({"where": where, "tiers": {"t": clause}})
    words = box_words(rk.prove_rules(rules).holes.boxes[0])
    assert (words.text("en"), words.text("zh")) == (en, zh)


@pytest.mark.parametrize("code", ["en", "zh"])
def test_a_page_of_it(code):
    set_language(code, "USD")
    health = health_of()
    page = slide(
        findings.rules_coverage(health),
        plots.rules_grid(health),
        plots.rules_shares(health),
        rule_tables.rules_coverage(health),
        rule_tables.rules_holes(health),
        rule_tables.rules_overlaps(health),
        rule_tables.rules_clauses(health),
        rule_tables.rules_shares(health),
        rule_tables.rules_missing(health),
        findings.rules_missing(health),
    )
    assert len(page.content) == 8
    segments = rk.rfm_segments(scores(), rk.read_rfm_segments("params/tiers/rfm_segments.yaml"))
    alarms = rk.false_alarms([3, 4])
    shown = [rule_tables.named_segments(segments), rule_tables.false_alarms(alarms)]
    assert [len(table.rows) for table in shown] == [10, 5]
    if code == "zh":
        words = [findings.named_segments(segments), findings.false_alarms(alarms)]
        assert not any(re.search("[a-z]{2}", said.text()) for said in words[:1])
        assert "每期联系 3 次的客户中有 28%" in words[1].text()


def scores():
    frame = pd.DataFrame(
        {
            "customer_id": list("pqrs"),
            "frequency": [0, 1, 2, 3],
            "recency": [0.0, 1, 2, 3],
            "T": 9.0,
            "total_spend": [1.0, 2, 3, 4],
        }
    )
    return rk.rfm_scores(frame, unit="day")


def test_the_picture_says_where_most_are_in_no_tier():
    shown = figure(plots.rules_grid(health_of()))
    assert shown.alt.text == (
        "Grid of R by F, cut at the thresholds of the rules: 2 customers in no tier, 1 in two or "
        "more; most in no tier, 1, stand where R ≥ 60 and R ≤ 90 and F = 2."
    )
    row = figure(plots.rules_grid(health_of({"high": {"clauses": "R < 60"}})))
    assert row.alt.text.startswith("Row of R, cut at the thresholds of the rules: 3 customers in")
    whole = figure(
        plots.rules_grid(health_of({"a": {"clauses": "R < 60"}, "b": {"clauses": "R > 9"}}))
    )
    assert "nobody is in no tier, 1 are in two or more" in whole.alt.text
    shares = figure(plots.rules_shares(health_of()))
    assert "High value 50%, target 50%, risk 0%, target 25%, in no tier 50%" in shares.alt.text


def test_every_text_of_the_rules_is_used():
    from pathlib import Path

    room = Path(findings.__file__).parents[1]
    files = ["findings/rules.py", "plots/rules.py", "rule_tables.py", "rule_words.py"]
    code = "".join((room / name).read_text() for name in files)
    keys = [key for key in all_texts() if re.match(r"(rules|label\.rules_|alt\.rules_)", key)]
    assert len(keys) > 40
    unused = [key for key in keys if f'"{key}"' not in code and "status" not in key]
    assert unused == []
