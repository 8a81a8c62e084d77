"""What must hold of the data before figures are read from them, each with its figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relkit.data.quality.row_funnel import UNKNOWN_CONSENT
from relkit.data.quality.source_inventory import LEAST_STEPS
from relkit.report.blocks import Gate, gate
from relkit.report.findings.quality import most_broken
from relkit.report.statements import say

if TYPE_CHECKING:
    from relkit.data.quality.row_funnel import Funnel
    from relkit.data.quality.source_inventory import SourceInventory


def rows(rows: Funnel) -> Gate:
    """Whether every row read is accounted for; a funnel that does not add up cannot be made."""
    whole = rows.overall
    lost = sum(loss.rows for loss in whole.losses)
    statement = say(
        "quality.gate.rows", read=whole.read, later=whole.later, lost=lost, usable=whole.usable
    )
    return gate(statement, whole.read == whole.later + lost + whole.usable)


def contracts(rows: Funnel, limit: float) -> Gate:
    """Whether no table has a larger share of rows that break its contract.

    Args:
        rows: As made by `rk.quality.funnel`.
        limit: Largest share of the rows known by the day, in [0, 1].
    """
    worst, share = most_broken(rows)
    values = {
        "table": f"quality.table.{worst.table}",
        "share": share,
        "n": worst.in_scope,
        "limit": limit,
    }
    beyond = sum(each.broken > limit * each.in_scope for each in rows.tables)
    if not beyond:
        return gate(say("quality.gate.contracts_pass", **values), True)
    if beyond == 1:
        return gate(say("quality.gate.contracts_fail", **values), False)
    return gate(say("quality.gate.contracts_many", tables=beyond, **values), False)


def feeds(supplied: SourceInventory) -> Gate:
    """Whether no feed was silent; not measured where no table has days enough."""
    judged = sum(each.gaps_known for each in supplied.tables)
    if supplied.gaps:
        longest = max(supplied.gaps, key=lambda gap: gap.days)
        statement = say(
            "quality.gate.feeds_fail" if len(supplied.gaps) == 1 else "quality.gate.feeds_many",
            n=len(supplied.gaps),
            table=f"quality.table.{longest.table}",
            days=longest.days,
            first=longest.first,
        )
        return gate(statement, False)
    if not judged:
        return gate(say("quality.gate.feeds_unknown", least=LEAST_STEPS + 1), None)
    return gate(say("quality.gate.feeds_pass", judged=judged), True)


def consent(rows: Funnel) -> Gate:
    """Whether every outbound contact that needs consent has it; unknown is none."""
    touches = next((each for each in rows.tables if each.table == "touches"), None)
    asked = 0 if touches is None else touches.asked_consent
    if touches is None or not asked:
        return gate(say("quality.gate.consent_unknown"), None)
    without = touches.lost("compliant")
    if not without:
        return gate(say("quality.gate.consent_pass", n=asked), True)
    unknown = sum(loss.rows for loss in touches.losses if loss.reason == UNKNOWN_CONSENT.en)
    share = without / asked
    return gate(say("quality.gate.consent_fail", share=share, n=asked, unknown=unknown), False)
