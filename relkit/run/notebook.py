"""Execute a notebook in a kernel; what went wrong, in words.

Papermill injects the parameters and drives the cells; this module makes sure that
the kernel is this Python's, and that only a notebook which ran to its last cell
counts as run.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relkit import errors
from relkit.data.reading_faults import meaning_of
from relkit.errors import NotebookError, RunError
from relkit.privacy import Privacy
from relkit.report.document import in_language
from relkit.run.withholding import asked_for, kept_message

BLOCK_MIME = "application/vnd.relkit.block+json"
INJECTED = "injected-parameters"
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_OUR_ERRORS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.RelkitError)
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a notebook did not run to its end.

    Attributes:
        message: What is wrong and where, for people.
        traceback: The kernel's traceback as plain text; empty where there is none.
        explained: The message came from relkit and says what to do.
    """

    message: str
    traceback: str = ""
    explained: bool = False


@dataclass(frozen=True, slots=True)
class Executed:
    """A notebook with the outputs of its cells, all of them or up to a failure."""

    notebook: Any
    failure: Failure | None


def read_notebook(path: Path, shown: str) -> dict[str, Any]:
    """A notebook as JSON, without the cost of importing nbformat.

    Raises:
        NotebookError: missing, not JSON, older than format 4, or not for Python.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = sorted(p.stem for p in path.parent.glob("*.ipynb"))
        hint = errors.did_you_mean(path.stem, known) or f"; there are {', '.join(known) or 'none'}"
        raise NotebookError(f"{shown}: no such notebook{hint}") from None
    except (ValueError, RecursionError):
        raise NotebookError(f"{shown}: not a notebook (no JSON); save it in JupyterLab") from None
    except OSError as error:
        raise NotebookError(f"{shown}: cannot be read: {error.strerror}") from None
    if not isinstance(notebook, dict) or notebook.get("nbformat") != 4:
        raise NotebookError(f"{shown}: not a notebook of format 4; open and save it in JupyterLab")
    cells = notebook.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise NotebookError(f"{shown}: holds no list of cells; open and save it in JupyterLab")
    language = notebook.get("metadata", {}).get("kernelspec", {}).get("language", "python")
    if language != "python":
        raise NotebookError(f"{shown}: its kernel is for {language}; relkit runs Python notebooks")
    return notebook


def source_of(cell: Mapping[str, Any]) -> str:
    """The text of a cell, which the file format keeps as text or as lines."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def title_and_question(notebook: Mapping[str, Any], language: str = "en") -> tuple[str, str]:
    """The ``#`` heading of a notebook and the first paragraph after it; '' where missing."""
    for cell in notebook["cells"]:
        if cell.get("cell_type") != "markdown":
            continue
        text = in_language(source_of(cell), language)
        title, _, rest = text.strip().partition("\n")
        if title.startswith("# "):
            paragraph = re.split(r"\n\s*\n", rest.strip())[0]
            plain = re.sub(r"[*_`]|^#+ +.*$", "", paragraph, flags=re.M)
            return title[2:].strip(), " ".join(plain.split())
    return "", ""


def heading_above(cells: list[Any], index: int, language: str = "en") -> str:
    """The nearest heading at or above a cell; '' if there is none."""
    for cell in reversed(cells[: index + 1]):
        if cell.get("cell_type") == "markdown":
            found = re.findall(r"^#+ +(.+?)\s*$", in_language(source_of(cell), language), re.M)
            if found:
                return str(found[-1])
    return ""


def is_injected(cell: Mapping[str, Any]) -> bool:
    return INJECTED in cell.get("metadata", {}).get("tags", [])


def runs(cell: Mapping[str, Any]) -> bool:
    """Whether a kernel has something to do for this cell."""
    return cell.get("cell_type") == "code" and bool(source_of(cell).strip())


