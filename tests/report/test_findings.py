"""The headline that the numbers support: each branch, by hand-made results."""

import re
from types import SimpleNamespace

import pandas as pd
import pytest

from relkit.errors import DataError
from relkit.intervals import Estimate
from relkit.report import findings, gates
from relkit.report.language import set_language
from relkit.report.statements import say
from relkit.report.vocabulary import all_texts
from relkit.value.bgnbd import (
    AT_ONCE_OR_NEVER,
    NO_DROP_OUT,
    NO_HETEROGENEITY,
    TOO_FEW_REPEATERS,
)


@pytest.fixture(autouse=True)
def english():
    set_language("en", currency="USD")
    yield
    set_language("en")


def change(verdict="losing", amount=-400.0, low=-500.0, high=-300.0):
    parts = pd.DataFrame(
        {"part": ["new", "grew", "shrank"], "customers": [1, 2, 3], "amount": [50.0, 150.0, -600.0]}
    )
    return SimpleNamespace(
        verdict=verdict,
        horizon=52.0,
        unit="week",
        now=SimpleNamespace(total=Estimate(600.0, 500.0, 700.0, n=6)),
        before=SimpleNamespace(total=Estimate(1000.0, 900.0, 1100.0, n=5)),
        change=Estimate(amount, low, high, n=6),
        change_share=amount / 1000.0,
        to_frame=lambda: parts,
    )


def check(actual=100, expected=90.0, low=80.0, high=110.0):
    return SimpleNamespace(
        actual=actual,
        expected=Estimate(expected, low, high, n=10, kind="prediction"),
        error=expected / actual - 1,
        within_interval=low <= actual <= high,
        holdout_length=39.0,
        unit="week",
        top_decile=SimpleNamespace(model=0.4, past_spend=0.35, oracle=0.6),
        by_frequency=pd.DataFrame(
            {
                "frequency": ["0", "1"],
                "customers": [5, 5],
                "actual": [0.2, 0.7],
                "expected": [0.1, 0.5],
            }
        ),
    )


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("losing", "is losing value: its next 52 weeks are worth $600, 40% less than on"),
        ("gaining", "is gaining value: its next 52 weeks are worth $600, 40% more than on"),
        ("unclear", "is not clear: its next 52 weeks are worth $600, within 40% of"),
    ],
)
def test_the_answer_follows_the_verdict(verdict, words):
    assert words in findings.base_value(change(verdict), before="1997-12-31").text()


def test_the_answer_in_chinese():
    text = findings.base_value(change(), before="1997-12-31").text("zh")
    assert text == "客户群正在流失价值：未来 52 周价值 600美元，比 1997年12月31日少 40%"


def test_parts_of_the_change():
    assert findings.change_parts(change()).values == {"shrank": 600.0, "gained": 200.0}
    assert findings.change_parts(change()).key == "change.losing"
    assert findings.change_parts(change("gaining", 400, 300, 500)).key == "change.gaining"


def periods(revenue, new, active, complete):
    days = pd.date_range("1997-01-01", periods=len(revenue), freq="MS")
    return pd.DataFrame(
        {
            "start": days,
            "end": days + pd.offsets.MonthEnd(0),
            "complete": complete,
            "active_customers": active,
            "new_customers": new,
            "returning_customers": [a - n for a, n in zip(active, new, strict=True)],
            "revenue": revenue,
        }
    )


def test_activity_up_down_first_and_without_new_customers():
    full = [True, True]
    up = findings.activity(periods([100, 130], [5, 2], [5, 6], full), "month")
    assert up.text().startswith("Revenue rose 30% to $130 in February 1997; 2 of 6 buying")
    down = findings.activity(periods([100, 70], [5, 2], [5, 6], full), "month")
    assert down.text().startswith("Revenue fell 30% to $70.00 in February 1997")
    none = findings.activity(periods([100, 70], [5, 0], [5, 4], full), "month")
    assert none.text() == (
        "No new customer since 31 January 1997: 4 returning customers brought all $70.00 of "
        "February 1997"
    )
    # The second month is not over: only the first is spoken of.
    first = findings.activity(periods([100, 70], [5, 2], [5, 6], [True, False]), "month")
    assert "the only full period" in first.text()
    # A month without revenue is a full month too, but no change can be a share of it.
    again = findings.activity(periods([0, 70], [0, 2], [0, 6], full), "month")
    assert again.text() == (
        "6 customers brought $70.00 in February 1997; the period before brought $0"
    )
    with pytest.raises(DataError, match="no full month"):
        findings.activity(periods([100], [5], [5], [False]), "month")


