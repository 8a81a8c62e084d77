"""What there is and whether it would run: checks without a kernel, and the inventory."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relkit.errors import DataError, NotebookError, ParameterError, RelkitError
from relkit.run.notebook import read_notebook, title_and_question
from relkit.run.params import read_parameter_cell
from relkit.run.publish import Outputs, read_ledger
from relkit.run.runner import check, find_root

if TYPE_CHECKING:
    from relkit.data.sources import Source

# What a report says about its source; the rest of its parameters are the notebook's.
_SOURCE_OPTIONS = ("as_of", "max_set_aside", "later_rows")


def inspect_file(path: Path, overrides: Sequence[tuple[str, str]] = ()) -> str:
    """Check a report, a source or tier rules, and say what was found.

    Args:
        path: ``params/<notebook>/<report>.yaml``, ``params/sources/<source>.yaml`` or
            ``params/tiers/<rules>.yaml``.
        overrides: (name, text) pairs that come before what a report's file says.

    Raises:
        ParameterError, NotebookError, SourceError, DataError: what is wrong.
    """
    absolute = path.absolute()
    if absolute.parent.name == "sources":
        if overrides:
            raise ParameterError(f"{path}: a source has no parameters; --set goes with a report")
        return _inspect_source(find_root(absolute.parent), absolute, {})
    if absolute.parent.name == "tiers":
        if overrides:
            raise ParameterError(f"{path}: tier rules have no parameters; --set goes with a report")
        return _inspect_tiers(find_root(absolute.parent), absolute)
    checked = check(path, overrides)
    lines = [
        f"{checked.file.shown}: parameters are right for notebooks/{checked.file.notebook}.ipynb"
    ]
    source = checked.parameters.get("source")
    if isinstance(source, str):
        options = {k: checked.parameters[k] for k in _SOURCE_OPTIONS if k in checked.parameters}
        lines.append(_inspect_source(checked.file.root, checked.file.root / source, options))
    return "\n".join(lines)


def _inspect_tiers(root: Path, path: Path) -> str:
    """Who wins, and what the rules leave open or give twice, for any customer there could be."""
    from relkit.segments.named_segments import read_rfm_segments
    from relkit.segments.rule_file import read_tier_rules
    from relkit.segments.rule_health import prove_rules
    from relkit.yaml_files import read_yaml

    near = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    if path.is_file() and "segments" in read_yaml(path, near)[0]:
        names = read_rfm_segments(path)
        return (
            f"{near}: {len(names.names)} segments, every code of {names.bands} bands has exactly "
            f"one: {', '.join(names.names)}"
        )
    rules = read_tier_rules(path)
    proof = prove_rules(rules)
    lines = [f"{near}: {len(rules.tiers)} tiers, by precedence: {', '.join(rules.precedence)}"]
    if not proof.proved:
        return f"{lines[0]}\n  too many cases to prove holes: {proof.cells:,} of {proof.limit:,}"
    lines += [f"  in no tier: {box.text()}" for box in proof.holes.boxes]
    for overlap in proof.overlaps:
        first, second = overlap.tiers
        lines += [f"  {first} and {second}: {box.text()}" for box in overlap.cover.boxes]
    if not all(found.complete for found in (proof.holes, *(o.cover for o in proof.overlaps))):
        lines.append("  and more: these are too many to list")
    lines += [f"  never decides: {tier}, clause {clause}" for tier, clause in proof.shadowed]
    return "\n".join(lines if len(lines) > 1 else [*lines, "  no hole, no overlap: proved"])


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