def blocks(notebook: Mapping[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    """Every relkit block of a kind in the outputs, inside other blocks too, in order."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            yield from within(output.get("data", {}).get(BLOCK_MIME), kind)


def within(value: Any, kind: str) -> Iterator[dict[str, Any]]:
    """The blocks of a kind in a block's JSON, itself included."""
    if isinstance(value, Mapping):
        if value.get("node") == kind:
            yield dict(value)
        for inner in value.values():
            yield from within(inner, kind)
    elif isinstance(value, list):
        for inner in value:
            yield from within(inner, kind)


@contextmanager
def _without_grammars() -> Iterator[None]:
    """Import jsonschema without its check of international addresses.

    nbformat imports jsonschema, and that imports rfc3987_syntax where it is
    installed, which compiles some 35 grammars: more than a CPU second for a format
    (``iri``) that no notebook schema uses. jsonschema treats the package as
    optional, so it is made unavailable while it looks, and only then.
    """
    name = "rfc3987_syntax"
    hidden = name not in sys.modules and "jsonschema" not in sys.modules
    if hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules[name]


def import_machinery() -> None:
    """Import what execution needs; done once, before runs are forked off."""
    with _without_grammars():
        import nbformat  # noqa: F401
        from jupyter_client.manager import AsyncKernelManager  # noqa: F401


def kernel_environment(tables: Path) -> dict[str, str]:
    """What the kernel finds in its environment."""
    found = dict(os.environ)
    # Without byte code every kernel start recompiles pandas: 3.0 s in place of 0.7 s.
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    found["RELKIT_TABLES"] = str(tables)
    return found


class _Stopped(Exception):
    """The failure is known; do not go on. Never leaves this module."""


@dataclass(slots=True)
class _Watch:
    """What is seen of a notebook while it runs."""

    shown: str
    language: str
    on_cell: Callable[[str], None]
    privacy: Privacy = Privacy()  # noqa: RUF009 - frozen
    notebook: Any = None
    current: int = -1
    failure: Failure | None = None
    places: list[int] = field(default_factory=list)

    def begin(self, notebook: Any) -> None:
        self.notebook = notebook
        # People count the cells of their own notebook, without the injected one.
        own = 0
        for cell in notebook.cells:
            own += not is_injected(cell)
            self.places.append(own)

    def where(self, index: int) -> str:
        heading = heading_above(self.notebook.cells, index, self.language)
        under = f" (under '{heading}')" if heading else ""
        return f"cell {self.places[index]} of {self.shown}{under}"

    def started(self, cell: Any, cell_index: int) -> None:
        self.current = cell_index
        if runs(cell) and not is_injected(cell):
            self.on_cell(heading_above(self.notebook.cells, cell_index, self.language))

    def executed(self, cell: Any, cell_index: int, execute_reply: Any) -> None:
        # exit() and quit() end the kernel after an untroubled reply; no output shows it.
        payload = (execute_reply or {}).get("content", {}).get("payload", [])
        if any(part.get("source") == "ask_exit" for part in payload):
            self.failure = _exited(self.where(cell_index), "exit()")
            raise _Stopped

    def kept(self, message: str) -> str:
        """What Python said, without what may have come from the data."""
        return kept_message(message, self.notebook, self.privacy)

    def stopped_by(self, what: str) -> Failure:
        if self.current < 0:
            return Failure(f"{what} before the first cell of {self.shown} ran")
        return Failure(f"{what} while {self.where(self.current)} ran")

    def look_back(self) -> None:
        """Find the failure in the outputs, if there is one."""
        for index, cell in enumerate(self.notebook.cells):
            if not runs(cell):
                continue
            errors_seen = [o for o in cell.outputs if o.output_type == "error"]
            if errors_seen:
                self.failure = _raised(self.where(index), errors_seen[0], self.kept)
            elif cell.execution_count is None:
                self.failure = Failure(
                    f"{self.where(index)} was not run; every code cell must run, "
                    "look for the tag 'skip-execution'"
                )
            else:
                continue
            raise _Stopped


def _exited(where: str, call: str) -> Failure:
    return Failure(
        f"{where} ended the notebook with {call}; a report is published only when every cell "
        "has run: take the call out, or raise an error that says why"
    )


def _raised(where: str, error: Any, kept: Callable[[str], str]) -> Failure:
    if error.ename == "SystemExit":
        return _exited(where, f"sys.exit({error.evalue})")
    traceback = _ANSI.sub("", "\n".join(error.traceback))
    if error.ename in _OUR_ERRORS:
        return Failure(f"{error.evalue}\n  in {where}", traceback, explained=True)
    if (meaning := meaning_of(error.ename, str(error.evalue))) is not None:
        return Failure(f"{where}: {meaning}", traceback)
    said = kept(str(error.evalue).strip().partition("\n")[0])[:500]
    return Failure(f"{where} raised {error.ename}{': ' * bool(said)}{said}", traceback)


def execute(
    path: Path,
    parameters: Mapping[str, Any],
    root: Path,
    tables: Path,
    language: str = "en",
    on_cell: Callable[[str], None] = lambda heading: None,
) -> Executed:
    """Run every cell of a notebook in a new kernel of this Python.

    Args:
        path: The notebook; it is read, never written.
        parameters: Injected after the parameter cell; checked before.
        root: The project, where the kernel works.
        tables: Where cells save tables; the kernel finds it as RELKIT_TABLES.
        language: Whose headings name a cell.
        on_cell: Told the heading of each cell when it starts.

    Raises:
        RunError: papermill or the kernel's machinery could not begin at all.
    """
    import_machinery()
    import papermill.execute

    # Its own reading of the cell does not know types such as str | None, and it warns.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    shown = os.path.relpath(path, root)
    watch = _Watch(shown, language, on_cell, asked_for(parameters))
    try:
        with _engine(watch, root, tables) as engine:
            papermill.execute.execute_notebook(
                # papermill fills in braces in a path; those of a folder's name stay as they are.
                re.sub(r"[{}]", r"\g<0>\g<0>", str(path)),
                None,
                parameters=dict(parameters),
                engine_name=engine,
                kernel_name="python3",
                language="python",
                progress_bar=False,
            )
    except _Stopped:
        pass
    except DeadKernelError:
        watch.failure = watch.stopped_by(
            "the kernel died (most often the machine ran out of memory)"
        )
    except CellTimeoutError:
        watch.failure = watch.stopped_by("the kernel stopped answering")
    except KeyboardInterrupt:
        watch.failure = watch.stopped_by("the run was interrupted")
    except RuntimeError as error:
        watch.failure = watch.stopped_by(f"the kernel failed ({error})")
    if watch.notebook is None:
        said = watch.failure.message if watch.failure else "papermill gave no notebook back"
        raise RunError(f"{shown}: {said}")
    return Executed(_without_machine_paths(watch.notebook, shown), watch.failure)


def _without_machine_paths(notebook: Any, shown: str) -> Any:
    """Papermill notes where files lay on this machine; the published notebook does not."""
    noted = notebook.metadata.get("papermill")
    if noted is not None:
        noted["input_path"] = shown
        for name in ("output_path", "environment_variables", "default_parameters"):
            noted.pop(name, None)
    return notebook


@contextmanager
def _engine(watch: _Watch, root: Path, tables: Path) -> Iterator[str]:
    """A papermill engine for one run: this Python's kernel, watched cell by cell."""
    from tempfile import TemporaryDirectory

    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import Engine, papermill_engines

    with TemporaryDirectory(prefix="relkit-") as sockets:
        manager = _kernel_manager(Path(sockets))

        class Watched(Engine):
            @classmethod
            def execute_managed_notebook(cls, nb_man: Any, *_: Any, **__: Any) -> None:
                watch.begin(nb_man.nb)
                client = PapermillNotebookClient(
                    nb_man,
                    kernel_manager_class=manager,
                    on_cell_start=watch.started,
                    on_cell_executed=watch.executed,
                    timeout=None,
                    startup_timeout=120,
                    # How long outputs may lag behind the reply on a loaded machine.
                    iopub_timeout=60,
                )
                client.execute(env=kernel_environment(tables), cwd=str(root))
                watch.look_back()

        name = f"relkit-{id(watch)}"
        papermill_engines.register(name, Watched)
        try:
            yield name
        finally:
            papermill_engines._engines.pop(name, None)


def _kernel_manager(sockets: Path) -> type:
    """Manager of a kernel that is this very Python, reached over files, not ports.

    Kernel specifications installed on the machine do not matter. Sockets in a
    private folder cannot be raced for by runs that start together, nor be listened
    to by others, unless the folder's path is longer than a socket's may be.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = KernelSpec(argv=argv, display_name="Python 3", language="python", metadata={})
    short = len(str(sockets)) < 80 and os.name == "posix"

    class OwnKernel(AsyncKernelManager):
        @property
        def kernel_spec(self) -> Any:
            return spec

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.connection_file = str(sockets / "kernel.json")
            if short:
                self.transport = "ipc"
                self.ip = str(sockets / "kernel")

    return OwnKernel
