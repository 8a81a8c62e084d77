"""How many of the rows that were read can be used, and where the others were lost.

Every row leaves the funnel at the first step that it does not pass, so the rows lost at
each step and those that are usable add up to the rows read, for each table and for all.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from relkit.data.checking import MISALIGNED
from relkit.data.consent import CONSENT_CHANNELS, consent_anywhere, consent_said
from relkit.data.keys import AFTER_AS_OF
from relkit.data.opening import OpenedTable
from relkit.data.schemas import midnight_after
from relkit.data.shared_rows import NOBODY, customers_of
from relkit.data.values import Reason
from relkit.errors import DataError, ParameterError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from relkit.data.sources import Source

Step = Literal["complete", "accurate", "timely", "compliant"]
STEPS: tuple[Step, ...] = ("complete", "accurate", "timely", "compliant")
# What a customer is said to be, which time may change. A purchase stays a purchase.
STATEMENTS = ("interviews", "survey_values", "reviews")
# Tables whose rows mean that somebody is, or will be, contacted.
CONTACT_TABLES = ("customers", "touches")
UNKNOWN_CONSENT = Reason(
    "no consent on record", "无同意记录", "ask for consent; until then it is none"
)
REFUSED_CONSENT = Reason("consent refused", "已拒绝同意", "leave these customers in peace")
_TIME_FAULT = re.compile(r" is (in the future|before |not after )|^owners overlap$")


@dataclass(frozen=True, slots=True)
class Loss:
    """Rows that leave at a step for one reason.

    Attributes:
        step: The step that they do not pass.
        reason: Why, in English.
        reason_zh: The same in Chinese.
        rows: How many; a row with several faults of a step counts under the first.
        breaks_contract: Whether the row breaks its table's contract; one that is only old,
            or of somebody who did not consent, keeps it.
    """

    step: Step
    reason: str
    reason_zh: str
    rows: int
    breaks_contract: bool = True


@dataclass(frozen=True, slots=True)
class TableFunnel:
    """The rows of one table, or of all, step by step.

    Attributes:
        table: Its name; 'all' for the sum.
        read: Rows in its files.
        later: Rows of what happened after `as_of`: no fault, but not known by that day.
        losses: Rows lost, by step and reason.
        usable: Rows that pass every step.
        timed: Whether the table has times that can be wrong; if not, its rows pass
            *timely* without having been measured.
        asks_consent: Whether its rows mean a contact; if not, no consent is asked for.
        asked_consent: Rows that pass the other steps and need consent.
    """

    table: str
    read: int
    later: int
    losses: tuple[Loss, ...]
    usable: int
    timed: bool
    asks_consent: bool
    asked_consent: int = 0

    def __post_init__(self) -> None:
        lost = sum(loss.rows for loss in self.losses)
        if self.read != self.later + lost + self.usable:
            raise DataError(
                f"{self.table}: the rows do not add up: {self.read} read, {self.later} later, "
                f"{lost} lost, {self.usable} usable; this is a fault of relkit"
            )

    @property
    def in_scope(self) -> int:
        """Rows read that were known by `as_of`."""
        return self.read - self.later

    def lost(self, step: Step) -> int:
        """Rows that do not pass a step, having passed those before it."""
        return sum(loss.rows for loss in self.losses if loss.step == step)

    def left(self, step: Step) -> int:
        """Rows that pass a step and all before it."""
        passed = STEPS[: STEPS.index(step) + 1]
        return self.in_scope - sum(self.lost(each) for each in passed)

    def is_measured(self, step: Step) -> bool:
        """Whether a step can lose rows of this table at all."""
        return {"timely": self.timed, "compliant": self.asks_consent}.get(step, True)

    @property
    def broken(self) -> int:
        """Rows that break the contract: those that every report leaves out."""
        return sum(loss.rows for loss in self.losses if loss.breaks_contract)

    @property
    def usable_share(self) -> float | None:
        """Share of the rows in scope that are usable; None where there are none."""
        return self.usable / self.in_scope if self.in_scope else None


@dataclass(frozen=True, slots=True)
class Funnel:
    """Rows read → complete → accurate → timely → compliant → usable.

    Attributes:
        tables: One a table that the source maps, in the order of the contracts.
        as_of: The last day that was looked at.
        max_age_days: How old a statement about a customer may be on that day.
    """

    tables: tuple[TableFunnel, ...]
    as_of: dt.date
    max_age_days: int

    @property
    def overall(self) -> TableFunnel:
        """All tables in one."""
        return TableFunnel(
            table="all",
            read=sum(each.read for each in self.tables),
            later=sum(each.later for each in self.tables),
            losses=tuple(loss for each in self.tables for loss in each.losses),
            usable=sum(each.usable for each in self.tables),
            timed=any(each.timed for each in self.tables),
            asks_consent=any(each.asks_consent for each in self.tables),
            asked_consent=sum(each.asked_consent for each in self.tables),
        )

    def of(self, table: str) -> TableFunnel:
        """The funnel of one table.

        Raises:
            ParameterError: the source does not map it.
        """
        for each in self.tables:
            if each.table == table:
                return each
        raise ParameterError(
            f"the funnel has no table '{table}'; it has "
            f"{', '.join(each.table for each in self.tables)}"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a table: read, later, rows that pass each step, usable, and their share."""
        import pandas as pd

        rows = [
            {
                "table": each.table,
                "read": each.read,
                "later": each.later,
                "in_scope": each.in_scope,
                **{step: each.left(step) for step in STEPS},
                "usable": each.usable,
                "usable_share": each.usable_share,
            }
            for each in self.tables
        ]
        return pd.DataFrame(rows)

    def losses(self) -> pd.DataFrame:
        """One row a table, step and reason: table, step, reason, reason_zh, rows; most first."""
        import pandas as pd

        rows = [
            (each.table, loss.step, loss.reason, loss.reason_zh, loss.rows)
            for each in self.tables
            for loss in each.losses
        ]
        frame = pd.DataFrame(rows, columns=["table", "step", "reason", "reason_zh", "rows"])
        return frame.sort_values("rows", ascending=False, kind="stable", ignore_index=True)


