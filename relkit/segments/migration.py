"""From which tier to which: customers and their value between two days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.segments.cents import Cents, sums_by, to_cents
from relkit.segments.tier_labels import TierLabels, on_one_list, same_names, tier_labels

# Where a customer comes from who was in no tier before, and goes who is in none after.
ENTERED = "(entered)"
LEFT = "(left)"
Measure = Literal["customers", "value_before", "value_after", "value_change"]
MEASURES: tuple[str, ...] = get_args(Measure)


@dataclass(frozen=True, slots=True, eq=False)
class TierMigration:
    """How many customers, and how much value, went from each tier to each.

    Attributes:
        names: Tiers from the best down.
        cells: One row for each pair, empty ones included: before (a tier, or
            ``ENTERED``), after (a tier, or ``LEFT``), customers, and value_before,
            value_after, value_change as amounts; all value is 0 before for who entered
            and after for who left. Without values these columns are missing.
    """

    names: tuple[str, ...]
    cells: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """The cells: before, after, customers, value_before, value_after, value_change."""
        return self.cells.copy()

    @property
    def has_value(self) -> bool:
        """Whether both days came with values."""
        return "value_after" in self.cells

    def matrix(self, measure: str = "customers", margins: bool = True) -> pd.DataFrame:
        """Tiers before down, tiers after across, best first.

        Args:
            measure: customers, value_before, value_after or value_change.
            margins: Whether to add a row and a column ``total``; they hold the tiers'
                own totals on each day, since everyone is in one cell.

        Raises:
            ParameterError: another measure, or values where none were given.
        """
        if measure not in MEASURES:
            hint = did_you_mean(str(measure), MEASURES)
            raise ParameterError(f"measure={measure!r} must be one of {', '.join(MEASURES)}{hint}")
        if measure not in self.cells:
            raise ParameterError(f"{measure} needs a column 'value' in the tiers of both days")
        values = self.cells[measure]
        if measure != "customers":
            values = (values * 100).round().astype("int64")
        table = (
            self.cells.assign(shown=values)
            .pivot(index="before", columns="after", values="shown")
            .reindex(index=[*self.names, ENTERED], columns=[*self.names, LEFT])
        )
        # Nobody can enter and leave at once: that cell is empty, not missing.
        table = table.fillna(0).astype("int64")
        if margins:
            table["total"] = table.sum(axis=1)
            table.loc["total"] = table.sum(axis=0)
        return table if measure == "customers" else table / 100

    def rates(self) -> pd.DataFrame:
        """Share of each tier's earlier customers that went to each tier, or left.

        Rows sum to 1; a tier that held nobody before has no rates (nan).
        """
        counts = self.matrix("customers", margins=False).loc[list(self.names)]
        held = counts.sum(axis=1)
        return counts.div(held.where(held > 0), axis=0)

    def totals(self) -> pd.DataFrame:
        """One row a tier: tier, customers_before, customers_after, and values if given."""
        sides = []
        for side in ("before", "after"):
            columns = ["customers", f"value_{side}"] if self.has_value else ["customers"]
            sums = self.cells.groupby(side)[columns].agg(
                {name: "sum" if name == "customers" else _exact_sum for name in columns}
            )
            sides.append(
                sums.reindex(list(self.names), fill_value=0).rename(
                    columns={"customers": f"customers_{side}"}
                )
            )
        return pd.concat(sides, axis=1).rename_axis("tier").reset_index()

    @property
    def counts(self) -> dict[str, int]:
        """Customers who moved up, stayed, moved down, entered, left; they sum to all."""
        rank = {name: place for place, name in enumerate(self.names)}
        found = dict.fromkeys(("up", "same", "down", "entered", "left"), 0)
        for before, after, customers in self.cells[["before", "after", "customers"]].itertuples(
            index=False
        ):
            if before == ENTERED:
                kind = "entered"
            elif after == LEFT:
                kind = "left"
            else:
                step = rank[after] - rank[before]
                kind = "same" if step == 0 else "up" if step < 0 else "down"
            found[kind] += int(customers)
        return found

    @property
    def moved_share(self) -> float:
        """Share that changed tier among customers with one on both days.

        Raises:
            DataError: nobody had a tier on both days.
        """
        counts = self.counts
        both = counts["up"] + counts["same"] + counts["down"]
        if both == 0:
            raise DataError("no customer had a tier on both days, so no share can be said")
        return (counts["up"] + counts["down"]) / both


def _exact_sum(amounts: pd.Series) -> float:
    return int((amounts * 100).round().astype("int64").sum()) / 100


def tier_migration(
    before: Any, after: Any, names: Sequence[str] | None = None, value: str = "value"
) -> TierMigration:
    """Who went from which tier to which between two days, and with how much value.

    Args:
        before: Tiers on the earlier day: a result with ``to_frame()``, or a frame with
            customer_id, tier and, for the matrix in money, a column of value.
        after: Tiers on the later day. Customers may come and go between the two.
        names: Tiers from the best down; those of ``before`` where it has them.
        value: The column of value; used where both days have it.

    Raises:
        ParameterError: nothing says which tier is above which, or both days differ in it.
        DataError: no customers, unknown tiers, a customer in two tiers, values that are
            no numbers.
    """
    earlier = tier_labels(before, "tiers before", names)
    later = tier_labels(after, "tiers after", names)
    order = same_names(earlier, later)
    if {ENTERED, LEFT} & set(order):
        raise ParameterError(f"no tier may be called {ENTERED} or {LEFT}; rename it")
    everyone, (was_at, is_at) = on_one_list(earlier.ids, later.ids)
    size = len(order) + 1
    was, now = (np.full(len(everyone), len(order)) for _ in range(2))
    was[was_at], now[is_at] = earlier.place, later.place
    cell = was * size + now
    pairs = [(b, a) for b in (*order, ENTERED) for a in (*order, LEFT)]
    counted: dict[str, Any] = {"customers": np.bincount(cell, minlength=size * size)}
    if value in earlier.frame and value in later.frame:
        sums = [
            _cell_sums(cell, labels, at, value, side, size * size)
            for labels, at, side in ((earlier, was_at, "before"), (later, is_at, "after"))
        ]
        counted |= {
            "value_before": sums[0] / 100,
            "value_after": sums[1] / 100,
            "value_change": (sums[1] - sums[0]) / 100,
        }
    cells = pd.DataFrame(pairs, columns=["before", "after"]).assign(**counted)
    # The pair (entered, left) is nobody.
    return TierMigration(order, cells.iloc[:-1].reset_index(drop=True))


def _cell_sums(
    cell: np.ndarray, labels: TierLabels, at: np.ndarray, value: str, side: str, size: int
) -> Cents:
    cents = to_cents(labels.frame[value], f"{value} {side}")
    return sums_by(cell[at], cents, size)