@pytest.mark.parametrize(
    ("period", "en", "zh"),
    [
        ("week", "the week from 4 May 1998", "1998年5月4日起的一周"),
        ("month", "May 1998", "1998年5月"),
        ("quarter", "quarter 2 of 1998", "1998 年第 2 季度"),
        ("year", "1998", "1998 年"),
    ],
)
def test_periods_have_names(period, en, zh):
    name = findings.period_name(pd.Timestamp("1998-05-04"), period)
    assert (name.text("en"), name.text("zh")) == (en, zh)


def test_a_miss_is_called_a_miss():
    inside = findings.holdout(check())
    assert inside.text() == (
        "The model predicts: 90 purchases expected in 39 unseen weeks, 100 made (10% fewer)"
    )
    outside = findings.holdout(check(actual=150))
    assert outside.text().startswith("The model is 40% too low")
    assert "read every total on these pages as 40% too low" in (
        findings.holdout_note(check(actual=150)).text()
    )
    high = findings.holdout(check(actual=60))
    assert high.text().startswith("The model is 50% too high")


def test_a_model_that_loses_is_said_to_lose():
    lost = check()
    lost.top_decile = SimpleNamespace(model=0.30, past_spend=0.35, oracle=0.6)
    assert findings.holdout_top(check()).key == "holdout.top_wins"
    assert findings.holdout_top(lost).key == "holdout.top_loses"


@pytest.mark.parametrize(
    ("actual", "passed", "key"),
    [
        (100, True, "gate.holdout_pass"),
        (112, None, "gate.holdout_near"),
        (150, False, "gate.holdout_fail"),
    ],
)
def test_the_holdout_gate_has_three_answers(actual, passed, key):
    found = gates.holdout(check(actual=actual))
    assert found.passed is passed
    assert found.phrase.key == key


def fits(n_repeaters=500, status="converged", correlation=0.1):
    fit = SimpleNamespace(n=1000, n_repeaters=n_repeaters, status=status, log_likelihood=-9582.43)
    spend = SimpleNamespace(
        frequency_spend_correlation=Estimate(
            correlation, correlation - 0.05, correlation + 0.05, 500
        )
    )
    return fit, spend


def test_gates_count_what_holds():
    fit, spend = fits()
    three = [gates.converged(fit), gates.repeaters(fit), gates.correlation(spend)]
    assert gates.headline(*three).text() == "The figures may be read: all 3 checks hold"
    fit, spend = fits(n_repeaters=99, correlation=-0.3)
    held = [*three, gates.repeaters(fit), gates.correlation(spend)]
    assert gates.headline(*held).text().startswith("3 of 5 checks hold")
    assert gates.repeaters(fit).passed is False
    assert gates.correlation(spend).passed is False
    assert gates.converged(fits(status="no drop-out identified")[0]).passed is False


@pytest.mark.parametrize(
    "status", [NO_HETEROGENEITY, AT_ONCE_OR_NEVER, NO_DROP_OUT, TOO_FEW_REPEATERS]
)
def test_every_way_that_a_fit_can_end_is_said_in_both_languages(status):
    phrase = gates.converged(fits(status=status)[0]).phrase
    assert phrase.text.startswith("The purchase model did not identify all parameters: ")
    chinese = say(phrase.key, **dict(phrase.values)).text("zh").partition("：")[2]
    assert chinese
    assert not re.search("[a-z]", chinese)


