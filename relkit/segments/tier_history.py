"""Tiers of a customer base on several days: who moved, and who only went there and back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relkit.errors import DataError, ParameterError
from relkit.segments.migration import TierMigration, tier_migration
from relkit.segments.tier_labels import tier_labels


@dataclass(frozen=True, slots=True, eq=False)
class TierHistory:
    """A tier for every customer on each of several days.

    Attributes:
        rows: as_of (midnight timestamp), customer_id, tier, and where tiers go by rank
            value and rank_share; sorted by day, then by customer.
        names: Tiers from the best down.
        shares: Of the customers that each tier was to hold, the last tier's included;
            None where tiers do not go by rank.
        by: What the tiers go by, such as clv.
    """

    rows: pd.DataFrame
    names: tuple[str, ...]
    shares: tuple[float, ...] | None = None
    by: str = "value"

    def to_frame(self) -> pd.DataFrame:
        return self.rows.copy()

    @property
    def dates(self) -> tuple[dt.date, ...]:
        """The days, earliest first."""
        return tuple(pd.Timestamp(day).date() for day in self.rows["as_of"].unique())

    def at(self, day: str | dt.date) -> pd.DataFrame:
        """The rows of one day, without the day; fit for every study of two days.

        Raises:
            ParameterError: the history does not hold this day.
        """
        wanted = pd.Timestamp(day)
        found = self.rows[self.rows["as_of"] == wanted]
        if found.empty:
            days = ", ".join(str(known) for known in self.dates)
            raise ParameterError(f"as_of={wanted.date()} is not in the history, which has {days}")
        return found.drop(columns="as_of").reset_index(drop=True)

    def migration(
        self, before: str | dt.date | None = None, after: str | dt.date | None = None
    ) -> TierMigration:
        """From which tier to which between two days; the last two unless said.

        Raises:
            ParameterError: the history does not hold a day, or holds only one.
        """
        days = self.dates
        if before is None and len(days) < 2:
            raise ParameterError("the history holds one day; a migration needs two")
        return tier_migration(
            self.at(days[-2] if before is None else before),
            self.at(days[-1] if after is None else after),
            self.names,
        )

    def changes(self) -> pd.DataFrame:
        """One row a day from the second on: as_of, customers (with a tier on this day and
        the one before), changed, share; there_and_back (of those with a tier on three days
        running, who are in the tier of two days ago but were in another between),
        there_and_back_share. Both are missing (<NA>, nan) on the second day.
        """
        places = self.places()
        now, then = places[1:], places[:-1]
        both = (now >= 0) & (then >= 0)
        changed = (now != then) & both
        three = both[1:] & both[:-1]
        back = (places[2:] == places[:-2]) & changed[1:] & three
        customers, threes = both.sum(axis=1), three.sum(axis=1)
        moved, backs = changed.sum(axis=1), back.sum(axis=1)
        return pd.DataFrame(
            {
                "as_of": self.rows["as_of"].unique()[1:],
                "customers": customers,
                "changed": moved,
                "share": _shares(moved, customers),
                "there_and_back": pd.array([pd.NA, *backs][: len(customers)], dtype="Int64"),
                "there_and_back_share": np.r_[np.nan, _shares(backs, threes)][: len(customers)],
            }
        )

    def flapping(self) -> tuple[float, float]:
        """Share of customer-days on which the tier changed, and on which it went back.

        Raises:
            DataError: fewer than three days, or nobody with a tier on three days running.
        """
        places = self.places()
        both = (places[1:] >= 0) & (places[:-1] >= 0)
        three = both[1:] & both[:-1] if len(places) > 2 else np.zeros(1, dtype=bool)
        if not three.any():
            raise DataError("flapping needs customers with a tier on three days running")
        changed = (places[1:] != places[:-1]) & both
        back = (places[2:] == places[:-2]) & changed[1:] & three
        return float(changed.sum() / both.sum()), float(back.sum() / three.sum())

    def places(self) -> NDArray[np.intp]:
        """Place of every customer's tier on every day, shape (days, customers); -1 without."""
        return self.spread("tier")

    def spread(self, column: str) -> NDArray[Any]:
        """A column as a table of days by customers, customers in the order of their ids.

        Args:
            column: tier (as its place, -1 where absent) or a column of numbers (nan).
        """
        day = pd.factorize(self.rows["as_of"])[0]
        customer, everyone = pd.factorize(self.rows["customer_id"], sort=True)
        shape = (int(day.max()) + 1, len(everyone))
        if column == "tier":
            table = np.full(shape, -1, dtype=np.intp)
            table[day, customer] = pd.Index(self.names).get_indexer(pd.Index(self.rows["tier"]))
            return table
        numbers = np.full(shape, np.nan)
        numbers[day, customer] = self.rows[column].to_numpy(float)
        return numbers

    def customer_ids(self) -> pd.Index:
        """Everybody who had a tier on any day, in the order of ``spread``."""
        return pd.Index(pd.factorize(self.rows["customer_id"], sort=True)[1])


def _shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Shares; nan where there is no whole."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def tier_history(
    tiers: Mapping[Any, Any] | Iterable[tuple[Any, Any]],
    names: Sequence[str] | None = None,
    by: str = "value",
) -> TierHistory:
    """Tiers of several days put together, in whatever order they come.

    Args:
        tiers: Day → tiers of that day: a result with ``to_frame()``, or a frame with
            customer_id, tier (and, where tiers go by rank, value and rank_share).
        names: Tiers from the best down; those of the tiers where they have them.
        by: What the tiers go by.

    Raises:
        ParameterError: no day, a day that is none or stands twice, or days whose tiers differ.
        DataError: as for one day's tiers: unknown ones, a customer in two.
    """
    pairs = list(tiers.items() if isinstance(tiers, Mapping) else tiers)
    if not pairs:
        raise ParameterError("a history needs tiers of at least one day")
    days = [_day(day) for day, _ in pairs]
    if len(set(days)) < len(days):
        twice = next(day for day in days if days.count(day) > 1)
        raise ParameterError(f"{twice.date()} stands twice in the history; give each day once")
    parts, order = [], None
    for day, given in sorted(zip(days, (given for _, given in pairs), strict=True), key=_first):
        labels = tier_labels(given, f"tiers of {day.date()}", names)
        if order is not None and labels.names != order:
            raise ParameterError(
                f"tiers of {day.date()} are {', '.join(labels.names)}, those of other days "
                f"{', '.join(order)}; give names= that hold both"
            )
        order = labels.names
        ranks = [name for name in ("value", "rank_share") if name in labels.frame]
        kept = {name: labels.frame[name] for name in ranks}
        tier = np.array(order, dtype=object)[labels.place]
        part = pd.DataFrame({"as_of": day, "customer_id": labels.ids, **kept, "tier": tier})
        parts.append(part.sort_values("customer_id", kind="stable"))
    whole = pd.concat(parts, ignore_index=True)
    shares = getattr(pairs[0][1], "target_shares", None)
    return TierHistory(whole, order or (), shares, by)


def _first(pair: tuple[pd.Timestamp, Any]) -> pd.Timestamp:
    return pair[0]


def _day(day: Any) -> pd.Timestamp:
    try:
        return pd.Timestamp(day).normalize().as_unit("us")
    except (ValueError, TypeError):
        raise ParameterError(f"day={day!r} must be a day written like 1998-06-30") from None
