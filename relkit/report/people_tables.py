"""Tables of people under two ids, of sources that disagree, of surveys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from relkit.data.quality.identity import IdentityDuplicates
from relkit.data.quality.repeat_customers import BEFORE, RepeatShare
from relkit.data.quality.sends import SendResponse
from relkit.data.quality.supplied import NotSupplied
from relkit.data.quality.surveys import SurveyResponse
from relkit.data.quality.triangulation import Triangulation
from relkit.report.blocks import Table, table
from relkit.report.plots.drawing import tick_period
from relkit.report.quality_words import answer_name, field_name, key_of
from relkit.report.statements import say, term

if TYPE_CHECKING:
    import pandas as pd

_RATE: dict[str, Any] = {
    "response_rate": ("label.response_rate", "percent"),
    "rate_low": ("label.low", "percent"),
    "rate_high": ("label.high", "percent"),
}
_SCORE: dict[str, Any] = {
    "scored": ("label.scored", "count"),
    "score": ("label.survey_points", "number2"),
    "margin": ("label.margin", "number2"),
}


def identity_rules(found: IdentityDuplicates | NotSupplied) -> Table | None:
    """What each rule found, what chance would, and whether it was used."""
    if isinstance(found, NotSupplied):
        return None
    frame = found.rules.assign(
        rule=[term(f"rule_of.{rule}") for rule in found.rules["rule"]],
        status=[term(key_of("rule_status", status)) for status in found.rules["status"]],
    )
    columns = {
        "rule": ("label.match_rule", "text"),
        "ids": ("label.ids_compared", "count"),
        "pairs": ("label.pairs_found", "count"),
        "by_chance": ("label.pairs_by_chance", "number2"),
        "contradicted": ("label.pairs_contradicted", "count"),
        "status": ("label.match_status", "text"),
    }
    note = say("note.identity_rules")
    return table(
        frame, columns, caption=say("table.identity_rules"), name="identity_rules", note=note
    )


def repeat_cohorts(found: RepeatShare) -> Table:
    """Shares by first purchase; with ids joined, beside those without."""
    names = [tick_period(day, found.period) for day in found.by_cohort["cohort"]]
    return _shares(found.by_cohort.assign(cohort=names), "cohort", "repeat_cohorts")


def repeat_channels(found: RepeatShare) -> Table | None:
    """Shares by channel of contact; None without touches."""
    if found.by_channel is None:
        return None
    return _shares(found.by_channel, "channel", "repeat_channels")


def _shares(rows: pd.DataFrame, by: str, name: str) -> Table:
    rows = rows.assign(
        stage=[
            term("label.ids_as_they_are" if stage == BEFORE else "label.ids_joined")
            for stage in rows["stage"]
        ]
    )
    columns = {
        by: (f"label.{by}", "text"),
        "stage": ("label.group", "text"),
        "customers": ("label.customers", "count"),
        "share": ("label.repeat_share", "percent"),
        "low": ("label.low", "percent"),
        "high": ("label.high", "percent"),
    }
    return table(rows, columns, caption=say(f"table.{name}"), name=name)


def agreement(found: Triangulation | NotSupplied) -> Table | None:
    """Agreement by field, or why it is not measurable."""
    if isinstance(found, NotSupplied) or found.fields.empty:
        return None
    frame = _named(found.fields)
    frame["status"] = [term(key_of("agreement_status", status)) for status in frame["status"]]
    columns = {
        "field": ("label.field", "text"),
        "compared": ("label.compared", "count"),
        "three": ("label.three_values", "count"),
        "conflicts": ("label.conflicts", "count"),
        "share": ("label.agreement", "percent"),
        "low": ("label.low", "percent"),
        "high": ("label.high", "percent"),
        "fleiss_kappa": ("label.fleiss", "number2"),
        "status": ("label.match_status", "text"),
    }
    return table(frame, columns, caption=say("table.agreement"), name="agreement")


def agreement_pairs(found: Triangulation | NotSupplied) -> Table | None:
    """Agreement of two sources each, with Cohen's kappa."""
    if isinstance(found, NotSupplied) or found.pairs.empty:
        return None
    frame = _named(found.pairs)
    frame["pair"] = [
        f"{term(f'told_by.{first}')} – {term(f'told_by.{second}')}"
        for first, second in zip(frame["first"], frame["second"], strict=True)
    ]
    columns = {
        "field": ("label.field", "text"),
        "pair": ("label.pair_of_sources", "text"),
        "customers": ("label.compared", "count"),
        "share": ("label.agreement", "percent"),
        "kappa": ("label.cohen", "number2"),
        "kappa_low": ("label.low", "number2"),
        "kappa_high": ("label.high", "number2"),
    }
    return table(frame, columns, caption=say("table.agreement_pairs"), name="agreement_pairs")


