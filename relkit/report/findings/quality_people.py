"""People under two ids, sources that disagree, surveys and how sure they are."""

from __future__ import annotations

from typing import Any

from relkit.data.quality.identity import BY_CHANCE, MISSING, USED, IdentityDuplicates
from relkit.data.quality.repeat_customers import RepeatShare
from relkit.data.quality.sends import SendResponse
from relkit.data.quality.supplied import NotSupplied
from relkit.data.quality.surveys import MEASURED, SurveyResponse, margin_of_error
from relkit.data.quality.triangulation import Triangulation
from relkit.intervals import Estimate, wilson_interval
from relkit.report.quality_words import field_name, key_of
from relkit.report.statements import Statement, listed, say


def identity(found: IdentityDuplicates | NotSupplied) -> Statement:
    """How many people stand under several ids: the headline."""
    if isinstance(found, NotSupplied):
        return say("identity.not_supplied", tables=", ".join(found.tables))
    if (found.rules["status"] == MISSING).all():
        return say("identity.nothing_to_compare")
    if not found.duplicates:
        return say("identity.none", ids=found.ids)
    return say(
        "identity.found",
        people=found.people,
        duplicates=found.duplicates,
        ids=found.ids,
        share=found.duplicates / found.ids,
    )


def identity_rules(found: IdentityDuplicates | NotSupplied) -> Statement | None:
    """By which rules ids were joined."""
    if isinstance(found, NotSupplied) or (found.rules["status"] == MISSING).all():
        return None
    used = _rules(found, USED)
    if not used:
        return say("identity.no_rule")
    return say("identity.how", rules=listed(used, "; "), limit=found.max_shared)


def identity_by_chance(found: IdentityDuplicates | NotSupplied) -> Statement | None:
    """Rules that chance could explain; None if there are none."""
    rules = [] if isinstance(found, NotSupplied) else _rules(found, BY_CHANCE)
    if isinstance(found, NotSupplied) or not rules:
        return None
    return say("identity.by_chance", rules=listed(rules, "; "), limit=found.max_chance)


def identity_contradicted(found: IdentityDuplicates | NotSupplied) -> Statement | None:
    """Pairs for somebody to look at; None if there are none."""
    if isinstance(found, NotSupplied) or not found.contradicted:
        return None
    return say("identity.contradicted", pairs=found.contradicted)


def _rules(found: IdentityDuplicates, status: str) -> list[str]:
    rules = found.rules
    return [f"rule_of.{rule}" for rule in rules.loc[rules["status"] == status, "rule"]]


def repeat_share(found: RepeatShare) -> Statement:
    """How many customers came back, and what counting people twice does to it."""
    if found.after is None:
        return say("repeat.as_is", share=found.before, customers=found.before.n)
    if not found.joined:
        return say("repeat.unchanged", share=found.after, customers=found.after.n)
    return say(
        "repeat.joined", before=found.before.value, after=found.after.value, joined=found.joined
    )


def repeat_share_note(found: RepeatShare) -> Statement:
    """What the cohorts do not say."""
    return say("repeat.note", period=found.period)


def repeat_channel_note(found: RepeatShare) -> Statement | None:
    """What the channels do not say; None without channels."""
    return None if found.by_channel is None else say("repeat.channel_note")


def triangulation(found: Triangulation | NotSupplied) -> Statement:
    """How far CRM, interviews and surveys say the same: the headline."""
    if isinstance(found, NotSupplied):
        return say("triangulation.not_supplied", tables=", ".join(found.tables))
    if not found.compared:
        return say("triangulation.nothing")
    if found.agree == found.compared:
        return say("triangulation.agree", n=found.compared)
    return say(
        "triangulation.conflicts",
        share=found.agree / found.compared,
        n=found.compared,
        conflicts=found.compared - found.agree,
    )


def triangulation_worst(found: Triangulation | NotSupplied) -> Statement | None:
    """The field on which they agree least; None where they agree or nothing is compared."""
    if isinstance(found, NotSupplied) or found.agree == found.compared:
        return None
    rows = found.fields[found.fields["compared"] > 0]
    worst = rows.iloc[int(rows["share"].to_numpy().argmin())]
    share = wilson_interval(int(worst["agree"]), int(worst["compared"]), found.level)
    return say("triangulation.worst", field=field_name(str(worst["field"])), share=share)


def triangulation_kappa(found: Triangulation | NotSupplied) -> Statement | None:
    """The two sources and the field of the least agreement beyond chance."""
    if isinstance(found, NotSupplied) or not found.pairs["kappa"].notna().any():
        return None
    pairs = found.pairs[found.pairs["kappa"].notna()]
    worst = pairs.iloc[int(pairs["kappa"].to_numpy().argmin())]
    return say(
        "triangulation.kappa",
        first=f"told_by.{worst['first']}",
        second=f"told_by.{worst['second']}",
        field=field_name(str(worst["field"])),
        kappa=float(worst["kappa"]),
        low=float(worst["kappa_low"]),
        high=float(worst["kappa_high"]),
    )


def triangulation_odd(found: Triangulation | NotSupplied) -> Statement | None:
    """The source that most often stands alone against two; None where none does."""
    if isinstance(found, NotSupplied):
        return None
    alone = found.conflicts.loc[found.conflicts["odd_one_out"] != "", "odd_one_out"]
    if alone.empty:
        return None
    often = alone.value_counts()
    return say(
        "triangulation.odd_one_out",
        source=f"told_by.{often.index[0]}",
        n=int(often.iloc[0]),
        of=len(alone),
    )


def triangulation_unmeasured(found: Triangulation | NotSupplied) -> Statement | None:
    """Fields that nobody has in two sources; None if there are none."""
    if isinstance(found, NotSupplied):
        return None
    without = found.fields.loc[found.fields["compared"] == 0, "field"]
    if without.empty:
        return None
    names = listed([field_name(str(name)) for name in without])
    return say("triangulation.unmeasured", fields=names)


