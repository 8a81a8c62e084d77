"""One run, whole: check, execute, render, publish; or say why not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from relkit.errors import ParameterError, RelkitError, RunError, did_you_mean
from relkit.report.document import in_language
from relkit.run import publish
from relkit.run.notebook import (
    Executed,
    Failure,
    blocks,
    execute,
    is_injected,
    read_notebook,
    runs,
    source_of,
    title_and_question,
    within,
)
from relkit.run.parameter_file import read_parameter_file
from relkit.run.params import ParameterSpec, check_report, override, read_parameter_cell
from relkit.run.publish import Outputs, RunRecord
from relkit.run.withholding import kept_notebook, kept_parameters

LANGUAGES = ("en", "zh")
# Folders of params/ that hold what reports use: no notebook goes by these names.
NO_REPORTS = {
    "sources": "a source",
    "tiers": "tier rules",
    "tags": "a list of tags",
    "experiments": "the plan of an experiment",
    "policies": "a cadence policy",
}
_CHECKED_ALONE = ("sources", "tiers", "tags", "experiments")


@dataclass(frozen=True, slots=True)
class Step:
    """What a run has come to, for whoever watches.

    Attributes:
        kind: 'checked', 'executing', 'cell', 'rendering', 'rendered' or 'published'.
        text: Heading of the cell, or the path that was published.
        cells: How many there are to execute.
    """

    kind: str
    text: str = ""
    cells: int = 0


Tell = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A parameter file and what belongs to it.

    Attributes:
        path: The file itself.
        root: The project: the nearest folder above that holds notebooks/ and params/.
        notebook: Name of the notebook; the file lies in ``params/<notebook>/``.
        name: Of the report, ``<notebook>-<file>``.
    """

    path: Path
    root: Path
    notebook: str
    name: str

    @property
    def notebook_path(self) -> Path:
        return self.root / "notebooks" / f"{self.notebook}.ipynb"

    @property
    def shown(self) -> str:
        """The file as people know it, from the project's folder."""
        return self.path.relative_to(self.root).as_posix()


@dataclass(frozen=True, slots=True)
class CheckedReport:
    """A report whose parameters are right; nothing has run yet."""

    file: ReportFile
    notebook: Mapping[str, Any]
    specs: tuple[ParameterSpec, ...]
    parameters: Mapping[str, Any]

    @property
    def language(self) -> str:
        chosen = self.parameters.get("language")
        return chosen if chosen in LANGUAGES else "en"


def find_root(start: Path) -> Path:
    """The project a path belongs to.

    Raises:
        ParameterError: no folder above holds notebooks/ and params/.
    """
    start = start.absolute()
    for folder in (start, *start.parents):
        if (folder / "notebooks").is_dir() and (folder / "params").is_dir():
            return folder
    raise ParameterError(
        f"{start}: no project found there or above; "
        "a folder that holds notebooks/ and params/ is required"
    )


def find_report(path: Path) -> ReportFile:
    """What a parameter file belongs to, by where it lies.

    Raises:
        ParameterError: it does not lie in params/<notebook>/ of a project, or two
            reports would publish under one name.
    """
    absolute = Path(path).absolute()
    root = find_root(absolute.parent)
    try:
        parts = absolute.relative_to(root / "params").parts
    except ValueError:
        parts = ()
    if len(parts) != 2 or absolute.suffix not in (".yaml", ".yml"):
        raise ParameterError(f"{path}: a parameter file lies in params/<notebook>/<report>.yaml")
    if parts[0] in NO_REPORTS:
        how = f"; see it with relkit check {path}" if parts[0] in _CHECKED_ALONE else ""
        raise ParameterError(f"{path}: is {NO_REPORTS[parts[0]]}, not a report{how}")
    name = f"{parts[0]}-{absolute.stem}"
    twins = [
        other.relative_to(root).as_posix()
        for other in sorted((root / "params").glob("*/*.y*ml"))
        if f"{other.parent.name}-{other.stem}" == name and other != absolute
    ]
    if twins:
        raise ParameterError(
            f"{path}: would publish to the same place as {', '.join(twins)}: {name}; rename one"
        )
    return ReportFile(absolute, root, parts[0], name)