def conflicts(found: Triangulation | NotSupplied, n: int = 20) -> Table | None:
    """Customers on whom sources differ, newest first; None where there are none."""
    if isinstance(found, NotSupplied) or found.conflicts.empty:
        return None
    rows = found.conflicts
    newest = rows[["interviewed_at", "answered_at"]].max(axis=1)
    ordered = rows.assign(newest=newest).sort_values(
        ["newest", "customer_id", "field"], ascending=[False, True, True]
    )
    frame = _named(ordered)
    frame["odd_one_out"] = [
        term(f"told_by.{source}") if source else "" for source in frame["odd_one_out"]
    ]
    columns = {
        "customer_id": ("label.customer", "text"),
        "field": ("label.field", "text"),
        "crm": ("told_by.crm", "text"),
        "interview": ("told_by.interview", "text"),
        "survey": ("told_by.survey", "text"),
        "odd_one_out": ("label.odd_one_out", "text"),
    }
    caption = say("table.conflicts")
    return table(frame, columns, caption=caption, name="conflicts", max_rows=n)


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(field=[field_name(str(name)).text() for name in frame["field"]])


def survey_kinds(found: SurveyResponse | NotSupplied) -> Table | None:
    """Response and scores of each kind of question."""
    if isinstance(found, NotSupplied):
        return None
    frame = _questions(found.kinds)
    frame["status"] = [term(key_of("score_status", status)) for status in frame["status"]]
    columns = {
        "kind": ("label.question", "text"),
        "asked": ("label.asked", "count"),
        "answered": ("label.answered", "count"),
        **_RATE,
        "double_answers": ("label.double_answers", "count"),
        **_SCORE,
        "status": ("label.match_status", "text"),
    }
    return table(frame, columns, caption=say("table.survey_kinds"), name="survey_kinds")


def survey_waves(found: SurveyResponse | NotSupplied, n: int = 12) -> Table | None:
    """Response and scores of the newest waves."""
    if isinstance(found, NotSupplied):
        return None
    frame = _questions(found.waves)
    frame["points"] = 100 * frame["share_margin"]
    frame = frame.sort_values(["wave", "kind"], ascending=[False, True])
    frame["wave"] = [tick_period(day, found.period) for day in frame["wave"]]
    columns = {
        "wave": ("label.wave", "text"),
        "kind": ("label.question", "text"),
        "asked": ("label.asked", "count"),
        "answered": ("label.answered", "count"),
        "response_rate": ("label.response_rate", "percent"),
        **_SCORE,
        "points": ("label.share_margin", "number"),
        "meets_target": ("label.meets_target", "text"),
    }
    note = say("note.survey_waves")
    caption = say("table.survey_waves")
    return table(frame, columns, caption=caption, name="survey_waves", note=note, max_rows=n)


def survey_answers(found: SurveyResponse | NotSupplied) -> Table | None:
    """Customers by answer; those without one have a row."""
    if isinstance(found, NotSupplied):
        return None
    frame = _questions(found.answers)
    frame["answer"] = [answer_name(str(answer)).text() for answer in frame["answer"]]
    columns = {
        "kind": ("label.question", "text"),
        "answer": ("label.answer", "text"),
        "customers": ("label.customers", "count"),
        "share_of_asked": ("label.share_of_those_asked", "percent"),
        "share_of_scored": ("label.scored_share", "percent"),
    }
    return table(frame, columns, caption=say("table.survey_answers"), name="survey_answers")


def survey_strata(found: SurveyResponse | NotSupplied) -> Table | None:
    """Groups among customers and among scores; None without groups."""
    if isinstance(found, NotSupplied) or found.strata is None:
        return None
    columns = {
        "kind": ("label.question", "text"),
        "stratum": ("label.stratum", "text"),
        "population_share": ("label.population_share", "percent"),
        "scored": ("label.scored", "count"),
        "scored_share": ("label.scored_share", "percent"),
        "weight": ("label.weight", "number2"),
        "score": ("label.survey_points", "number2"),
    }
    frame = _questions(found.strata)
    return table(frame, columns, caption=say("table.survey_strata"), name="survey_strata")


def sends(found: SendResponse | NotSupplied) -> Table | None:
    """What was sent, how much of it asked for an answer, and how much got one."""
    if isinstance(found, NotSupplied):
        return None
    columns = {
        "content_type": ("label.content_type", "text"),
        "sends": ("label.sends", "count"),
        "asked": ("label.asked_sends", "count"),
        "answered": ("label.answered_sends", "count"),
        "response_rate": ("label.response_rate", "percent"),
        "low": ("label.low", "percent"),
        "high": ("label.high", "percent"),
    }
    return table(found.by_content, columns, caption=say("table.sends"), name="sends")


def _questions(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(kind=[term(f"question.{kind}") for kind in frame["kind"]])
