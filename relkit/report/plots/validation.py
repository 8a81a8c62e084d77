"""Prediction beside what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relkit.report import theme
from relkit.report.language import current
from relkit.report.plots.drawing import (
    described,
    paired_bars,
    word_axis,
)
from relkit.report.statements import term
from relkit.studies.validation import Untested

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relkit.value.holdout import HoldoutValidation


def tracking(check: HoldoutValidation | Untested, ax: Axes | None = None) -> Axes | None:
    """Repeat purchases made and expected, added up; to the right, time that was not seen."""
    if isinstance(check, Untested):
        return None
    ax = ax or theme.new_axes("half")
    rows = check.tracking
    ends = rows["elapsed"].to_numpy(float)
    border = check.calibration_length
    ax.axvspan(border, ends[-1], color=theme.ACCENT_SOFT, alpha=0.6, linewidth=0)
    lines = [
        ("actual", theme.INK, "-"),
        ("expected", theme.WARNING, (0, (5, 2))),
    ]
    for name, colour, style in lines:
        ax.plot(ends, rows[f"{name}_cumulative"], color=colour, linestyle=style)
    lasts = {name: float(rows[f"{name}_cumulative"].iloc[-1]) for name, *_ in lines}
    top = float(rows[["actual_cumulative", "expected_cumulative"]].to_numpy().max())
    # Beside the ends of the lines, and kept a line of text apart.
    apart = max(0.0, 0.11 * top - abs(lasts["actual"] - lasts["expected"])) / 2
    for name, colour, _ in lines:
        shift = apart if lasts[name] == max(lasts.values()) else -apart
        ax.annotate(
            f"{term(f'label.{name}')}\n{current().count(lasts[name])}",
            (ends[-1], lasts[name] + shift), (8, 0), textcoords="offset points",
            color=colour, weight=600, ha="left", va="center", linespacing=1.1,
            annotation_clip=False,
        )  # fmt: skip
    ax.set_ylim(0, top * 1.16)
    ax.set_xlim(0, ends[-1])
    for text, place, side in (("learned", border, "right"), ("unseen", border, "left")):
        ax.annotate(
            term(f"label.{text}"), (place, top * 1.15), (-8 if side == "right" else 8, 0),
            textcoords="offset points", ha=side, va="top", color=theme.MUTED,
        )  # fmt: skip
    word_axis(ax.yaxis, current().count)
    ax.set_xlabel(term(f"label.{check.unit}s_since_start"))
    ax.set_ylabel(term("label.cumulative_purchases"))
    seen = rows[~rows["in_holdout"]]
    values = {
        "actual": float(rows["actual_cumulative"].iloc[-1]),
        "expected": float(rows["expected_cumulative"].iloc[-1]),
        "calibration": float(seen["actual_cumulative"].iloc[-1]) if len(seen) else 0.0,
    }
    return described(ax, "alt.tracking", values, rows)


def by_frequency(check: HoldoutValidation | Untested, ax: Axes | None = None) -> Axes | None:
    """Purchases per customer in the unseen time, by repeat purchases before it."""
    if isinstance(check, Untested):
        return None
    ax = ax or theme.new_axes("half")
    rows = check.by_frequency
    pairs = [("actual", theme.INK), ("expected", theme.WARNING)]
    paired_bars(ax, rows["frequency"], [(rows[n], c, f"label.mean_{n}") for n, c in pairs])
    ax.set_xlabel(term("label.past_frequency"))
    ax.set_ylabel(term("label.later_purchases"))
    first, last = rows.iloc[0], rows.iloc[-1]
    values = {
        "first": str(first["frequency"]),
        "last": str(last["frequency"]),
        "low": float(first["actual"]),
        "low_expected": float(first["expected"]),
        "high": float(last["actual"]),
        "high_expected": float(last["expected"]),
    }
    return described(ax, "alt.by_frequency", values, rows)


def by_recency(check: HoldoutValidation | Untested, ax: Axes | None = None) -> Axes | None:
    """Purchases per customer in the unseen time, by the silence before it."""
    if isinstance(check, Untested):
        return None
    ax = ax or theme.new_axes("half")
    rows = check.by_recency
    pairs = [("actual", theme.INK), ("expected", theme.WARNING)]
    paired_bars(ax, rows["since_last"], [(rows[n], c, f"label.mean_{n}") for n, c in pairs])
    ax.set_xlabel(term(f"label.{check.unit}s_of_silence"))
    ax.set_ylabel(term("label.later_purchases"))
    first, last = rows.iloc[0], rows.iloc[-1]
    values = {
        "first": str(first["since_last"]),
        "last": str(last["since_last"]),
        "high": float(first["actual"]),
        "high_expected": float(first["expected"]),
        "low": float(last["actual"]),
        "low_expected": float(last["expected"]),
        "unit": f"unit.{check.unit}",
    }
    return described(ax, "alt.by_recency", values, rows)


def tracking_by_period(check: HoldoutValidation | Untested, ax: Axes | None = None) -> Axes | None:
    """Repeat purchases of each period, made and expected: where seasons show."""
    if isinstance(check, Untested):
        return None
    ax = ax or theme.new_axes("full")
    rows = check.tracking
    ends = rows["elapsed"].to_numpy(float)
    border = check.calibration_length
    ax.axvspan(border, ends[-1], color=theme.ACCENT_SOFT, alpha=0.6, linewidth=0)
    ax.plot(ends, rows["actual"], color=theme.INK, label=term("label.actual"))
    ax.plot(
        ends, rows["expected"], color=theme.WARNING, linestyle=(0, (5, 2)),
        label=term("label.expected"),
    )  # fmt: skip
    top = float(rows[["actual", "expected"]].to_numpy().max())
    ax.set_ylim(0, top * 1.16)
    ax.set_xlim(0, ends[-1])
    for text, side in (("learned", "right"), ("unseen", "left")):
        ax.annotate(
            term(f"label.{text}"), (border, top * 1.15), (-8 if side == "right" else 8, 0),
            textcoords="offset points", ha=side, va="top", color=theme.MUTED,
        )  # fmt: skip
    ax.legend(loc="upper left", ncols=2)
    word_axis(ax.yaxis, current().count)
    ax.set_xlabel(term(f"label.{check.unit}s_since_start"))
    ax.set_ylabel(term("label.period_purchases"))
    highest = rows.iloc[int(rows["actual"].to_numpy().argmax())]
    values = {
        "n": len(rows),
        "top": float(highest["actual"]),
        "period": int(highest["period"]),
        "top_expected": float(highest["expected"]),
        "unit": f"one.{check.unit}",
    }
    return described(ax, "alt.tracking_by_period", values, rows)
