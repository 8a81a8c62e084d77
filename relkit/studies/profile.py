"""One customer on one page: every figure as the tables have it, what is personal masked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.errors import DataError, ParameterError
from relkit.privacy import WITHHELD, current_privacy, shown_id
from relkit.studies.customer_facts import CustomerFacts, customer_facts

if TYPE_CHECKING:
    from relkit.data.sources import Source
    from relkit.segments.scores import RfmScores
    from relkit.segments.tags import CustomerTags, Tag
    from relkit.value.lifetime_value import LifetimeValue

KNOWN, NOTHING, NOT_SUPPLIED, STALE = "known", "nothing", "not_supplied", "stale"

# Section -> fact -> how its value is written. A * marks what is personal.
_FIELDS: dict[str, dict[str, str]] = {
    "person": {
        "name": "text*",
        "industry": "text",
        "region": "text",
        "decision_maker": "text*",
        "created_at": "date",
        "owner_id": "text",
        "owner_name": "text*",
    },
    "value": {
        "clv": "money",
        "clv_low": "money",
        "clv_high": "money",
        "probability_alive": "percent0",
        "expected_purchases": "number",
        "expected_spend": "money",
        "value_at_risk": "money",
    },
    "segment": {"tier": "text", "rfm": "text", "rfm_sum": "count"},
    "history": {
        "first_at": "date",
        "last_at": "date",
        "purchases": "count",
        "total_spend": "money",
    },
    "touches": {
        "touches_year": "count",
        "inbound_year": "count",
        "last_touch_at": "date",
        "last_channel": "text",
    },
    "tickets": {
        "tickets": "count",
        "open_tickets": "count",
        "open_complaints": "count",
        "last_ticket_at": "date",
        "hours_to_resolve": "number",
    },
    "feedback": {
        "asked": "count",
        "answered": "count",
        "last_nps": "count",
        "last_nps_at": "date",
        "last_csat": "number",
        "last_csat_at": "date",
    },
    "contracts": {
        "contracts": "count",
        "annual_value": "money",
        "contract_ends_on": "date",
        "contract_status": "text",
    },
}
_TABLE_OF = {"person": "customers"} | {name: name for name in list(_FIELDS)[4:]}


@dataclass(frozen=True, slots=True)
class ProfileFact:
    """One line of a profile.

    Attributes:
        section: person, value, segment, history, touches, tickets, feedback or contracts.
        name: What it is, such as last_at.
        state: 'known', 'nothing' (the customer has none) or 'not_supplied' (the table, the
            column or the result is not there).
        format: How its value is written: money, count, date, text, …
        personal: Whether it is withheld unless personal data may be shown.
        value: As the tables have it; None unless it is known. Not in the repr.
    """

    section: str
    name: str
    state: str
    format: str
    personal: bool = False
    value: Any = field(default=None, repr=False)

    @property
    def shown(self) -> Any:
        """The value as readers may see it."""
        if self.value is None or not self.personal or current_privacy().show_personal:
            return self.value
        return WITHHELD


@dataclass(frozen=True, slots=True)
class TagFact:
    """A tag of one customer: yes, no or None where it is not known; and its state."""

    tag: Tag
    state: str
    value: bool | None
    age_days: int | None


@dataclass(frozen=True, slots=True, eq=False)
class CustomerProfile:
    """All that is known of one customer on one day.

    Attributes:
        as_of: The last day looked at.
        facts: Line by line, in the order of a page.
        tags: Every tag of the library; none where no tags were given.
        missing: Tables that the source does not map.
        events: One row each: at, kind (purchase, touch, complaint, ticket), amount (of
            purchases); by time. No text.
    """

    customer_id: str = field(repr=False)
    as_of: dt.date
    facts: tuple[ProfileFact, ...]
    tags: tuple[TagFact, ...]
    missing: tuple[str, ...]
    events: pd.DataFrame = field(repr=False)

    def __getitem__(self, name: str) -> ProfileFact:
        """A line by its name."""
        found = {fact.name: fact for fact in self.facts}
        if name not in found:
            raise ParameterError(f"a profile has no fact {name!r}; it has {', '.join(found)}")
        return found[name]

    def to_frame(self) -> pd.DataFrame:
        """customer_id, section, fact, state, value; personal values are withheld unless they
        may be shown."""
        rows = [(fact.section, fact.name, fact.state, fact.shown) for fact in self.facts]
        frame = pd.DataFrame(rows, columns=["section", "fact", "state", "value"], dtype=object)
        frame.insert(0, "customer_id", self.customer_id)
        return frame


def customer_profile(
    source: Source,
    summary: pd.DataFrame,
    clv: LifetimeValue | None,
    customer_id: str,
    *,
    tiers: pd.DataFrame | None = None,
    scores: RfmScores | None = None,
    tags: CustomerTags | None = None,
) -> CustomerProfile:
    """Everything known of one customer, each value as the tables and results have it.

    Args:
        source: As opened by ``rk.open_source``; a table that it does not map is not supplied.
        summary: As made by ``rk.rfm_summary`` for the same day.
        clv: Values to come; None where there are none.
        customer_id: Compared as text.
        tiers: Frame with customer_id and tier.
        scores: As made by ``rk.rfm_scores``.
        tags: As made by ``rk.tag_customers``.

    Raises:
        DataError: nothing knows this customer.
    """
    customer_id = str(customer_id)
    facts = customer_facts(source, customer_id)
    results = {
        "history": _row_of(summary, customer_id),
        "value": {} if clv is None else _values(clv, customer_id),
        "segment": _segment(tiers, scores, customer_id),
    }
    found = _row_of(facts.to_frame(), customer_id)
    if found is None and results["history"] is None:
        raise DataError(
            f"no table has a customer {shown_id(customer_id)}; ids are compared as text, zeros in "
            "front included: take one from the summary's customer_id"
        )
    given = {"history": True, "value": clv is not None, "segment": True}
    lines = []
    for section, fields in _FIELDS.items():
        for name, word in fields.items():
            if section in results:
                there = given[section] and (
                    section != "segment" or _segment_given(name, tiers, scores)
                )
                value = (results[section] or {}).get(name)
            else:
                value, there = _fact(name, found or {}, facts, _TABLE_OF[section])
            lines.append(_line(section, name, word, value, there))
    return CustomerProfile(
        customer_id=customer_id,
        as_of=facts.as_of,
        facts=tuple(lines),
        tags=() if tags is None else _tags(tags, customer_id),
        missing=facts.missing,
        events=_events(source, customer_id),
    )


def _row_of(frame: pd.DataFrame, customer_id: str) -> Mapping[str, Any] | None:
    chosen = frame[frame["customer_id"].astype("str") == customer_id]
    return None if chosen.empty else dict(chosen.iloc[0])


def _values(clv: LifetimeValue, customer_id: str) -> Mapping[str, Any] | None:
    row = _row_of(clv.to_frame(), customer_id)
    ends = _row_of(clv.customer_intervals(), customer_id)
    return None if row is None or ends is None else {**row, **ends}


def _segment(
    tiers: pd.DataFrame | None, scores: RfmScores | None, customer_id: str
) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    row = None if tiers is None else _row_of(tiers, customer_id)
    if row is not None:
        found["tier"] = str(row["tier"])
    row = None if scores is None else _row_of(scores.to_frame(), customer_id)
    if row is not None:
        found["rfm"] = f"{row['r']}-{row['f']}-{row['m']}"
        found["rfm_sum"] = int(row["rfm_sum"])
    return found


def _segment_given(name: str, tiers: pd.DataFrame | None, scores: RfmScores | None) -> bool:
    return tiers is not None if name == "tier" else scores is not None


def _fact(
    name: str, found: Mapping[str, Any], facts: CustomerFacts, table: str
) -> tuple[Any, bool]:
    """A value from the tables, and whether its table has such a column."""
    columns = facts.to_frame().columns
    # Who looks after a customer may stand in the history of owners alone.
    there = name in columns and (table not in facts.missing or name in ("owner_id", "owner_name"))
    return found.get(name), there


def _line(section: str, name: str, word: str, value: Any, there: bool) -> ProfileFact:
    if _empty(value):
        state, value = NOTHING if there else NOT_SUPPLIED, None
    else:
        state = KNOWN
        value = value.item() if hasattr(value, "item") else value
    return ProfileFact(section, name, state, word.rstrip("*"), word.endswith("*"), value)


def _empty(value: Any) -> bool:
    return value is None or bool(pd.isna(value))


def _tags(tags: CustomerTags, customer_id: str) -> tuple[TagFact, ...]:
    known = tags.of(customer_id)
    return tuple(
        TagFact(each.tag, each.state, known.get(each.tag.key), each.age_days)
        for each in tags.states
    )


def _events(source: Source, customer_id: str) -> pd.DataFrame:
    """What happened when, of the tables that there are."""
    bought = source.transactions
    bought = bought.filter((bought.customer_id == customer_id) & (bought.kind == "purchase"))
    parts = [bought.select("occurred_at", "amount").to_pandas().set_axis(["at", "amount"], axis=1)]
    parts[0]["kind"] = "purchase"
    if source.has("touches"):
        touches = source.table("touches")
        at = touches.filter(touches.customer_id == customer_id).occurred_at.to_pandas()
        parts.append(pd.DataFrame({"at": at, "kind": "touch"}))
    if source.has("tickets"):
        tickets = source.table("tickets")
        theirs = tickets.filter(tickets.customer_id == customer_id)
        rows = theirs.select("opened_at", "kind").to_pandas()
        kind = rows["kind"].where(rows["kind"] == "complaint", "ticket")
        parts.append(pd.DataFrame({"at": rows["opened_at"], "kind": kind}))
    parts = [part for part in parts if len(part)] or parts[:1]
    events = pd.concat(parts, ignore_index=True).reindex(columns=["at", "kind", "amount"])
    return events.sort_values(["at", "kind", "amount"], ignore_index=True)
