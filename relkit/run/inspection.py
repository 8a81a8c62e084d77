"""What there is and whether it would run: checks without a kernel, and the inventory."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relkit.errors import DataError, NotebookError, ParameterError, RelkitError
from relkit.run.notebook import read_notebook, title_and_question
from relkit.run.other_files import ALONE
from relkit.run.params import read_parameter_cell
from relkit.run.publish import Outputs, read_ledger
from relkit.run.runner import NO_REPORTS, check, find_root

if TYPE_CHECKING:
    from relkit.data.sources import Source

# What a report says about its source; the rest of its parameters are the notebook's.
_SOURCE_OPTIONS = ("as_of", "max_set_aside", "later_rows")


def inspect_file(path: Path, overrides: Sequence[tuple[str, str]] = ()) -> str:
    """Check a file of params/, and say what was found.

    Args:
        path: ``params/<notebook>/<report>.yaml``, ``params/sources/<source>.yaml``, or
            tier rules, a list of tags, the plan of an experiment.
        overrides: (name, text) pairs that come before what a report's file says.

    Raises:
        ParameterError, NotebookError, SourceError, DataError: what is wrong.
    """
    absolute = path.absolute()
    kind = absolute.parent.name
    if kind == "sources" or kind in ALONE:
        if overrides:
            raise ParameterError(
                f"{path}: {NO_REPORTS[kind]} cannot be given parameters; --set goes with a report"
            )
        root = find_root(absolute.parent)
        if kind == "sources":
            return _inspect_source(root, absolute, {})
        shown = absolute.relative_to(root).as_posix()
        return ALONE[kind](absolute, shown)
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
    from relkit.data.reading_faults import in_words
    from relkit.data.sources import open_source

    # The project's folder is where a notebook looks from, too.
    near = path.relative_to(root) if path.is_relative_to(root) else path
    with contextlib.chdir(root), in_words(str(near)):
        source = open_source(near, **options)
        customers = int(source.transactions.customer_id.nunique().execute())
        others, faults = _other_tables(source)
    account = source.account
    first, last = source.span
    lines = [
        f"{near}: {account.read:,} rows read, {account.used:,} used, "
        f"{account.set_aside:,} set aside",
        *(f"  {rows:,} set aside: {reason}" for reason, rows in account.reasons.items()),
        f"  {customers:,} customers, {first} to {last}, as of {source.as_of}",
        *(f"  {file.path}: {file.rows:,} rows" for file in source.files),
        *others,
        *_enough_for(root, source),
    ]
    if faults:
        # What is right is said all the same: it took the reading to know it.
        raise DataError("\n".join(lines), faults)
    return "\n".join(lines)


def _other_tables(source: Source) -> tuple[list[str], list[str]]:
    """A line for each table beside the transactions, and what is wrong with them."""
    lines, faults = [], []
    for table in source.tables:
        if table == "transactions":
            continue
        try:
            account = source.account_of(table)
        except RelkitError as error:
            lines.append(f"  {table}: cannot be used, see below")
            faults.append(str(error))
            continue
        first, last = source.span_of(table)
        days = f", {first} to {last}" if first and last else ""
        lines.append(
            f"  {table}: {account.read:,} rows read, {account.used:,} used, "
            f"{account.set_aside:,} set aside{days}"
        )
        lines += [f"    {rows:,} set aside: {why}" for why, rows in account.reasons.items()]
    missing = source.missing
    lines.append(
        f"  not supplied: {', '.join(missing)}" if missing else "  every table is supplied"
    )
    return lines, faults


def _enough_for(root: Path, source: Source) -> list[str]:
    """Which notebooks of the project the source has the tables for."""
    lines = []
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        needed = _tables_needed(path.read_text(encoding="utf-8"))
        without = [table for table in needed if not source.has(table)]
        lines.append(
            f"  not enough for {path.stem}: not supplied: {', '.join(without)}"
            if without
            else f"  enough for {path.stem}"
        )
    return lines


def _tables_needed(notebook: str) -> list[str]:
    """The tables that a notebook takes from its source and does not ask for with has()."""
    from relkit.data.contracts import TABLES

    return [
        table
        for table in TABLES
        if re.search(rf"\bsource\.{table}\b", notebook)
        and not re.search(rf"\.has\([^)]*{table}[^)]*\)", notebook)
    ]


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
