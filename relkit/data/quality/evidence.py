"""One figure of a checklist: measured from counts, or not measurable, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from relkit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Unit = Literal["share", "count", "days"]
# Why something was not measured.
NOT_SUPPLIED = "not_supplied"  # a table or column is not there
NO_ROWS = "no_rows"  # it is there and holds nothing that could be counted
NO_TIERS = "no_tiers"  # nobody said who belongs to which tier


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was counted of one item, or why it could not be.

    Attributes:
        item: Which item of its checklist.
        unit: Of the value: a share in [0, 1], a count, or days.
        value: The figure; None where it was not measured, never 0 in its place.
        of, part: A share's counts: `value` = `part` / `of`.
        details: Further counts that the figure was made with.
        reason: Why it was not measured: NOT_SUPPLIED, NO_ROWS or NO_TIERS; None if it was.
        missing: The tables or columns that are not there, like 'touches.direction'.
    """

    item: str
    unit: Unit
    value: float | None = None
    part: int | None = None
    of: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise DataError(
                f"{self.item}: has a value or a reason why there is none, found value="
                f"{self.value!r} and reason={self.reason!r}; this is a fault of relkit"
            )

    @property
    def is_measured(self) -> bool:
        return self.reason is None


def share(item: str, part: int, of: int, **details: Any) -> Evidence:
    """A share with its counts; of nothing, it is not measured."""
    if of == 0:
        return Evidence(item, "share", reason=NO_ROWS, details=details)
    return Evidence(item, "share", part / of, part, of, details)


def not_supplied(item: str, missing: Iterable[str], unit: Unit = "share") -> Evidence:
    """An item whose tables or columns are not there."""
    return Evidence(item, unit, reason=NOT_SUPPLIED, missing=tuple(missing))


def evidence_frame(items: Iterable[Evidence]) -> pd.DataFrame:
    """One row an item: item, status, value, unit, part, of, reason, missing."""
    import pandas as pd

    rows = [
        {
            "item": each.item,
            "status": "measured" if each.is_measured else "not measurable",
            "value": each.value,
            "unit": each.unit,
            "part": each.part,
            "of": each.of,
            "reason": each.reason or "",
            "missing": ", ".join(each.missing),
        }
        for each in items
    ]
    frame = pd.DataFrame(rows)
    return frame.astype({"value": "float64", "part": "Int64", "of": "Int64"})
