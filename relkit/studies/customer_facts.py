"""What the tables say of every customer: last purchase and contact, tickets, answers, contract."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from relkit.data.sources import Source

    Table = Any  # an Ibis table; Ibis itself is at home in data/ only

TABLES = ("customers", "owners", "owner_history", "touches", "tickets", "feedback", "contracts")
_STAMP = len("20241229235959000000")
_YEAR = dt.timedelta(days=365)


@dataclass(frozen=True, slots=True, eq=False)
class CustomerFacts:
    """One row a customer, from the tables that there are.

    Attributes:
        as_of: The last day looked at.
        missing: Tables that the source does not map; their columns are not in the frame.
        data_until: The last day in each dated table, for ``rk.tag_customers``; as_of for
            those that have no days of their own.
    """

    as_of: dt.date
    missing: tuple[str, ...]
    data_until: Mapping[str, dt.date]
    _frame: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """customer_id, then what there is of:

        name, industry, region, decision_maker, created_at, owner_id, owner_name;
        last_purchase_at; touches_year, inbound_year, last_touch_at, last_channel,
        days_since_touch; tickets, open_tickets, open_complaints, last_ticket_at,
        hours_to_resolve (median); asked, answered, last_nps, last_nps_at, last_csat,
        last_csat_at; contracts, annual_value (of those that run), contract_ends_on (the last
        to end), contract_status, days_to_renewal. A count is 0 for a customer without rows
        in a table that is there; a day, a score, a length of time is missing.
        """
        return self._frame.copy()


def customer_facts(source: Source, customer_id: str | None = None) -> CustomerFacts:
    """What the tables say of every customer, or of one.

    Args:
        source: As opened by ``rk.open_source``.
        customer_id: Only this one; all if not given.

    Raises:
        DataError, SourceError: a table that is mapped cannot be used.
    """
    end = pd.Timestamp(source.as_of) + pd.Timedelta(days=1)
    tables = {name: source.table(name) for name in TABLES if source.has(name)}
    if customer_id is not None:
        tables = {
            name: table.filter(table.customer_id == customer_id)
            if "customer_id" in table.columns
            else table
            for name, table in tables.items()
        }
    bought = source.transactions
    if customer_id is not None:
        bought = bought.filter(bought.customer_id == customer_id)
    last = bought.filter(bought.kind == "purchase").group_by("customer_id")
    frame = last.agg(last_purchase_at=bought.occurred_at.max()).to_pandas()
    if "customers" in tables:
        frame = _people(tables["customers"]).merge(frame, on="customer_id", how="outer")
    for name, read in _READERS.items():
        if name in tables:
            found, counts = read(tables, end)
            frame = frame.merge(found, on="customer_id", how="left", validate="one_to_one")
            frame[counts] = frame[counts].fillna(0).astype("int64")
    frame = _with_owners(frame, tables, source.as_of)
    until = {name: _until(source, name) for name in ("transactions", *tables)}
    return CustomerFacts(
        as_of=source.as_of,
        missing=tuple(name for name in TABLES if name not in tables),
        data_until={name: day for name, day in until.items() if day is not None},
        _frame=frame.sort_values("customer_id", ignore_index=True),
    )


def _until(source: Source, name: str) -> dt.date | None:
    """The last day in a table; the day looked at where its rows have none of their own."""
    day = source.span_of(name)[1]
    # A contract's end, or a table without rows, says nothing of when it was exported.
    return source.as_of if day is None else min(day, source.as_of)


def _people(customers: Table) -> pd.DataFrame:
    wanted = (
        "customer_id",
        "name",
        "industry",
        "region",
        "decision_maker",
        "created_at",
        "owner_id",
    )
    people: pd.DataFrame = customers.select(
        [name for name in wanted if name in customers.columns]
    ).to_pandas()
    return people


def _touches(tables: Mapping[str, Table], end: pd.Timestamp) -> tuple[pd.DataFrame, list[str]]:
    touches = tables["touches"]
    recent = touches.occurred_at >= (end - _YEAR).to_pydatetime()
    wanted = {
        "touches_year": recent.sum(),
        "last_touch_at": touches.occurred_at.max(),
        "last_channel": _last(touches.channel, touches.occurred_at),
    }
    counts = ["touches_year"]
    if "direction" in touches.columns:
        wanted["inbound_year"] = (recent & (touches.direction == "inbound")).sum()
        counts.append("inbound_year")
    found = touches.group_by("customer_id").agg(**wanted).to_pandas()
    found["last_channel"] = found["last_channel"].str[_STAMP:]
    found["days_since_touch"] = (
        end.normalize() - found["last_touch_at"].dt.normalize()
    ).dt.days - 1
    return found, counts


def _tickets(tables: Mapping[str, Table], end: pd.Timestamp) -> tuple[pd.DataFrame, list[str]]:
    tickets = tables["tickets"]
    wanted = {"tickets": tickets.count(), "last_ticket_at": tickets.opened_at.max()}
    counts = ["tickets"]
    if "resolved_at" in tickets.columns:
        is_open = tickets.resolved_at.isnull()
        if "reopened_at" in tickets.columns:
            is_open = is_open | (tickets.reopened_at > tickets.resolved_at).fill_null(False)
        wanted["open_tickets"] = is_open.sum()
        wanted["open_complaints"] = (is_open & (tickets.kind == "complaint")).sum()
        seconds = tickets.resolved_at.epoch_seconds() - tickets.opened_at.epoch_seconds()
        wanted["hours_to_resolve"] = (seconds / 3600).median()
        counts += ["open_tickets", "open_complaints"]
    return tickets.group_by("customer_id").agg(**wanted).to_pandas(), counts


def _feedback(tables: Mapping[str, Table], end: pd.Timestamp) -> tuple[pd.DataFrame, list[str]]:
    feedback = tables["feedback"]
    wanted, counts = {"asked": feedback.count()}, ["asked"]
    signs = [
        feedback[name].notnull() for name in ("answered_at", "score") if name in feedback.columns
    ]
    if signs:
        wanted["answered"] = reduce(or_, signs).sum()
        counts.append("answered")
    scored = [kind for kind in ("nps", "csat") if "score" in feedback.columns]
    at = feedback.answered_at if "answered_at" in feedback.columns else feedback.asked_at
    for kind in scored:
        theirs = feedback.score.notnull() & (feedback.kind == kind)
        wanted[f"last_{kind}"] = _last(feedback.score.cast("string"), at, theirs)
        wanted[f"last_{kind}_at"] = at.max(where=theirs)
    found = feedback.group_by("customer_id").agg(**wanted).to_pandas()
    for kind in scored:
        found[f"last_{kind}"] = pd.to_numeric(found[f"last_{kind}"].str[_STAMP:])
    return found, counts


def _last(value: Any, at: Any, where: Any = None) -> Any:
    """The value of the last row, behind its time; of rows of one time the same one always."""
    return (at.strftime("%Y%m%d%H%M%S%f") + value).max(where=where)


def _contracts(tables: Mapping[str, Table], end: pd.Timestamp) -> tuple[pd.DataFrame, list[str]]:
    contracts = tables["contracts"]
    # A day is dated at its midnight, and the last day of a contract still belongs to it.
    today = (end - pd.Timedelta(days=1)).to_pydatetime()
    started = contracts.starts_on <= today
    runs = started & (contracts.ends_on >= today)
    found = (
        contracts.group_by("customer_id")
        .agg(
            contracts=contracts.count(where=started),
            annual_value=contracts.annual_value.sum(where=runs),
            contract_ends_on=contracts.ends_on.max(where=started),
            contract_status=_last(contracts.status, contracts.ends_on, started),
        )
        .to_pandas()
    )
    found["contract_status"] = found["contract_status"].str[_STAMP:]
    ends = pd.to_datetime(found["contract_ends_on"])
    found["days_to_renewal"] = (ends.dt.normalize() - pd.Timestamp(today)).dt.days
    return found, ["contracts"]


_READERS = {
    "touches": _touches,
    "tickets": _tickets,
    "feedback": _feedback,
    "contracts": _contracts,
}


def _with_owners(frame: pd.DataFrame, tables: Mapping[str, Table], as_of: dt.date) -> pd.DataFrame:
    """Who looks after whom: what the customers table says, else who last took over."""
    if "owner_history" in tables:
        history = tables["owner_history"].to_pandas()
        day = pd.Timestamp(as_of)
        running = pd.to_datetime(history["starts_on"]) <= day
        if "ends_on" in history:
            ends = pd.to_datetime(history["ends_on"])
            running &= ends.isna() | (ends >= day)
        last = history[running].sort_values(["starts_on", "owner_id"]).groupby("customer_id")
        owner = frame["customer_id"].map(last["owner_id"].last()).astype("str")
        said = frame["owner_id"].astype("str") if "owner_id" in frame else owner
        frame["owner_id"] = said.where(said.notna(), owner)
    if "owner_id" in frame and "owners" in tables and "name" in tables["owners"].columns:
        owners = tables["owners"].select("owner_id", "name").to_pandas()
        frame["owner_name"] = frame["owner_id"].map(owners.set_index("owner_id")["name"])
    return frame
