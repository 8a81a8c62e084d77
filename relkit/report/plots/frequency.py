"""A contact-frequency experiment: one panel a tier, today's cadence always in sight."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from relkit.frequency.claims import claims_on
from relkit.frequency.guardrails import FAIL, PASS
from relkit.frequency.plan import HARMS
from relkit.report import theme
from relkit.report.frequency_words import arm_words, compared_arm
from relkit.report.language import current
from relkit.report.plots.drawing import described, tick_money, word_axis
from relkit.report.statements import Statement, listed, say, term
from relkit.studies.experiment import ExperimentStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHARES = ("retained", "repurchase", "unsubscribes", "satisfaction")
MONEY = ("revenue", "margin")
_MARKS = {PASS: theme.ACCENT, FAIL: theme.WARNING}
_SOFT = {PASS: theme.ACCENT_SOFT, FAIL: theme.WARNING_SOFT}


def _panels(names: Sequence[str], height: int = 350, across: int = 4) -> list[Axes]:
    """Axes side by side, so many in a row; as high as a slide with words beneath leaves."""
    import matplotlib.pyplot as plt
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    theme.apply_theme()
    rows = math.ceil(len(names) / across)
    columns = math.ceil(len(names) / rows)
    layout = ConstrainedLayoutEngine(w_pad=8 / 72, h_pad=6 / 72, wspace=0.02, hspace=0.03)
    size = theme.SIZES["full"][0] / 72, height / 72
    _, axes = plt.subplots(rows, columns, figsize=size, layout=layout, squeeze=False)
    flat: list[Axes] = list(axes.flat)
    for spare in flat[len(names) :]:
        spare.set_visible(False)
    return flat[: len(names)]


def _small(ax: Axes, title: str) -> None:
    ax.set_title(title, size=theme.TEXT_SIZE, pad=6)
    ax.tick_params(labelsize=theme.TEXT_SIZE - 2, pad=4)
    word_axis(ax.yaxis, tick_money)


def _joined(parts: Sequence[Statement]) -> str:
    return listed(parts, "; ").text() if parts else term("table.missing")


def _versus(study: ExperimentStudy, tier: str, arm: str) -> str:
    plan = study.plan
    words = arm_words(plan, arm).text(), arm_words(plan, plan.today[tier]).text()
    return f"{tier}: {words[0]} − {words[1]}"


def frequency_looks(study: ExperimentStudy) -> Axes | None:
    """The effect so far by weeks in arm, with the band that holds at all looks."""
    if study.time is None:
        return None
    return _over_time(study, study.time.looks, "frequency.alt.looks", _draw_looks)


def frequency_steps(study: ExperimentStudy) -> Axes | None:
    """The effect in each step of weeks in arm, taken alone."""
    if study.time is None:
        return None
    return _over_time(study, study.time.steps, "frequency.alt.steps", _draw_steps)


def _over_time(
    study: ExperimentStudy,
    frame: pd.DataFrame,
    alt: str,
    draw: Callable[[ExperimentStudy, Axes, pd.DataFrame], None],
) -> Axes:
    axes = _panels(study.shown)
    parts, drawn = [], []
    for ax, tier in zip(axes, study.shown, strict=True):
        arm = compared_arm(study, tier)
        own = frame[(frame["tier"] == tier) & (frame["arm"] == arm)]
        if arm is None or own.empty:
            ax.set_visible(False)
            continue
        ax.axhline(0, color=theme.INK, lw=1)
        draw(study, ax, own)
        _small(ax, _versus(study, tier, arm))
        last = own.iloc[-1]
        ends = {name: float(last[name]) for name in ("low", "high")}
        words = arm_words(study.plan, arm)
        value = float(last["difference"])
        parts.append(say("frequency.alt.part_week", tier=tier, arm=words, value=value, **ends))
        drawn.append(own)
    for ax in axes:
        ax.set_xlabel(term("frequency.label.weeks_in_arm"))
    axes[0].set_ylabel(term("frequency.label.net_week"))
    n = int(study.outcomes.assigned - study.outcomes.too_late)
    return described(axes[0], alt, {"parts": _joined(parts), "n": n}, pd.concat(drawn))


def _draw_looks(study: ExperimentStudy, ax: Axes, own: pd.DataFrame) -> None:
    del study
    week = own["week"].to_numpy(float)
    # The first looks know next to nothing; their band would hide the rest.
    later = own.iloc[len(own) // 4 :]
    low, high = min(float(later["low"].min()), 0.0), max(float(later["high"].max()), 0.0)
    pad = 0.08 * (high - low)
    low, high = low - pad, high + pad
    inside = [np.clip(own[name].to_numpy(float), low, high) for name in ("low", "high")]
    ax.fill_between(week, *inside, color=theme.ACCENT_SOFT, lw=0)
    ax.plot(week, np.clip(own["difference"].to_numpy(float), low, high), color=theme.ACCENT)
    ax.set_ylim(low, high)
    ax.set_xlim(week[0], max(week[-1], week[0] + 1))


def _draw_steps(study: ExperimentStudy, ax: Axes, own: pd.DataFrame) -> None:
    if study.plan.burn_in_weeks:
        ax.axvspan(0.5, study.plan.burn_in_weeks + 0.5, color=theme.WASH, lw=0)
    first, last = own["first_week"].to_numpy(float), own["last_week"].to_numpy(float)
    value = own["difference"].to_numpy(float)
    reach = [value - own["low"].to_numpy(float), own["high"].to_numpy(float) - value]
    ax.errorbar(
        (first + last) / 2, value, yerr=reach, fmt="o", color=theme.ACCENT,
        ecolor=theme.GREY, elinewidth=2,
    )  # fmt: skip
    ax.set_xticks(first, [current().count(week) for week in first])
    ax.set_xlim(0.3, last[-1] + 0.7)


def frequency_effects(study: ExperimentStudy) -> Axes | None:
    """Means of each arm by metric; coloured where all arms together say it differs."""
    if study.red:
        return None
    frame = study.effects_frame()
    axes = _panels(study.shown, height=380, across=2)
    better = worse = 0
    figures = frame[["tier", "arm", "metric", "mean", "joint_low", "joint_high"]]
    cells = {(str(t), str(a), str(m)): rest for t, a, m, *rest in figures.to_numpy().tolist()}
    for ax, tier in zip(axes, study.shown, strict=True):
        own = {(a, m): rest for (t, a, m), rest in cells.items() if t == tier}
        found = _arm_grid(study, ax, tier, own)
        better, worse = better + found[0], worse + found[1]
    values = {"better": better, "worse": worse, "n": int((~frame["is_today"]).sum())}
    return described(axes[0], "frequency.alt.effects", values, frame)


def _arm_grid(
    study: ExperimentStudy, ax: Axes, tier: str, cells: dict[tuple[str, str], list[float]]
) -> tuple[int, int]:
    """One tier's arms by metric; how many cells are clearly better, and clearly worse."""
    arms, metrics = list(study.plan.arms), list(study.metrics)
    size = min(theme.TEXT_SIZE - 2, 110 / len(arms))
    better = worse = 0
    for place, arm in enumerate(reversed(arms)):
        for column, metric in enumerate(metrics):
            today = study.plan.today[tier] == arm
            colour, words = theme.WASH if today else theme.PAPER, "–"
            if (arm, metric) in cells:
                mean, low, high = cells[arm, metric]
                words = _mean_words(metric, mean)
                sign = (int(low > 0) - int(high < 0)) * (-1 if metric in HARMS else 1)
                better, worse = better + (sign > 0), worse + (sign < 0)
                colour = {1: theme.ACCENT_SOFT, -1: theme.WARNING_SOFT}.get(sign, colour)
            ax.barh(place, 0.98, 0.95, left=column, color=colour)
            ax.text(column + 0.92, place, words, ha="right", va="center_baseline", size=size)
    ax.set_yticks(np.arange(len(arms))[::-1], [arm_words(study.plan, a).text() for a in arms])
    heads = [term(f"frequency.metric.{metric}") for metric in metrics]
    ax.set_xticks(np.arange(len(metrics)) + 0.92, heads, ha="right")
    ax.xaxis.tick_top()
    ax.tick_params(axis="both", labelcolor=theme.INK, pad=2, labelsize=size - 2)
    ax.set_xlim(0, len(metrics))
    ax.set_ylim(-0.6, len(arms) - 0.4)
    ax.set_title(tier, size=theme.TEXT_SIZE, pad=22)
    ax.grid(False)
    ax.spines["bottom"].set_visible(False)
    return better, worse


