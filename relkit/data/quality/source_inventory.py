"""What was supplied: rows, days, files with their hashes, and the days on which a feed was silent.

A feed is silent where the time between two of its days is much longer than usual. What is
usual is the feed's own: weekly logins are not silent from Monday to Monday, and an
interview every other week is not missed for a month.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relkit.data.quality.row_funnel import opened_table
from relkit.errors import ParameterError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from relkit.data.sources import Source

# Below this many steps from one day with rows to the next, what is usual is not known.
LEAST_STEPS = 20
# Steps on each side of a silence that say what is usual around it: shops grow.
_NEIGHBOURS = 50
# A silence is one if chance alone would bring fewer as long as it into the feed. Feeds that
# often miss their time come in waves, and a chance that knows no waves is then too small.
LARGEST_CHANCE, LARGEST_CHANCE_OF_IRREGULAR = 0.01, 0.0001
_IRREGULAR = 0.1  # share of its times that such a feed misses
_RARE = 0.05  # share of its steps that a feed's silences are at most


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of days on which a table has no row and should have some.

    Attributes:
        table: Its name.
        first: First day of the stretch, on which the next row was due.
        last: Last day without a row.
        days: From the first to the last, both counted.
        usual_step: Median days from one day with rows to the next.
        by_chance: Silences at least as long that chance alone would bring.
        still_silent: Whether the stretch reaches to `as_of`.
    """

    table: str
    first: dt.date
    last: dt.date
    days: int
    usual_step: int
    by_chance: float
    still_silent: bool


@dataclass(frozen=True, slots=True)
class TableInventory:
    """One table of a source.

    Attributes:
        table: Its name.
        read, used: Rows in its files, and those that keep its contract.
        first, last: Days of the first and the last row used; None where rows have no day.
        days_with_rows: Different days among them.
        days_since_last: From the last row to `as_of`.
        files: How many it was read from.
        format: Of its files, such as 'csv'.
        gaps_known: Whether it has days enough to tell a silence from chance.
    """

    table: str
    read: int
    used: int
    first: dt.date | None
    last: dt.date | None
    days_with_rows: int | None
    days_since_last: int | None
    files: int
    format: str
    gaps_known: bool


@dataclass(frozen=True, slots=True)
class SourceInventory:
    """Everything that a source supplies.

    Attributes:
        tables: In the order of the contracts.
        missing: Tables that the source does not map.
        gaps: Silences, in the order of the tables and days.
        files: (table, path, rows, bytes, SHA-256) of each file.
        as_of: The last day that was looked at.
    """

    tables: tuple[TableInventory, ...]
    missing: tuple[str, ...]
    gaps: tuple[Gap, ...]
    files: tuple[tuple[str, str, int, int, str], ...]
    as_of: dt.date

    def to_frame(self) -> pd.DataFrame:
        """One row a table: the attributes of TableInventory, and `gaps`, the number of them."""
        import pandas as pd

        rows = [
            {
                "table": each.table,
                "read": each.read,
                "used": each.used,
                "first": each.first,
                "last": each.last,
                "days_with_rows": each.days_with_rows,
                "days_since_last": each.days_since_last,
                "gaps": sum(gap.table == each.table for gap in self.gaps)
                if each.gaps_known
                else None,
                "files": each.files,
                "format": each.format,
            }
            for each in self.tables
        ]
        frame = pd.DataFrame(rows)
        whole = ["days_with_rows", "days_since_last", "gaps"]
        days = {end: pd.to_datetime(frame[end]) for end in ("first", "last")}
        return frame.assign(**days).astype(dict.fromkeys(whole, "Int64"))

    def files_frame(self) -> pd.DataFrame:
        """One row a file: table, file, rows, bytes, sha256."""
        import pandas as pd

        return pd.DataFrame(self.files, columns=["table", "file", "rows", "bytes", "sha256"])

    def gaps_frame(self) -> pd.DataFrame:
        """One row a silence: table, first, last, days, usual_step, by_chance, still_silent."""
        import pandas as pd

        names = ["table", "first", "last", "days", "usual_step", "by_chance", "still_silent"]
        rows = [[getattr(gap, name) for name in names] for gap in self.gaps]
        frame = pd.DataFrame(rows, columns=names)
        return frame.assign(**{end: pd.to_datetime(frame[end]) for end in ("first", "last")})


