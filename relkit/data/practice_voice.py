"""What customers say of being contacted, and what tickets are about, counted in the engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relkit.data.grains import check_day, midnight, midnight_after
from relkit.data.quality.agreement import cohen_kappa
from relkit.data.quality.said_values import said_values
from relkit.data.quality.supplied import Tables, has, supplied
from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.intervals import Estimate, wilson_interval

if TYPE_CHECKING:
    import pandas as pd

FELT = ("cared_for", "pressed", "too_little")


@dataclass(frozen=True, slots=True, eq=False)
class ContactOpinions:
    """How often the records say that customers were contacted, and how customers feel about it.

    Attributes:
        counts: One row a kind of record ('often' or not) and a feeling: often, felt
            (cared_for, pressed, too_little), customers.
        customers: Who said something and is in the records.
        often_from: Contacts a month that the company counts as looking after somebody.
        kappa: Agreement beyond chance of 'contacted often' with 'feels cared for'; None
            where one of the two is the same of everybody.
        agree: Share of customers on whom the two agree.
        pressed: Of customers contacted often, the share that feels pressed; None where
            nobody is.
        unread: Answers whose words were not in the list of feelings.
    """

    counts: pd.DataFrame
    customers: int
    often_from: float
    kappa: Estimate | None
    agree: Estimate
    pressed: Estimate | None
    unread: int

    def to_frame(self) -> pd.DataFrame:
        """One row a kind of record and a feeling."""
        return self.counts.copy()


def contact_opinions(
    tables: Tables,
    start: str | dt.date,
    end: str | dt.date,
    feelings: Mapping[str, str],
    often_from: float,
    field: str = "contact_frequency",
) -> ContactOpinions:
    """Hold the number of contacts on record against what customers say of them.

    Args:
        tables: touches, and interviews or survey_values with the field; of several answers
            of a customer the newest counts, a survey's before an interview's.
        start, end: First and last day of the contacts; both count.
        feelings: What customers say → 'cared_for', 'pressed' or 'too_little', in any case.
        often_from: Contacts a month from which the company would say that it cares.
        field: Name of the question.

    Raises:
        ParameterError: feelings that are none, a number that cannot be, a window that ends
            before it starts.
        DataError: not supplied, or nobody answered.
    """
    first, last = check_day(start, "start"), check_day(end, "end")
    faults = [
        f"feelings: {word}: {felt} must be one of {', '.join(FELT)}{did_you_mean(felt, FELT)}"
        for word, felt in feelings.items()
        if felt not in FELT
    ]
    if not often_from > 0:
        faults.append(f"often_from={often_from!r} must be contacts a month, above 0")
    if last < first:
        faults.append(f"end={last} must not lie before start={first}")
    if faults:
        raise ParameterError("opinions on contacts", faults)
    said, unread = _answers(tables, feelings, field)
    often = _often(tables, said, first, last, often_from)
    n = len(said)
    cared = said["felt"] == "cared_for"
    counts = said.assign(often=often).groupby(["often", "felt"]).size().rename("customers")
    listed = [(o, f) for o in (True, False) for f in FELT]
    frame = counts.reindex(listed, fill_value=0).rename_axis(["often", "felt"]).reset_index()
    frequent = int(often.sum())
    pressed = int((often & (said["felt"] == "pressed")).sum())
    return ContactOpinions(
        frame,
        n,
        float(often_from),
        cohen_kappa(often.tolist(), cared.tolist()),
        wilson_interval(int((often == cared).sum()), n),
        wilson_interval(pressed, frequent) if frequent else None,
        unread,
    )


def _answers(tables: Tables, feelings: Mapping[str, str], field: str) -> tuple[pd.DataFrame, int]:
    if not (has(tables, "interviews") or has(tables, "survey_values")):
        raise DataError(
            "not supplied: interviews, survey_values; what customers say of their contacts is "
            "needed from one of them"
        )
    said = said_values(tables)
    said = said[said["field"] == field]
    order = said.sort_values("source", ascending=False, kind="stable")  # survey before interview
    newest = order.drop_duplicates("customer_id").reset_index(drop=True)
    felt = newest["value"].str.strip().str.lower().map({k.lower(): v for k, v in feelings.items()})
    known = newest.assign(felt=felt)[felt.notna()].reset_index(drop=True)
    if known.empty:
        raise DataError(
            f"nobody answered '{field}' with one of {', '.join(feelings) or 'no words'}; say which "
            "words mean what in feelings"
        )
    return known, int(felt.isna().sum())


def _often(
    tables: Tables, said: pd.DataFrame, first: dt.date, last: dt.date, often_from: float
) -> pd.Series:
    from relkit.data.contact_rates import contact_rates

    touches = supplied(tables, "touches", ("customer_id", "occurred_at"))
    asked = touches.filter(touches.customer_id.cast("string").isin(list(said["customer_id"])))
    rates = contact_rates(asked, first, last).set_index("customer_id")["contacts_per_unit"]
    return said["customer_id"].map(rates).fillna(0.0) >= often_from


@dataclass(frozen=True, slots=True, eq=False)
class IssueCounts:
    """What tickets are about, in the earlier and the later half of a window.

    Attributes:
        periods: One row an issue and half: issue, half ('earlier', 'later'), tickets (of the
            issue), all_tickets (of every kind in the half), customers (with the issue), and
            over customers with a ticket in the half sum_issue2, sum_issue_all, sum_all2.
        by_month: issue, month, tickets.
        repeated: issue, customers (with it in the window), repeated (with it twice or more).
        start, middle, end: First day of the earlier half, first of the later, last of all.
    """

    periods: pd.DataFrame
    by_month: pd.DataFrame
    repeated: pd.DataFrame
    start: dt.date
    middle: dt.date
    end: dt.date

    def to_frame(self) -> pd.DataFrame:
        """One row an issue and half."""
        return self.periods.copy()


def issue_counts(
    tables: Tables, start: str | dt.date, end: str | dt.date, by: str = "kind"
) -> IssueCounts:
    """Count tickets by what they are about, with all tickets beside them.

    Args:
        tables: tickets (customer_id, opened_at and the column `by`).
        start, end: First and last day; both count. The later half begins in the middle.
        by: Column that says what a ticket is about: kind, or a topic of one's own.

    Raises:
        ParameterError: a window of less than two days.
        DataError: not supplied, or no ticket in the window.
    """
    first, last = check_day(start, "start"), check_day(end, "end")
    if last <= first:
        raise ParameterError(f"end={last} must lie after start={first}: two halves are compared")
    middle = first + dt.timedelta(days=((last - first).days + 1) // 2)
    rows = supplied(tables, "tickets", ("customer_id", "opened_at", by))
    at = rows.opened_at.cast("timestamp")
    rows = rows.filter(at >= midnight(first), at < midnight_after(last))
    at = rows.opened_at.cast("timestamp")
    plain = rows.select(
        customer_id=rows.customer_id.cast("string"),
        issue=rows[by].cast("string").fill_null("not said"),
        half=(at < midnight(middle)).ifelse("earlier", "later"),
        month=at.strftime("%Y-%m"),
    )
    every = plain.group_by("customer_id", "half").agg(n=plain.count().cast("float64"))
    each = plain.group_by("customer_id", "half", "issue").agg(k=plain.count().cast("float64"))
    joined = each.inner_join(every, ["customer_id", "half"])
    sums = joined.group_by("half", "issue").agg(
        tickets=joined.k.sum(), customers=joined.count(),
        sum_issue2=(joined.k * joined.k).sum(), sum_issue_all=(joined.k * joined.n).sum(),
    )  # fmt: skip
    halves = every.group_by("half").agg(
        all_tickets=every.n.sum(), sum_all2=(every.n * every.n).sum()
    )
    by_half = halves.to_pyarrow().to_pandas()
    if by_half.empty:
        raise DataError(f"no ticket between {first} and {last}")
    found = sums.to_pyarrow().to_pandas()
    whole = _every_half(found, by_half)
    months = plain.group_by("issue", "month").agg(tickets=plain.count()).to_pyarrow().to_pandas()
    of_all = each.group_by("customer_id", "issue").agg(k=each.k.sum())
    again = of_all.group_by("issue").agg(
        customers=of_all.count(), repeated=(of_all.k >= 2).cast("int64").sum()
    )
    repeated = again.to_pyarrow().to_pandas()
    return IssueCounts(
        whole,
        months.sort_values(["issue", "month"], ignore_index=True),
        repeated.sort_values("issue", ignore_index=True),
        first,
        middle,
        last,
    )


def _every_half(found: pd.DataFrame, halves: pd.DataFrame) -> pd.DataFrame:
    """Each issue in both halves; one that a half has not had has 0 tickets there."""
    import pandas as pd

    index = pd.MultiIndex.from_product(
        [sorted(found["issue"].unique()), ["earlier", "later"]], names=["issue", "half"]
    )
    whole = found.set_index(["issue", "half"]).reindex(index, fill_value=0).reset_index()
    return whole.merge(halves, on="half", how="left").fillna({"all_tickets": 0, "sum_all2": 0})
