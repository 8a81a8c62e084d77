"""Which reports and messages that were sent brought an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from relkit.data.quality.supplied import NotSupplied, Tables, evaluated, has, supplied
from relkit.data.quality.survey_sums import as_frame
from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.intervals import Estimate, wilson_interval

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

UNNAMED = "not said"


@dataclass(frozen=True, slots=True, eq=False)
class SendResponse:
    """What was sent, and what came back.

    Attributes:
        by_content: One row a content type: content_type, sends, asked (sends that a
            request for feedback goes with), answered (of those; a send counts once),
            ask_rate, response_rate, low, high (answered of asked, Wilson; nan where
            nothing was asked).
        requests: Requests for feedback in all.
        joined: Requests that go with a send.
        join_rate: Their share.
        double_answers: Answers beyond the first to one send, which do not count.
        within_days: Longest time from a send to a request that goes with it.
    """

    by_content: pd.DataFrame
    requests: int
    joined: int
    join_rate: Estimate
    double_answers: int
    within_days: float

    def to_frame(self) -> pd.DataFrame:
        """One row a content type."""
        return self.by_content.copy()


def try_sends(tables: Tables, **options: Any) -> SendResponse | NotSupplied:
    """`response_per_send` for a report that goes on without touches or feedback."""
    missing = tuple(name for name in ("touches", "feedback") if not has(tables, name))
    return NotSupplied(missing) if missing else response_per_send(tables, **options)


def response_per_send(
    tables: Tables,
    content_types: Iterable[str] | None = None,
    *,
    within_days: float = 14,
    level: float = 0.95,
) -> SendResponse:
    """Join requests for feedback to what was sent before them.

    A request goes with the newest send to its customer, if that is at most `within_days`
    earlier. It may go with it by coincidence: nothing in the tables says which message
    carried the question.

    Args:
        tables: A source, or tables by name: `touches` (customer_id, occurred_at, and where
            known content_type, direction, delivered) and `feedback` (customer_id, asked_at,
            answered_at, score).
        content_types: Of the sends, such as 'service report'; all unless said.
        within_days: Longest time from a send to its request.
        level: Of the intervals.

    Raises:
        DataError: not supplied; or no request in feedback.
        ParameterError: no such content type, or a time that is none.
    """
    number = isinstance(within_days, (int, float)) and not isinstance(within_days, bool)
    if not number or not 0 < within_days <= 366:
        raise ParameterError(f"within_days={within_days!r} must be above 0, at most 366")
    sends = _sends(supplied(tables, "touches", ("customer_id", "occurred_at")))
    requests = _requests(supplied(tables, "feedback", ("customer_id", "asked_at")))
    counted = as_frame(sends.group_by("content_type").agg(sends=sends.count()))
    chosen = _chosen(content_types, set(counted["content_type"]))
    total = int(requests.count().to_pyarrow().as_py())
    if not total:
        raise DataError("feedback holds no request; at least one is required")
    sends = sends.filter(sends.content_type.isin(chosen))
    with evaluated(_joined(sends, requests, within_days)) as joined:
        whole = as_frame(joined.agg(n=joined.count(), answers=joined.answered.sum()))
        per_send = joined.group_by("content_type", "send").agg(answered=joined.answered.max())
        found = as_frame(
            per_send.group_by("content_type").agg(
                asked=per_send.count(), answered=per_send.answered.sum()
            )
        )
    rows = counted[counted["content_type"].isin(chosen)].merge(found, how="left")
    by_content = _with_rates(rows, level)
    matched, answers = int(whole["n"].iloc[0]), int(whole["answers"].fillna(0).iloc[0])
    return SendResponse(
        by_content=by_content,
        requests=total,
        joined=matched,
        join_rate=wilson_interval(matched, total, level),
        double_answers=answers - int(by_content["answered"].sum()),
        within_days=float(within_days),
    )


def _chosen(content_types: Iterable[str] | None, known: set[str]) -> list[str]:
    if content_types is None:
        return sorted(known)
    wanted = [content_types] if isinstance(content_types, str) else list(content_types)
    faults = [
        f"no send has the content type '{name}'{did_you_mean(str(name), known)}"
        for name in wanted
        if name not in known
    ]
    if faults or not wanted:
        raise ParameterError(
            f"content_types: there are {', '.join(sorted(known)) or 'none'}", faults
        )
    return wanted


def _sends(touches: ir.Table) -> ir.Table:
    """Outbound touches that did not fail, numbered."""
    import ibis

    if "direction" in touches.columns:
        touches = touches.filter(touches.direction.fill_null("outbound") == "outbound")
    if "delivered" in touches.columns:
        touches = touches.filter(touches.delivered.cast("boolean").fill_null(True))
    named = "content_type" in touches.columns
    return touches.select(
        customer_id=touches.customer_id.cast("string"),
        sent_at=touches.occurred_at.cast("timestamp"),
        content_type=touches.content_type.cast("string").fill_null(UNNAMED)
        if named
        else ibis.literal(UNNAMED),
        send=ibis.row_number(),
    )


def _requests(feedback: ir.Table) -> ir.Table:
    import ibis

    answered: Any = ibis.literal(False)
    for name in ("answered_at", "score"):
        if name in feedback.columns:
            answered = answered | feedback[name].notnull()
    return feedback.select(
        asked_of=feedback.customer_id.cast("string"),
        asked_at=feedback.asked_at.cast("timestamp"),
        answered=answered.cast("int64"),
        request=ibis.row_number(),
    )


def _joined(sends: ir.Table, requests: ir.Table, within_days: float) -> ir.Table:
    """One row a request that a send precedes: content_type, send, answered."""
    import ibis

    both = requests.inner_join(sends, requests.asked_of == sends.customer_id)
    waited = both.asked_at.delta(both.sent_at, unit="second")
    both = both.filter(both.sent_at <= both.asked_at, waited <= within_days * 86_400)
    newest = ibis.window(group_by="request", order_by=[both.sent_at.desc(), both.send.desc()])
    both = both.mutate(place=ibis.row_number().over(newest))
    return both.filter(both.place == 0).select("content_type", "send", "answered")


def _with_rates(rows: pd.DataFrame, level: float) -> pd.DataFrame:
    import math

    found = rows.fillna({"asked": 0, "answered": 0}).astype(
        {"content_type": "str", "sends": "int64", "asked": "int64", "answered": "int64"}
    )
    found["ask_rate"] = found["asked"] / found["sends"]
    rates = [
        wilson_interval(int(k), int(n), level) if n else None
        for k, n in zip(found["answered"], found["asked"], strict=True)
    ]
    found["response_rate"] = [math.nan if one is None else one.value for one in rates]
    found["low"] = [math.nan if one is None else one.low for one in rates]
    found["high"] = [math.nan if one is None else one.high for one in rates]
    return found.sort_values(["sends", "content_type"], ascending=[False, True], ignore_index=True)
