"""Who came back with ids joined, how far sources agree, survey scores and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from relkit.data.quality.repeat_customers import AFTER, BEFORE, RepeatShare
from relkit.data.quality.supplied import NotSupplied
from relkit.data.quality.surveys import MEASURED, NO_ANSWER, SurveyResponse
from relkit.data.quality.triangulation import Triangulation
from relkit.report import theme
from relkit.report.findings.quality_people import survey_kind
from relkit.report.language import current
from relkit.report.plots.drawing import described, paired_bars, tick_period, word_axis
from relkit.report.quality_words import answer_name, field_name, key_of
from relkit.report.statements import say, term

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_WORDS = 5  # cohorts whose bars still have room for a figure each
MOST_TICKS = 12


def repeat_share(found: RepeatShare, ax: Axes | None = None) -> Axes:
    """The share of customers who came back, by first purchase, before and after joining ids."""
    ax = ax or theme.new_axes("full")
    rows = found.by_cohort
    before, after = (rows[rows["stage"] == stage].set_index("cohort") for stage in (BEFORE, AFTER))
    shown = before if found.after is None else after
    names = [tick_period(day, found.period) for day in before.index]
    series = [(before["share"], theme.GREY, "label.ids_as_they_are")]
    if found.after is not None:
        joined = after["share"].reindex(before.index)
        series.append((joined, theme.ACCENT, "label.ids_joined"))
    few = len(names) <= MOST_WORDS
    paired_bars(ax, names, series, (lambda x: current().percent(x, 1)) if few else None)
    _thin_ticks(ax, names)
    # Above the bars, which may be of any height.
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2).set_visible(len(series) > 1)
    word_axis(ax.yaxis, lambda x: current().percent(x, 0))
    ax.set_ylim(0, None)
    ax.set_xlabel(term("label.cohort"))
    ax.set_ylabel(term("label.repeat_share"))
    values = {
        "first": float(shown["share"].iloc[0]),
        "last": float(shown["share"].iloc[-1]),
        "first_period": tick_period(shown.index[0], found.period),
        "last_period": tick_period(shown.index[-1], found.period),
        "whole": (found.before if found.after is None else found.after).value,
    }
    return described(ax, "alt.repeat_share", values, rows)


def _thin_ticks(ax: Axes, names: list[str]) -> None:
    """Every period has its place; only some their names, the first and the last among them."""
    step = -(-len(names) // MOST_TICKS)
    places = list(range(0, len(names), step))
    ax.set_xticks(places, [names[place] for place in places])


def agreement(found: Triangulation | NotSupplied, ax: Axes | None = None) -> Axes | None:
    """Share of customers on whom the sources agree, by field; None where nothing is compared."""
    if isinstance(found, NotSupplied) or not found.compared:
        return None
    ax = ax or theme.new_axes("full")
    rows = found.fields.sort_values("share", na_position="first", ignore_index=True)
    places = np.arange(len(rows))
    known = rows["compared"] > 0
    ax.hlines(places[known], rows.loc[known, "low"], rows.loc[known, "high"], color=theme.ACCENT)
    ax.plot(rows.loc[known, "share"], places[known], "o", color=theme.ACCENT, markersize=10)
    for place, row in zip(places, rows.to_dict("records"), strict=True):
        if not row["compared"]:
            words = term(key_of("agreement_status", row["status"]))
            ax.annotate(words, (1, place), (0, 0), textcoords="offset points", ha="right",
                        va="center", color=theme.MUTED)  # fmt: skip
            continue
        share = say("triangulation.mark", share=row["share"], n=int(row["compared"])).text()
        ax.annotate(share, (row["share"], place), (0, 10), textcoords="offset points", ha="center",
                    va="bottom", color=theme.INK, weight=600)  # fmt: skip
    ax.set_yticks(places, [field_name(str(name)).text() for name in rows["field"]])
    ax.set_ylim(-0.6, len(rows) - 0.3)
    ax.set_xlim(min(float(rows["low"].min()) - 0.04, 0.9), 1.005)
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")
    ax.locator_params(axis="x", nbins=6, steps=[1, 2, 5, 10])
    word_axis(ax.xaxis, lambda x: current().percent(x, 0))
    ax.set_xlabel(term("label.sources_agree"))
    compared = rows[known]
    low, high = compared.iloc[0], compared.iloc[-1]
    values = {
        "low": float(low["share"]),
        "low_field": field_name(str(low["field"])),
        "high": float(high["share"]),
        "high_field": field_name(str(high["field"])),
    }
    return described(ax, "alt.agreement", values, found.fields)


def survey_scores(
    found: SurveyResponse | NotSupplied, kind: str | None = None, ax: Axes | None = None
) -> Axes | None:
    """A score by wave with its interval; None where no wave has one."""
    if isinstance(found, NotSupplied):
        return None
    row = survey_kind(found, kind)
    waves = found.waves[found.waves["kind"] == row["kind"]].reset_index(drop=True)
    there = waves[waves["status"] == MEASURED]
    if there.empty or row["status"] != MEASURED:
        return None
    ax = ax or theme.new_axes("full")
    ax.axhline(row["score"], color=theme.GREY, linewidth=1.5, linestyle=(0, (5, 2)))
    ax.vlines(there.index, there["low"], there["high"], color=theme.ACCENT, linewidth=2, alpha=0.5)
    ax.plot(there.index, there["score"], "o", color=theme.ACCENT)
    whole = term("label.survey_whole")
    ax.annotate(
        f"{whole}\n{current().number(row['score'], _digits(row))}",
        (len(waves) - 0.5, row["score"]), (6, 0), textcoords="offset points", va="center",
        color=theme.MUTED, annotation_clip=False,
    )  # fmt: skip
    names = [tick_period(day, found.period) for day in waves["wave"]]
    _thin_ticks(ax, names)
    ax.set_xlim(-0.5, len(waves) - 0.5)
    word_axis(ax.yaxis, lambda x: current().number(x, _digits(row)))
    ax.set_ylabel(say("label.survey_score", kind=f"question.{row['kind']}").text())
    values = {
        "kind": f"question.{row['kind']}",
        "first": float(there["score"].iloc[0]),
        "first_wave": names[there.index[0]],
        "last": float(there["score"].iloc[-1]),
        "last_wave": names[there.index[-1]],
        "whole": row["score"],
        "n": len(waves),
    }
    return described(ax, "alt.survey_scores", values, waves)


def _digits(row: dict[str, object]) -> int:
    return 0 if row["kind"] == "nps" else 1


def survey_answers(
    found: SurveyResponse | NotSupplied, kind: str | None = None, ax: Axes | None = None
) -> Axes | None:
    """What customers answered, and how many did not, as shares of those asked."""
    if isinstance(found, NotSupplied):
        return None
    row = survey_kind(found, kind)
    rows = found.answers[found.answers["kind"] == row["kind"]].reset_index(drop=True)
    if not row["scored"]:
        return None
    ax = ax or theme.new_axes("half")
    silent = rows["answer"] == NO_ANSWER
    colours = [theme.GREY if none else theme.ACCENT for none in silent]
    ax.barh(rows.index[::-1], rows["share_of_asked"], color=colours, height=0.7)
    for place, share in zip(rows.index[::-1], rows["share_of_asked"], strict=True):
        ax.annotate(current().percent(share, 0), (share, place), (6, 0), va="center",
                    textcoords="offset points", weight=600)  # fmt: skip
    ax.set_yticks(rows.index[::-1], [answer_name(str(name)).text() for name in rows["answer"]])
    ax.grid(False, axis="y")
    ax.grid(True, axis="x")
    ax.margins(x=0.12)
    word_axis(ax.xaxis, lambda x: current().percent(x, 0))
    ax.set_xlabel(term("label.share_of_those_asked"))
    return described(ax, "alt.survey_answers", _answers_said(row, rows), rows)


def _answers_said(row: dict[str, object], rows: pd.DataFrame) -> dict[str, object]:
    given = rows[rows["answer"] != NO_ANSWER]
    top = given.iloc[int(given["customers"].to_numpy().argmax())]
    silent = rows.loc[rows["answer"] == NO_ANSWER, "share_of_asked"]
    return {
        "kind": f"question.{row['kind']}",
        "silent": float(silent.iloc[0]),
        "top": answer_name(str(top["answer"])),
        "share": float(top["share_of_asked"]),
    }
