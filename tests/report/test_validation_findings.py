"""What validation, comparison, cohorts and counting come to, branch by branch."""

import math
import re
from types import SimpleNamespace

import pandas as pd
import pytest

from relkit.report import findings, gates, tables
from relkit.report.language import set_language
from relkit.report.statements import listed
from relkit.report.vocabulary import all_texts
from relkit.studies import grains
from relkit.value import stationarity


@pytest.fixture(autouse=True)
def english():
    set_language("en", currency="USD")
    yield
    set_language("en")


def verdict(results, best="bg_nbd"):
    """A comparison whose best model has these results: (measure, baseline, result)."""
    contests = [SimpleNamespace(measure=m, baseline=b, result=r) for m, b, r in results]
    measures = [m for m, *_ in results]
    loses = tuple(dict.fromkeys(m for m, _, r in results if r == "loses"))
    wins = tuple(
        dict.fromkeys(
            m for m in measures if all(c.result == "wins" for c in contests if c.measure == m)
        )
    )
    return SimpleNamespace(
        loses=loses if best else None,
        verdict=SimpleNamespace(
            best_model=best,
            contests=contests,
            wins=wins,
            loses_to=lambda measure: tuple(
                c.baseline for c in contests if c.measure == measure and c.result == "loses"
            ),
        ),
    )


def test_a_model_that_loses_to_a_simple_method_is_said_to_lose():
    found = verdict(
        [
            ("purchases_error", "past_rate", "wins"),
            ("purchases_error", "last_period", "ties"),
            ("spend_error", "past_rate", "loses"),
            ("spend_error", "gradient_boosting", "loses"),
            ("deviance", "last_period", "loses"),
        ]
    )
    said = findings.comparison(found)
    assert said.text("en") == (
        "BG/NBD loses to a simple method on 2 of 3 measures: total spend, deviance"
    )
    assert said.text("zh") == "BG/NBD 模型在 3 项指标中有 2 项输给简单方法：总消费、偏差度"
    assert (
        findings.comparison_note(found)
        .text("en")
        .endswith(
            "It loses on total spend to past rate carried on, gradient boosting; deviance to "
            "last period again."
        )
    )
    assert "总消费，不如按过去速率外推、梯度提升树；偏差度，不如重复上一时段。" in (
        findings.comparison_note(found).text("zh")
    )


def test_a_model_that_loses_nowhere_is_not_praised_for_ties():
    found = verdict([("spend_error", "past_rate", "wins"), ("deviance", "past_rate", "ties")])
    assert findings.comparison(found).text() == (
        "BG/NBD loses to no baseline on any of 2 measures and beats all of them on 1"
    )
    assert findings.comparison_note(found).key == "comparison.chosen"


def test_no_model_at_all():
    found = verdict([], best=None)
    assert findings.comparison(found).key == "comparison.none"
    assert findings.comparison_note(found) is None


def test_a_list_speaks_both_languages():
    parts = listed(["model.past_rate", "model.last_period"])
    assert (parts.text("en"), parts.text("zh")) == (
        "past rate carried on, last period again",
        "按过去速率外推、重复上一时段",
    )


def tracked(visible, swing=0.1, ratio=1.5):
    found = SimpleNamespace(
        is_visible=visible, swing=swing, peak_period=30, peak_ratio=ratio, periods=78
    )
    return SimpleNamespace(tracking_dispersion=found, unit="week")


@pytest.mark.parametrize(
    ("check", "passed", "key"),
    [
        (tracked(None), None, "gate.seasons_unknown"),
        (tracked(False), True, "gate.seasons_pass"),
        (tracked(True, 0.19), None, "gate.seasons_near"),
        (tracked(True, 0.21), False, "gate.seasons_fail"),
    ],
)
def test_the_gate_of_seasons_has_three_answers(check, passed, key):
    found = gates.seasons(check)
    assert (found.passed, found.phrase.key) == (passed, key)