def _mean_words(metric: str, mean: float) -> str:
    if metric in SHARES:
        return current().percent(mean)
    return current().money(mean, 0) if metric in MONEY else current().number(mean, 2)


def frequency_guardrails(study: ExperimentStudy) -> Axes | None:
    """Each guardrail by tier and arm: pass, fail or undecided, with its figure."""
    if study.read_out is None:
        return None
    found = study.read_out.guardrails
    rails = [rail.metric for rail in found.guardrails]
    axes = _panels(rails, height=370)
    shown = [t for t, tier in enumerate(found.tiers) if tier in study.shown]
    parts = []
    for g, (ax, rail) in enumerate(zip(axes, found.guardrails, strict=True)):
        counts = dict.fromkeys(("pass", "fail", "undecided"), 0)
        for place, t in enumerate(reversed(shown)):
            for a, arm in enumerate(found.arms):
                status, figure = str(found.status[g, t, a]), float(found.estimate[g, t, a])
                own = arm == found.current[t]
                counts[status] += not own
                words = term("frequency.label.today") if own else _rail_words(rail.scale, figure)
                _cell(ax, (a, place), words, None if own else status)
        ax.set_title(_rail_title(rail), size=theme.TEXT_SIZE, pad=8)
        ax.set_xticks(np.arange(len(found.arms)) + 0.5, list(found.arms))
        ax.set_yticks(np.arange(len(shown)) + 0.5, [found.tiers[t] for t in reversed(shown)])
        ax.set_xlim(0, len(found.arms))
        ax.set_ylim(0, len(shown))
        ax.set_xlabel(term("frequency.label.contacts_month"))
        ax.grid(False)
        ax.spines["bottom"].set_visible(False)
        parts.append(
            say(
                "frequency.alt.guardrail_part", metric=f"frequency.metric.{rail.metric}",
                passed=counts["pass"], failed=counts["fail"], undecided=counts["undecided"],
            )
        )  # fmt: skip
    frame = found.to_frame()
    frame = frame[frame["tier"].isin(study.shown)]
    return described(axes[0], "frequency.alt.guardrails", {"parts": _joined(parts)}, frame)