def inventory(source: Source, min_gap_days: int = 7) -> SourceInventory:
    """Rows, days, silences, files and hashes of every table of a source.

    Args:
        source: As opened; every table that it maps is read.
        min_gap_days: Shorter silences are not listed; at least 1.

    Raises:
        ParameterError: `min_gap_days` is no positive whole number.
        DataError, SourceError: a table cannot be read.
    """
    if isinstance(min_gap_days, bool) or not isinstance(min_gap_days, int) or min_gap_days < 1:
        raise ParameterError(f"min_gap_days={min_gap_days!r} must be a whole number from 1")
    tables, gaps, files = [], [], []
    for name in source.tables:
        days = _days_of(source, name)
        tables.append(_table(source, name, days))
        gaps += silences(name, days or (), source.as_of, min_gap_days)
        files += [(name, f.path, f.rows, f.bytes, f.sha256) for f in source.files_of(name)]
    return SourceInventory(tuple(tables), source.missing, tuple(gaps), tuple(files), source.as_of)


def _days_of(source: Source, name: str) -> tuple[dt.date, ...] | None:
    """The different days of a table's rows, sorted; None where its rows have no day."""
    opened = opened_table(source, name)
    if opened.contract.dated_by is None:
        return None
    day = opened.rows[opened.contract.dated_by].cast("date")
    found = opened.rows.select(day=day).distinct().order_by("day").to_pyarrow()
    return tuple(found["day"].to_pylist())


def _table(source: Source, name: str, days: tuple[dt.date, ...] | None) -> TableInventory:
    opened = opened_table(source, name)
    first, last = (days[0], days[-1]) if days else (None, None)
    return TableInventory(
        table=name,
        read=opened.account.read,
        used=opened.account.used,
        first=first,
        last=last,
        days_with_rows=None if days is None else len(days),
        days_since_last=None if last is None else (source.as_of - last).days,
        files=len(opened.files),
        format=opened.mapping.format,
        gaps_known=days is not None and len(days) > LEAST_STEPS,
    )


def silences(
    table: str, days: Sequence[dt.date], as_of: dt.date, min_gap_days: int = 7
) -> list[Gap]:
    """The silences among the days of a feed that chance does not explain.

    In units of its median step, a feed misses each of its times with a probability q of
    its own; so many of its n steps miss k times in a row as n·q^k. q comes from the
    other steps: all of them, or those around the silence, whichever miss more.

    Args:
        table: Its name.
        days: Different days with rows, sorted.
        as_of: The last day; a feed that should have brought rows since its last one is
            still silent.
        min_gap_days: Shorter ones are left out.
    """
    import numpy as np

    if len(days) <= LEAST_STEPS:
        return []
    # Whoever looks at as_of looks at the end of that day.
    moments = np.array([*days, as_of + dt.timedelta(days=1)], "datetime64[D]").astype(int)
    steps = np.diff(moments)
    usual = max(1, round(float(np.median(steps[:-1]))))
    missed = np.maximum(np.rint(steps / usual).astype(int) - 1, 0)
    found = []
    natural = np.ones(len(missed), bool)  # the steps that are no silence, as far as is known
    for place in np.argsort(-missed, kind="stable"):
        rate = _rate_around(missed, natural, int(place))
        chance = float(len(missed) * rate ** missed[place])
        if chance >= (LARGEST_CHANCE_OF_IRREGULAR if rate > _IRREGULAR else LARGEST_CHANCE):
            continue
        natural[place] = False
        silent = int(steps[place]) - usual
        if silent >= min_gap_days:
            first = days[place] + dt.timedelta(days=usual)
            last = first + dt.timedelta(days=silent - 1)
            still = bool(place == len(steps) - 1)
            found.append(Gap(table, first, last, silent, usual, chance, still))
    return sorted(found, key=lambda gap: gap.first)


def _rate_around(missed: np.ndarray, natural: np.ndarray, place: int) -> float:
    """Chance of a feed to miss one of its times, told from the steps beside the one at `place`."""
    import numpy as np

    equal = missed == missed[place]
    # Two silences of two weeks must not excuse each other; what happens often is usual.
    others = natural & ~equal if equal.mean() <= _RARE else natural.copy()
    others[place] = False
    around = np.zeros(len(missed), bool)
    around[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1] = True
    rates = []
    for chosen in (missed[others], missed[others & around]):
        # A step ends in one time that was kept; half a miss more keeps the rate above 0.
        misses = chosen.sum() + 0.5
        rates.append(misses / (misses + len(chosen)))
    return float(max(rates))
