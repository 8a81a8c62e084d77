"""How mature customer work is on four pillars; each score is the mean of its measured items.

Data-driven work, contact over all channels, emotional ties, proactive service. An item is
a share of counts; one that cannot be measured is left out of the mean and named, and a
pillar without a measured item has no score.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relkit.data.consent import CONSENT_OF
from relkit.data.quality.capture_coverage import STAGES, Coverage
from relkit.data.quality.capture_shortfalls import Shortfalls
from relkit.data.quality.contact_counts import within
from relkit.data.quality.evidence import Evidence, evidence_frame, not_supplied, share
from relkit.data.quality.row_funnel import Funnel
from relkit.data.quality.service_failures import FailureModes, customers_began

if TYPE_CHECKING:
    import pandas as pd

    from relkit.data.sources import Source

SATISFACTION = ("nps", "csat", "ces")
# A working day's patience.
REPLY_HOURS = 24


@dataclass(frozen=True, slots=True)
class Pillar:
    """One pillar and its items.

    Attributes:
        name: data_driven, omnichannel, emotional or proactive.
        items: Shares of counts, measured or with the reason why not.
    """

    name: str
    items: tuple[Evidence, ...]

    @property
    def measured(self) -> tuple[Evidence, ...]:
        return tuple(each for each in self.items if each.is_measured)

    @property
    def score(self) -> float | None:
        """100 × the mean of the measured items; None, *not measured*, where there is none."""
        values = [each.value for each in self.measured if each.value is not None]
        return 100 * sum(values) / len(values) if values else None


@dataclass(frozen=True, slots=True)
class Maturity:
    """The four pillars.

    Attributes:
        pillars: data_driven (rows usable; customers captured at every stage), omnichannel
            (customers contacted over two channels or more; customers with consent in one
            at least), emotional (customers contacted as people; customers who said how
            content they are), proactive (contacts that the company began; tickets answered
            within REPLY_HOURS).
        window_days: Length of the time up to `as_of` that contacts, answers and tickets
            are counted in.
    """

    pillars: tuple[Pillar, ...]
    window_days: int

    @property
    def by_name(self) -> Mapping[str, Pillar]:
        return {each.name: each for each in self.pillars}

    def to_frame(self) -> pd.DataFrame:
        """One row a pillar: pillar, score, status, items_measured, items."""
        import pandas as pd

        rows = [
            (
                each.name,
                each.score,
                "not measured" if each.score is None else "measured",
                len(each.measured),
                len(each.items),
            )
            for each in self.pillars
        ]
        columns = ["pillar", "score", "status", "items_measured", "items"]
        return pd.DataFrame(rows, columns=columns).astype({"score": "float64"})

    def items_frame(self) -> pd.DataFrame:
        """One row an item: pillar, item, status, value, unit, part, of, reason, missing."""
        import pandas as pd

        parts = [evidence_frame(p.items).assign(pillar=p.name) for p in self.pillars]
        whole = pd.concat(parts, ignore_index=True)
        return whole[["pillar", *(name for name in whole.columns if name != "pillar")]]


def maturity(
    source: Source, rows: Funnel, known: Coverage, lacks: Shortfalls, fails: FailureModes
) -> Maturity:
    """Scores of the four pillars, from what the other parts of the room counted.

    Args:
        source: As opened.
        rows: As made by `funnel`.
        known: As made by `coverage`.
        lacks: As made by `shortfalls`.
        fails: As made by `failure_modes`; its window is that of the answers and tickets.
    """
    days = fails.window_days
    pillars = (
        Pillar("data_driven", (_usable(rows), _all_stages(known))),
        Pillar("omnichannel", (_several_channels(fails), _reachable(source, lacks))),
        Pillar("emotional", (_as_people(fails), _content(source, known, days))),
        Pillar("proactive", (_company_began(source, fails), _answered(source, days))),
    )
    return Maturity(pillars, days)


def _usable(rows: Funnel) -> Evidence:
    whole = rows.overall
    return share("usable", whole.usable, whole.in_scope)


def _all_stages(known: Coverage) -> Evidence:
    missing = [stage for stage in STAGES if not known.is_measured(stage)]
    if missing:
        tables = [name for stage in missing for name in STAGES[stage]]
        return not_supplied("all_stages", tables)
    return share("all_stages", known.covered(*STAGES), known.customers)


def _complement(item: str, of: Evidence) -> Evidence:
    """The share of the others."""
    if of.part is None or of.of is None:
        return Evidence(item, "share", reason=of.reason, missing=of.missing)
    return share(item, of.of - of.part, of.of)


def _several_channels(fails: FailureModes) -> Evidence:
    return _complement("several_channels", fails.by_item["single_channel"])


def _reachable(source: Source, lacks: Shortfalls) -> Evidence:
    if lacks.consent is None:
        columns = [f"customers.{name}" for name in CONSENT_OF.values()]
        return not_supplied("reachable", columns if source.has("customers") else ["customers"])
    return share("reachable", lacks.consent.somewhere, lacks.consent.customers)


def _as_people(fails: FailureModes) -> Evidence:
    return _complement("as_people", fails.by_item["no_emotion"])


def _content(source: Source, known: Coverage, days: int) -> Evidence:
    """Customers who said in the window how content they are, of all."""
    item = "said_how_content"
    if not source.has("feedback"):
        return not_supplied(item, ["feedback"])
    rows = within(source.feedback, "asked_at", source.as_of, days)
    rows = rows.filter(rows.kind.isin(list(SATISFACTION)))
    if "score" in rows.columns:
        rows = rows.filter(rows.score.notnull())
    elif "answered_at" in rows.columns:
        rows = rows.filter(rows.answered_at.notnull())
    else:
        return not_supplied(item, ["feedback.score", "feedback.answered_at"])
    answered = rows.semi_join(known.by_id, "customer_id").customer_id.nunique()
    return share(item, int(answered.to_pyarrow().as_py()), known.customers)


def _company_began(source: Source, fails: FailureModes) -> Evidence:
    if fails.contacts is None:
        return not_supplied("company_began", ["touches"])
    began = customers_began(source, fails.contacts, fails.window_days)
    if began is None:
        return not_supplied("company_began", ["touches.direction", "tickets"])
    return share("company_began", fails.contacts.outbound, fails.contacts.outbound + began)


def _answered(source: Source, days: int) -> Evidence:
    """Tickets answered within REPLY_HOURS, of those old enough to be; resolved is answered."""
    import ibis

    item = "answered_in_time"
    if not source.has("tickets"):
        return not_supplied(item, ["tickets"])
    rows = within(source.tickets, "opened_at", source.as_of, days)
    replies = [name for name in ("first_reply_at", "resolved_at") if name in rows.columns]
    if not replies:
        return not_supplied(item, ["tickets.first_reply_at", "tickets.resolved_at"])
    end = ibis.timestamp(f"{source.as_of + dt.timedelta(days=1)} 00:00:00")
    patience = ibis.interval(hours=REPLY_HOURS)
    due = rows.filter(rows.opened_at + patience < end)
    first = due[replies[0]] if len(replies) == 1 else ibis.least(*(due[name] for name in replies))
    in_time = (first <= due.opened_at + patience).fill_null(False)
    found = due.agg(n=due.count(), in_time=in_time.sum()).to_pyarrow().to_pylist()[0]
    return share(item, int(found["in_time"] or 0), int(found["n"]))
