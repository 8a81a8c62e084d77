"""The index page: every report, its newest run, earlier ones, and those that failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from relkit.run.publish import Outputs, read_record, write_whole

LABELS = {
    "report.html": "report",
    "deck.html": "deck",
    "notebook.ipynb": "notebook",
    "tables": "tables",
    "run.json": "record",
}
EARLIER = 12  # runs of a report that are listed; the folders of all stay
# What the page says; the index speaks the language of most of its reports.
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Reports",
        "report": "Report",
        "deck": "Deck",
        "notebook": "Notebook",
        "record": "Run record",
        "tables": "Tables",
        "earlier": "Earlier runs",
        "failed": "Failed runs",
        "failed_since": "The newest run failed; this is the last good one.",
        "never": "No run of this report has succeeded yet.",
        "gates": "gates:",
        "passed": "passed",
        "failed_gates": "failed",
        "open": "undecided",
        "seconds": "s",
        "parameters": "Parameters",
        "none": "Nothing has been published yet.",
        "how": "Run a report with",
        "count": "report",
        "counts": "reports",
    },
    "zh": {
        "title": "报告",
        "report": "报告",
        "deck": "演示稿",
        "notebook": "笔记本",
        "record": "运行记录",
        "tables": "数据表",
        "earlier": "以往运行",
        "failed": "失败的运行",
        "failed_since": "最近一次运行失败；这是上一次成功的结果。",
        "never": "此报告尚未成功运行过。",
        "gates": "检查：",
        "passed": "项通过",
        "failed_gates": "项未通过",
        "open": "项未定",
        "seconds": "秒",
        "parameters": "参数",
        "none": "尚未发布任何报告。",
        "how": "运行报告：",
        "count": "份报告",
        "counts": "份报告",
    },
}


@dataclass(frozen=True, slots=True)
class Run:
    """One run as the page shows it."""

    record: dict[str, Any]
    folder: str
    links: tuple[tuple[str, str], ...]

    @property
    def run_id(self) -> str:
        return str(self.record.get("run_id", ""))

    @property
    def started(self) -> str:
        """UTC, to the minute."""
        try:
            moment = datetime.fromisoformat(str(self.record.get("started_at", "")))
        except ValueError:
            return self.run_id
        return f"{moment:%Y-%m-%d %H:%M} UTC"

    @property
    def seconds(self) -> str:
        spent = self.record.get("seconds") or {}
        return f"{sum(spent.values()):.1f}"

    @property
    def gates(self) -> Counter[Any]:
        return Counter(gate.get("passed") for gate in self.record.get("gates", ()))


@dataclass(frozen=True, slots=True)
class Entry:
    """A report on the page: newest good run, earlier ones, failed ones; newest first."""

    name: str
    latest: Run | None
    earlier: tuple[Run, ...]
    failed: tuple[Run, ...]

    @property
    def newest(self) -> Run:
        runs = [run for run in (self.latest, *self.failed[:1]) if run is not None]
        return max(runs, key=lambda run: run.run_id)

    @property
    def stale(self) -> bool:
        """Whether a run failed after the newest good one."""
        return self.latest is not None and self.newest is not self.latest


def read_entries(outputs: Outputs) -> tuple[Entry, ...]:
    """What the folder holds, by name of the report; records that cannot be read are left out."""
    names = {path.name for path in _folders(outputs.root)}
    names |= {path.name for path in _folders(outputs.root / ".failed")}
    entries = []
    for name in sorted(names):
        good = _runs(outputs, outputs.report(name))
        bad = _runs(outputs, outputs.failed(name))
        if not good and not bad:
            continue
        link = outputs.report(name) / "latest"
        current = link.resolve().name if link.is_symlink() else ""
        latest = next((run for run in good if run.run_id == current), good[0] if good else None)
        earlier = tuple(run for run in good if run is not latest)
        entries.append(Entry(name, latest, earlier, tuple(bad)))
    return tuple(entries)


def _folders(place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    return [path for path in place.iterdir() if path.is_dir() and not path.name.startswith(".")]


def _runs(outputs: Outputs, place: Path) -> list[Run]:
    """Runs in a report's folder, newest first."""
    runs = []
    for folder in _folders(place):
        record = None if folder.is_symlink() else read_record(folder)
        if record is not None:
            path = quote(folder.relative_to(outputs.root).as_posix())
            there = [name for name in LABELS if _holds_something(folder / name)]
            runs.append(Run(record, path, tuple((name, f"{path}/{name}") for name in there)))
    return sorted(runs, key=lambda run: run.run_id, reverse=True)


def _holds_something(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.exists()


def write_index(outputs: Outputs) -> Path:
    """Rebuild ``index.html`` from what lies in the folder; writers take turns.

    Returns:
        The page.
    """
    with outputs.lock("index", wait=True):
        entries = read_entries(outputs)
        path = outputs.root / "index.html"
        write_whole(path, render_index(entries))
    return path


def render_index(entries: tuple[Entry, ...]) -> str:
    """The page itself: one file with its own type, no script, no request to anywhere."""
    import warnings

    from jinja2 import Environment, PackageLoader, StrictUndefined

    from relkit.report.fonts import LICENCE_NOTE, MissingGlyphWarning
    from relkit.report.html import CSP, STYLES_HERE, asset, with_fonts
    from relkit.report.language import visible
    from relkit.report.theme import css_variables

    environment = Environment(
        loader=PackageLoader("relkit.run"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # A name from the data must not turn the line around.
        finalize=lambda value: visible(value) if isinstance(value, str) else value,
    )
    spoken = Counter(entry.newest.record.get("language") for entry in entries)
    language = "zh" if spoken["zh"] > spoken["en"] else "en"
    page = environment.get_template("index.html.j2").render(
        entries=entries,
        language=language,
        html_language={"en": "en", "zh": "zh-Hans"},
        words=WORDS[language],
        labels=LABELS,
        most=EARLIER,
        csp=CSP,
        styles=STYLES_HERE,
        licence=LICENCE_NOTE,
    )
    with warnings.catch_warnings():
        # A name in a script without an embedded font is drawn by the reader's own machine.
        warnings.simplefilter("ignore", MissingGlyphWarning)
        return with_fonts(page, css_variables() + asset("base.css"))
