"""A customer on one slide: value, tier, history, contacts, tickets, answers, contract, tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from relkit.privacy import shown_id
from relkit.report.blocks import Slide, Table, slide, table
from relkit.report.findings.profile import profile_answer
from relkit.report.language import current, visible
from relkit.report.statements import Statement, say, term
from relkit.studies.profile import KNOWN, NOT_SUPPLIED, NOTHING, STALE

if TYPE_CHECKING:
    from relkit.studies.profile import CustomerProfile, ProfileFact, TagFact

# Words that the contracts of tables allow, and their labels.
_WORDS = {"last_channel": "channel", "contract_status": "contract_status"}


def profile_page(profile: CustomerProfile, chosen: Statement | None = None) -> Slide | None:
    """The one-page profile: headline, and a line for each part, as wide as the page.

    Personal data and ids are shown as ``rk.set_privacy`` says; by default a pseudonym
    and ``…``. What no table or result supplies is said to be not supplied. Every fact and
    tag stand on the page of ``profile_appendix``, what happened when is drawn by
    ``rk.plots.profile_events``.

    Args:
        profile: As made by ``rk.customer_profile``.
        chosen: Why this customer; a line beneath.
    """
    parts = profile_parts(profile, chosen)
    return slide(profile_answer(profile), parts, notes=say("profile.notes"))


def profile_appendix(profile: CustomerProfile) -> Slide | None:
    """Every fact, and every tag with its state."""
    return slide(
        say("profile.everything", customer=shown_id(profile.customer_id)),
        profile_facts(profile),
        profile_tags(profile),
        appendix=True,
    )


def profile_parts(profile: CustomerProfile, note: Statement | None = None) -> Table:
    """A line for each part: what is known of it, or that nothing is; the note beneath."""
    sections = list(dict.fromkeys(fact.section for fact in profile.facts))
    rows = [(term(f"profile.section_{name}"), _part(profile, name)) for name in sections]
    if profile.tags:
        rows.append((term("profile.tag"), _tag_line(profile)))
    frame = pd.DataFrame(rows, columns=["section", "shown"])
    columns = {"section": ("profile.section", "text"), "shown": ("profile.value", "text")}
    return table(frame, columns, name="customer_profile", note=note)


def _part(profile: CustomerProfile, section: str) -> str:
    facts = [fact for fact in profile.facts if fact.section == section]
    known = [fact for fact in facts if fact.state == KNOWN]
    if not known:
        states = {fact.state for fact in facts}
        absent = states == {NOT_SUPPLIED}
        return term("profile.not_supplied" if absent else "profile.nothing")
    zh = current().code == "zh"
    colon, comma = ("：", "；") if zh else (": ", "; ")
    return comma.join(f"{term(f'profile.{fact.name}')}{colon}{_words(fact)}" for fact in known)


def _tag_line(profile: CustomerProfile) -> str:
    code = current().code
    held = [each.tag.name[code] for each in profile.tags if each.value]
    stale = [each.tag.name[code] for each in profile.tags if each.state == STALE]
    comma = "、" if code == "zh" else ", "
    line = comma.join(held) or term("profile.nothing")
    if not stale:
        return line
    return current().parenthesis(line, say("profile.stale_tags", tags=comma.join(stale)).text())


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
        [(each.tag.name[code], _tag_words(each), each.tag.owner[code]) for each in profile.tags],
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
