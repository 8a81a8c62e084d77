"""Rule files: what is read, and every fault with what to do about it."""

from pathlib import Path

import pytest

import relkit as rk
from relkit.errors import ParameterError, SourceError

ROOT = Path(__file__).parents[2]
GOOD = """
title: {en: Ours, zh: 我们的}
currency: CNY
where:
  R: days_since_last
  M: spend, money
thresholds:
  X: 10,000
tiers:
  best:
    label: {en: The best, zh: 最佳}
    share: 15 %
    clauses:
      limits: R <= 30 and M >= X
      single: M > 100万
  rest:
    share: 0.85
    clauses: [ R > 30, M < X ]
"""


def read(tmp_path, text, **thresholds):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return rk.read_tier_rules(path, thresholds or None)


def faults_of(tmp_path, text, **thresholds):
    with pytest.raises(ParameterError) as caught:
        read(tmp_path, text, **thresholds)
    return str(caught.value)


def test_a_file_is_read(tmp_path):
    rules = read(tmp_path, GOOD)
    assert rules.names == ("best", "rest")
    assert rules.currency == "CNY"
    assert rules.label("best", "zh") == "最佳"
    assert rules.label("rest", "zh") == "rest"
    assert [tier.share for tier in rules.tiers] == [0.15, 0.85]
    frame = rules.to_frame()
    assert frame["clause"].tolist() == ["limits", "single", "1", "2"]
    assert frame["text"].tolist()[1:] == ["M > 100万", "R > 30", "M < X"]
    assert frame["place"].tolist() == [1, 1, 2, 2]
    assert rules.tiers[0].clauses[1].condition.value == 1_000_000
    assert rules.tiers[0].clauses[0].condition.parts[1].value == 10_000
    assert read(tmp_path, GOOD, X=5).tiers[1].clauses[1].condition.value == 5


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title: {en: Ours, zh: 我们的}", "title: {fr: Les notres}", "title: a label is one text"),
        ("tiers:", "tears:", "unknown key 'tears'; did you mean 'tiers'?"),
        ("    share: 15 %", "    shares: 15 %", "tier 'best': unknown key 'shares'; did you mean"),
        ("  best:", "  unassigned:", "is the name of those who are in no tier"),
        ("share: 15 %", "share: 16 %", "shares sum to 101 %; at most 100 % is required"),
        ("share: 15 %", "share: 15", "share 15 must be 0 % to 100 %"),
        ("share: 15 %", "share: many", "'many' is no number"),
        ("R <= 30 and M >= X", "R < 30 and R > 60", "'R < 30 and R > 60' can never be true; write"),
        ("R <= 30 and M >= X", "M > 3 or (R < 3 and R = 3)", "'R < 3 and R = 3' can never be true"),
        ("R <= 30 and M >= X", "R < 0", "'R < 0' can never be true: R lies in 0 to inf"),
        ("R <= 30 and M >= X", "R <= 30 adn M >= X", "clause limits: 'R <= 30 adn M >= X': found"),
        ("R <= 30 and M >= X", "R <= lots and M >= X", "'lots' is neither a number nor"),
        ("X: 10,000", "X:", "'R <= 30 and M >= X': threshold X has no number"),
        ("X: 10,000", "X: ten", "thresholds: X: 'ten' is no number"),
        ("X: 10,000", "X: 10,000\n  Y: 3", "thresholds: Y is used by no clause"),
        ("M: spend, money", "M: spend, money\n  Q: z", "where: Q is used by no clause"),
        ("M: spend, money", "M: spend - cost", "'spend - cost' is a formula; a column or"),
        ("M: spend, money", "M: spend, maney", "'maney' is not known; one of money, whole"),
        ("M: spend, money", "M: rank of spend, money", "nothing can be said of a rank"),
        ("M: spend, money", "M: rank of spend", "a rank is a share, 0 % to 100 %"),
        ("M: spend, money", "M: spend, words", "words have no order; = or != is required"),
        ("M: spend, money", "M: spend, yes or no", "M is yes or no; '= yes' is required"),
        ("currency: CNY", "", "M: thresholds are amounts; say their currency"),
        ("currency: CNY", "currency: yuan", "'yuan' must be a three-letter code"),
        ("    clauses: [ R > 30, M < X ]", "", "tier 'rest': at least one clause is required"),
        ("label: {en: The best, zh: 最佳}", "label: {fr: Bon}", "a label is one text, or {en: …"),
        ("M: spend, money", "M: spend, money\n  R2: days_since_last", "R2 is used by no clause"),
    ],
)  # fmt: skip
def test_faults_say_what_is_wrong_and_what_to_do(tmp_path, old, new, said):
    assert old in GOOD
    found = faults_of(tmp_path, GOOD.replace(old, new, 1))
    assert said in found
    assert found.startswith("mine.yaml: ")


def test_all_faults_at_once(tmp_path):
    text = GOOD.replace("15 %", "16 %").replace("R <= 30 and M >= X", "R <=").replace("CNY", "yuan")
    assert faults_of(tmp_path, text).count("\n  - ") == 3


def test_other_faults(tmp_path):
    read(tmp_path, GOOD)
    with pytest.raises(SourceError, match="no such tier rules file; .*did you mean 'mine.yaml'"):
        rk.read_tier_rules(tmp_path / "mime.yaml")
    with pytest.raises(SourceError, match=r"as in params/tiers/clv_rank\.yaml"):
        read(tmp_path, "- a\n- b")
    with pytest.raises(SourceError, match="the key 'best' stands twice"):
        read(tmp_path, GOOD + "  best: R > 3\n  best: R > 4")
    assert "tiers: at least one is required" in faults_of(tmp_path, "title: x")
    assert "'Z' was given, and the file has no such name" in faults_of(tmp_path, GOOD, Z=3)
    assert "goes round in a circle: best before best" in faults_of(
        tmp_path, GOOD.replace("share: 15 %", "before: best")
    )
    two = "where: {A: 'x, whole', B: 'x, any number'}\ntiers: {t: A > 1 and B > 1}"
    assert "A and B are both x and are declared differently" in faults_of(tmp_path, two)


def test_thresholds_that_contradict_each_other_are_found():
    # Y above X: the tier between the two could hold nobody.
    path = ROOT / "params/tiers/value.yaml"
    with pytest.raises(ParameterError, match="'value >= 30 and value < 10' can never be true"):
        rk.read_tier_rules(path, thresholds={"X": 10, "Y": 30})
