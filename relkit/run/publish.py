"""Atomic publication, the run record, and the ledger.

A run works in a folder of its own under ``.work``; what it publishes appears under
its report's name in one rename, and ``latest`` moves to it in another. Whatever
stops a run, readers see the complete earlier report or the complete new one.

    outputs/<report>/<run_id>/     published
    outputs/<report>/latest        -> the newest good run
    outputs/.failed/<report>/<run_id>/
    outputs/.work/<report>/<run_id>/   while it runs
    outputs/runs.jsonl             one line a run, failed ones included
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from relkit.errors import BusyError, RunError

LOCK_PATIENCE = 0.3  # seconds; a run that was just killed lets go of its lock within that
PACKAGES = ("pandas", "numpy", "scipy", "duckdb", "ibis-framework", "papermill")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run was and how it went; ``run.json``.

    Attributes:
        report: Name of the report, ``<notebook>-<parameter file>``.
        notebook: Name of the notebook.
        run_id: Sorts by start: ``20261122T161500Z-ab12``.
        status: 'running', 'published', 'failed', or 'interrupted'.
        parameters: Every parameter with the value that was used.
        parameters_file: Where the given ones stand, from the project's folder.
        started_at: UTC, ISO 8601.
        finished_at: The same; None while it runs.
        seconds: By phase: check, execute, render, publish.
        data: What the notebook's provenance block says.
        versions: Of Python and the packages that make figures.
        code_revision: Commit of the project, with ``-dirty`` if files were changed
            since; None outside git.
        gates: What had to hold, and whether it did.
        files: SHA-256 of each file published, by path.
        title: Of the notebook, in its language.
        question: That the notebook answers.
        finding: Headline of its first slide.
        language: 'en' or 'zh'.
        message: Why it failed.
    """

    report: str
    notebook: str
    run_id: str
    status: str
    parameters: Mapping[str, Any]
    parameters_file: str
    started_at: str
    finished_at: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    data: Any = None
    versions: Mapping[str, str] = field(default_factory=dict)
    code_revision: str | None = None
    gates: tuple[Mapping[str, Any], ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    question: str = ""
    finding: str = ""
    language: str = "en"
    message: str | None = None

    @property
    def relkit_version(self) -> str:
        return self.versions["relkit"]

    def for_pages(self) -> dict[str, Any]:
        """What the renderers are given."""
        return {**asdict(self), "relkit_version": self.relkit_version}


@dataclass(frozen=True, slots=True)
class Outputs:
    """The folder that runs publish to."""

    root: Path

    def report(self, name: str) -> Path:
        return self.root / name

    def failed(self, name: str) -> Path:
        return self.root / ".failed" / name

    def work(self, name: str) -> Path:
        return self.root / ".work" / name

    @property
    def ledger(self) -> Path:
        return self.root / "runs.jsonl"

    @contextmanager
    def lock(self, name: str, wait: bool = False) -> Iterator[None]:
        """Hold the lock ``name``; the system lets go of it however the process ends.

        Raises:
            BusyError: another process holds it, and ``wait`` is not asked for.
        """
        path = self.root / ".locks" / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+", encoding="utf-8") as file:
            if wait:
                fcntl.flock(file, fcntl.LOCK_EX)
            else:
                _lock_soon(file, name)
                file.truncate(0)
                file.write(f"process {os.getpid()} since {now()}")
                file.flush()
            yield


def _lock_soon(file: Any, name: str) -> None:
    until = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                file.seek(0)
                holder = file.read().strip()
                raise BusyError(
                    f"{name}: another run of this report is going on"
                    f"{f' ({holder})' if holder else ''}; wait for it, nothing was changed"
                ) from None
            time.sleep(0.02)


def now() -> str:
    """The time in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_run_id() -> str:
    """Sorts by time, and is one of its own within a second."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def versions() -> dict[str, str]:
    """Of Python, relkit and the packages that make figures."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from relkit import __version__

    found = {"python": platform.python_version(), "relkit": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def code_revision(root: Path) -> str | None:
    """Commit of the project, with ``-dirty`` if a tracked file differs; None outside git."""
    import subprocess

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *words], cwd=root, capture_output=True, text=True, timeout=10
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if not commit:
        return None
    return commit + ("-dirty" if git("status", "--porcelain", "--untracked-files=no") else "")


def write_record(record: RunRecord, folder: Path) -> None:
    write_whole(folder / "run.json", json.dumps(asdict(record), ensure_ascii=False, indent=1))


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file below a folder, by path; ``run.json`` cannot hold its own."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


def publish(outputs: Outputs, record: RunRecord, work: Path) -> Path:
    """Put a finished work folder in its place and point ``latest`` to it.

    Returns:
        The folder of the run.
    """
    write_record(record, work)
    # On disk before it is seen: a crash of the machine leaves no empty file behind a good name.
    for path in work.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    report = outputs.report(record.report)
    report.mkdir(parents=True, exist_ok=True)
    folder = report / record.run_id
    os.rename(work, folder)
    link = report / f".latest-{record.run_id}"
    os.symlink(record.run_id, link)
    os.replace(link, report / "latest")
    enter(outputs, record, folder)
    return folder


def set_apart(outputs: Outputs, record: RunRecord, work: Path) -> Path:
    """Keep a run that did not publish, away from those that did.

    Returns:
        The folder of the run.
    """
    write_record(record, work)
    place = outputs.failed(record.report)
    place.mkdir(parents=True, exist_ok=True)
    folder = place / record.run_id
    os.rename(work, folder)
    enter(outputs, record, folder)
    return folder


def enter(outputs: Outputs, record: RunRecord, folder: Path) -> None:
    """Add a run to the ledger: one line, in one write, never changed again."""
    line = {
        "run_id": record.run_id,
        "report": record.report,
        "notebook": record.notebook,
        "status": record.status,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        "seconds": round(sum(record.seconds.values()), 3),
        "folder": folder.relative_to(outputs.root).as_posix(),
        "message": record.message,
    }
    with outputs.lock("runs.jsonl", wait=True), outputs.ledger.open("ab+") as file:
        # A line cut off by a full disk must not swallow this one.
        if file.tell():
            file.seek(-1, os.SEEK_END)
            cut = file.read(1) != b"\n"
        else:
            cut = False
        text = json.dumps(line, ensure_ascii=False) + "\n"
        os.write(file.fileno(), (b"\n" if cut else b"") + text.encode())


def read_ledger(outputs: Outputs) -> list[dict[str, Any]]:
    """Every run in the ledger, oldest first; a line that was cut off is left out."""
    if not outputs.ledger.exists():
        return []
    entries = []
    for line in outputs.ledger.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return [entry for entry in entries if isinstance(entry, dict)]


def recover(outputs: Outputs, name: str) -> None:
    """Set apart what killed runs of a report left behind; call with its lock held."""
    if not outputs.work(name).is_dir():
        return
    for work in sorted(outputs.work(name).iterdir()):
        found = read_record(work)
        if found is None:
            shutil.rmtree(work, ignore_errors=True)
            continue
        known = {key: found[key] for key in RunRecord.__dataclass_fields__ if key in found}
        record = replace(
            RunRecord(**known),
            status="interrupted",
            message="the run ended without a word: killed, or the machine went down",
        )
        set_apart(outputs, record, work)


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record in a folder; None where there is none that can be read."""
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def cannot_write(error: OSError, outputs: Outputs) -> RunError:
    """The system's refusal, as a message."""
    where = error.filename or outputs.root
    return RunError(
        f"{where}: {(error.strerror or str(error)).lower()}; nothing was published, "
        "earlier reports are as they were"
    )