def funnel(source: Source, max_age_days: int = 365) -> Funnel:
    """Where the rows of a source are lost on their way to being used.

    A row is *complete* if it has as many fields as the header and every value that its
    contract requires; *accurate* if every value can be read, is possible, and agrees with
    the other columns, rows and tables; *timely* if its times are possible and in order
    and, where it says what a customer is (interviews, survey values, reviews), at most
    `max_age_days` old; *compliant* if, where contact is meant, there is consent: for a
    customer in one channel at least, for an outbound touch in its channel. Consent that
    is not known is none. Rows after `as_of` stand apart, as they are no fault.

    Args:
        source: As opened; every table that it maps is read. With a `max_set_aside` of 1
            no table stops it for its faults, which are what is asked for here.
        max_age_days: See above; at least 1.

    Raises:
        ParameterError: `max_age_days` is no positive whole number.
        DataError, SourceError: a table cannot be read.
    """
    if isinstance(max_age_days, bool) or not isinstance(max_age_days, int) or max_age_days < 1:
        raise ParameterError(f"max_age_days={max_age_days!r} must be a whole number from 1")
    tables = tuple(_table_funnel(source, name, max_age_days) for name in source.tables)
    return Funnel(tables, source.as_of, max_age_days)


def opened_table(source: Source, name: str) -> OpenedTable:
    """A table with all its rows, those that were set aside too; the room's own affair."""
    return source._tables.open(name)


def step_of(reason: Reason) -> Step | None:
    """The step that a fault of the contracts belongs to; None for rows after `as_of`."""
    if reason is AFTER_AS_OF:
        return None
    if reason in (MISALIGNED, NOBODY) or reason.en.endswith(" is empty"):
        return "complete"
    return "timely" if _TIME_FAULT.search(reason.en) else "accurate"


def _table_funnel(source: Source, name: str, max_age_days: int) -> TableFunnel:
    opened = opened_table(source, name)
    later, losses = _faults(opened)
    accepted = opened.checked.accepted()
    standing = _standing(source, name, accepted, max_age_days)
    counted = standing.group_by("standing").agg(n=standing.count()).to_pyarrow().to_pylist()
    rows = {each["standing"]: int(each["n"]) for each in counted}
    too_old = Reason(
        f"older than {max_age_days} days", f"早于 {max_age_days} 天", "ask the customers again"
    )
    beyond: tuple[tuple[str, Step, Reason], ...] = (
        ("old", "timely", too_old),
        ("unknown", "compliant", UNKNOWN_CONSENT),
        ("refused", "compliant", REFUSED_CONSENT),
    )
    for code, step, reason in beyond:
        if code in rows:
            losses.append(Loss(step, reason.en, reason.zh, rows[code], breaks_contract=False))
    kinds = {opened.contract.kind(column) for column in opened.rows.columns}
    return TableFunnel(
        table=name,
        read=opened.account.read,
        later=later + rows.get("later", 0),
        losses=tuple(losses),
        usable=rows.get("usable", 0) + rows.get("not asked", 0),
        timed=bool(kinds & {"time", "day"}),
        asks_consent=name in CONTACT_TABLES,
        asked_consent=sum(rows.get(word, 0) for word in ("usable", "unknown", "refused"))
        if name in CONTACT_TABLES
        else 0,
    )


