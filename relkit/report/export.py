"""Tables to CSV and Parquet, safe to open.

A name such as ``=HYPERLINK(…)`` is a formula to a spreadsheet. In CSV a text cell
that begins like one gets an apostrophe before it, which spreadsheets take as "this
is text"; Parquet keeps the cell as it is, since nothing there is ever run.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from relkit.errors import ParameterError
from relkit.privacy import protected
from relkit.report.blocks import Saved

if TYPE_CHECKING:
    import pandas as pd

FOLDER_VARIABLE = "RELKIT_TABLES"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
# The full-width signs are read as their plain ones by spreadsheets in East Asian languages.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def save_table(frame: pd.DataFrame, name: str) -> Saved:
    """Write ``name.csv`` and ``name.parquet`` for whoever goes on with them.

    Customer ids are written as pseudonyms and personal columns withheld, unless
    ``rk.set_privacy`` says otherwise.

    They go to the run's own folder, named in ``RELKIT_TABLES``; by hand to
    ``outputs/interactive/tables`` of the project.

    Args:
        frame: The table; its index is not written.
        name: Letters, digits, ``_`` and ``-``; becomes the file name.

    Returns:
        A block that says what was saved.

    Raises:
        ParameterError: the name cannot be a file's, or two columns share a name.
    """
    check_table_name(name)
    twice = sorted({str(c) for c in frame.columns[frame.columns.duplicated()]})
    if twice:
        raise ParameterError(f"{name}: two columns are called {', '.join(twice)}; rename one")
    folder = tables_folder()
    folder.mkdir(parents=True, exist_ok=True)
    safe = protected(frame)
    (folder / f"{name}.csv").write_bytes(csv_text(safe).encode("utf-8-sig"))
    plain = safe.reset_index(drop=True)
    plain.attrs = {}
    plain.to_parquet(folder / f"{name}.parquet", index=False, compression="zstd")
    return Saved(name=name, rows=len(frame), files=(f"{name}.csv", f"{name}.parquet"))


def check_table_name(name: str) -> None:
    """Refuse a name that cannot be a file's on every system.

    Raises:
        ParameterError: other than 1 to 80 letters, digits, ``_`` and ``-``.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ParameterError(
            f"name={name!r} must be 1 to 80 letters, digits, _ or -, such as 'win_back'"
        )


def begins_like_a_formula(text: str) -> bool:
    """Whether a spreadsheet would take a text for something to compute."""
    return text.startswith(_FORMULA)


def tables_folder() -> Path:
    """Where tables go: the run's folder, or the project's for work by hand."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "notebooks").is_dir() and (folder / "params").is_dir():
            return folder / "outputs" / "interactive" / "tables"
    return here / "outputs" / "interactive" / "tables"


def csv_text(frame: pd.DataFrame) -> str:
    """The frame as CSV with text cells that no spreadsheet runs; newline is ``\\r\\n``."""
    safe = frame.copy()
    for position, kind in enumerate(frame.dtypes):
        if kind.kind not in "biufcmM":
            safe.isetitem(position, [_inert(cell) for cell in frame.iloc[:, position]])
    safe.columns = [str(_inert(str(column))) for column in frame.columns]
    return safe.to_csv(index=False, lineterminator="\r\n")


def _inert(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and begins_like_a_formula(cell) else cell