def survey(found: SurveyResponse | NotSupplied, kind: str | None = None) -> Statement:
    """The score with its margin and the response rate: the headline.

    Args:
        found: As made by ``rk.quality.survey_response``.
        kind: Of question; nps where it has a score, else the one asked most.
    """
    if isinstance(found, NotSupplied):
        return say("survey.not_supplied", tables=", ".join(found.tables))
    row = survey_kind(found, kind)
    values: dict[str, Any] = {"kind": f"question.{row['kind']}", "rate": row["response_rate"]}
    if row["status"] != MEASURED:
        status = key_of("score_status", row["status"])
        return say("survey.no_score", asked=int(row["asked"]), status=status, **values)
    values |= {"score": row["score"], "margin": row["margin"]}
    if row["kind"] == "nps":
        return say("survey.nps", **values)
    if row["scale_max"] != row["scale_max"]:
        return say("survey.mean_bare", **values)
    return say("survey.mean", most=row["scale_max"], **values)


def survey_kind(found: SurveyResponse, kind: str | None = None) -> dict[str, Any]:
    """The row of a kind of question; of nps where it has a score, else of the one asked most.

    Raises:
        ParameterError: nobody was asked a question of this kind.
    """
    from relkit.errors import ParameterError, did_you_mean

    rows: list[dict[Any, Any]] = found.kinds.to_dict("records")
    names = [str(row["kind"]) for row in rows]
    if kind is not None and kind not in names:
        hint = did_you_mean(str(kind), names)
        raise ParameterError(f"kind={kind!r}: nobody was asked; there are {', '.join(names)}{hint}")
    measured = [row for row in rows if row["status"] == MEASURED]
    nps = [row for row in measured if row["kind"] == "nps"]
    chosen = [row for row in rows if row["kind"] == kind] if kind else nps or measured or rows
    return {str(name): value for name, value in chosen[0].items()}


def survey_silent(found: SurveyResponse | NotSupplied, kind: str | None = None) -> Statement | None:
    """What those who did not answer leave open; None where no score could be computed."""
    if isinstance(found, NotSupplied):
        return None
    row = survey_kind(found, kind)
    if row["lowest"] != row["lowest"] or row["highest"] != row["highest"]:
        return None
    return say(
        "survey.silent",
        silent=1 - row["scored"] / row["customers"],
        kind=f"question.{row['kind']}",
        lowest=row["lowest"],
        highest=row["highest"],
    )


def survey_target(found: SurveyResponse | NotSupplied, kind: str | None = None) -> Statement | None:
    """Whether waves are large enough; None where no wave has a score."""
    if isinstance(found, NotSupplied):
        return None
    row = survey_kind(found, kind)
    waves = found.waves[found.waves["kind"] == row["kind"]]
    n = int(waves["scored"].median())
    if not n:
        return None
    return say(
        "survey.target",
        met=int(waves["meets_target"].sum()),
        waves=len(waves),
        period=f"wave_of.{found.period}",
        target=found.target,
        n=n,
        margin=100 * margin_of_error(n, 0.5, None, found.level),
        wanted=100 * margin_of_error(found.target, 0.5, None, found.level),
    )


def survey_double(found: SurveyResponse | NotSupplied) -> Statement | None:
    """Answers that do not count, since their customer gave another; None if there are none."""
    if isinstance(found, NotSupplied) or not found.kinds["double_answers"].sum():
        return None
    return say("survey.double", double=int(found.kinds["double_answers"].sum()))


def survey_lag(found: SurveyResponse | NotSupplied, kind: str | None = None) -> Statement | None:
    """How long answers took; None where that is not known."""
    if isinstance(found, NotSupplied):
        return None
    row = survey_kind(found, kind)
    if row["lag_median_days"] != row["lag_median_days"]:
        return None
    return say("survey.lag", median=row["lag_median_days"], most=row["lag_p90_days"])


def survey_weighted(
    found: SurveyResponse | NotSupplied, kind: str | None = None
) -> Statement | None:
    """The score with groups at their share of customers; None where there is none."""
    if isinstance(found, NotSupplied) or found.weighted is None:
        return None
    row = survey_kind(found, kind)
    mine = found.weighted[found.weighted["kind"] == row["kind"]].iloc[0]
    if mine["status"] != MEASURED:
        return None
    return say(
        "survey.weighted",
        kind=f"question.{row['kind']}",
        score=float(mine["score"]),
        margin=float(mine["margin"]),
        unweighted=row["score"],
    )


def response_rate(found: SurveyResponse, kind: str | None = None) -> Estimate:
    """The response rate of a kind with its interval, for a tile."""
    row = survey_kind(found, kind)
    return Estimate(
        row["response_rate"], row["rate_low"], row["rate_high"], int(row["asked"]), found.level
    )


def sends(found: SendResponse | NotSupplied) -> Statement:
    """How many of the messages that asked for an answer got one."""
    if isinstance(found, NotSupplied):
        return say("sends.not_supplied", tables=", ".join(found.tables))
    if not found.joined:
        return say("sends.nothing", requests=found.requests, days=found.within_days)
    return say(
        "sends.joined",
        rate=found.join_rate,
        requests=found.requests,
        asked=int(found.by_content["asked"].sum()),
        answered=int(found.by_content["answered"].sum()),
    )


def sends_note(found: SendResponse | NotSupplied) -> Statement | None:
    """By which rule requests and sends were joined; None where nothing was."""
    if isinstance(found, NotSupplied) or not found.joined:
        return None
    return say("sends.note", days=found.within_days, double=found.double_answers)
