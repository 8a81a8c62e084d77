"""Contact practice in words: what is seen, and never more than that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from relkit.frequency.practice_responses import BETTER, CHANGE_FORM, GROWS, INTERACTION
from relkit.report.policy_words import channel_words, named
from relkit.report.rule_words import plain_words
from relkit.report.statements import Statement, say
from relkit.report.vocabulary import all_texts

if TYPE_CHECKING:
    from relkit.data.practice_voice import ContactOpinions
    from relkit.frequency.practice import PracticeAudit, PracticeFlag
    from relkit.frequency.practice_responses import (
        ContentComparison,
        RecurringIssues,
        ResponseRates,
    )

Labels = Mapping[str, Mapping[str, str]]


def tier_named(tier: str, labels: Labels | None = None) -> Statement:
    """A tier by its label in both languages, or by its name."""
    return plain_words((labels or {}).get(tier, {"en": tier, "zh": tier}))


def _ends(flag: PracticeFlag) -> dict[str, float]:
    assert flag.estimate is not None
    return {"low": flag.estimate.low, "high": flag.estimate.high}


def practice_cadence(audit: PracticeAudit, labels: Labels | None = None) -> Statement:
    """Whether tiers are contacted differently."""
    flag = audit["same_cadence"]
    assert flag.estimate is not None
    tiers = {
        "tier": tier_named(str(flag.tier), labels),
        "other": tier_named(str(flag.other), labels),
    }
    values = {"ratio": flag.estimate.value, **_ends(flag), "bound": flag.bound}
    return say(f"practice.same_{flag.status}", **tiers, **values)


def practice_order(audit: PracticeAudit, labels: Labels | None = None) -> Statement:
    """Whether a tier is contacted more often than one that is worth more."""
    flag = audit["low_tier_most"]
    if flag.status != "raised" or flag.estimate is None:
        return say("practice.turned_not")
    return say(
        "practice.turned_raised",
        tier=tier_named(str(flag.tier), labels),
        other=tier_named(str(flag.other), labels),
        ratio=flag.estimate.value,
    )


def practice_automation(audit: PracticeAudit) -> Statement:
    """How much is automated."""
    flag = audit["over_automated"]
    if flag.estimate is None:
        return say("practice.automated_not_measured")
    return say(
        f"practice.automated_{flag.status}",
        share=flag.estimate.value,
        **_ends(flag),
        bound=flag.bound,
    )


def practice_care(audit: PracticeAudit, labels: Labels | None = None) -> Statement:
    """What frequency goes with; described only."""
    flag = audit["frequency_as_care"]
    if flag.estimate is None:
        return say(f"practice.care_{flag.status}")
    return say(
        "practice.care_raised",
        tier=tier_named(str(flag.tier), labels),
        gap=flag.estimate.value,
        **_ends(flag),
    )


def practice_care_note() -> Statement:
    """That this is no cause."""
    return say("practice.care_note")


def practice_responses(
    rates: ResponseRates, split: str = "channel", response: str = INTERACTION
) -> Statement:
    """Which channel or content is answered most and least."""
    rows = rates.of(split, response)
    best, worst = rows.iloc[0], rows.iloc[-1]
    return say(
        "practice.responses",
        best=value_named(split, str(best["value"])),
        rate=float(best["rate"]),
        low=float(best["low"]),
        high=float(best["high"]),
        worst=value_named(split, str(worst["value"])),
        worst_rate=float(worst["rate"]),
        worst_low=float(worst["low"]),
        worst_high=float(worst["high"]),
    )


def value_named(split: str, value: str) -> Statement:
    """A channel in words; a content as the data name it."""
    return channel_words(value) if split == "channel" else named(value)


def practice_contents(found: ContentComparison) -> Statement:
    """The content that is clearly answered more often than the reference."""
    n, reference = len(found.contents), named(found.reference)
    better = found.contents[found.contents["status"] == BETTER].dropna(subset="ratio")
    if better.empty:
        return say("practice.contents_none", reference=reference, n=n)
    best = better.iloc[int(better["difference"].to_numpy().argmax())]
    return say(
        "practice.contents",
        content=named(str(best.iloc[0])),
        reference=reference,
        ratio=float(best["ratio"]),
        low=float(best["ratio_low"]),
        high=float(best["ratio_high"]),
        n=n,
    )


def practice_contents_note(found: ContentComparison) -> Statement:
    """What the comparison can bear."""
    return say("practice.contents_note" + ("" if found.hypothesis_only else "_randomised"))


def practice_low_open(rates: ResponseRates) -> Statement:
    """Contents that so few open that their form should change."""
    contents = rates.contents
    if contents.empty:
        return say("practice.low_open_unknown")
    low = contents[contents["status"] == CHANGE_FORM]
    if low.empty:
        return say("practice.low_open_none", bound=rates.low_open)
    worst = low.iloc[0]
    return say(
        "practice.low_open",
        n=len(low),
        all=len(contents),
        bound=rates.low_open,
        worst=named(str(worst["content_type"])),
        rate=float(worst["rate"]),
    )


def issue_named(issue: str) -> Statement:
    """What a ticket is about, in words where there are some."""
    key = f"issue.{issue}"
    return say(key) if key in all_texts() else named(issue)


def practice_issues(found: RecurringIssues) -> Statement:
    """The issue that grows beyond all tickets, or else the one that recurs most."""
    grows = found.issues[found.issues["status"] == GROWS]
    if not grows.empty:
        first = grows.iloc[int(grows["difference"].to_numpy().argmax())]
        return say(
            "practice.issue_grows",
            issue=issue_named(str(first["issue"])),
            earlier=float(first["earlier_share"]),
            later=float(first["later_share"]),
            volume=found.volume_ratio,
        )
    recurring = found.issues[found.issues["recurring"]]
    if recurring.empty:
        return say("practice.issue_none")
    first = recurring.iloc[0]
    return say(
        "practice.issue_recurs",
        issue=issue_named(str(first["issue"])),
        n=int(first["tickets"]),
        again=float(first["repeated_share"]),
    )


def practice_opinions(found: ContactOpinions) -> Statement:
    """What those who are contacted often say of it."""
    if found.pressed is None:
        return say("practice.opinions_none", n=found.customers, bound=found.often_from)
    return say(
        "practice.opinions",
        pressed=found.pressed.value,
        low=found.pressed.low,
        high=found.pressed.high,
        bound=found.often_from,
        agree=found.agree.value,
    )


def practice_opinions_kappa(found: ContactOpinions) -> Statement:
    """Agreement beyond chance of records and customers."""
    if found.kappa is None:
        return say("practice.opinions_no_kappa", n=found.customers)
    kappa = found.kappa
    return say(
        "practice.opinions_kappa", kappa=kappa.value, low=kappa.low, high=kappa.high, n=kappa.n
    )
