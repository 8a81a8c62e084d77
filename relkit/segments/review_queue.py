"""Automatic tags, and the file in which people say whether they are right.

The file belongs to people: what they wrote is kept, to the letter, through every run. It
is read whole and checked before anything is written, and written aside and moved into
place, so that neither a fault in it nor an interruption costs a verdict.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from relkit.errors import ParameterError, SourceError, did_you_mean
from relkit.intervals import Estimate, wilson_interval
from relkit.segments.scores import RfmScores, mid_rank

COLUMNS = ("customer_id", "label", "suggested", "reviewer", "reviewed_at", "status")
IN_QUEUE, GONE = "in_queue", "gone"
# A spreadsheet runs a cell that begins like this; the apostrophe says that it is text.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_WRITTEN_DAY = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T ]\d{1,2}:\d{2}(?::\d{2})?)?")
_ROUNDED = re.compile(r"\d[.,]\d+E\+\d+")


@dataclass(frozen=True, slots=True, eq=False)
class TopTagged:
    """The customers that RFM puts on top.

    Attributes:
        customers: customer_id, rfm_sum; best first, equal ones by their ids.
        wanted: How many the share asks for, rounded up.
        tied_out: How many customers at the edge were left out because they are equal in
            everything and do not all fit.
        share: The share that was asked for.
        scored: How many customers there are.
    """

    customers: pd.DataFrame
    wanted: int
    tied_out: int
    share: float
    scored: int

    def to_frame(self) -> pd.DataFrame:
        return self.customers.copy()


def top_by_rfm(scores: RfmScores, share: float = 0.20) -> TopTagged:
    """Tags the top share of customers by RFM: ceil(share × n) of them, less ties.

    The order is the RFM sum, then the sum of the three mid-ranks behind it, then spend,
    frequency and silence themselves. Customers who are equal even in those stand or fall
    together: if they do not all fit, none of them is tagged, so that neither the order of
    the rows nor an id ever decides.

    Args:
        scores: As made by ``rk.rfm_scores``.
        share: In (0, 1]; .20 for the top 20 %.

    Raises:
        ParameterError: share.
    """
    if not isinstance(share, (int, float)) or not 0 < share <= 1:
        raise ParameterError(f"share={share!r} must be in (0, 1]; give 20 % as 0.20")
    customers = scores.customers
    silence, often, spend = (
        customers[name].to_numpy(float).round(9)
        for name in ("days_since_last", "frequency", "total_spend")
    )
    ranks = (mid_rank(-silence) + mid_rank(often) + mid_rank(spend)).round(12)
    keys = (-silence, often, spend, ranks, customers["rfm_sum"].to_numpy(float))
    order = np.lexsort([-key for key in keys])
    # ceil of .2 × 15 is 3, where .2 × 15 is 3.0000000000000004 on a computer.
    wanted = math.ceil(round(share * len(customers), 9))
    alike = np.ones(max(len(order) - 1, 0), dtype=bool)
    for key in keys:
        alike &= key[order[1:]] == key[order[:-1]]
    cut = wanted
    while 0 < cut < len(order) and alike[cut - 1]:
        cut -= 1
    chosen = customers.iloc[order[:cut]][["customer_id", "rfm_sum"]].astype({"customer_id": "str"})
    # By their ids only among equals, so that the file is the same whatever the rows' order.
    tie = np.concatenate([[0], np.cumsum(~alike)])[:cut]
    chosen = chosen.iloc[np.lexsort((chosen["customer_id"].to_numpy(object), tie))]
    return TopTagged(
        chosen.reset_index(drop=True), wanted, wanted - cut, float(share), len(customers)
    )


@dataclass(frozen=True, slots=True, eq=False)
class ReviewQueue:
    """The file as it is now, and what this run did to it.

    Attributes:
        rows: customer_id, label (the verdict, empty until there is one), suggested (the
            automatic tag), reviewer, reviewed_at, status (in_queue, or gone: no longer
            tagged), and whatever columns people added.
        suggested: The tag of this run.
        added: Customers new in the file.
        returned: Customers that were gone and are tagged again.
        gone: Customers no longer tagged, all of them.
    """

    rows: pd.DataFrame
    suggested: str
    added: int
    returned: int
    gone: int

    def to_frame(self) -> pd.DataFrame:
        return self.rows.copy()

    @property
    def reviewed(self) -> pd.DataFrame:
        """Rows with a verdict, those of customers no longer tagged included."""
        return self.rows[self.rows["label"] != ""].reset_index(drop=True)

    @property
    def waiting(self) -> int:
        """Customers in the queue without a verdict."""
        open_ = (self.rows["label"] == "") & (self.rows["status"] == IN_QUEUE)
        return int(open_.sum())

    def accuracy(self, level: float = 0.95) -> Estimate | None:
        """Share of verdicts that agree with the tag, Wilson interval and n; None without any.

        It is the share of tagged customers that deserve the tag. It says nothing of the
        customers that should have been tagged and were not, whom nobody reviewed.
        """
        seen = self.reviewed
        if seen.empty:
            return None
        return wilson_interval(int((seen["label"] == seen["suggested"]).sum()), len(seen), level)

    def reviews(self) -> pd.DataFrame:
        """The verdicts as the table ``reviews``: customer_id, reviewed_at, label, reviewer."""
        return self.reviewed[["customer_id", "reviewed_at", "label", "reviewer"]]


def update_review_queue(
    path: str | os.PathLike[str],
    customer_id: Iterable[str],
    suggested: str = "key",
    labels: Sequence[str] = ("key", "not_key"),
) -> ReviewQueue:
    """Brings the file of verdicts up to date with the customers that are tagged now.

    New customers are appended, those no longer tagged stay and are marked ``gone``, and
    whatever people wrote stays as it is. The file holds the real ids, since people must
    act on them: keep it where only they can read it. It is written nowhere else.

    Args:
        path: The CSV file; made if there is none, its folder must exist.
        customer_id: The tagged customers, each once, in the order they should be reviewed.
        suggested: The automatic tag.
        labels: What a verdict may be; must hold ``suggested``.

    Raises:
        ParameterError: labels without the tag, or an id that is empty or given twice.
        SourceError: the file is broken, or changed while it was being updated; it is left
            as it is, with every verdict in it.
    """
    tagged = _checked_ids(customer_id, suggested, labels)
    target = Path(path)
    if target.is_dir() or not target.parent.is_dir():
        raise SourceError(
            f"{target.name}: the review file must be a file in a folder that exists; "
            "name it, as in reviews/key_customers.csv"
        )
    found = target.read_bytes() if target.exists() else None
    rows, numbers = (
        (_empty(), []) if found is None else read_review_file(found, target.name, labels)
    )
    _check_spelling(dict(zip(numbers, rows["customer_id"], strict=True)), tagged, target.name)
    known = set(rows["customer_id"])
    now = set(tagged)
    there = rows["customer_id"].isin(now)
    returned = int((there & (rows["status"] == GONE)).sum())
    rows = rows.assign(status=np.where(there, IN_QUEUE, GONE))
    # Before anybody looked, the tag is the new one; a verdict keeps the tag it was made on.
    rows.loc[there & (rows["label"] == ""), "suggested"] = suggested
    fresh = [each for each in tagged if each not in known]
    more = pd.DataFrame({"customer_id": fresh, "suggested": suggested, "status": IN_QUEUE})
    whole = pd.concat([rows, more], ignore_index=True).fillna("").astype("str")
    whole = whole[rows.columns]
    _replace(target, _as_csv(whole), found)
    return ReviewQueue(whole, suggested, len(fresh), returned, int((~there).sum()))


def read_review_queue(
    path: str | os.PathLike[str],
    suggested: str = "key",
    labels: Sequence[str] = ("key", "not_key"),
) -> ReviewQueue:
    """The file as people left it; nothing is written.

    Raises:
        SourceError: there is no such file, or it is broken.
    """
    target = Path(path)
    if not target.is_file():
        raise SourceError(f"{target.name}: no such review file; rk.update_review_queue makes it")
    rows, _ = read_review_file(target.read_bytes(), target.name, labels)
    return ReviewQueue(rows, suggested, 0, 0, int((rows["status"] == GONE).sum()))


def _checked_ids(customer_id: Iterable[str], suggested: str, labels: Sequence[str]) -> list[str]:
    tagged = [str(each) for each in customer_id]
    faults = []
    if suggested not in labels or len(set(labels)) < len(list(labels)) or "" in labels:
        faults.append(f"labels={list(labels)} must be different and hold the tag '{suggested}'")
    if len(set(tagged)) < len(tagged):
        faults.append(f"{len(tagged) - len(set(tagged)):,} customers are given twice")
    if any(not each.strip() for each in tagged):
        faults.append("a customer_id is empty")
    if faults:
        raise ParameterError("the review queue cannot be made of these", faults)
    return tagged


def _empty() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype="str") for name in COLUMNS})


def read_review_file(
    content: bytes, name: str, labels: Sequence[str]
) -> tuple[pd.DataFrame, list[int]]:
    """The rows of a review file, all text, and the line of each; every fault with its line.

    Raises:
        SourceError: not UTF-8, columns that are missing, lines of another length, a
            customer twice or without id, an unknown verdict, a verdict without a day.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SourceError(
            f"{name} is not text in UTF-8; save it from the spreadsheet as 'CSV UTF-8'. "
            "The file was not touched"
        ) from None
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as fault:
        raise SourceError(
            f"{name} is not readable as CSV ({fault}); look for a quotation mark that is never "
            "closed. The file was not touched"
        ) from None
    head = [cell.strip() for cell in lines[0]] if lines else []
    missing = [column for column in COLUMNS[:5] if column not in head]
    if missing or len(set(head)) < len(head):
        said = f"columns {', '.join(missing)} are missing" if missing else "a column stands twice"
        split = "; save it with commas between the cells" if len(head) == 1 and head else ""
        raise SourceError(f"{name}: {said}{split}. The file was not touched")
    body = [(number, line) for number, line in enumerate(lines[1:], start=2) if any(line)]
    wrong = [number for number, line in body if len(line) != len(head)]
    if wrong:
        raise SourceError(
            f"{name}: line {wrong[0]} and {len(wrong) - 1} more have another number of cells than "
            f"the head, {len(head)}; repair them. The file was not touched"
        )
    rows = pd.DataFrame([line for _, line in body], columns=head, dtype="str")
    if "status" not in rows:
        rows.insert(len(COLUMNS) - 1, "status", IN_QUEUE)
    for column in COLUMNS:
        rows[column] = rows[column].str.strip()
    rows["customer_id"] = rows["customer_id"].map(_without_guard).astype("str")
    numbers = [number for number, _ in body]
    rows["reviewed_at"] = pd.Series([_day(day) or day for day in rows["reviewed_at"]], dtype="str")
    faults = _faults(rows, numbers, labels)
    if faults:
        more = [f"… and {len(faults) - 20} more"] if len(faults) > 20 else []
        raise SourceError(
            f"{name} has faults; repair them and run again. The file was not touched",
            [*faults[:20], *more],
        )
    return rows, numbers


