"""Contact practice as tables: flags, tiers, responses, contents, issues, opinions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.report.blocks import Table, table
from relkit.report.findings.practice import Labels, issue_named, tier_named, value_named
from relkit.report.language import current
from relkit.report.statements import say, term

if TYPE_CHECKING:
    from relkit.data.practice_voice import ContactOpinions
    from relkit.frequency.practice import PracticeAudit, PracticeFlag
    from relkit.frequency.practice_responses import (
        ContentComparison,
        RecurringIssues,
        ResponseRates,
    )

_LOW_HIGH: dict[str, Any] = {
    "low": ("label.practice_low", "percent"),
    "high": ("label.practice_high", "percent"),
}


def practice_flags(audit: PracticeAudit, labels: Labels | None = None) -> Table:
    """The questions to the practice: what was measured, its bound, and the answer."""
    rows = [
        {
            "flag": term(f"flag_name.{one.name}"),
            "tier": tier_named(one.tier, labels).text() if one.tier else None,
            "value": _figure(one, one.estimate.value) if one.estimate else None,
            "low": _figure(one, one.estimate.low) if one.estimate else None,
            "high": _figure(one, one.estimate.high) if one.estimate else None,
            "bound": None if one.bound is None else _figure(one, one.bound),
            "status": term(f"flag_status.{one.status}"),
        }
        for one in audit.flags
    ]
    columns = {
        "flag": ("label.flag", "text"),
        "tier": ("label.tier", "text"),
        "value": ("label.measured", "text"),
        "low": ("label.practice_low", "text"),
        "high": ("label.practice_high", "text"),
        "bound": ("label.bound", "text"),
        "status": ("label.flag_status", "text"),
    }
    frame = pd.DataFrame(rows, columns=list(columns))
    return table(
        frame, columns, caption=say("table.practice_flags"), name="practice_flags",
        note=say("practice.care_note"),
    )  # fmt: skip


def _figure(one: PracticeFlag, value: float) -> str:
    """Ratios as numbers, shares as per cent."""
    if one.name in ("same_cadence", "low_tier_most"):
        return current().number(value, 2)
    return current().percent(value, 1)


def practice_tiers(audit: PracticeAudit, labels: Labels | None = None) -> Table:
    """How each tier is contacted."""
    frame = audit.tiers.assign(
        tier=[tier_named(str(tier), labels).text() for tier in audit.tiers["tier"]]
    )
    columns = {
        "tier": ("label.tier", "text"),
        "customers": ("label.customers", "count"),
        "contacted_share": ("label.contacted_share", "percent"),
        "per_month": ("label.per_month", "number2"),
        "low": ("label.practice_low", "number2"),
        "high": ("label.practice_high", "number2"),
        "automated": ("label.automated", "percent"),
    }
    return table(frame, columns, caption=say("table.practice_tiers"), name="practice_tiers")


def practice_responses(
    rates: ResponseRates, split: str = "channel", response: str = "interaction"
) -> Table:
    """Response rates by channel or content, most answered first."""
    rows = rates.of(split, response)
    frame = rows.assign(value=[value_named(split, str(v)).text() for v in rows["value"]])
    columns = {
        "value": (f"label.{split}", "text"),
        "contacts": ("label.contacts", "count"),
        "answered": ("label.practice_answered", "count"),
        "rate": ("label.answer_rate", "percent"),
        **_LOW_HIGH,
    }
    return table(frame, columns, caption=say("table.practice_responses"), name="responses")


def practice_contents(rates: ResponseRates) -> Table | None:
    """Contents by how often they are opened; None where nobody knows."""
    if rates.contents.empty:
        return None
    words = [term(f"content_status.{status}") for status in rates.contents["status"]]
    columns = {
        "content_type": ("label.content_type", "text"),
        "contacts": ("label.contacts", "count"),
        "rate": ("label.open_rate", "percent"),
        **_LOW_HIGH,
        "status": ("label.override_status", "text"),
    }
    frame = rates.contents.assign(status=words)
    return table(frame, columns, caption=say("table.practice_contents"), name="contents")


def practice_comparison(found: ContentComparison) -> Table:
    """Contents held against the reference, with the note on what that can bear."""
    note = say("practice.contents_note" + ("" if found.hypothesis_only else "_randomised"))
    first = str(found.contents.columns[0])
    columns = {
        first: (f"label.{first}", "text"),
        "contacts": ("label.contacts", "count"),
        "rate": ("label.answer_rate", "percent"),
        "ratio": ("label.ratio", "number2"),
        "ratio_low": ("label.practice_low", "number2"),
        "ratio_high": ("label.practice_high", "number2"),
        "adjusted": ("label.adjusted", "text"),
    }
    frame = found.contents.assign(
        adjusted=[
            term("practice.tiny") if p < 0.001 else current().number(p, 3)
            for p in found.contents["adjusted"]
        ]
    )
    return table(
        frame, columns, caption=say("table.practice_comparison"),
        name="content_comparison", note=note,
    )  # fmt: skip


def practice_issues(found: RecurringIssues) -> Table:
    """What tickets are about, and which issue grows beyond all of them."""
    frame = found.issues.assign(
        issue=[issue_named(str(issue)).text() for issue in found.issues["issue"]],
        status=[term(f"issue_status.{status}") for status in found.issues["status"]],
        recurring=found.issues["recurring"].map({True: term("table.yes"), False: term("table.no")}),
    )
    columns = {
        "issue": ("label.issue", "text"),
        "tickets": ("label.tickets", "count"),
        "repeated": ("label.repeated", "count"),
        "earlier_share": ("label.earlier_share", "percent"),
        "later_share": ("label.later_share", "percent"),
        "recurring": ("label.recurring", "text"),
        "status": ("label.override_status", "text"),
    }
    return table(frame, columns, caption=say("table.practice_issues"), name="issues")


def practice_opinions(found: ContactOpinions) -> Table:
    """What the records and the customers say."""
    wide = found.counts.pivot_table(index="felt", columns="often", values="customers", sort=False)
    frame = pd.DataFrame(
        {
            "felt": [term(f"felt.{felt}") for felt in wide.index],
            "often_yes": wide[True].astype(int).to_numpy(),
            "often_no": wide[False].astype(int).to_numpy(),
        }
    )
    columns = {
        "felt": ("label.felt", "text"),
        "often_yes": ("label.often_yes", "count"),
        "often_no": ("label.often_no", "count"),
    }
    return table(frame, columns, caption=say("table.practice_opinions"), name="opinions")
