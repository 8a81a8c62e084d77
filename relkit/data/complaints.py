"""Rows that fail, said in words: how many, the first of them, and what to do."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

from relkit.data.checking import CheckedRows
from relkit.data.contracts import contracts
from relkit.data.files import RawRows, factors
from relkit.data.table_mapping import TableMapping
from relkit.personal import FREE_TEXT, is_customer_id, is_personal, looks_right
from relkit.privacy import ANYTHING, CUSTOMER_ID, PERSONAL, PLAIN, shown_cell

_EXAMPLES = 3
_SAMPLE = 1_000
_BETWEEN = " * "
_DATE_PATTERNS = (
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d %b %Y",
    "%b %d, %Y",
    "%Y年%m月%d日",
)
_TIME_PATTERNS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p")


def describe_faults(checked: CheckedRows, raw: RawRows, mapping: TableMapping) -> list[str]:
    """One line a fault: what, in how many rows, the first rows with their text, the remedy."""
    counts = checked.counts()
    lines = []
    for bit, reason in enumerate(fault.reason for fault in checked.faults):
        rows = sum(n for faults, n in counts.items() if faults >> bit & 1)
        if rows:
            found = _first_rows(checked, raw, mapping, bit)
            held = held_by(mapping.name, checked.faults[bit].column)
            shown = "; ".join(_place(raw, held, *each) for each in found[:_EXAMPLES])
            texts = [text for _, _, text in found if text is not None]
            hint = _hint(reason.en, texts) or reason.remedy
            lines.append(f"{reason.en} in {in_rows(rows)} (first: {shown}): {hint}")
    return lines


def held_by(table: str, column: str) -> str:
    """What a column of ours holds, in the words of ``privacy.shown_cell``."""
    if column not in (contract := contracts()[table]).columns:
        return ANYTHING
    kind = contract.kind(column)
    if kind == "id":
        return CUSTOMER_ID if is_customer_id(column) else PLAIN
    if is_personal(column) or (kind == "text" and column in FREE_TEXT):
        return PERSONAL
    if column == "currency":
        return "currency"
    # A text that is neither free nor personal is a word or two, such as a region.
    return "choice" if kind == "text" else kind


def in_rows(rows: int) -> str:
    """A number of rows in words: '1 row', '1,200 rows'."""
    return "1 row" if rows == 1 else f"{rows:,} rows"


def _first_rows(
    checked: CheckedRows, raw: RawRows, mapping: TableMapping, bit: int
) -> list[tuple[int, int, str | None]]:
    """File, row and the text that shows the fault, for the first rows that have it."""
    rows = checked.rows
    has = rows.filter((rows.faults & (1 << bit)) != 0)
    listed = raw.rows.semi_join(has, ["file", "row"]).order_by("file", "row").limit(_SAMPLE)
    theirs = mapping.columns.get(checked.faults[bit].column)
    names = [] if theirs is None else list(factors(theirs, raw.columns))
    columns = [f"column_{raw.columns.index(name)}" for name in names]
    found = listed.select("file", "row", *columns).to_pyarrow().to_pylist()
    return [(each["file"], each["row"], _joined([each[c] for c in columns])) for each in found]


def _joined(texts: Sequence[object]) -> str | None:
    if not texts:
        return None
    return _BETWEEN.join("" if text is None else str(text) for text in texts)


def _place(raw: RawRows, held: str, file: int, row: int, text: str | None) -> str:
    where = f"row {row}" if len(raw.files) == 1 else f"{raw.files[file].path} row {row}"
    if not text:
        return where
    # One line, and short: a stray text may be a whole letter.
    parts = text.split(_BETWEEN) if held == "number" else [text]
    plain = re.sub(
        r"\s+", " ", " * ".join(shown_cell(held, part) if part else "" for part in parts)
    )
    return f"{where}, '{plain if len(plain) <= 40 else plain[:39] + '…'}'"


def _hint(reason: str, texts: Sequence[str]) -> str:
    if reason.endswith(" is unreadable"):
        return _date_hint(texts)
    if reason.endswith(" is text"):
        return _amount_hint(texts)
    return ""


def _date_hint(texts: Sequence[str]) -> str:
    """The patterns that read all of the texts; a day and a month may be either way round."""
    reads = [
        date + time
        for time in _TIME_PATTERNS
        for date in _DATE_PATTERNS
        if texts and all(_reads(text.strip(), date + time) for text in texts)
    ]
    if reads:
        listed = " or ".join(f"dates: '{pattern}'" for pattern in reads)
        return f"set {listed} in the mapping"
    if texts and all(re.fullmatch(r"\d{5}(\.\d+)?", text.strip()) for text in texts):
        return "these look like a spreadsheet's day numbers; export the column as dates"
    return _no_calendar_has(texts)


def _no_calendar_has(texts: Sequence[str]) -> str:
    """Days like 13/14/2025, which nobody can read, alone or among others."""
    impossible = [text for text in texts if _is_impossible(text)]
    others = [text for text in texts if text not in impossible]
    if not impossible:
        return ""
    correct = "no calendar has a day like 13/14/2025; correct those in the file"
    hint = _date_hint(others) if others else ""
    return f"{correct}, and {hint}" if hint.startswith("set dates") else correct


def _is_impossible(text: str) -> bool:
    found = re.match(r"\s*(\d{1,2})[/.-](\d{1,2})[/.-]\d{4}\b", text)
    return found is not None and min(int(found[1]), int(found[2])) > 12


def _reads(text: str, pattern: str) -> bool:
    try:
        dt.datetime.strptime(text, pattern)
    except ValueError:
        return False
    return True


def _is_sign(text: str) -> bool:
    """Whether a text beside a number is a sign of money, and not a stray mark or a name."""
    return bool(text) and text.isprintable() and looks_right("number", f"{text}1")


def _amount_hint(texts: Sequence[str]) -> str:
    """The settings of the mapping that would make numbers of the texts."""
    settings = []
    bare = [text.strip() for text in texts]
    # Before or after the number; what stands within it is no currency.
    signs = {"".join(re.split(r"[-+\d].*\d|\d", text, maxsplit=1)).strip() for text in bare}
    if len(signs) == 1 and _is_sign(sign := signs.pop()):
        settings.append(f"currency_sign: '{sign}'")
        bare = [text.replace(sign, "").strip() for text in bare]
    if all(re.fullmatch(r"[-+]?\d{1,3}(\.\d{3})*,\d{1,2}|[-+]?\d+,\d+", text) for text in bare):
        settings.append("decimal: ','")
        if any("." in text for text in bare):
            settings.append("thousands: '.'")
    elif all(re.fullmatch(r"[-+]?\d{1,3}(,\d{3})*(\.\d+)?", text) for text in bare):
        if any("," in text for text in bare):
            settings.append("thousands: ','")
    else:
        return ""
    return f"set {' and '.join(settings)} in the mapping" if settings else ""
