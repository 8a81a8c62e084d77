"""Words for what policies are made of: tiers, contacts, rhythms, evidence, findings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from relkit.report.rule_words import plain_words
from relkit.report.statements import Statement, say
from relkit.report.vocabulary import all_texts

if TYPE_CHECKING:
    from relkit.frequency.policy import CadencePolicy, Evidence, PolicyCell
    from relkit.frequency.policy_linter import PolicyFinding


def tier_label(policy: CadencePolicy, tier: str) -> Statement:
    """What readers call a tier; one that the policy has not is called by its name."""
    labels = {one.name: one.label for one in policy.tiers}
    return plain_words(labels.get(tier, {"en": tier, "zh": tier}))


def channel_words(channel: str) -> Statement:
    """A channel in words, where there are some."""
    key = f"channel.{channel}"
    return say(key) if key in all_texts() else named(channel)


def type_words(kind: str) -> Statement:
    """A type of contact in words, where there are some."""
    key = f"contact_type.{kind}"
    return say(key) if key in all_texts() else named(kind)


def named(text: str) -> Statement:
    """What the data call something, the same in both languages."""
    return plain_words({"en": text, "zh": text})


def titled(words: Mapping[str, str]) -> Statement:
    """A title in both languages as a statement."""
    return plain_words(words)


def occasion_words(occasion: str) -> Statement:
    """An occasion in words, where there are some, else as the policy names it."""
    key = f"occasion.{occasion.replace(' ', '_')}"
    return say(key) if key in all_texts() else named(occasion)


def rhythm_words(cell: PolicyCell) -> Statement:
    """How often, as a person says it."""
    if cell.rhythm is None:
        return say("rhythm.occasion", occasion=occasion_words(cell.occasion or ""))
    rhythm = cell.rhythm
    if rhythm.times == 1 and rhythm.length == 1:
        return say(f"rhythm.every_{rhythm.unit}")
    return say("rhythm.month", n=rhythm.per_month)


def evidence_words(evidence: Evidence | None) -> Statement:
    """What stands behind a line."""
    if evidence is None:
        return say("evidence.none")
    values: dict[str, Any] = {"reference": evidence.reference}
    if evidence.grade is not None:
        values["grade"] = evidence.grade
    return say(f"evidence.{evidence.kind}", **values)


def finding_words(one: PolicyFinding) -> Statement:
    """What the linter found, without where."""
    values: dict[str, Any] = {
        "month": one.value, "limit": one.limit, "low": one.low, "reference": one.reference,
    }  # fmt: skip
    if one.code == "not_counted":
        values["reference"] = occasion_words(one.reference or "")
    there = {
        name: value
        for name, value in values.items()
        if value is not None and not (isinstance(value, float) and math.isnan(value))
    }
    return say(f"lint.{one.code}", **there)
