"""What there is and whether it would run: checks without a kernel, and the inventory."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from relkit.errors import NotebookError, ParameterError
from relkit.run.notebook import read_notebook, title_and_question
from relkit.run.params import read_parameter_cell
from relkit.run.publish import Outputs, read_ledger
from relkit.run.runner import check, find_root

# What a report says about its source; the rest of its parameters are the notebook's.
_SOURCE_OPTIONS = ("as_of", "max_set_aside", "later_rows")


def inspect_file(path: Path, overrides: Sequence[tuple[str, str]] = ()) -> str:
    """Check a report or a source, and say what was found.

    Args:
        path: ``params/<notebook>/<report>.yaml`` or ``params/sources/<source>.yaml``.
        overrides: (name, text) pairs that come before what a report's file says.

    Raises:
        ParameterError, NotebookError, SourceError, DataError: what is wrong.
    """
    absolute = path.absolute()
    if absolute.parent.name == "sources":
        if overrides:
            raise ParameterError(f"{path}: a source has no parameters; --set goes with a report")
        return _inspect_source(find_root(absolute.parent), absolute, {})
    checked = check(path, overrides)
    lines = [
        f"{checked.file.shown}: parameters are right for notebooks/{checked.file.notebook}.ipynb"
    ]
    source = checked.parameters.get("source")
    if isinstance(source, str):
        options = {k: checked.parameters[k] for k in _SOURCE_OPTIONS if k in checked.parameters}
        lines.append(_inspect_source(checked.file.root, checked.file.root / source, options))
    return "\n".join(lines)


def _inspect_source(root: Path, path: Path, options: Mapping[str, Any]) -> str:
    from relkit.data.sources import open_source

    # The project's folder is where a notebook looks from, too.
    with contextlib.chdir(root):
        near = path.relative_to(root) if path.is_relative_to(root) else path
        source = open_source(near, **options)
        customers = int(source.transactions.customer_id.nunique().execute())
    account = source.account
    first, last = source.span
    lines = [
        f"{near}: {account.read:,} rows read, {account.used:,} used, "
        f"{account.set_aside:,} set aside",
        *(f"  {rows:,} set aside: {reason}" for reason, rows in account.reasons.items()),
        f"  {customers:,} customers, {first} to {last}, as of {source.as_of}",
        *(f"  {file.path}: {file.rows:,} rows" for file in source.files),
    ]
    return "\n".join(lines)


def inventory(root: Path, outputs: Path | None = None) -> str:
    """Notebooks with their title, their parameter files, and how each ran last."""
    place = Outputs((outputs or root / "outputs").absolute())
    last = {entry.get("report"): entry for entry in read_ledger(place)}
    paths = sorted((root / "notebooks").glob("*.ipynb"))
    if not paths:
        return f"{root / 'notebooks'}: no notebooks yet"
    return "\n\n".join(_describe(root, path, last) for path in paths)


def _describe(root: Path, path: Path, last: Mapping[Any, Mapping[str, Any]]) -> str:
    shown = path.relative_to(root).as_posix()
    try:
        notebook = read_notebook(path, shown)
        read_parameter_cell(notebook, shown)
        title, question = title_and_question(notebook)
        lines = [f"{path.stem}: {title or 'untitled'}", *([f"  {question}"] if question else [])]
    except NotebookError as error:
        lines = [f"{path.stem}: cannot be run", f"  {error}"]
    files = sorted((root / "params" / path.stem).glob("*.y*ml"))
    width = max((len(file.name) for file in files), default=0)
    for file in files:
        entry = last.get(f"{path.stem}-{file.stem}")
        how = f"{entry['status']} {entry['started_at']}" if entry else "has not run yet"
        lines.append(f"  params/{path.stem}/{file.name:<{width}}  {how}")
    if not files:
        lines.append(f"  no parameter files in params/{path.stem}/ yet")
    return "\n".join(lines)
