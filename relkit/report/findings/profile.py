"""What a customer's profile says first, and what keyword tags are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from relkit.privacy import shown_id
from relkit.report.statements import Statement, say, statement
from relkit.report.vocabulary import all_texts
from relkit.studies.profile import KNOWN

if TYPE_CHECKING:
    from relkit.segments.keywords import KeywordAccuracy
    from relkit.studies.profile import CustomerProfile


def profile_answer(profile: CustomerProfile) -> Statement:
    """Who it is, what is to come, and when the last purchase was; as far as it is known."""
    # As it may be shown: what stands in a statement is published with it.
    values: dict[str, Any] = {"customer": shown_id(profile.customer_id)}
    last = profile["last_at"]
    if last.state != KNOWN:
        return say("profile.no_purchase", **values)
    values |= {"last": last.value, "purchases": int(profile["purchases"].value)}
    if profile["clv"].state != KNOWN:
        return say("profile.without_value", **values)
    values |= {
        "clv": float(profile["clv"].value),
        "alive": float(profile["probability_alive"].value),
    }
    return say("profile.answer", **values)


def keyword_accuracy(accuracy: KeywordAccuracy) -> Statement:
    """The weakest precision and recall of the keyword tags, with intervals and n."""
    overall = [each for each in accuracy.tags if each.language == "all"]
    precise = [(each.precision, each.tag) for each in overall if each.precision is not None]
    found = [(each.recall, each.tag) for each in overall if each.recall is not None]
    if not precise or not found:
        return say("keywords.unmeasured", n=accuracy.notes)
    precision, worst = min(precise, key=lambda pair: (pair[0].value, pair[1]))
    recall, missed = min(found, key=lambda pair: (pair[0].value, pair[1]))
    return say(
        "keywords.accuracy",
        n=accuracy.notes,
        precision=precision,
        worst=_tag(worst),
        recall=recall,
        missed=_tag(missed),
    )


def _tag(key: str) -> Statement:
    """The words of a shipped keyword tag; a tag of one's own is called by its key."""
    if f"keyword_tag.{key}" in all_texts():
        return say(f"keyword_tag.{key}")
    return statement(en="{tag:text}", zh="{tag:text}", tag=key)
