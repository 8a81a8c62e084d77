"""Cadence policies, what the linter found, and people's overrides as tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from relkit.report.blocks import Table, table
from relkit.report.language import current
from relkit.report.policy_words import (
    channel_words,
    evidence_words,
    finding_words,
    rhythm_words,
    tier_label,
    type_words,
)
from relkit.report.statements import say, term

if TYPE_CHECKING:
    from relkit.frequency.overrides import OverrideAudit
    from relkit.frequency.policy import CadencePolicy
    from relkit.frequency.policy_linter import PolicyFinding, PolicyLint


def policy_cells(policy: CadencePolicy) -> Table:
    """The policy line by line: tier, contact, how often, who, on what evidence."""
    code = current().code
    rows = [
        {
            "tier": tier_label(policy, cell.tier).text(),
            "type": type_words(cell.type).text(),
            "channel": channel_words(cell.channel).text(),
            "content": cell.content.get(code),
            "rhythm": rhythm_words(cell).text(),
            "per_quarter": float(cell.rhythm.per_quarter) if cell.rhythm else math.nan,
            "owner_role": cell.owner_role.get(code),
            "evidence": evidence_words(cell.evidence).text(),
        }
        for cell in policy.cells
    ]
    columns = {
        "tier": ("label.tier", "text"),
        "type": ("label.contact_type", "text"),
        "channel": ("label.channel", "text"),
        "content": ("label.policy_content", "text"),
        "rhythm": ("label.policy_rhythm", "text"),
        "per_quarter": ("label.per_quarter", "length"),
        "owner_role": ("label.owner_role", "text"),
        "evidence": ("label.evidence", "text"),
    }
    if not any(cell.owner_role for cell in policy.cells):
        del columns["owner_role"]
    frame = pd.DataFrame(rows, columns=list(columns))
    return table(frame, columns, caption=say("table.policy_cells"), name="policy")


def policy_lint(lint: PolicyLint) -> Table | None:
    """What the linter found, gravest first; None where it found nothing."""
    if not lint.findings:
        return None
    rows = [
        {
            "severity": term(f"severity.{one.severity}"),
            "tier": tier_label(lint.policy, one.tier).text() if one.tier else None,
            "contact": _contact(one),
            "says": finding_words(one).text(),
        }
        for one in lint.findings
    ]
    columns = {
        "severity": ("label.severity", "text"),
        "tier": ("label.tier", "text"),
        "contact": ("label.contact_type", "text"),
        "says": ("label.policy_says", "text"),
    }
    frame = pd.DataFrame(rows, columns=list(columns))
    return table(frame, columns, caption=say("table.policy_lint"), name="policy_lint")


def _contact(one: PolicyFinding) -> str | None:
    cell = one.cell
    if cell is None:
        return None
    words = type_words(cell.type).text(), channel_words(cell.channel).text()
    return ("，" if current().code == "zh" else ", ").join(words)


def overrides(audit: OverrideAudit, policy: CadencePolicy) -> Table | None:
    """People's overrides with what became of them; None where there are none."""
    if audit.overrides.empty:
        return None
    frame = audit.overrides
    shown = frame.assign(
        tier=frame["tier"].map(lambda tier: tier_label(policy, tier).text() if tier else None),
        customer_id=frame["customer_id"].map(lambda customer: customer or None),
        type=[type_words(t).text() for t in frame["type"]],
        status=[term(f"override_status.{status}") for status in frame["status"]],
    )
    shown.attrs = dict(frame.attrs)
    columns = {
        "tier": ("label.tier", "text"),
        "customer_id": ("label.override_for", "text"),
        "type": ("label.contact_type", "text"),
        "policy_per_month": ("label.policy_planned", "number2"),
        "per_month": ("label.overridden", "number2"),
        "reason": ("label.override_reason", "text"),
        "by": ("label.override_by", "text"),
        "expires_on": ("label.override_until", "date"),
        "status": ("label.override_status", "text"),
    }
    return table(shown, columns, caption=say("table.overrides"), name="overrides")
