"""Touches → how customers are really contacted, counted in the engine.

Counts and sums only; what they mean is judged in `frequency/practice.py`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from relkit.data.grains import check_day, midnight, midnight_after
from relkit.data.quality.supplied import Tables, evaluated, has, supplied
from relkit.errors import DataError, ParameterError
from relkit.units import days_per

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

RESPONSES = ("opened", "clicked", "replied", "unsubscribed")
# Any of these says that a customer did something with a message.
INTERACTIONS = ("opened", "clicked", "replied")
INTERACTION = "interaction"
NOT_SAID = "not said"
BANDS = (0.0, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True, eq=False)
class PracticeCounts:
    """How customers were contacted in a window of days.

    Attributes:
        start, end: First and last day; both count.
        months: Length, in months of 30.4375 days.
        tiers: One row a tier: tier, customers, contacted, contacts (outbound and not known
            to have failed), sum_contacts2 (squares over customers), known (contacts of which
            it is said whether they were automated), automated, and over customers
            sum_automated2, sum_automated_known, sum_known2.
        touches: One row a tier, month, channel, content_type, direction, depth and automated
            ('yes', 'no', 'not said'): touches, failed (of them). Text that is missing is
            'not said'.
        responses: One row a split ('channel' or 'content_type'), value and response
            ('interaction': opened, clicked or replied): contacts (with a known answer),
            answered, and over customers sum_answered2, sum_answered_contacts, sum_contacts2.
        doses: One row a tier and band of contacts a month (above `low`, up to `high`; the
            first is none at all): tier, low, high, customers, contacts, and where supplied
            bought, complainers, unsubscribed (customers in the same window) and complaints.
        outcomes: Those of bought, complainers, unsubscribed that were supplied.
        outside: Touches of customers who are in no tier.
    """

    start: dt.date
    end: dt.date
    months: float
    tiers: pd.DataFrame
    touches: pd.DataFrame
    responses: pd.DataFrame
    doses: pd.DataFrame
    outcomes: tuple[str, ...]
    outside: int

    def to_frame(self) -> pd.DataFrame:
        """One row a tier."""
        return self.tiers.copy()


def practice_counts(
    tables: Tables,
    tiers: ir.Table | pd.DataFrame,
    start: str | dt.date,
    end: str | dt.date,
    bands: Sequence[float] = BANDS,
) -> PracticeCounts:
    """Count how customers were contacted, by tier, channel, content and so on.

    Args:
        tables: A source, or tables by name: touches (customer_id, occurred_at, channel; the
            other columns where known), and where supplied transactions and tickets.
        tiers: customer_id, tier: everybody, also who was not contacted.
        start, end: First and last day; both count.
        bands: Contacts a month at which bands end, ascending from 0.

    Raises:
        ParameterError: a window that ends before it starts, bands that do not ascend from 0.
        DataError: not supplied, nobody in a tier, or a customer in two.
    """
    first, last = check_day(start, "start"), check_day(end, "end")
    if last < first:
        raise ParameterError(f"end={last} must not lie before start={first}")
    edges = [float(edge) for edge in bands]
    if not edges or edges[0] != 0 or edges != sorted(set(edges)):
        raise ParameterError(f"bands={list(bands)} must ascend from 0, like {list(BANDS)}")
    months = ((last - first).days + 1) / days_per("month")
    people = _people(tiers)
    # Read once a question and never copied: touches are the largest table there is.
    rows = _rows(tables, people, first, last)
    sent = rows.filter(rows.direction == "outbound", ~rows.failed, rows.tier.notnull())
    with evaluated(_per_customer(people, sent)) as counted:
        by_tier = _frame(_tier_sums(counted), ["tier"])
        doses, outcomes = _doses(tables, counted, edges, months, first, last)
    touches = _frame(_touch_counts(rows), ["tier", "month", "channel", "content_type"])
    responses = _responses(sent)
    outside = int(rows.filter(rows.tier.isnull()).count().to_pyarrow().as_py())
    return PracticeCounts(
        first, last, months, by_tier, touches, responses, doses, outcomes, outside
    )


def _people(tiers: ir.Table | pd.DataFrame) -> ir.Table:
    rows = supplied({"tiers": tiers}, "tiers", ("customer_id", "tier"))
    rows = rows.select(
        customer_id=rows.customer_id.cast("string"), tier=rows.tier.cast("string")
    ).filter(lambda t: t.tier.notnull())
    total, different = (
        int(n.to_pyarrow().as_py()) for n in (rows.count(), rows.customer_id.nunique())
    )
    if total != different or not total:
        said = (
            "nobody is in a tier" if not total else f"{total - different:,} customers stand twice"
        )
        raise DataError(f"tiers: {said}; each customer must be in one tier")
    return rows


def _rows(tables: Tables, people: ir.Table, first: dt.date, last: dt.date) -> ir.Table:
    """Touches of the window with what is said of each, and the tier of the customer."""
    import ibis

    rows = supplied(tables, "touches", ("customer_id", "occurred_at", "channel"))
    at = rows.occurred_at.cast("timestamp")
    rows = rows.mutate(at=at).filter(at >= midnight(first), at < midnight_after(last))
    columns = set(rows.columns)

    def word(name: str) -> Any:
        known = rows[name].cast("string") if name in columns else ibis.null("string")
        return known.fill_null(NOT_SAID)

    def flag(name: str) -> Any:
        return rows[name].cast("boolean") if name in columns else ibis.null("boolean")

    said = flag("automated").ifelse("yes", "no")
    chosen = rows.select(
        touched=rows.customer_id.cast("string"),
        month=rows["at"].strftime("%Y-%m"),
        channel=word("channel"),
        content_type=word("content_type"),
        depth=word("depth"),
        direction=(rows.direction if "direction" in columns else ibis.null("string"))
        .cast("string")
        .fill_null("outbound"),
        automated=flag("automated").isnull().ifelse(NOT_SAID, said),
        failed=~flag("delivered").fill_null(True),
        **{name: flag(name) for name in RESPONSES},
    )
    joined = chosen.left_join(people, chosen.touched == people.customer_id)
    return joined.drop("customer_id").rename(customer_id="touched")


def _per_customer(people: ir.Table, sent: ir.Table) -> ir.Table:
    """Everybody with their contacts, those without any included."""
    counted = sent.group_by("customer_id").agg(
        contacts=sent.count().cast("float64"),
        known=(sent.automated != NOT_SAID).cast("float64").sum(),
        automated=(sent.automated == "yes").cast("float64").sum(),
        unsubscribed=sent.unsubscribed.fill_null(False).cast("int64").max(),
    )
    rows = people.left_join(counted, "customer_id").drop("customer_id_right")
    names = ("contacts", "known", "automated")
    return rows.mutate(
        **{name: rows[name].fill_null(0.0) for name in names},
        unsubscribed=rows.unsubscribed.fill_null(0),
    )


def _tier_sums(each: ir.Table) -> ir.Table:
    return each.group_by("tier").agg(
        customers=each.count(),
        contacted=(each.contacts > 0).cast("int64").sum(),
        contacts=each.contacts.sum(),
        sum_contacts2=(each.contacts * each.contacts).sum(),
        known=each.known.sum(),
        automated=each.automated.sum(),
        sum_automated2=(each.automated * each.automated).sum(),
        sum_automated_known=(each.automated * each.known).sum(),
        sum_known2=(each.known * each.known).sum(),
    )


def _touch_counts(rows: ir.Table) -> ir.Table:
    known = rows.filter(rows.tier.notnull())
    keys = ("tier", "month", "channel", "content_type", "direction", "depth", "automated")
    return known.group_by(*keys).agg(touches=known.count(), failed=known.failed.cast("int64").sum())


def _responses(sent: ir.Table) -> pd.DataFrame:
    import pandas as pd

    interacted, known = sent[INTERACTIONS[0]].fill_null(False), sent[INTERACTIONS[0]].notnull()
    for name in INTERACTIONS[1:]:
        interacted = interacted | sent[name].fill_null(False)
        known = known | sent[name].notnull()
    flags = {name: (sent[name].fill_null(False), sent[name].notnull()) for name in RESPONSES}
    flags[INTERACTION] = (interacted, known)
    parts = []
    for split in ("channel", "content_type"):
        sums: dict[str, Any] = {}
        for name, (yes, heard) in flags.items():
            sums |= {
                f"k_{name}": yes.cast("float64").sum(),
                f"n_{name}": heard.cast("float64").sum(),
            }
        each = sent.group_by("customer_id", split).agg(**sums)
        totals: dict[str, Any] = {}
        for name in flags:
            k, n = each[f"k_{name}"], each[f"n_{name}"]
            totals |= {
                f"{name}:contacts": n.sum(), f"{name}:answered": k.sum(),
                f"{name}:sum_answered2": (k * k).sum(),
                f"{name}:sum_answered_contacts": (k * n).sum(),
                f"{name}:sum_contacts2": (n * n).sum(),
            }  # fmt: skip
        frame = _frame(each.group_by(split).agg(**totals), [split])
        for name in flags:
            part = frame[[column for column in frame if str(column).startswith(f"{name}:")]]
            part = part.rename(columns=lambda column: column.split(":")[1])
            parts.append(part.assign(split=split, value=frame[split], response=name))
    whole = pd.concat(parts, ignore_index=True)
    whole = whole[whole["contacts"] > 0]
    first = ["split", "value", "response"]
    return whole[[*first, *(c for c in whole if c not in first)]].reset_index(drop=True)


def _doses(
    tables: Tables, each: ir.Table, edges: list[float], months: float, first: dt.date, last: dt.date
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Customers by tier and band, with what they did in the same window."""
    import ibis

    rate = each.contacts / months
    band = ibis.cases(
        *[(rate <= edge, place) for place, edge in enumerate(edges)], else_=len(edges)
    )
    rows = each.mutate(band=band)
    outcomes = []
    for name, table, column, kind in (
        ("bought", "transactions", "occurred_at", "purchase"),
        ("complaints", "tickets", "opened_at", "complaint"),
    ):
        if has(tables, table):
            events = supplied(tables, table, ("customer_id", column, "kind"))
            at = events[column].cast("timestamp")
            events = events.filter(
                at >= midnight(first), at < midnight_after(last), events.kind == kind
            )
            events = events.select(whose=events.customer_id.cast("string"))
            counted = events.group_by("whose").agg(**{name: events.count()})
            rows = rows.left_join(counted, rows.customer_id == counted.whose).drop("whose")
            rows = rows.mutate(**{name: rows[name].fill_null(0)})
            outcomes.append("complainers" if name == "complaints" else name)
    sums: dict[str, Any] = {
        "customers": rows.count(), "contacts": rows.contacts.sum(),
        "unsubscribed": rows.unsubscribed.sum(),
    }  # fmt: skip
    if "bought" in outcomes:
        sums["bought"] = (rows.bought > 0).cast("int64").sum()
    if "complainers" in outcomes:
        sums["complainers"] = (rows.complaints > 0).cast("int64").sum()
        sums["complaints"] = rows.complaints.sum()
    frame = _frame(rows.group_by("tier", "band").agg(**sums), ["tier", "band"])
    places = frame["band"].astype(int)
    frame.insert(1, "low", [edges[place - 1] if place else 0.0 for place in places])
    frame.insert(2, "high", [[*edges, float("inf")][place] for place in places])
    outcomes.append("unsubscribed")
    return frame.drop(columns="band"), tuple(outcomes)


def _frame(rows: ir.Table, keys: list[str]) -> pd.DataFrame:
    """Sorted here and not in the engine, as each engine has a collation of its own."""
    frame: pd.DataFrame = rows.to_pyarrow().to_pandas()
    return frame.sort_values(keys, ignore_index=True)
