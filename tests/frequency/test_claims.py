"""Claims are those of their sources, in both languages, and stay claims."""

import ast
from pathlib import Path

import pytest

import relkit
from relkit.errors import ParameterError
from relkit.frequency.claims import claims_on, claims_to_frame, published_claims
from relkit.report.vocabulary import all_texts

ROOM = Path(relkit.__file__).parent / "frequency"


def one(key):
    return next(claim for claim in published_claims() if claim.key == key)


def test_every_claim_has_words_and_every_word_a_claim():
    keys = {claim.text for claim in published_claims()}
    known = {key for key in all_texts() if key.startswith("claim.")}
    marks = ("mark", "unsourced", "observational", "model", "randomised")
    assert known - keys == {f"claim.{mark}" for mark in marks}
    assert keys <= known


def test_figures_are_those_of_the_sources():
    # Zhang, Kumar & Cosguner (2017), abstract: 4 and 10 instead of 7 lose 32 % and 16 %.
    assert {p.count: p.change for p in one("zhang_2017").points} == {4: -0.32, 7: 0, 10: -0.16}
    assert one("f16_best").points[0].per_month == pytest.approx(1 + 1 / 3, abs=1e-4)
    # A call a week, an email a month, WeChat a week; then an email a month, a push a week
    # and a person a quarter: weeks are 30.4375 / 7 a month.
    assert one("f14_high_value").points[0].per_month == pytest.approx(2 * 30.4375 / 7 + 1, abs=0.05)
    assert one("f18_mid_tier").points[0].per_month == pytest.approx(
        1 + 30.4375 / 7 + 1 / 3, abs=0.05
    )
    assert [p.per_month for p in one("pop_eleches_2011").points] == pytest.approx(
        [0, 30.4375 / 7], abs=1e-3
    )
    weekly = [p.per_month * 7 / 30.4375 for p in one("minethatdata_2018").points]
    assert weekly == pytest.approx(range(6), abs=1e-3)


def test_claims_are_chosen_by_outcome_and_channel():
    assert {claim.key for claim in claims_on(["optimum"], "phone")} == {
        "f16_best",
        "godfrey_2011_phone",
    }
    assert {claim.outcome for claim in claims_on(["complaints", "churn"])} == {
        "complaints",
        "churn",
    }
    frame = claims_to_frame(claims_on(["lifetime_profit"]))
    assert frame["key"].tolist() == ["zhang_2017"] * 3 + ["dreze_2008"]
    with pytest.raises(ParameterError, match="did you mean 'optimum'"):
        claims_on(["optimun"])


def test_no_estimate_or_decision_knows_of_claims():
    waiting, seen = ["relkit.frequency.read_out", "relkit.frequency.sensitivity"], set()
    while waiting:
        name = waiting.pop()
        path = ROOM / f"{name.split('.')[-1]}.py"
        if name in seen or not name.startswith("relkit.frequency.") or not path.exists():
            continue
        seen.add(name)
        tree = ast.parse(path.read_text())
        waiting += [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module]
    assert "relkit.frequency.decision" in seen
    assert "relkit.frequency.claims" not in seen