def _faults(rows: pd.DataFrame, numbers: list[int], labels: Sequence[str]) -> list[str]:
    faults = []
    seen: dict[str, int] = {}
    columns = (rows[name] for name in ("customer_id", "label", "reviewed_at"))
    for number, customer, label, reviewed_at in zip(numbers, *columns, strict=True):
        if not customer:
            faults.append(f"line {number}: customer_id is empty")
        elif customer in seen:
            faults.append(f"line {number}: the customer of line {seen[customer]} again; keep one")
        seen.setdefault(customer, number)
        if label and label not in labels:
            faults.append(
                f"line {number}: label '{label}' must be one of {', '.join(labels)}, or empty"
                f"{did_you_mean(label, labels)}"
            )
        if reviewed_at and _day(reviewed_at) is None:
            faults.append(
                f"line {number}: reviewed_at '{reviewed_at}' must be written like 2026-01-31"
            )
        if label and not reviewed_at:
            faults.append(f"line {number}: a verdict without reviewed_at; say when it was made")
    return faults


def _day(text: str) -> str | None:
    """A day as 2026-01-31; also 2026/1/31, which spreadsheets make of it. None if neither."""
    match = _WRITTEN_DAY.fullmatch(text)
    try:
        return dt.date(*(int(part) for part in match.groups())).isoformat() if match else None
    except ValueError:
        return None


