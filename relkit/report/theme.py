"""Colours, type and sizes, for charts and pages alike.

One accent, one warning, and greys. A chart is drawn one to one for the deck: a
point of matplotlib is a pixel of the 1280 by 720 slide, so sizes below are what
a reader sees.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from relkit.errors import ParameterError, did_you_mean
from relkit.report.fonts import font_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#1c2730"
MUTED = "#55626c"
LINE = "#d9dfe3"
WASH = "#f4f6f7"
PAPER = "#ffffff"
ACCENT = "#0f5f87"
ACCENT_SOFT = "#dcebf3"
WARNING = "#b34714"
WARNING_SOFT = "#fbe9df"
GREY = "#9aa6ae"

# Order of use. Blue against orange is told apart by every common form of colour
# blindness (Okabe & Ito 2008); the rest differ in lightness as well as in hue.
CATEGORICAL = (ACCENT, WARNING, "#4c9f94", "#7d5a9e", "#c99a2e", "#6b7780")
# Single hue, even steps of lightness, light to dark.
SEQUENTIAL = ("#dcebf3", "#a9cbe0", "#6fa6c8", "#3a80aa", "#0f5f87", "#0a3f5c")

# What a page calls them, and what each becomes in the dark. Charts name the same
# variables, so a chart follows the page.
VARIABLES: dict[str, tuple[str, str]] = {
    "ink": (INK, "#e8edf0"),
    "muted": (MUTED, "#a9b5bd"),
    "line": (LINE, "#34414a"),
    "wash": (WASH, "#1f2931"),
    "paper": (PAPER, "#161e24"),
    "accent": (ACCENT, "#6cb6dc"),
    "accent-soft": (ACCENT_SOFT, "#1d3b4c"),
    "warning": (WARNING, "#f0945f"),
    "warning-soft": (WARNING_SOFT, "#4a2a18"),
    "grey": (GREY, "#71808a"),
}

FAMILIES = ("Source Sans Pro", "Noto Sans SC")
Size = Literal["full", "wide", "half", "pair"]
# Width and height in pixels of the deck: alone on a slide; under a row of tiles;
# beside a text; beside another chart.
SIZES: dict[str, tuple[int, int]] = {
    "full": (1140, 480),
    "wide": (1140, 330),
    "half": (700, 470),
    "pair": (560, 400),
}
TEXT_SIZE = 15.0

_applied = False


def css_variables() -> str:
    """The palette as CSS custom properties, light and dark, for ``<style>``."""
    light = ";".join(f"--{name}:{colour}" for name, (colour, _) in VARIABLES.items())
    dark = ";".join(f"--{name}:{colour}" for name, (_, colour) in VARIABLES.items())
    return (
        f":root{{color-scheme:light;{light}}}"
        f"@media screen and (prefers-color-scheme:dark)"
        f"{{:root:not(.light){{color-scheme:dark;{dark}}}}}"
    )


def chart_settings() -> dict[str, Any]:
    """The matplotlib settings of a chart: text as text, few lines, same bytes each time."""
    from cycler import cycler

    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "relkit",
        "text.parse_math": False,  # "$1.93 M of $2.10 M" is money, not mathematics
        "font.family": list(FAMILIES),
        "font.size": TEXT_SIZE,
        "axes.labelsize": TEXT_SIZE,
        "axes.titlesize": TEXT_SIZE + 1,
        "axes.titleweight": 600,
        "axes.titlelocation": "left",
        "axes.titlepad": 14,
        "axes.labelpad": 8,
        "axes.unicode_minus": True,
        "xtick.labelsize": TEXT_SIZE - 1,
        "ytick.labelsize": TEXT_SIZE - 1,
        "legend.fontsize": TEXT_SIZE - 1,
        "legend.frameon": False,
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "axes.edgecolor": GREY,
        "axes.titlecolor": INK,
        "axes.facecolor": "none",
        "figure.facecolor": PAPER,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "xtick.minor.size": 0,
        "ytick.minor.size": 0,
        "xtick.major.pad": 7,
        "ytick.major.pad": 7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": LINE,
        "grid.linewidth": 1.0,
        "axes.linewidth": 1.0,
        "lines.linewidth": 2.5,
        "lines.markersize": 7,
        "patch.linewidth": 0,
        "axes.prop_cycle": cycler(color=CATEGORICAL),
        "figure.dpi": 72,
        "savefig.dpi": 72,
        "figure.figsize": tuple(side / 72 for side in SIZES["full"]),
    }


def apply_theme() -> None:
    """Give matplotlib relkit's fonts and settings, for this process.

    Raises:
        RelkitError: the packages that carry the fonts are not installed.
    """
    global _applied
    import matplotlib as mpl
    from matplotlib.font_manager import fontManager

    if not _applied:
        for name in ("regular", "semibold", "han"):
            fontManager.addfont(str(font_path(name)))
        # The one weight of Han serves headings too, which spares a warning a label.
        fontManager.ttflist.append(replace(fontManager.ttflist[-1], weight=600))
        _applied = True
    settings: Any = chart_settings()
    mpl.rcParams.update(settings)


def new_axes(size: Size = "full") -> Axes:
    """Empty axes of relkit's style, laid out so that no label is cut.

    Args:
        size: 'full' alone on a slide, 'wide' under tiles, 'half' beside a text.

    Raises:
        ParameterError: the size is none of these.
    """
    if size not in SIZES:
        raise ParameterError(
            f"size={size!r} must be one of {', '.join(SIZES)}{did_you_mean(str(size), SIZES)}"
        )
    apply_theme()
    import matplotlib.pyplot as plt
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    width, height = SIZES[size]
    layout = ConstrainedLayoutEngine(w_pad=6 / 72, h_pad=6 / 72)
    _, axes = plt.subplots(figsize=(width / 72, height / 72), layout=layout)
    return axes
