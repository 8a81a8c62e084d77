"""Tags and tier rules of a review as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from relkit.report.blocks import Table, table
from relkit.report.language import current
from relkit.report.statements import say, term

if TYPE_CHECKING:
    from relkit.segments.tags import CustomerTags, TagState


def tag_states(tags: CustomerTags) -> Table:
    """Every tag: what it means, whom it holds for, who answers for it."""
    code = current().code
    frame = pd.DataFrame(
        {
            "tag": [each.tag.name[code] for each in tags.states],
            "meaning": [_meaning(each) for each in tags.states],
            "customers": pd.array([each.customers for each in tags.states], dtype="Int64"),
            "unknown": pd.array([each.unknown for each in tags.states], dtype="Int64"),
            "state": [_state(each) for each in tags.states],
            "owner": [each.tag.owner[code] for each in tags.states],
        }
    )
    columns = {
        "tag": ("profile.tag", "text"),
        "meaning": ("label.tag_meaning", "text"),
        "customers": ("label.customers", "count"),
        "unknown": ("label.tag_unknown", "count"),
        "state": ("label.tag_state", "text"),
        "owner": ("profile.tag_owner", "text"),
    }
    return table(
        frame, columns, caption=say("table.tag_states"), name="tag_states", max_rows=len(frame)
    )


def _meaning(each: TagState) -> str:
    if each.tag.notes is not None:
        return term("tags.from_notes")
    return each.tag.meaning


def _state(each: TagState) -> str:
    if each.state == "not_supplied":
        return say("tags.not_supplied", what=", ".join(each.missing)).text()
    if each.state == "stale":
        return say("tags.stale", age=each.age_days, limit=each.tag.fresh_days).text()
    return say("tags.current", age=each.age_days).text()