def _check_spelling(kept: Mapping[int, str], tagged: list[str], name: str) -> None:
    """A spreadsheet turns the id 00123 into 123; the verdict on it would then be lost."""
    bare = {each.lstrip("0") for each in tagged if each.startswith("0")}
    known = set(tagged)
    # The lines are named and not the ids, since a message may be read by others.
    mangled = [
        f"line {number}: a number whose customer has leading zeros in the data"
        for number, each in kept.items()
        if each not in known and each in bare
    ]
    mangled += [
        f"line {number}: a rounded number such as 1.23E+15"
        for number, each in kept.items()
        if each not in known and _ROUNDED.fullmatch(each)
    ]
    if mangled:
        raise SourceError(
            f"{name}: a spreadsheet changed {len(mangled):,} ids; format the column as text and "
            "restore them. The file was not touched",
            mangled[:9],
        )


def _as_csv(rows: pd.DataFrame) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(rows.columns)
    safe = rows.assign(customer_id=rows["customer_id"].map(_guarded))
    writer.writerows(safe.itertuples(index=False, name=None))
    return out.getvalue().encode("utf-8-sig")


def _guarded(customer: str) -> str:
    return f"'{customer}" if customer.startswith(_FORMULA) else customer


def _without_guard(customer: str) -> str:
    guarded = customer.startswith("'") and customer[1:].startswith(_FORMULA)
    return customer[1:] if guarded else customer


def _replace(target: Path, content: bytes, read: bytes | None) -> None:
    """Writes aside, then moves into place, unless somebody saved the file meanwhile."""
    if content == read:
        return
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with open(aside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if (target.read_bytes() if target.exists() else None) != read:
            raise SourceError(
                f"{target.name} was saved by somebody while it was being updated; close it and "
                "run again. The file was not touched"
            )
        os.replace(aside, target)
    except OSError as fault:
        raise SourceError(
            f"{target.name} cannot be written ({fault.strerror}); the file was not touched"
        ) from None
    finally:
        aside.unlink(missing_ok=True)