def _rail_title(rail: Any) -> str:
    bound = "≤" if rail.more_is_worse else "≥"
    shown = _rail_words(rail.scale, rail.margin)
    return f"{term(f'frequency.metric.{rail.metric}')} {bound} {shown}"


def _rail_words(scale: str, figure: float) -> str:
    if not np.isfinite(figure):
        return "–"
    if scale == "ratio":
        return f"× {current().number(figure, 2)}"
    return ("+" if figure > 0 else "") + current().number(figure, 3)


def _cell(ax: Axes, place: tuple[int, int], words: str, status: str | None) -> None:
    column, row = place
    colour = theme.WASH if status is None else _SOFT.get(status, theme.PAPER)
    ax.barh(row + 0.5, 0.97, 0.95, left=column + 0.015, color=colour)
    ink = theme.MUTED if status is None else _MARKS.get(status, theme.INK)
    lines = words if status is None else f"{words}\n{term(f'frequency.status.{status}')}"
    ax.text(
        column + 0.5, row + 0.5, lines, ha="center", va="center", color=ink,
        size=theme.TEXT_SIZE - 3, linespacing=1.2,
    )  # fmt: skip


def frequency_response(study: ExperimentStudy) -> Axes | None:
    """Net value by contacts a month: arms, curve with band, bracket; claims dashed."""
    if study.read_out is None:
        return None
    curves, brackets = study.read_out.curves, study.read_out.brackets
    year = study.read_out.decisions.windows_per_year
    axes = _panels(study.shown)
    line, points = curves.curve(), curves.to_frame()
    parts = []
    for ax, tier in zip(axes, study.shown, strict=True):
        t = curves.tiers.index(tier)
        x = np.log1p(line.loc[line["tier"] == tier, "dose"].to_numpy(float))
        own = line[line["tier"] == tier]
        high = x[-1] if brackets.open_above[t] else float(np.log1p(brackets.high[t]))
        ax.axvspan(float(np.log1p(brackets.low[t])), high, color=theme.WASH, lw=0)
        low, top = own["low"].to_numpy(float) * year, own["high"].to_numpy(float) * year
        ax.fill_between(x, low, top, color=theme.ACCENT_SOFT, lw=0)
        ax.plot(x, own["expected"].to_numpy(float) * year, color=theme.ACCENT)
        _arm_points(study, ax, points[points["tier"] == tier], tier, year)
        _claims(ax, float(x[-1]))
        ax.set_xticks(np.log1p(curves.doses), list(curves.arms))
        _small(ax, tier)
        best = int(curves.expected[t].argmax())
        parts.append(
            say(
                "frequency.alt.part_response", tier=tier,
                arm=arm_words(study.plan, curves.arms[best]),
                value=float(curves.expected[t, best]) * year,
                p=float(curves.probability_best[t, best]),
            )
        )  # fmt: skip
    for ax in axes:
        ax.set_xlabel(term("frequency.label.contacts_month"))
    axes[0].set_ylabel(term("frequency.label.net_year"))
    values = {"parts": _joined(parts), "n": int(curves.value.gross.n.sum())}
    shown = points[points["tier"].isin(study.shown)]
    return described(axes[0], "frequency.alt.response", values, shown)


def _arm_points(
    study: ExperimentStudy, ax: Axes, own: pd.DataFrame, tier: str, year: float
) -> None:
    x, net = np.log1p(own["dose"].to_numpy(float)), own["net"].to_numpy(float) * year
    reach = 1.959964 * own["standard_error"].to_numpy(float) * year
    today = (own["arm"] == study.plan.today[tier]).to_numpy()
    ax.errorbar(x, net, yerr=reach, fmt="none", ecolor=theme.GREY, elinewidth=1.5)
    ax.plot(x[~today], net[~today], "o", color=theme.INK, ms=6)
    ax.plot(x[today], net[today], "o", color=theme.INK, mfc=theme.PAPER, mew=2, ms=8)


def _claims(ax: Axes, end: float) -> None:
    """Frequencies that somebody calls best or plans, inside what was tested."""
    for claim in (one for one in claims_on(["optimum", "plan"]) if one.channel is None):
        for point in claim.points:
            if point.per_month is not None and np.log1p(point.per_month) <= end:
                at = float(np.log1p(point.per_month))
                ax.axvline(at, color=theme.WARNING, lw=1, ls=(0, (4, 3)))
                ax.annotate(
                    claim.source, (at, 1), (3, -12), xycoords=("data", "axes fraction"),
                    textcoords="offset points", color=theme.WARNING, size=theme.TEXT_SIZE - 3,
                )  # fmt: skip