def test_refunds_are_said_where_there_are_any():
    summary = pd.DataFrame()
    assert findings.refunds(0.0, summary) is None
    assert findings.refunds(0.074, summary).text().startswith("Refunds took back 7.4% of what")
    summary.attrs["refund_only_customers"] = 3
    assert "no purchase: 3; they are left out" in findings.refunds(0.074, summary).text()


def worth(customers=(1, 2, 7)):
    return pd.DataFrame(
        {
            "tier": ["A", "B", "C"],
            "customers": customers,
            "customer_share": [c / sum(customers) for c in customers],
            "clv_share": [0.6, 0.3, 0.1],
            "clv_mean": [600.0, 150.0, 14.0],
        }
    )


def test_tiers_in_words():
    assert findings.tier_worth(worth()).text() == (
        "Tier A: 10% of the customers, 60% of the value to come, $600.00 each"
    )
    assert findings.tier_gap(worth()).text() == "One customer of tier A is worth 42.9 of tier C"
    # Nobody in A: the most valuable tier that holds anyone is spoken of.
    assert findings.tier_worth(worth((0, 3, 7))).values["tier"] == "B"
    assert findings.tier_gap(worth((0, 0, 10))) is None


def test_nobody_to_win_back_is_said():
    nobody = pd.DataFrame({"customer_id": [], "value_at_risk": []})
    assert findings.win_back(nobody).key == "answer.no_silent"
    assert findings.win_back_first(nobody).key == "answer.no_silent"


def test_every_key_that_findings_use_is_in_the_texts_and_the_other_way_round():
    from pathlib import Path

    room = Path(findings.__file__).parents[1]
    modules = [room / "gates.py", *room.glob("findings/*.py"), *room.glob("plots/*.py")]
    code = "".join(module.read_text() for module in modules)
    known = {key for key in all_texts() if key.split(".")[0] in KINDS}
    used = set(re.findall(rf'"((?:{"|".join(KINDS)})\.[a-z_]+)"', code))
    built = {  # put together from a prefix and a verdict
        *(f"answer.{verdict}" for verdict in ("losing", "gaining", "unclear")),
        *(f"gate.holdout_{key}" for key in ("pass", "near", "fail")),
        *(f"gate.cohorts_{key}" for key in ("alike", "pass", "fail")),
        *(key for key in known if key.startswith("grain_reason.")),
    }
    assert used <= known
    assert known - used - built == {"gate.passed", "gate.failed", "gate.unknown"}  # the blocks' own


KINDS = (
    "answer", "change", "activity", "alive", "value", "holdout", "rfm", "tiers", "win_back",
    "data", "gate", "gates", "alt", "tracking", "comparison", "retention", "history", "matrix",
    "grain", "grain_reason",
)  # fmt: skip


def test_a_test_that_could_not_be_made_is_said_and_nothing_is_made_up():
    from datetime import date

    from relkit.report import blocks, plots, tables
    from relkit.studies.validation import Untested

    none = Untested(date(2010, 6, 5), "no drop-out identified")
    assert findings.holdout(none).text() == (
        "Whether the model predicts could not be tested: nothing shows that customers leave in "
        "the time up to 5 June 2010"
    )
    assert "could not be tested" in findings.how_sure(change(), none).text()
    assert findings.holdout_top(none) is None
    assert findings.holdout_by_frequency(none) is None
    assert blocks.slide(findings.holdout_by_frequency(none), plots.by_frequency(none)) is None
    assert plots.tracking(none) is None
    assert plots.by_frequency(none) is None
    assert tables.by_frequency(none) is None
    assert gates.holdout(none).passed is None
    assert tables.error_tile(none).value == "not tested"
    assert gates.seasons(none).passed is None
    for show in (
        findings.holdout_by_recency,
        findings.holdout_each,
        findings.tracking,
        findings.comparison,
        findings.comparison_note,
        plots.by_recency,
        plots.tracking_by_period,
        tables.by_recency,
        tables.interval_coverage,
        tables.comparison,
        tables.contests,
    ):
        assert show(none) is None
