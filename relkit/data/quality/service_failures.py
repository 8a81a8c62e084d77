"""Five ways in which looking after customers fails, each from counts.

Silos, a single channel, no segmentation, no emotion, only reaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relkit.data.quality.contact_counts import (
    ContactCounts,
    check_window,
    contact_counts,
    delivered_touches,
    outbound_of,
    within,
)
from relkit.data.quality.evidence import (
    NO_ROWS,
    NO_TIERS,
    Evidence,
    evidence_frame,
    not_supplied,
    share,
)

if TYPE_CHECKING:
    import pandas as pd

    from relkit.data.quality.capture_coverage import Coverage
    from relkit.data.sources import Source

# Where something happens between a customer and the company; each usually a system.
SYSTEMS = ("transactions", "touches", "feedback", "tickets", "engagement", "contracts")


@dataclass(frozen=True, slots=True, eq=False)
class FailureModes:
    """What was measured of each way to fail.

    Attributes:
        items: silos (share of customers who show in one system only, of those in any),
            single_channel (share of the customers contacted who were reached over one
            channel only), no_segmentation (share of the variance of contacts per customer
            that lies between tiers; low is the failure), no_emotion (share of the
            customers contacted without a contact about them as people), reactive (share
            of contacts that the customer began).
        window_days: Length of the time up to `as_of` that all but silos look at.
        contacts: What the touches of that time hold; None where there are none supplied.
        by_tier: One row a tier: tier, customers, contacts, contacts_each; empty where
            not measured.
    """

    items: tuple[Evidence, ...]
    window_days: int
    contacts: ContactCounts | None
    by_tier: pd.DataFrame

    @property
    def by_item(self) -> Mapping[str, Evidence]:
        return {each.item: each for each in self.items}

    def to_frame(self) -> pd.DataFrame:
        """One row a failure mode: item, status, value, unit, part, of, reason, missing."""
        return evidence_frame(self.items)


def failure_modes(source: Source, known: Coverage, window_days: int = 365) -> FailureModes:
    """The five failure modes of a source.

    Args:
        source: As opened.
        known: As made by `coverage`; its tiers are those of no_segmentation.
        window_days: How long before `as_of` contacts count.

    Raises:
        ParameterError: `window_days` is no positive whole number.
    """
    check_window(window_days)
    counts = contact_counts(source, window_days) if source.has("touches") else None
    by_tier, segmentation = _segmentation(source, known, counts, window_days)
    items = (
        _silos(source),
        _single_channel(counts),
        segmentation,
        _no_emotion(source, counts),
        _reactive(source, counts, window_days),
    )
    return FailureModes(items, window_days, counts, by_tier)


def _silos(source: Source) -> Evidence:
    import ibis

    systems = [name for name in SYSTEMS if source.has(name)]
    if len(systems) < 2:
        return not_supplied("silos", [name for name in SYSTEMS if name not in systems])
    named = [
        source.table(name)
        .select("customer_id")
        .drop_null()
        .distinct()
        .mutate(system=ibis.literal(name))
        for name in systems
    ]
    each = ibis.union(*named).group_by("customer_id").agg(systems=lambda t: t.count())
    found = each.agg(n=each.count(), alone=(each.systems == 1).sum()).to_pyarrow().to_pylist()[0]
    return share("silos", int(found["alone"] or 0), int(found["n"]), systems=len(systems))


def _single_channel(counts: ContactCounts | None) -> Evidence:
    if counts is None:
        return not_supplied("single_channel", ["touches"])
    details = {"channels": len(counts.by_channel)}
    return share("single_channel", counts.over_one_channel, counts.contacted, **details)


def _segmentation(
    source: Source, known: Coverage, counts: ContactCounts | None, window_days: int
) -> tuple[pd.DataFrame, Evidence]:
    """Contacts per tier, and how much of their variance lies between tiers (eta squared)."""
    import pandas as pd

    item, nothing = "no_segmentation", pd.DataFrame()
    if counts is None:
        return nothing, not_supplied(item, ["touches"])
    if not known.tiers:
        return nothing, Evidence(item, "share", reason=NO_TIERS)
    rows = outbound_of(delivered_touches(source, window_days))
    made = rows.group_by(other_id=rows.customer_id).agg(contacts=rows.count())
    people = known.by_id.filter(known.by_id.tier.notnull())
    joined = people.left_join(made, people.customer_id == made.other_id)
    n = joined.contacts.fill_null(0).cast("float64")
    tiers = joined.group_by("tier").agg(
        customers=n.count(), contacts=n.sum(), squares=(n * n).sum()
    )
    frame = tiers.to_pyarrow().to_pandas().set_index("tier").reindex(list(known.tiers)).dropna()
    frame["contacts_each"] = frame["contacts"] / frame["customers"]
    mean = frame["contacts"].sum() / frame["customers"].sum()
    total = float(frame["squares"].sum() - frame["customers"].sum() * mean**2)
    between = float((frame["customers"] * (frame["contacts_each"] - mean) ** 2).sum())
    shown = frame.drop(columns="squares").reset_index().astype({"customers": int, "contacts": int})
    if len(frame) < 2 or total <= 0:
        return shown, Evidence(item, "share", reason=NO_ROWS)
    details = {
        "tier": str(shown["tier"].iloc[0]),
        "last": str(shown["tier"].iloc[-1]),
        "each": float(shown["contacts_each"].iloc[0]),
        "last_each": float(shown["contacts_each"].iloc[-1]),
    }
    return shown, Evidence(item, "share", between / total, details=details)


def _no_emotion(source: Source, counts: ContactCounts | None) -> Evidence:
    item = "no_emotion"
    if counts is None or "dimension" not in source.touches.columns:
        return not_supplied(item, ["touches" if counts is None else "touches.dimension"])
    if counts.with_emotion is None:
        return Evidence(item, "share", reason=NO_ROWS)
    return share(item, counts.contacted - counts.with_emotion, counts.contacted)


def _reactive(source: Source, counts: ContactCounts | None, window_days: int) -> Evidence:
    item = "reactive"
    began = customers_began(source, counts, window_days)
    if counts is None or began is None:
        missing = ["touches"] if counts is None else ["touches.direction", "tickets"]
        return not_supplied(item, missing)
    return share(item, began, began + counts.outbound, outbound=counts.outbound)


def customers_began(source: Source, counts: ContactCounts | None, window_days: int) -> int | None:
    """Contacts that customers began: inbound touches and tickets; None if neither is known."""
    known = [] if counts is None or counts.inbound is None else [counts.inbound]
    if source.has("tickets"):
        rows = within(source.tickets, "opened_at", source.as_of, window_days)
        known.append(int(rows.count().to_pyarrow().as_py()))
    return sum(known) if known else None
