"""What a report says of data quality: each branch, in both languages, by hand-made results."""

import datetime as dt

import pandas as pd
import pytest

from relkit.data.quality.capture_coverage import Coverage
from relkit.data.quality.capture_shortfalls import Shortfalls
from relkit.data.quality.contact_counts import ConsentCounts
from relkit.data.quality.evidence import Evidence, not_supplied, share
from relkit.data.quality.pillars import Maturity, Pillar
from relkit.data.quality.row_funnel import Funnel, Loss, TableFunnel
from relkit.data.quality.service_failures import FailureModes
from relkit.data.quality.source_inventory import Gap, SourceInventory, TableInventory
from relkit.data.quality.supplied import NotSupplied
from relkit.report import findings, plots, quality_gates, quality_tables
from relkit.report.blocks import figure
from relkit.report.language import set_language

DAY = dt.date(2024, 12, 29)


@pytest.fixture(autouse=True)
def english():
    set_language("en", currency="USD")
    yield
    set_language("en")


def funnel(*tables):
    return Funnel(tables, DAY, 365)


def bought(read=100, empty=0, later=0):
    losses = (Loss("complete", "customer_id is empty", "customer_id 为空", empty),) if empty else ()
    return TableFunnel("transactions", read, later, losses, read - later - empty, True, False)


def contacted(unknown=10, refused=5, usable=85):
    losses = (
        Loss("compliant", "no consent on record", "无同意记录", unknown, breaks_contract=False),
        Loss("compliant", "consent refused", "已拒绝同意", refused, breaks_contract=False),
    )
    lost = tuple(loss for loss in losses if loss.rows)
    n = unknown + refused + usable
    return TableFunnel("touches", n, 0, lost, usable, True, True, asked_consent=n)


def supplied(*gaps, known=True):
    one = TableInventory(
        "touches", 100, 100, dt.date(2024, 1, 1), DAY, 300, 0, 1, "csv", gaps_known=known
    )
    files = (("touches", "data/touches.csv", 100, 2_000, "ab" * 32),)
    return SourceInventory((one,), ("customers",), gaps, files, DAY)


def gap(days=14, first=dt.date(2024, 5, 6)):
    return Gap("touches", first, first + dt.timedelta(days=days - 1), days, 1, 1e-9, False)


def known(tables=("customers", "transactions", "feedback"), tiers=("A", "B")):
    rows = [("A", True, True, True, 3), ("A", True, True, False, 1), ("B", True, False, False, 6)]
    columns = ["tier", *(f"in_{table}" for table in tables), "customers"]
    cells = pd.DataFrame([(r[0], *r[1 : 1 + len(tables)], r[-1]) for r in rows], columns=columns)
    if not tiers:
        cells["tier"] = None
    fields = pd.DataFrame({"field": ["name", "region"], "filled": [10, 4], "share": [1.0, 0.4]})
    return Coverage(10, cells, fields, tables, tiers, by_id=None)


def both(statement):
    """A statement says its thing in both languages, and the English text is given back."""
    assert any("\u4e00" <= c <= "\u9fff" for c in statement.text("zh"))
    return statement.text("en")


def test_the_funnel_names_where_most_is_lost():
    rows = funnel(bought(100, empty=4, later=10), contacted())
    said = findings.quality_funnel(rows)
    assert both(said) == (
        "90.0% of the 190 rows known by 29 December 2024 can be "
        "used; most are lost in contacts: no consent on record, 10 rows"
    )
    assert "无同意记录" in said.text("zh")
    assert both(findings.quality_adds_up(rows)).startswith("200 read = 10 after the day + 4 inco")
    assert both(findings.quality_losses(rows)).startswith("4 rows break the contract")
    assert findings.quality_by_table(rows).values["table"] == "quality.table.touches"


def test_a_funnel_that_loses_nothing():
    rows = funnel(bought())
    assert both(findings.quality_funnel(rows)).startswith("All 100 rows known by 29 December")
    assert findings.quality_losses(rows) is None
    assert findings.quality_by_table(rows) is None
    assert quality_tables.losses(rows) is None
    two = funnel(bought(), contacted(0, 0, 50))
    assert both(findings.quality_by_table(two)).startswith("Every one of the 2 tables")


