"""A synthetic world of customers with known truth, for demos, tests and what-ifs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from relkit.data.world_blocks import world_blocks
from relkit.data.world_columns import join
from relkit.data.world_parameters import (
    SNAPSHOT,
    START,
    WEEKS,
    WorldFaults,
    check_parameters,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Simulated customers: what their company would have on record, and the truth.

    Attributes:
        tables: Table name → frame, as a company has them.
        truth: What no company knows, by name: `consumers`, `accounts`, `answers` (what
            everyone asked would have said), `contents` (response rates by type of
            content), `classes`, `faults` (each planted fault: table, key, column, kind,
            was, became).
        parameters: What the world was made of; plain values.
        as_of: The last day before the snapshot, for `as_of=` of everything else.
    """

    tables: Mapping[str, pd.DataFrame]
    truth: Mapping[str, pd.DataFrame]
    parameters: Mapping[str, Any]
    as_of: dt.date

    def to_frame(self) -> pd.DataFrame:
        """Rows of each table, and whether it is the truth."""
        import pandas as pd

        rows = [(name, len(frame), False) for name, frame in self.tables.items()]
        rows += [(name, len(frame), True) for name, frame in self.truth.items()]
        return pd.DataFrame(rows, columns=["table", "rows", "truth"])


def simulate_world(
    customers: int = 20_000,
    seed: int = 1,
    kind: str = "full",
    weeks: int = WEEKS,
    snapshot: int = SNAPSHOT,
    faults: WorldFaults | str | None = "planted",
    accounts: int | None = None,
    start: str | dt.date = START,
    randomised_from: int | None = None,
    tables: Iterable[str] | None = None,
) -> World:
    """Simulate customers whose true rates, reasons and faults are known.

    The same arguments give the same world. Every customer is drawn in a block with
    random streams of its own, so leaving tables out changes nothing in the others, and
    more customers leave the complete blocks of 10,000 as they are.

    Args:
        customers: Consumers.
        seed: Of the random numbers, 0 or more.
        kind: 'full'; 'flat', where contacts have no effect on consumers, so that an
            honest method finds none; 'pure', BG/NBD and Gamma-Gamma as published.
        weeks: Length of the world.
        snapshot: Week that is looked back from; `as_of` is the day before it begins.
        faults: 'planted' at the usual rates, `WorldFaults(…)` with rates of your own, or None
            for a clean world.
        accounts: Business customers with contracts; a tenth of `customers` unless said,
            none in the pure world.
        start: First day.
        randomised_from: Week from which contacts are randomised; 13 before the snapshot.
        tables: Names of those to make; all unless said.

    Raises:
        ParameterError: arguments that cannot be meant, all of them at once.
    """
    world = check_parameters(
        customers, seed, kind, weeks, snapshot, faults, accounts, start, randomised_from, tables
    )
    made = list(world_blocks(world))
    tables, truth = join([part.tables for part in made]), join([part.truth for part in made])
    return World(
        tables=MappingProxyType({name: as_frame(tables[name]) for name in world.tables}),
        truth=MappingProxyType({name: as_frame(table) for name, table in truth.items()}),
        parameters=MappingProxyType(world.to_dict()),
        as_of=world.as_of,
    )


def as_frame(table: pa.Table) -> pd.DataFrame:
    """A pandas frame; flags and whole numbers that are not always known keep their type."""
    import pandas as pd

    unknown = {pa.bool_(): "boolean", pa.int64(): "Int64"}
    types = {
        field.name: unknown[field.type]
        for field in table.schema
        if field.type in unknown and table[field.name].null_count
    }
    frame: pd.DataFrame = table.drop_columns(list(types)).to_pandas()
    for name, kind in types.items():
        dtype: Any = pd.BooleanDtype() if kind == "boolean" else pd.Int64Dtype()
        frame[name] = dtype.__from_arrow__(table[name])
    return frame[table.column_names]