def check(path: Path, overrides: Sequence[tuple[str, str]] = ()) -> CheckedReport:
    """A report with its parameters checked against its notebook; no kernel starts.

    Raises:
        ParameterError: the file or its values; all faults at once.
        NotebookError: the notebook, or its parameter cell.
    """
    file = find_report(path)
    given = read_parameter_file(file.path, file.shown)
    shown = file.notebook_path.relative_to(file.root).as_posix()
    notebook = read_notebook(file.notebook_path, shown)
    specs = read_parameter_cell(notebook, shown)
    for number, cell in enumerate(notebook["cells"], 1):
        if cell.get("cell_type") == "markdown":
            in_language(source_of(cell), "en", number)  # a wrong mark is found now, not at the end
    given |= override(specs, overrides)
    values = check_report(file.notebook, specs, given, file.shown)
    _check_source(file, values)
    return CheckedReport(file, notebook, specs, values)


def _check_source(file: ReportFile, values: Mapping[str, Any]) -> None:
    """The source of a shipped notebook must be there; what it holds is the data room's question."""
    from relkit.run.models import MODELS

    source = values.get("source")
    if file.notebook not in MODELS or not isinstance(source, str):
        return
    path = file.root / source
    if not path.is_file():
        known = [
            p.relative_to(file.root).as_posix()
            for p in sorted((file.root / "params" / "sources").glob("*.yaml"))
        ]
        hint = did_you_mean(source, known) or f"; there are {', '.join(known) or 'none yet'}"
        raise ParameterError(f"{file.shown}: source={source!r}: no such file{hint}")