@pytest.mark.parametrize(
    ("rows", "limit", "passed", "words"),
    [
        (funnel(bought(1000, empty=5)), 0.01, True, "at most 0.5% of the rows break them"),
        (funnel(bought(1000, empty=10)), 0.01, True, "1.0%"),
        (funnel(bought(1000, empty=11)), 0.01, False, "1.1% of 1,000 rows in transactions"),
        (funnel(contacted(50, 0, 50)), 0.01, True, "0.0%"),  # consent is no contract
    ],
)
def test_the_gate_of_contracts(rows, limit, passed, words):
    gate = quality_gates.contracts(rows, limit)
    assert gate.passed is passed
    assert words in gate.phrase.text


def test_the_gate_of_several_broken_tables():
    broken = bought(100, empty=50)
    other = TableFunnel(
        "tickets", 10, 0, (Loss("accurate", "duplicate", "重复行", 9),), 1, True, False
    )
    gate = quality_gates.contracts(funnel(broken, other), 0.01)
    assert gate.phrase.text.startswith("2 tables break their contract beyond 1.0%; tickets")


def test_the_gate_of_consent():
    assert quality_gates.consent(funnel(bought())).passed is None
    assert quality_gates.consent(funnel(contacted(0, 0, 7))).passed is True
    failed = quality_gates.consent(funnel(contacted(10, 5, 85)))
    assert failed.passed is False
    assert failed.phrase.text == (
        "15.0% of 100 outbound contacts lack the consent they need; of 10 it is not known"
    )


def test_the_gate_of_feeds_and_what_is_said_of_them():
    assert quality_gates.feeds(supplied()).passed is True
    assert quality_gates.feeds(supplied(known=False)).passed is None
    assert quality_gates.feeds(supplied(gap())).passed is False
    two = supplied(gap(14), gap(30, dt.date(2024, 8, 1)))
    assert "30 days from 1 August 2024" in quality_gates.feeds(two).phrase.text
    assert both(findings.quality_gaps(supplied(gap()))) == (
        "One feed was silent: contacts for 14 days from 6 May 2024"
    )
    assert both(findings.quality_gaps(two)).startswith(
        "2 silences; the longest in contacts, 30 days"
    )
    assert both(findings.quality_gaps(supplied())).startswith("No feed was silent")
    assert both(findings.quality_gaps(supplied(known=False))).startswith("Silences cannot be told")
    assert quality_tables.gaps(supplied()) is None


def test_every_row_is_accounted_for():
    gate = quality_gates.rows(funnel(bought(100, empty=4, later=10)))
    assert gate.passed is True
    assert "100 read = 10 after the day + 4 lost + 86 usable" in gate.phrase.text


def test_coverage():
    said = findings.quality_coverage(known())
    assert both(said) == (
        "Of 10 customers 30.0% were ever asked anything; 30.0% are captured at every stage"
    )
    part = findings.quality_coverage(known(("transactions",), ()))
    assert both(part) == (
        "Of 10 customers 100.0% show any behaviour; not supplied and so not measured: basic, asked"
    )
    tiers = findings.quality_coverage_tiers(known())
    assert both(tiers) == "Tier A is captured at behaviour for 100.0%, tier B for 0.0%"
    assert findings.quality_coverage_tiers(known(tiers=())) is None
    assert (
        both(findings.quality_fields(known())) == "Filled least: region, for 40.0% of 10 customers"
    )


def lacking(*items, consent=None):
    return Shortfalls(items, consent)


