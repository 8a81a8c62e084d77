"""A customer on one slide: value, tier, history, contacts, tickets, answers, contract, tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from relkit.report.blocks import Slide, Table, slide, table, tile, tiles
from relkit.report.findings.profile import profile_answer
from relkit.report.language import current, visible
from relkit.report.plots.profile import profile_events
from relkit.report.statements import Statement, say, term
from relkit.studies.profile import KNOWN, NOT_SUPPLIED, NOTHING, STALE

if TYPE_CHECKING:
    from relkit.studies.profile import CustomerProfile, ProfileFact, TagFact

_TILES = (("clv", "money"), ("probability_alive", "percent0"), ("total_spend", "money"))
# Words that the contracts of tables allow, and their labels.
_WORDS = {"last_channel": "channel", "contract_status": "contract_status"}


def profile_page(profile: CustomerProfile) -> Slide | None:
    """The one-page profile: headline, tiles, what happened when, and every fact.

    Personal data and ids are shown as ``rk.set_privacy`` says; by default a pseudonym
    and ``…``. What no table or result supplies is said to be not supplied.
    """
    shown = [
        tile(f"profile.{name}", profile[name].value, word)
        for name, word in _TILES
        if profile[name].state == KNOWN
    ]
    shown += [
        tile(f"profile.{name}", profile[name].value, "text")
        for name in ("tier",)
        if profile[name].state == KNOWN
    ]
    return slide(
        profile_answer(profile),
        tiles(*shown) if shown else None,
        profile_events(profile) if len(profile.events) else None,
        profile_facts(profile),
        profile_tags(profile),
        notes=say("profile.notes"),
    )


def profile_facts(profile: CustomerProfile) -> Table:
    """Every fact as a line: section, fact, value."""
    frame = pd.DataFrame(
        [
            (term(f"profile.section_{fact.section}"), term(f"profile.{fact.name}"), _words(fact))
            for fact in profile.facts
        ],
        columns=["section", "fact", "shown"],
    )
    columns = {
        "section": ("profile.section", "text"),
        "fact": ("profile.fact", "text"),
        "shown": ("profile.value", "text"),
    }
    return table(frame, columns, caption=say("profile.table"), name="customer_profile")


def profile_tags(profile: CustomerProfile) -> Table | None:
    """Every tag with its state; a stale one says that it is, and nothing else."""
    if not profile.tags:
        return None
    code = current().code
    frame = pd.DataFrame(
        [(each.tag.name[code], _tag_words(each), each.tag.owner) for each in profile.tags],
        columns=["tag", "shown", "owner"],
    )
    columns = {
        "tag": ("profile.tag", "text"),
        "shown": ("profile.value", "text"),
        "owner": ("profile.tag_owner", "text"),
    }
    return table(frame, columns, caption=say("profile.tags"), name="customer_tags")


def _words(fact: ProfileFact) -> str:
    if fact.state != KNOWN:
        return term({NOTHING: "profile.nothing", NOT_SUPPLIED: "profile.not_supplied"}[fact.state])
    value = fact.shown
    if fact.name in _WORDS:
        return term(f"{_WORDS[fact.name]}.{value}")
    if fact.format == "text":
        return visible(str(value))
    return current().show(value, fact.format)


def _tag_words(each: TagFact) -> str:
    if each.state == STALE:
        said: Statement = say("profile.stale", age=each.age_days, limit=each.tag.fresh_days)
        return said.text()
    if each.state == NOT_SUPPLIED:
        return term("profile.not_supplied")
    if each.value is None:
        return term("profile.unknown")
    return term("table.yes" if each.value else "table.no")