def test_waves_are_said_with_their_peak():
    assert findings.tracking(tracked(True, 0.18, 1.52)).text() == (
        "Purchases come in waves: beyond chance and drift they swing by 18%, most in week 30 with "
        "52% more than expected"
    )
    assert "most in week 30 with 40% fewer" in findings.tracking(tracked(True, ratio=0.6)).text()
    assert findings.tracking(tracked(False)).key == "tracking.even"
    assert findings.tracking(tracked(None)).key == "tracking.short"


@pytest.mark.parametrize(
    ("word", "passed", "key"),
    [
        (stationarity.STATIONARY, True, "gate.cohorts_alike"),
        (stationarity.DRIFT_WITHOUT_CONSEQUENCE, True, "gate.cohorts_pass"),
        (stationarity.DRIFT, False, "gate.cohorts_fail"),
        (stationarity.NOT_MEASURABLE, None, "gate.cohorts_unknown"),
    ],
)
def test_cohorts_are_judged_by_what_they_would_move(word, passed, key):
    found = SimpleNamespace(
        verdict=word, cohorts=3, moved_share=0.07, tolerance=0.05, p_value=0.001
    )
    told = gates.cohorts(found)
    assert (told.passed, told.phrase.key) == (passed, key)
    assert findings.cohorts_alike(found).key == key


REASONS = [
    value
    for name, value in vars(grains).items()
    if name in ("NO_TIME_OF_DAY", "NO_MINUTES", "AS_BY_CHANCE", "BURSTS", "NOT_MEASURABLE")
]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_for_a_grain_is_said_in_both_languages(reason):
    unknown = reason == grains.NOT_MEASURABLE
    chance = math.nan if unknown else 12.0
    why = SimpleNamespace(
        grain="day", reason=reason, without_time=1.0, same_day=345, same_day_by_chance=chance
    )
    found = SimpleNamespace(recommendation=why)
    said = findings.grain_reason(found)
    assert said.text("en")
    assert not re.search("[A-Za-z]", said.text("zh"))
    assert findings.grain(found, "day").text().endswith("as the data call for")
    assert findings.grain(found, "week").text() == (
        "Purchases are counted by week; the data call for day"
    )


def test_all_reasons_have_their_words():
    assert len(REASONS) == 5
    known = {key for key in all_texts() if key.startswith("grain_reason.")}
    assert known == {"grain_reason." + reason.replace(" ", "_") for reason in REASONS}


def test_the_comparison_shows_every_method_and_no_invented_figure():
    frame = pd.DataFrame(
        {
            "name": ["bg_nbd", "past_rate"],
            "kind": ["model", "baseline"],
            "purchases_expected": [90.0, 120.0],
            "purchases_error": [-0.1, 0.2],
            "spend_error": [-0.15, 0.25],
            "mean_absolute_error": [0.8, 1.0],
            "top_decile_share": [0.5, 0.49],
            "covered_95": [0.94, math.nan],
            "bic": [123.4, math.nan],
        }
    )
    found = SimpleNamespace(
        to_frame=frame.copy, purchases_actual=100, oracle_top_decile=0.7,
        holdout_length=39.0, unit="week",
    )  # fmt: skip
    table = tables.comparison(found)
    assert table.rows[0] == (
        "BG/NBD", "model", "90", "−10.0%", "−15.0%", "0.800", "50.0%", "94.0%", "123",
    )  # fmt: skip
    assert table.rows[1][-2:] == (None, None)


def test_where_everybody_stays_there_is_nothing_to_gain():
    from relkit.value.retention import NothingToGain

    full = NothingToGain(points=0.01, retention_now=0.994)
    assert findings.retention(full).text() == (
        "99.4% of the active customers stay active for a year: 1 points of retention more cannot "
        "be had"
    )
    assert findings.retention_meaning(full) is None
    assert [tile.value for tile in tables.retention_tiles(full).tiles] == ["99.4%"]