def test_checklists():
    some = lacking(share("consent", 3, 10, unknown=1), not_supplied("initiative", ["feedback"]))
    assert both(findings.quality_shortfalls(some)) == (
        "Shortfalls measured: 1 of 2; the largest share: "
        "30.0% of the customers have consented nowhere"
    )
    clean = lacking(
        share("formats", 0, 10, formats=["csv"]), not_supplied("consent", ["customers"])
    )
    assert both(findings.quality_shortfalls(clean)).endswith("of the others nothing is known")
    nothing = FailureModes((not_supplied("silos", ["touches"]),), 365, None, pd.DataFrame())
    assert both(findings.quality_failures(nothing)).startswith("Not one of the 1 failure modes")
    cells = quality_tables.shortfalls(some).rows
    assert cells[0][1:] == (
        "30.0%",
        "of the customers consented in no channel: 3 of 10; of 1 it is not known",
    )
    assert cells[1][1:] == ("not measurable", "not supplied: feedback")
    assert both(findings.quality_evidence(Evidence("no_segmentation", "share", reason="no_tiers")))
    column = findings.quality_evidence(not_supplied("no_emotion", ["touches.dimension"]))
    assert both(column) == "not supplied: contacts (dimension)"


def test_consents():
    channels = pd.DataFrame({"channel": ["email", "sms"], "yes": [5, 6], "no": [4, 1],
                             "unknown": [1, 3]})  # fmt: skip
    some = lacking(share("consent", 3, 10, unknown=1), consent=ConsentCounts(10, 7, 1, channels))
    assert both(findings.quality_consent(some)).startswith("Consent is least known for SMS: of 10")
    assert len(quality_tables.consent(some).rows) == 2
    none = lacking(not_supplied("consent", ["customers"]))
    assert findings.quality_consent(none) is None
    assert quality_tables.consent(none) is None


def mature(*values):
    names = ("data_driven", "omnichannel", "emotional", "proactive")
    items = [
        not_supplied("usable", ["touches"]) if n is None else share("usable", n, 100)
        for n in values
    ]
    pairs = zip(names, items, strict=True)
    return Maturity(tuple(Pillar(name, (item,)) for name, item in pairs), 365)


def test_maturity_is_never_0_for_what_is_not_measured():
    whole = mature(50, 90, 20, 70)
    assert both(findings.quality_maturity(whole)) == (
        "Lowest score: Emotional ties, 20 of 100; highest: Contact over all channels, 90"
    )
    part = mature(50, None, None, None)
    assert both(findings.quality_maturity(part)) == (
        "Pillars that can be scored: 1 of 4; Data-driven has 50 of 100, on 1 of 1 items"
    )
    none = mature(None, None, None, None)
    assert both(findings.quality_maturity(none)).startswith("Not one of 4 pillars")
    shown = figure(plots.quality_maturity(part))
    assert shown.alt.text.count("not measured") == 3
    assert " 0 " not in shown.alt.text
    assert quality_tables.maturity(part).rows[1][2:] == ("not supplied: contacts", None)


@pytest.mark.parametrize("code", ["en", "zh"])
def test_every_picture_and_table_in_both_languages(code):
    set_language(code, currency="CNY")
    rows = funnel(bought(100, empty=4, later=10), contacted())
    drawn = [
        plots.quality_funnel(rows),
        plots.quality_usable(rows),
        plots.quality_timeline(supplied(gap())),
        plots.quality_coverage(known()),
        plots.quality_coverage(known(tiers=())),
        plots.quality_maturity(mature(50, None, 20, 70)),
    ]
    for ax in drawn:
        shown = figure(ax)
        assert any(c.isdigit() for c in shown.alt.text)
        assert shown.csv
        assert ("\u4e00" <= max(shown.alt.text) <= "\uffee") == (code == "zh")
    tables = [
        quality_tables.funnel(rows),
        quality_tables.losses(rows),
        quality_tables.inventory(supplied()),
        quality_tables.gaps(supplied(gap())),
        quality_tables.files(supplied()),
        quality_tables.coverage(known()),
        quality_tables.fields(known()),
        quality_tables.needed(NotSupplied(("feedback", "interviews"))),
    ]
    assert all(table.rows for table in tables)
    assert quality_tables.needed(object()) is None


def test_a_step_that_asks_nothing_shows_a_dash():
    table = quality_tables.funnel(funnel(bought(), contacted()))
    names = [column.name for column in table.columns]
    compliant = names.index("compliant")
    assert [row[compliant] for row in table.rows] == [None, "85"]
