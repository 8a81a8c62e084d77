"""A mapping proposed from a file's columns, for the analyst to correct.

Names are compared with those that shops and CRMs use, in English and Chinese; then the
values must fit. What is not clear is left to the analyst and never filled in: a wrong
mapping that opens is worse than one that asks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from relkit.data.contracts import TABLES as CONTRACTS
from relkit.data.contracts import contracts
from relkit.data.profiles import profile_columns
from relkit.data.proposal_text import Part, written
from relkit.data.sampling import SAMPLE_ROWS, read_sample
from relkit.data.table_proposal import Guess, TableDraft, certainty, draft_table, guess_tables
from relkit.data.transaction_proposal import TransactionsDraft, draft_transactions
from relkit.errors import ParameterError, SourceError, did_you_mean


@dataclass(frozen=True, slots=True)
class Proposal:
    """A source YAML for one file or several, and what it leaves open.

    Attributes:
        text: The YAML, with comments.
        matched: Our column → theirs, or an expression of theirs; of several files
            with the table before it, touches.channel.
        open_points: What the analyst has to decide; empty where all is clear.
        tables: The table that each file seems to hold.
        seems: The same in words, with how certain it is and what else it might be.
    """

    text: str
    matched: dict[str, str]
    open_points: tuple[str, ...]
    tables: tuple[str, ...] = ("transactions",)
    seems: tuple[str, ...] = ()

    @property
    def clear(self) -> bool:
        return not self.open_points

    def described(self) -> str:
        """What was recognised, and what is left to decide, a line each."""
        found = [f"  {ours}: {theirs}" for ours, theirs in self.matched.items()]
        seems = [f"  {line}" for line in self.seems]
        if self.clear:
            return "\n".join(["nothing has to be decided; please read it", *seems, *found])
        points = [f"  - {point}" for point in self.open_points]
        return "\n".join(["to be corrected before it is used", *seems, *found, *points])


def propose_mapping(file: Path, files: str, table: str | None = None) -> Proposal:
    """Propose a mapping of a file from its first rows.

    Args:
        file: CSV (also gz), Parquet or Excel.
        files: How the YAML names it, from the project's folder.
        table: Which table it holds; recognised by its columns unless said.

    Raises:
        SourceError: no such file, another format, damaged, or no header.
        ParameterError: there is no table of that name.
    """
    return propose_source([(file, files)], table)


def propose_source(listed: Sequence[tuple[Path, str]], table: str | None = None) -> Proposal:
    """Propose one source of several files, each of another table.

    Args:
        listed: Each file, and how the YAML names it.
        table: Which table the only file holds; recognised by its columns unless said.

    Raises:
        SourceError: as `propose_mapping`, or two files seem to hold the same table.
        ParameterError: there is no table of that name, or there are several files.
    """
    if table is not None and table not in CONTRACTS:
        raise ParameterError(
            f"there is no table '{table}'{did_you_mean(table, CONTRACTS)}; "
            f"known: {', '.join(CONTRACTS)}"
        )
    if table is not None and len(listed) > 1:
        raise ParameterError(f"table={table!r} is for one file; {len(listed)} are given")
    parts = [_propose(file, files, table) for file, files in listed]
    for i, part in enumerate(parts):
        for other in parts[:i]:
            if other.table == part.table:
                raise SourceError(
                    f"{other.file} and {part.file} both seem to hold {part.table}; propose one "
                    "alone with --table NAME, or list both under files: where they are alike"
                )
    several = len(parts) > 1
    points = [f"{p.table}: {each}" if several else each for p in parts for each in p.open_points]
    if all(part.table != "transactions" for part in parts):
        points.append(
            "transactions: every source needs them, and these files hold none; name their file "
            f"too, like relkit source new orders.csv {parts[0].file}"
        )
    matched = {
        f"{part.table}.{ours}" if several else ours: theirs
        for part in parts
        for ours, theirs in part.matched.items()
    }
    tables, seems = (tuple(getattr(part, name) for part in parts) for name in ("table", "seems"))
    return Proposal(written(parts, points), matched, tuple(points), tables, seems)


def _propose(file: Path, files: str, table: str | None) -> Part:
    """What is proposed for one file."""
    sample = read_sample(file)
    doubled = sorted({name for name in sample.names if sample.names.count(name) > 1})
    if doubled:
        raise SourceError(
            f"{file.name}: columns stand twice in the header: {', '.join(doubled)}; "
            "each needs a name of its own"
        )
    profiles = profile_columns(sample)
    guesses = guess_tables(profiles)
    first = guesses[0] if guesses and not guesses[0].missing else None
    chosen = table or (first.table if first is not None else "transactions")
    seems = _seems(file.name, guesses, chosen, table)
    if chosen == "transactions":
        draft: TransactionsDraft | TableDraft = draft_transactions(sample, profiles)
    else:
        # What was said holds, however little speaks for it.
        guess = next((g for g in guesses if g.table == chosen), None)
        missing = contracts()[chosen].required
        draft = draft_table(guess or Guess(chosen, 0, missing, {}), profiles)
    if sample.columns and not any(profile.values for profile in profiles):
        draft.open_points.append("there are no rows; only the names of the columns were looked at")
    looked = max((len(column) for column in sample.columns), default=0)
    used = {name for each in draft.matched.values() for name in _names_in(each)}
    return Part(
        table=chosen,
        file=file.name,
        files=files,
        format=sample.format,
        rows=f"the first {looked:,} rows" if looked >= SAMPLE_ROWS else f"{looked:,} rows",
        seems=seems,
        matched=draft.matched,
        why=draft.why,
        required=contracts()[chosen].required,
        settings={**sample.settings, **draft.settings},
        left=[f"{p.name}: {p.described()}" for p in profiles if p.name not in used],
        open_points=draft.open_points,
        hints=[*sample.notes, *draft.hints],
        currency=getattr(draft, "currency", ""),
    )


def _names_in(expression: str) -> tuple[str, ...]:
    """The columns that an expression may be made of."""
    later = re.fullmatch(r"(.+) \+ minutes\((.+)\)", expression)
    return (expression, *expression.split(" * "), *(later.groups() if later else ()))


def _seems(name: str, guesses: Sequence[Guess], chosen: str, table: str | None) -> str:
    """What table a file seems to hold, how certain that is, and what else it might be."""
    others = [f"{g.table} (without {', '.join(g.missing)})" if g.missing else g.table
              for g in guesses if g.table != chosen][:2]  # fmt: skip
    rest = f"; it might also be {' or '.join(others)}" if others else ""
    if table is not None:
        return f"{name}: {chosen}, as was said{rest}"
    sure = certainty(guesses)
    if sure == "clear" and guesses[0].table == chosen:
        return f"{name}: {chosen}, clear by its columns"
    how = "likely by its columns" if sure == "likely" else "not sure"
    return f"{name}: {chosen}, {how}{rest}; --table NAME says which"


def write_proposal(
    file: Path | Sequence[Path], root: Path, out: Path | None = None, table: str | None = None
) -> tuple[Path, Proposal]:
    """Propose a mapping of a file or several and write it; never over one that is there.

    Args:
        file: The data; of several files each is another table.
        root: The project's folder.
        out: Where to write; params/sources/<name of the first file>.yaml unless said.
        table: Which table the only file holds; recognised unless said.

    Returns:
        Where it was written, and what.

    Raises:
        SourceError: a file cannot be read, or there is such a mapping already.
        ParameterError: there is no table of that name.
    """
    every = [file] if isinstance(file, Path) else list(file)
    stem = re.sub(r"[^\w-]+", "_", every[0].name.split(".")[0]).strip("_").lower() or "source"
    place = out if out is not None else root / "params" / "sources" / f"{stem}.yaml"
    taken = f"{place.name} is there already and stays as it is; choose another name with --out"
    if place.exists():
        raise SourceError(taken)
    proposal = propose_source([(each, _from_root(each, root)) for each in every], table)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with place.open("x", encoding="utf-8") as stream:
            stream.write(proposal.text)
    except FileExistsError:
        raise SourceError(taken) from None
    return place, proposal


def _from_root(file: Path, root: Path) -> str:
    absolute = file.absolute()
    inside = absolute.is_relative_to(root.absolute())
    return absolute.relative_to(root.absolute()).as_posix() if inside else str(absolute)
