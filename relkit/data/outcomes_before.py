"""The time before an experiment, read as an experiment in which everybody is in one arm.

So every metric means what it will mean when the real experiment is read.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from relkit.data.engine import keep
from relkit.data.experiment_outcomes import ExperimentOutcomes, experiment_outcomes

if TYPE_CHECKING:
    import pandas as pd

    from relkit.data.sources import Source


def outcomes_before(
    source: Source,
    people: pd.DataFrame,
    since: dt.datetime,
    window_weeks: int,
    covariate_weeks: int,
    retained_within_weeks: int,
) -> ExperimentOutcomes:
    """What customers did in a window of the past.

    Args:
        source: Its tables, but not its assignments.
        people: customer_id, tier of those who were there when the window began.
        since: When it began.
        window_weeks, covariate_weeks, retained_within_weeks: As for
            `rk.experiment_outcomes`.

    Raises:
        DataError: the data end before the window does.
    """
    begun: Any = _EverybodyInOneArm(source, people, since)
    return experiment_outcomes(begun, window_weeks, covariate_weeks, retained_within_weeks)


class _EverybodyInOneArm:
    """A source with other assignments: all in the arm 'all', from one day on."""

    def __init__(self, source: Source, people: pd.DataFrame, since: dt.datetime) -> None:
        import ibis
        import pyarrow as pa

        n = len(people)
        frame = pa.table(
            {
                "experiment_id": pa.repeat("before", n),
                "customer_id": pa.array(people["customer_id"].astype(str).tolist(), pa.string()),
                "arm": pa.repeat("all", n),
                "stratum": pa.array(people["tier"].astype(str).tolist(), pa.string()),
                "assigned_at": pa.repeat(pa.scalar(since, pa.timestamp("us")), n),
            }
        )
        self._source = source
        engine = source.transactions.get_backend()
        self.assignments = keep(engine, "before", ibis.memtable(frame))

    def has(self, table: str) -> bool:
        return table == "assignments" or self._source.has(table)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)
