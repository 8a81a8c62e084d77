"""Who is known how well: customers by stage of capture (basic, behaviour, asked).

Basic is what stands in the record of a customer, behaviour what the customer did, asked
what the company wanted to know: a survey or an interview, answered or not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from relkit.data.engine import keep
from relkit.data.quality.row_funnel import created_later
from relkit.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from relkit.data.sources import Source

Stage = Literal["basic", "behaviour", "asked"]
# Stage → where it shows: one of these is enough.
STAGES: Mapping[Stage, tuple[str, ...]] = {
    "basic": ("customers",),
    "behaviour": ("transactions", "engagement", "tickets", "touches"),
    "asked": ("feedback", "interviews", "survey_values"),
}
STAGE_OF = {table: stage for stage, tables in STAGES.items() for table in tables}
# What describes a customer, beside the id, the owner and the consents.
BASIC_FIELDS = (
    "name",
    "industry",
    "region",
    "decision_maker",
    "email",
    "phone",
    "birthday",
    "time_zone",
)


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """How many customers are captured at each stage.

    Attributes:
        customers: How many there are: those created by `as_of` where the source has
            customers, else everybody who is named in one of its tables.
        cells: One row a combination: tier (None where the customer has none, or no tiers
            were given), in_TABLE for each of `tables`, and customers.
        fields: One row a descriptive field of `customers` that is mapped: field, filled,
            share. Empty where there is none.
        tables: The tables of STAGES that say something here.
        tiers: The tiers in their order; empty where none were given.
        by_id: One row a customer: customer_id, tier, in_TABLE; lazy, in the engine.
    """

    customers: int
    cells: pd.DataFrame
    fields: pd.DataFrame
    tables: tuple[str, ...]
    tiers: tuple[str, ...]
    by_id: ir.Table

    def is_measured(self, stage: Stage) -> bool:
        """Whether a table says anything about a stage."""
        return bool(set(STAGES[stage]) & set(self.tables))

    @property
    def measured(self) -> tuple[Stage, ...]:
        """The stages that are measured."""
        return tuple(stage for stage in STAGES if self.is_measured(stage))

    def covered(self, *stages: Stage) -> int:
        """Customers who are captured at all of some measured stages."""
        return int(self._with_stages().query(" and ".join(stages))["customers"].sum())

    def to_frame(self) -> pd.DataFrame:
        """One row a stage: stage, status, customers, covered, share, tables, missing."""
        import pandas as pd

        rows = []
        for stage, tables in STAGES.items():
            known = self.is_measured(stage)
            covered = self.covered(stage) if known else None
            rows.append(
                {
                    "stage": stage,
                    "status": "measured" if known else "not supplied",
                    "customers": self.customers,
                    "covered": covered,
                    "share": covered / self.customers if covered is not None else None,
                    "tables": ", ".join(name for name in tables if name in self.tables),
                    "missing": ", ".join(name for name in tables if name not in self.tables),
                }
            )
        return pd.DataFrame(rows).astype({"covered": "Int64", "share": "float64"})

    def by_tier(self) -> pd.DataFrame:
        """One row a tier and measured stage: tier, stage, customers, covered, share.

        Tiers in their order; last, as None, the customers without one if there are any.
        """
        import pandas as pd

        cells = self._with_stages()
        rows = []
        for tier in (*self.tiers, None):
            mine = cells[cells["tier"].isna() if tier is None else cells["tier"] == tier]
            n = int(mine["customers"].sum())
            for stage in self.measured if n else ():
                covered = int(mine.loc[mine[stage], "customers"].sum())
                rows.append((tier, stage, n, covered, covered / n))
        return pd.DataFrame(rows, columns=["tier", "stage", "customers", "covered", "share"])

    def by_table(self) -> pd.DataFrame:
        """One row a table that captures customers: stage, table, covered, share."""
        import pandas as pd

        counts = [
            int(self.cells.loc[self.cells[f"in_{t}"], "customers"].sum()) for t in self.tables
        ]
        stages = [STAGE_OF[table] for table in self.tables]
        shares = [n / self.customers for n in counts]
        return pd.DataFrame(
            {"stage": stages, "table": self.tables, "covered": counts, "share": shares}
        )

    def combinations(self) -> pd.DataFrame:
        """One row a combination of the measured stages: those, customers, share; most first."""
        found = self._with_stages().groupby(list(self.measured))[["customers"]].sum().reset_index()
        found = found.sort_values("customers", ascending=False, kind="stable", ignore_index=True)
        return found.assign(share=found["customers"] / self.customers)

    def by_customer(self) -> pd.DataFrame:
        """The matrix: one row a customer, sorted: customer_id, tier, the measured stages."""
        frame = self.by_id.to_pyarrow().to_pandas().sort_values("customer_id", ignore_index=True)
        stages = {s: frame[self._tables_of(s)].any(axis="columns") for s in self.measured}
        return frame[["customer_id", "tier"]].assign(**stages)

    def _tables_of(self, stage: Stage) -> list[str]:
        return [f"in_{name}" for name in STAGES[stage] if name in self.tables]

    def _with_stages(self) -> pd.DataFrame:
        stages = {s: self.cells[self._tables_of(s)].any(axis="columns") for s in self.measured}
        return self.cells.assign(**stages)


def coverage(source: Source, tiers: pd.DataFrame | None = None) -> Coverage:
    """Customers × stages of capture, counted in the engine.

    A customer is captured at *basic* with a record that has one of BASIC_FIELDS at least;
    at *behaviour* with a transaction, an engagement above 0, a ticket, or an inbound
    touch; at *asked* with a feedback request, an interview or a value from a survey.

    Args:
        source: As opened, with its `as_of`.
        tiers: customer_id and tier, each customer once; such as `rank_tiers(…).to_frame()`.
            Tiers stand in the order of a categorical, else in that of their names.

    Raises:
        DataError: `tiers` lacks a column or has a customer twice, or the source has no
            customer.
    """
    import ibis

    everyone = known_customers(source)
    shown = {name: rows for name in STAGE_OF if (rows := _shows_in(source, name)) is not None}
    parts = [rows.select("customer_id", table=ibis.literal(name)) for name, rows in shown.items()]
    rows = everyone
    if parts:
        seen = ibis.union(*parts) if len(parts) > 1 else parts[0]
        flags = {f"in_{name}": (seen.table == name).any() for name in shown}
        rows = _joined(rows, seen.group_by("customer_id").agg(**flags), list(flags), False)
    order: tuple[str, ...] = ()
    if tiers is None:
        rows = rows.mutate(tier=ibis.null("string"))
    else:
        order, frame = _checked_tiers(tiers)
        rows = _joined(rows, ibis.memtable(frame), ["tier"], None)
    engine = ibis.get_backend(source.transactions)
    keys = ["tier", *(f"in_{name}" for name in shown)]
    by_id = keep(engine, "relkit_coverage", rows.select("customer_id", *keys))
    cells = by_id.group_by(keys).agg(customers=by_id.count()).to_pyarrow().to_pandas()
    cells = cells.sort_values(keys, ignore_index=True)
    customers = int(cells["customers"].sum())
    if customers == 0:
        raise DataError("coverage: the source has no customer by as_of; at least one is required")
    return Coverage(customers, cells, _fields(source), tuple(shown), order, by_id)


def known_customers(source: Source) -> ir.Table:
    """One row a customer known by `as_of`: customer_id."""
    import ibis

    if source.has("customers"):
        people = source.customers
        return people.filter(~created_later(people, source.as_of)).select("customer_id")
    named = [
        source.table(name).select("customer_id").drop_null()
        for name in source.tables
        if "customer_id" in source.table(name).columns
    ]
    return (ibis.union(*named) if len(named) > 1 else named[0]).distinct()


def _shows_in(source: Source, name: str) -> ir.Table | None:
    """The customers that a table captures; None where it says nothing."""
    if not source.has(name):
        return None
    rows = source.table(name)
    if name == "customers":
        there = [rows[field].notnull() for field in BASIC_FIELDS if field in rows.columns]
        if not there:
            return None
        filled = there[0]
        for one in there[1:]:
            filled = filled | one
        return rows.filter(filled)
    if name == "engagement":
        return rows.filter(rows["count"] > 0)
    if name == "touches":
        # Without a direction all touches are the company's own.
        return rows.filter(rows.direction == "inbound") if "direction" in rows.columns else None
    return rows.filter(rows.customer_id.notnull())


def _joined(rows: ir.Table, more: ir.Table, columns: list[str], instead: bool | None) -> ir.Table:
    """Rows with columns of `more` for the same customer, and `instead` where it has none."""
    renamed = more.select(other_id=more.customer_id, **{name: more[name] for name in columns})
    joined = rows.left_join(renamed, rows.customer_id == renamed.other_id).drop("other_id")
    if instead is None:
        return joined
    return joined.mutate(**{name: joined[name].fill_null(instead) for name in columns})


def _checked_tiers(tiers: pd.DataFrame) -> tuple[tuple[str, ...], pd.DataFrame]:
    missing = [f"no column '{n}'" for n in ("customer_id", "tier") if n not in tiers.columns]
    if missing:
        raise DataError("tiers need customer_id and tier", missing)
    if tiers["customer_id"].duplicated().any():
        n = int(tiers["customer_id"].duplicated().sum())
        raise DataError(f"tiers: {n} customers stand there again; each must stand there once")
    known = tiers["tier"].dropna()
    order = known.cat.categories if known.dtype == "category" else sorted(known.unique())
    frame = tiers[["customer_id", "tier"]].astype({"customer_id": "str", "tier": "object"})
    return tuple(str(tier) for tier in order), frame.reset_index(drop=True)


def _fields(source: Source) -> pd.DataFrame:
    import pandas as pd

    fields: tuple[str, ...] = ()
    if source.has("customers"):
        people = source.customers.filter(~created_later(source.customers, source.as_of))
        fields = tuple(field for field in BASIC_FIELDS if field in people.columns)
    if not fields:
        return pd.DataFrame({"field": [], "filled": [], "share": []})
    counts = people.agg(n=people.count(), **{field: people[field].count() for field in fields})
    found = counts.to_pyarrow().to_pylist()[0]
    filled = [int(found[field]) for field in fields]
    shares = [n / found["n"] if found["n"] else None for n in filled]
    return pd.DataFrame({"field": fields, "filled": filled, "share": shares})


def window_start(as_of: dt.date, days: int) -> dt.date:
    """First day of the last `days` days up to `as_of`, both counted."""
    return as_of - dt.timedelta(days=days - 1)
