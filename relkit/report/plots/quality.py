"""The quality of a source: rows by step, days by table, customers by stage, scores."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from relkit.data.quality.row_funnel import STEPS
from relkit.report import theme
from relkit.report.language import current
from relkit.report.plots.drawing import described, heat_map, word_axis
from relkit.report.statements import say, term

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relkit.data.quality.capture_coverage import Coverage
    from relkit.data.quality.pillars import Maturity
    from relkit.data.quality.row_funnel import Funnel
    from relkit.data.quality.source_inventory import SourceInventory

_LOST_COLOURS = (theme.WARNING, "#c99a2e", "#7d5a9e", theme.GREY)


def quality_funnel(rows: Funnel, ax: Axes | None = None) -> Axes:
    """Rows of all tables that are left at each step."""
    ax = ax or theme.new_axes("full")
    whole = rows.overall
    left: dict[str, int] = {"in_scope": whole.in_scope}
    left |= {step: whole.left(step) for step in STEPS}
    frame = pd.DataFrame({"step": list(left), "rows": list(left.values())})
    places = np.arange(len(frame))[::-1]
    colours = [theme.ACCENT] * (len(frame) - 1) + [theme.SEQUENTIAL[-1]]
    ax.barh(places, frame["rows"], 0.72, color=colours)
    for place, n in zip(places, frame["rows"], strict=True):
        share = n / whole.in_scope if whole.in_scope else 0.0
        words = f"{current().count(n)}  ({current().percent(share)})"
        ax.annotate(words, (n, place), (8, 0), textcoords="offset points", va="center", weight=600)
    names = [term(f"quality.step.{step}") for step in frame["step"]]
    usable = f"{names[-1]} = {term('quality.step.usable')}"
    _horizontal(ax, [*names[:-1], usable], places)
    ax.set_xlim(0, max(whole.in_scope, 1) * 1.22)
    ax.set_xticks([])
    values = {"read": left.pop("in_scope"), **left, "usable": whole.usable}
    return described(ax, "quality.alt.funnel", values, frame)


def _horizontal(ax: Axes, names: list[str], places: np.ndarray) -> None:
    ax.set_yticks(places, names)
    ax.tick_params(axis="y", labelcolor=theme.INK)
    ax.grid(False)
    ax.spines["bottom"].set_visible(False)


def quality_usable(rows: Funnel, ax: Axes | None = None) -> Axes:
    """Share of each table's rows that are usable, and of those lost at each step."""
    ax = ax or theme.new_axes("full")
    held = [each for each in rows.tables if each.in_scope]
    parts: dict[str, list[float]] = {"usable": [each.usable / each.in_scope for each in held]}
    parts |= {step: [each.lost(step) / each.in_scope for each in held] for step in STEPS}
    frame = pd.DataFrame({"table": [each.table for each in held], **parts})
    places = np.arange(len(held))[::-1]
    begin = np.zeros(len(held))
    for (part, shares), colour in zip(parts.items(), (theme.ACCENT, *_LOST_COLOURS), strict=True):
        label = "quality.step.usable" if part == "usable" else f"quality.not_step.{part}"
        ax.barh(places, shares, 0.74, left=begin, color=colour, label=term(label))
        begin = begin + np.asarray(shares)
    for place, share in zip(places, parts["usable"], strict=True):
        words = current().percent(share)
        ax.annotate(words, (1, place), (8, 0), textcoords="offset points", va="center", weight=600)
    _horizontal(ax, [term(f"quality.table.{each.table}") for each in held], places)
    word_axis(ax.xaxis, lambda x: current().percent(x, 0))
    ax.set_xlim(0, 1.08)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    ax.set_ylim(-0.6, len(held) - 0.4)
    ax.set_xlabel(term("quality.label.share_of_rows"))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5)
    least = frame.iloc[int(frame["usable"].to_numpy().argmin())]
    values = {
        "low": float(least["usable"]),
        "table": f"quality.table.{least['table']}",
        "high": float(frame["usable"].max()),
    }
    return described(ax, "quality.alt.usable", values, frame)