@dataclass(slots=True)
class _Phases:
    """Seconds by phase."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - started, 3)


def run_report(
    path: Path,
    overrides: Sequence[tuple[str, str]] = (),
    outputs: Path | None = None,
    tell: Tell = lambda step: None,
) -> tuple[RunRecord, Path]:
    """Run a report and publish it.

    Args:
        path: ``params/<notebook>/<report>.yaml``.
        overrides: (name, text) pairs that come before what the file says.
        outputs: Where to publish; ``outputs/`` of the project unless said.
        tell: Is told each step.

    Returns:
        The record and the folder that was published.

    Raises:
        ParameterError, NotebookError: wrong use; nothing ran, nothing was written.
        BusyError: another run of the report is going on.
        RunError: it ran and failed; the failed run is kept apart, and what was
            published before is untouched. The kernel's traceback is a note on it.
    """
    phases = _Phases()
    with phases.of("check"):
        checked = check(path, overrides)
    tell(Step("checked"))
    place = Outputs((outputs or checked.file.root / "outputs").absolute())
    try:
        with place.lock(checked.file.name):
            try:
                publish.recover(place, checked.file.name)
                return _run_locked(checked, place, phases, tell)
            finally:
                rebuild_index(place)
    except OSError as error:
        raise publish.cannot_write(error, place) from error


def rebuild_index(place: Outputs) -> None:
    """Bring the index page up to date; a full disk must not undo a published report."""
    from relkit.run.index import write_index

    if place.root.is_dir():
        try:
            write_index(place)
        except OSError:
            return


def _run_locked(
    checked: CheckedReport, place: Outputs, phases: _Phases, tell: Tell
) -> tuple[RunRecord, Path]:
    record = _begin(checked)
    work = place.work(record.report) / record.run_id
    (work / "tables").mkdir(parents=True)
    publish.write_record(record, work)
    notebook: Any = None
    failure: Failure | None = None
    try:
        cells = sum(runs(c) and not is_injected(c) for c in checked.notebook["cells"])
        tell(Step("executing", cells=cells))
        with phases.of("execute"):
            executed = _execute(checked, work, tell)
        notebook, failure = executed.notebook, executed.failure
        record = _with_results(record, notebook)
        if failure is not None:
            raise _failed(failure, place, record)
        tell(Step("rendering"))
        with phases.of("render"):
            _render(notebook, checked.language, record, work)
        tell(Step("rendered"))
        with phases.of("publish"):
            _write_notebook(notebook, checked, work)
            record = replace(record, files=publish.hashes(work))
        record = replace(
            record, status="published", finished_at=publish.now(), seconds=phases.seconds
        )
        folder = publish.publish(place, record, work)
    except (Exception, KeyboardInterrupt) as error:
        fault = _as_relkit_error(error, record.report)
        if work.is_dir():  # else it was published, and what failed came after
            _write_notebook(notebook, checked, work)
            record = replace(
                record,
                status="failed",
                # Where the kept notebook lies is for who ran it, not for who reads the index.
                message=failure.message if failure else str(fault),
                finished_at=publish.now(),
                seconds=phases.seconds,
            )
            publish.set_apart(place, record, work)
        if fault is error:
            raise
        raise fault from error
    tell(Step("published", str(folder)))
    return record, folder


def _begin(checked: CheckedReport) -> RunRecord:
    title, question = title_and_question(checked.notebook, checked.language)
    return RunRecord(
        report=checked.file.name,
        notebook=checked.file.notebook,
        run_id=publish.new_run_id(),
        status="running",
        parameters=kept_parameters(checked.parameters),
        parameters_file=checked.file.shown,
        started_at=publish.now(),
        versions=publish.versions(),
        code_revision=publish.code_revision(checked.file.root),
        title=title,
        question=question,
        language=checked.language,
    )


def _execute(checked: CheckedReport, work: Path, tell: Tell) -> Executed:
    return execute(
        checked.file.notebook_path,
        checked.parameters,
        checked.file.root,
        work / "tables",
        checked.language,
        lambda heading: tell(Step("cell", heading)),
    )


def _with_results(record: RunRecord, notebook: Any) -> RunRecord:
    """The record with what the notebook's blocks say: data, gates, the first finding."""
    said = next(blocks(notebook, "provenance"), {})
    # What must hold comes first in a notebook; what was found is the slide after it.
    slides = (s for s in blocks(notebook, "slide") if not s["appendix"])
    slide = next((s for s in slides if not any(within(s, "gate"))), None)
    gates = tuple(
        {"statement": gate["phrase"]["text"], "passed": gate["passed"]}
        for gate in blocks(notebook, "gate")
    )
    finding = slide["headline"]["text"] if slide else ""
    return replace(record, data=said.get("source"), gates=gates, finding=finding)


def _failed(failure: Failure, place: Outputs, record: RunRecord) -> RunError:
    message = failure.message
    if not failure.explained:
        kept = place.failed(record.report) / record.run_id / "notebook.ipynb"
        message += f"; see {_near(kept)}, or run again with --traceback"
    error = RunError(message)
    if failure.traceback:
        error.add_note(failure.traceback)
    return error


def _near(path: Path) -> str:
    """A path as seen from where the command was given."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _render(notebook: Any, language: str, record: RunRecord, work: Path) -> None:
    from relkit.report.document import read_document
    from relkit.report.html import render_report
    from relkit.report.slides import render_deck

    document = read_document(notebook, language)
    shown = record.for_pages()
    (work / "report.html").write_text(render_report(document, shown), encoding="utf-8")
    deck = render_deck(document, shown)
    if deck is not None:
        (work / "deck.html").write_text(deck, encoding="utf-8")


def _write_notebook(notebook: Any, checked: CheckedReport, work: Path) -> None:
    if notebook is not None:
        import nbformat

        kept = kept_notebook(notebook, checked.parameters)
        (work / "notebook.ipynb").write_text(nbformat.writes(kept), encoding="utf-8")


def _as_relkit_error(error: BaseException, report: str) -> RelkitError:
    """The error, in words if it had none."""
    if isinstance(error, RelkitError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return RunError(f"{report}: interrupted; nothing was published")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return RunError(
            f"{report}: {where}{(error.strerror or str(error)).lower()}; nothing was published"
        )
    return RunError(
        f"{report}: relkit itself failed with {type(error).__name__}: {error}; "
        "run again with --traceback, and report it"
    )
