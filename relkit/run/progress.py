"""How a run goes on, as bars on a terminal and as plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from relkit.run.runner import Step
from relkit.run.workers import Outcome, Watcher


@contextmanager
def watcher() -> Iterator[Watcher]:
    """Whoever fits the place that the output goes to."""
    if sys.stdout.isatty():
        with progress_bars() as progress:
            yield Bars(progress)
    else:
        yield Lines()


def shown_path(path: Path) -> str:
    """A path as short as it can be from here."""
    near = os.path.relpath(path)
    return str(path) if near.startswith(f"..{os.sep}..") else near


class Lines:
    """A line a step, for logs and pipes."""

    def step(self, name: str, step: Step) -> None:
        said = {
            "checked": "parameters checked",
            "executing": f"executing {step.cells} cells",
            "rendered": "rendered",
        }.get(step.kind)
        if said:
            print(f"{name}: {said}", flush=True)

    def ended(self, outcome: Outcome) -> None:
        if outcome.folder is None:
            print(f"{outcome.request.name}: did not publish", flush=True)
            return
        page = shown_path(outcome.folder / "report.html")
        print(f"{outcome.request.name}: published {page} ({outcome.seconds:.1f} s)", flush=True)

    def tick(self) -> None:
        """Lines need no refreshing."""


class Bars:
    """A bar a run, a step a cell, with the heading that is being worked on."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {}
        self._done: dict[str, int] = {}

    def _update(self, name: str, **fields: Any) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=None, doing="starting")
        self._progress.update(self._tasks[name], **fields)

    def step(self, name: str, step: Step) -> None:
        if step.kind == "checked":
            self._update(name, doing="parameters checked")
        elif step.kind == "executing":
            # Rendering and publishing are a step each, after the last cell.
            self._done[name] = -1
            self._update(name, total=step.cells + 2, completed=0, doing="kernel starting")
        elif step.kind in ("cell", "rendering", "rendered"):
            self._done[name] += 1
            doing = {"rendering": "rendering", "rendered": "publishing"}.get(step.kind, step.text)
            self._update(name, completed=self._done[name], doing=doing)

    def ended(self, outcome: Outcome) -> None:
        name = outcome.request.name
        if outcome.folder is None:
            self._update(name, doing="did not publish")
        else:
            total = self._done.get(name, 0) + 1
            page = shown_path(outcome.folder / "report.html")
            self._update(name, total=total, completed=total, doing=page)
        self._progress.stop_task(self._tasks[name])

    def tick(self) -> None:
        self._progress.refresh()


def progress_bars(console: Any = None) -> Any:
    """Rich's bars as runs use them; on standard output unless said."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[doing]}", markup=False),
        console=console,
        # Refreshed by the loop that listens: a thread here would be forked along.
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