def _faults(opened: OpenedTable) -> tuple[int, list[Loss]]:
    """Rows after `as_of`, and those that break the contract by their first step and reason."""
    checked, later = opened.checked, 0
    lost: Counter[tuple[Step, str, str]] = Counter()
    for faults, rows in checked.counts().items():
        reasons = checked.reasons_of(faults)
        steps = [step_of(reason) for reason in reasons]
        first = next((step for step in STEPS if step in steps), None)
        if first is not None:
            reason = reasons[steps.index(first)]
            lost[first, reason.en, reason.zh] += rows
        elif reasons:
            later += rows
    return later, [Loss(*key, rows) for key, rows in lost.items()]


def _standing(source: Source, name: str, rows: ir.Table, max_age_days: int) -> ir.Table:
    """Accepted rows as `standing`: usable, later, old, consent unknown or refused or not asked."""
    import ibis

    usable, later, old = ibis.literal("usable"), ibis.literal(False), ibis.literal(False)
    standing: ir.StringValue = usable
    if name == "customers":
        later = created_later(rows, source.as_of)
        standing = _consent_word(consent_anywhere(rows))
    if name == "touches":
        rows = _with_consent(source, rows)
        standing = rows.asked.ifelse(_consent_word(rows.consent), "not asked")
    if name in STATEMENTS:
        dated_by = opened_table(source, name).contract.dated_by
        oldest = midnight_after(source.as_of - dt.timedelta(days=max_age_days + 1))
        old = rows[dated_by].cast("timestamp") < oldest
    return rows.select(
        standing=ibis.cases((later, "later"), (old, "old"), else_=standing).cast("string")
    )


def created_later(customers: ir.Table, as_of: dt.date) -> ir.BooleanValue:
    """Customers who were created after the day that is looked at."""
    import ibis

    if "created_at" not in customers.columns:
        return ibis.literal(False)
    return (customers.created_at >= midnight_after(as_of)).fill_null(False)


def _consent_word(consent: ir.BooleanValue) -> ir.StringValue:
    import ibis

    return ibis.cases((consent.isnull(), "unknown"), (consent, "usable"), else_="refused")


def _with_consent(source: Source, touches: ir.Table) -> ir.Table:
    """Touches with `asked`, whether consent is needed, and `consent`, null if not known."""
    split = opened_table(source, "touches").mapping.split
    if split is not None:
        touches = customers_of(touches, split)
    joined = contact_consent(source, touches)
    if split is None:
        return joined
    # A row of several customers is allowed if it is allowed for each of them.
    refused = (joined.asked & (~joined.consent).fill_null(False)).any()
    unknown = (joined.asked & joined.consent.isnull()).any()
    per_row = joined.group_by("file", "row").agg(
        asked=joined.asked.any(), refused=refused, unknown=unknown
    )
    import ibis

    consent = per_row.refused.ifelse(False, per_row.unknown.ifelse(ibis.null("boolean"), True))
    return per_row.mutate(consent=consent)


def contact_consent(source: Source, touches: ir.Table) -> ir.Table:
    """Touches with `asked`, whether consent is needed, and `consent` of whom it is with.

    Args:
        source: Where the customers' consent stands; without it, it is not known.
        touches: customer_id and channel; without direction they are outbound.
    """
    import ibis

    outbound: ir.BooleanValue = ibis.literal(True)
    if "direction" in touches.columns:
        outbound = touches.direction.fill_null("outbound") == "outbound"
    touches = touches.mutate(asked=outbound & touches.channel.isin(list(CONSENT_CHANNELS)))
    if not source.has("customers"):
        return touches.mutate(consent=ibis.null("boolean"))
    people = source.customers
    said = {f"said_{channel}": consent_said(people, channel) for channel in CONSENT_CHANNELS}
    people = people.select(known_id=people.customer_id, **said)
    joined = touches.left_join(people, touches.customer_id == people.known_id)
    cases = [(joined.channel == channel, joined[f"said_{channel}"]) for channel in CONSENT_CHANNELS]
    consent = ibis.cases(*cases, else_=ibis.null("boolean"))
    return joined.mutate(consent=consent).select(*touches.columns, "consent")
