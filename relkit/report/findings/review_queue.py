"""Automatic tags, and how often people agree with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relkit.report.statements import Statement, say
from relkit.studies.tier_review import NotShown

if TYPE_CHECKING:
    from relkit.segments.review_queue import ReviewQueue, TopTagged


def top_tagged(tagged: TopTagged) -> Statement:
    """How many customers the automatic tag falls on."""
    values = {"n": len(tagged.customers), "scored": tagged.scored, "share": tagged.share}
    if tagged.tied_out:
        return say("queue.tagged_ties", tied=tagged.tied_out, **values)
    return say("queue.tagged", **values)


def review_accuracy(queue: ReviewQueue) -> Statement:
    """How often people agree with the tag, with interval and n; or that nobody said yet."""
    accuracy = queue.accuracy()
    if accuracy is None:
        return say("queue.unreviewed", waiting=queue.waiting)
    return say("queue.accuracy", accuracy=accuracy, n=accuracy.n, waiting=queue.waiting)


def review_state(queue: ReviewQueue | NotShown) -> Statement:
    """How right the tag is, or that nothing was written and nobody said."""
    if isinstance(queue, NotShown):
        return say("queue.nothing_written")
    return review_accuracy(queue)


def review_changes(queue: ReviewQueue) -> Statement:
    """What this run did to the file."""
    return say("queue.changes", added=queue.added, returned=queue.returned, gone=queue.gone)


def review_meaning() -> Statement:
    """What the accuracy of a tag does not say."""
    return say("queue.meaning")