def quality_timeline(supplied: SourceInventory, ax: Axes | None = None) -> Axes:
    """From the first to the last day of each table, with its silences."""
    ax = ax or theme.new_axes("full")
    spans = [(each.table, each.first, each.last) for each in supplied.tables]
    dated = [(name, first, last) for name, first, last in spans if first and last]
    places = np.arange(len(dated))[::-1]
    for place, (name, first, last) in zip(places, dated, strict=True):
        _line(ax, (first, last), place, theme.ACCENT, 9)
        for gap in (gap for gap in supplied.gaps if gap.table == name):
            ends = (gap.first, gap.last + dt.timedelta(days=1))
            _line(ax, ends, place, theme.PAPER, 10)
            _line(ax, ends, place, theme.WARNING, 3)
            ax.annotate(
                say("quality.gap_mark", days=gap.days).text(), (_number(ends[0]), place), (0, 9),
                textcoords="offset points", color=theme.WARNING, weight=600, ha="center",
            )  # fmt: skip
    _horizontal(ax, [term(f"quality.table.{name}") for name, _, _ in dated], places)
    ax.set_ylim(-0.7, len(dated) - 0.2)
    ax.grid(True, axis="x")
    ax.spines["bottom"].set_visible(True)
    _plain_days(ax)
    frame = supplied.to_frame()[["table", "first", "last", "gaps"]].dropna(subset="first")
    values = {
        "first": min(first for _, first, _ in dated),
        "last": max(last for _, _, last in dated),
        "gaps": len(supplied.gaps),
    }
    return described(ax, "quality.alt.timeline", values, frame)


def _number(day: dt.date) -> float:
    """A day as matplotlib counts them."""
    from matplotlib.dates import date2num

    return float(date2num(day))


def _line(ax: Axes, ends: tuple[dt.date, dt.date], place: float, colour: str, width: float) -> None:
    days = [_number(day) for day in ends]
    ax.plot(days, [place, place], color=colour, linewidth=width, solid_capstyle="butt")


def _plain_days(ax: Axes) -> None:
    """Days on an axis as 2024-06, in any language."""
    from matplotlib.dates import AutoDateLocator, DateFormatter

    ax.xaxis.set_major_locator(AutoDateLocator(minticks=3, maxticks=9))
    ax.xaxis.set_major_formatter(DateFormatter("%Y-%m"))


def quality_coverage(known: Coverage, ax: Axes | None = None) -> Axes:
    """Share of the customers captured at each measured stage, by tier and of all."""
    ax = ax or theme.new_axes("half")
    cells = known.by_tier() if known.tiers else known.by_tier().iloc[:0]
    whole = known.to_frame().query("status == 'measured'")
    told = ["stage", "share", "covered"]
    parts = [
        (term("quality.label.no_tier") if tier is None else tier, cells[mine])
        for tier in (*known.tiers, None)
        if (mine := cells["tier"].isna() if tier is None else cells["tier"] == tier).any()
    ]
    lines = {
        name: {str(stage): (float(share), int(n)) for stage, share, n in part[told].to_numpy()}
        for name, part in [*parts, (term("quality.label.all_customers"), whole)]
    }
    stages = [term(f"quality.stage.{stage}") for stage in known.measured]
    order = list(lines)[::-1]  # the first row of a heat map is drawn lowest
    shares = [[lines[name][stage][0] for stage in known.measured] for name in order]
    table = pd.DataFrame(shares, index=order, columns=stages)

    def words(row: int, column: int) -> str:
        share, n = lines[order[row]][known.measured[column]]
        return f"{current().percent(share)}\n{current().count(n)}"

    ax = heat_map(ax, table, words, limits=(0, 1))
    ax.set_ylabel(term("label.tier"))
    found = table.to_numpy(float)
    values = {"low": float(found.min()), "high": float(found.max()), "n": known.customers}
    data = pd.concat([cells, whole[["stage", "customers", "covered", "share"]]], ignore_index=True)
    return described(ax, "quality.alt.coverage", values, data)


def quality_maturity(found: Maturity, ax: Axes | None = None) -> Axes:
    """The score of each pillar, of 100; one without a score says so."""
    ax = ax or theme.new_axes("full")
    frame = found.to_frame()
    places = np.arange(len(frame))[::-1]
    ax.barh(places, [100] * len(frame), 0.6, color=theme.WASH)
    spoken = []
    for place, pillar in zip(places, found.pillars, strict=True):
        words = term("table.missing")
        if pillar.score is not None:
            ax.barh(place, pillar.score, 0.6, color=theme.ACCENT)
            measured, items = len(pillar.measured), len(pillar.items)
            note = say("quality.score_note", items=measured, all=items).text()
            words = f"{current().count(pillar.score)}  ({note})"
        spoken.append(f"{term(f'quality.pillar.{pillar.name}')} {words}")
        ax.annotate(
            words, (pillar.score or 0, place), (8, 0), textcoords="offset points", va="center",
            weight=600, color=theme.INK if pillar.score is not None else theme.MUTED,
        )  # fmt: skip
    _horizontal(ax, [term(f"quality.pillar.{name}") for name in frame["pillar"]], places)
    ax.set_xlim(0, 128)
    ax.set_xticks([0, 25, 50, 75, 100])
    ax.set_xlabel(term("quality.label.score"))
    comma = "；" if current().code == "zh" else ", "
    return described(ax, "quality.alt.maturity", {"scores": comma.join(spoken)}, frame)
