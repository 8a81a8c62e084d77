"""Contacts of the last days, counted in the engine: by channel, by customer, by who began."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relkit.data.consent import CONSENT_OF, consent_anywhere, consent_said
from relkit.data.grains import midnight
from relkit.data.quality.row_funnel import created_later
from relkit.errors import ParameterError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from relkit.data.sources import Source


@dataclass(frozen=True, slots=True)
class ContactCounts:
    """Contacts in a window of days; a touch whose delivery failed is none.

    Attributes:
        outbound: Contacts that the company began; without a direction all touches are.
        inbound: Those that customers began; None where no direction is mapped.
        by_channel: Channel → outbound contacts, most first.
        contacted: Customers with an outbound contact.
        over_one_channel: Those of them who were reached over one channel only.
        with_emotion: Those of them with a contact whose dimension is emotion; None where
            no dimension is mapped, or no contact has one.
    """

    outbound: int
    inbound: int | None
    by_channel: Mapping[str, int]
    contacted: int
    over_one_channel: int
    with_emotion: int | None


def contact_counts(source: Source, window_days: int) -> ContactCounts:
    """Contacts of the last `window_days` days up to `as_of`; needs the table touches."""
    rows = delivered_touches(source, window_days)
    inbound = None
    if "direction" in rows.columns:
        inbound = int(rows.filter(rows.direction == "inbound").count().to_pyarrow().as_py())
    rows = outbound_of(rows)
    measures = {"channels": rows.channel.nunique(), "n": rows.count()}
    if "dimension" in rows.columns:
        measures["emotion"] = (rows.dimension == "emotion").any().fill_null(False)
        measures["told"] = rows.dimension.count()
    each = rows.group_by("customer_id").agg(**measures)
    sums = {"contacted": each.count(), "one": (each.channels == 1).sum(), "n": each.n.sum()}
    if "dimension" in rows.columns:
        sums |= {"emotion": each.emotion.sum(), "told": each.told.sum()}
    found = {k: int(v or 0) for k, v in each.agg(**sums).to_pyarrow().to_pylist()[0].items()}
    channels = rows.group_by("channel").agg(n=rows.count()).to_pyarrow().to_pylist()
    ranked = sorted(channels, key=lambda one: (-one["n"], one["channel"]))
    return ContactCounts(
        outbound=found["n"],
        inbound=inbound,
        by_channel={one["channel"]: int(one["n"]) for one in ranked},
        contacted=found["contacted"],
        over_one_channel=found["one"],
        with_emotion=found["emotion"] if found.get("told") else None,
    )


def delivered_touches(source: Source, window_days: int) -> ir.Table:
    """The touches of the window; one that is not known to have failed was delivered."""
    rows = within(source.touches, "occurred_at", source.as_of, window_days)
    return rows.filter(rows.delivered.fill_null(True)) if "delivered" in rows.columns else rows


def outbound_of(touches: ir.Table) -> ir.Table:
    """The touches that the company began."""
    if "direction" not in touches.columns:
        return touches
    return touches.filter(touches.direction.fill_null("outbound") == "outbound")


def within(rows: ir.Table, column: str, as_of: dt.date, window_days: int) -> ir.Table:
    """Rows of the last days; those after `as_of` are not there if the source has one."""
    start = as_of - dt.timedelta(days=window_days - 1)
    end = as_of + dt.timedelta(days=1)
    at = rows[column].cast("timestamp")
    return rows.filter(at >= midnight(start), at < midnight(end))


def check_window(window_days: int) -> int:
    """A window's length in days; ParameterError unless a whole number from 1."""
    if isinstance(window_days, bool) or not isinstance(window_days, int) or window_days < 1:
        raise ParameterError(f"window_days={window_days!r} must be a whole number from 1")
    return window_days


@dataclass(frozen=True, slots=True, eq=False)
class ConsentCounts:
    """What customers known by `as_of` consented to.

    Attributes:
        customers: How many they are.
        somewhere: Those with consent in one channel at least.
        nowhere_known: Those without consent anywhere of whom not every channel is known.
        channels: One row a mapped channel: channel, yes, no, unknown.
    """

    customers: int
    somewhere: int
    nowhere_known: int
    channels: pd.DataFrame


def consent_counts(source: Source) -> ConsentCounts | None:
    """Consents by channel; None where no consent column is supplied."""
    import pandas as pd

    if not source.has("customers"):
        return None
    people = source.customers
    given = {channel: name for channel, name in CONSENT_OF.items() if name in people.columns}
    if not given:
        return None
    people = people.filter(~created_later(people, source.as_of))
    somewhere = consent_anywhere(people)
    sums = {"n": people.count(), "somewhere": somewhere.sum(), "unknown": somewhere.isnull().sum()}
    for channel in given:
        said = consent_said(people, channel)
        sums |= {f"yes_{channel}": said.sum(), f"unknown_{channel}": said.isnull().sum()}
    found = {k: int(v or 0) for k, v in people.agg(**sums).to_pyarrow().to_pylist()[0].items()}
    rows = [(c, found[f"yes_{c}"], found[f"unknown_{c}"]) for c in given]
    channels = pd.DataFrame(
        [(c, yes, found["n"] - yes - unknown, unknown) for c, yes, unknown in rows],
        columns=["channel", "yes", "no", "unknown"],
    )
    return ConsentCounts(found["n"], found["somewhere"], found["unknown"], channels)
