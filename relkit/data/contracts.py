"""What each table must hold: the one declaration of columns, types, choices and checks.

`rk.contracts.transactions.validate(frame)` holds a frame of one's own against it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from relkit.data.schemas import (
    Circumstances,
    Contract,
    choice,
    contract,
    flag,
    id_,
    in_order,
    number,
    rule,
    text,
    time,
)
from relkit.data.values import Reading, Reason

if TYPE_CHECKING:
    import ibis.expr.types as ir

CHANNELS = ("phone", "email", "sms", "wechat", "visit", "app", "event", "other")
_RESPONSES = ("opened", "clicked", "replied", "unsubscribed")


@lru_cache(maxsize=8)
def contracts(now: Circumstances = Circumstances()) -> Mapping[str, Contract]:  # noqa: B008
    """All tables' contracts, by name, for the circumstances of a run."""
    listed = (
        _transactions(now),
        _customers(now),
        _touches(now),
        _feedback(now),
        _tickets(now),
        _engagement(now),
        _contracts(now),
        _assignments(now),
        _referrals(now),
        _owners(),
        _owner_history(now),
        _interviews(now),
        _survey_values(now),
        _stages(now),
        _needs(),
        _reviews(now),
    )
    return {each.name: each for each in listed}


def _kind_and_sign(rows: ir.Table, mapped: Container[str], reading: Reading) -> dict[str, ir.Value]:
    """Without `kind` a negative amount is a refund; with it, refunds get their minus."""
    if "kind" not in mapped:
        return {"kind": (rows.amount < 0).ifelse("refund", "purchase")}
    if reading.refunds_are_positive:
        return {"amount": (rows.kind == "refund").ifelse(-rows.amount, rows.amount)}
    return {}


def _sign_agrees(rows: ir.Table) -> ir.BooleanValue:
    wrong_purchase = (rows.kind == "purchase") & (rows.amount < 0)
    return ~(wrong_purchase | ((rows.kind == "refund") & (rows.amount > 0)))


def _transactions(now: Circumstances) -> Contract:
    def one_currency(rows: ir.Table) -> ir.BooleanValue:
        if now.currency is None:
            return rows.currency.notnull()
        return (rows.currency == now.currency).fill_null(False)

    return contract(
        "transactions",
        ["transaction_id"],
        {
            "transaction_id": id_("transaction_id"),
            "customer_id": id_("customer_id", required=True, of="customers"),
            "occurred_at": time("occurred_at", now, required=True),
            "amount": number("amount", required=True),
            "kind": choice("kind", ("purchase", "refund"), filled=True),
            "currency": text(),
            "category": text(),
        },
        [
            rule(
                Reason(
                    "sign of amount disagrees with kind",
                    "金额正负与 kind 不符",
                    "purchases are not negative and refunds not positive; "
                    "where refunds are written without a minus, set refunds_are_positive: true",
                ),
                ("amount", "kind"),
                _sign_agrees,
            ),
            rule(
                Reason(
                    "currency is another",
                    "币种不同",
                    "one run has one currency; convert the amounts first, or leave these rows out",
                ),
                ("currency",),
                one_currency,
            ),
        ],
        dated_by="occurred_at",
        complete=_kind_and_sign,
    )


def _customers(now: Circumstances) -> Contract:
    consents = ("consent_email", "consent_phone", "consent_sms", "consent_wechat")
    born_ahead = Reason(
        "birthday is in the future", "birthday 在未来", "is it dates: with a year of two digits?"
    )
    return contract(
        "customers",
        ["customer_id"],
        {
            "customer_id": id_("customer_id", required=True),
            "name": text(),
            "created_at": time("created_at", now),
            "industry": text(),
            "region": text(),
            "owner_id": id_("owner_id", of="owners"),
            "decision_maker": text(),
            # Only to find one person under two ids; neither is ever shown.
            "email": text(),
            "phone": text(),
            # People were born before computers, so only the future is impossible.
            "birthday": time("birthday", now, day=True, past=False),
            "time_zone": text(),
            **{consent: flag() for consent in consents},
            "strategic_fit": number("strategic_fit"),
        },
        [
            rule(
                born_ahead,
                ("birthday",),
                lambda rows: rows.birthday.cast("timestamp") < now.next_midnight(),
            )
        ],
    )


def _responded(rows: ir.Table, response: str) -> ir.BooleanValue:
    return ~(rows[response].fill_null(False) & ~rows.delivered.fill_null(True))


def _touches(now: Circumstances) -> Contract:
    return contract(
        "touches",
        ["touch_id"],
        {
            "touch_id": id_("touch_id"),
            "customer_id": id_("customer_id", required=True, of="customers"),
            "occurred_at": time("occurred_at", now, required=True),
            "channel": choice("channel", CHANNELS, required=True),
            "direction": choice("direction", ("outbound", "inbound")),
            "dimension": choice("dimension", ("emotion", "value", "response")),
            "depth": choice("depth", ("message", "deep", "strategic")),
            "content_type": text(),
            "owner_id": id_("owner_id", of="owners"),
            "automated": flag(),
            "delivered": flag(),
            **{response: flag() for response in _RESPONSES},
        },
        [
            rule(
                Reason(
                    f"{response} but not delivered",
                    f"{response} 但未送达",
                    "what was not delivered has no response; correct one of the two flags",
                ),
                (response, "delivered"),
                lambda rows, response=response: _responded(rows, response),  # type: ignore[misc]
            )
            for response in _RESPONSES
        ],
        dated_by="occurred_at",
    )


def _inside_scale(rows: ir.Table) -> ir.BooleanValue:
    low, high = (
        rows[name] if name in rows.columns else None for name in ("scale_min", "scale_max")
    )
    inside = ~((rows.kind == "nps") & ~rows.score.between(0, 10)).fill_null(False)
    if low is not None:
        inside = inside & ~(rows.score < low).fill_null(False)
    if high is not None:
        inside = inside & ~(rows.score > high).fill_null(False)
    return inside


def _feedback(now: Circumstances) -> Contract:
    return contract(
        "feedback",
        ["feedback_id"],
        {
            "feedback_id": id_("feedback_id"),
            "customer_id": id_("customer_id", required=True, of="customers"),
            "asked_at": time("asked_at", now, required=True),
            "answered_at": time("answered_at", now),
            "kind": choice("kind", ("nps", "csat", "ces", "interview", "other"), required=True),
            "score": number("score"),
            "scale_min": number("scale_min"),
            "scale_max": number("scale_max"),
            "text": text(),
        },
        [
            in_order("asked_at", "answered_at"),
            rule(
                Reason(
                    "score is outside its scale",
                    "score 超出量表范围",
                    "nps is 0 to 10; other scores lie between scale_min and scale_max",
                ),
                ("score", "kind"),
                _inside_scale,
            ),
            rule(
                Reason(
                    "scale_max is not above scale_min",
                    "scale_max 不大于 scale_min",
                    "a scale runs from its least to its greatest answer",
                ),
                ("scale_max", "scale_min"),
                lambda rows: rows.scale_max > rows.scale_min,
            ),
        ],
        dated_by="asked_at",
        later={"answered_at": ("answered_at", "score", "text")},
    )


def _tickets(now: Circumstances) -> Contract:
    events = ("first_reply_at", "resolved_at", "reopened_at")
    return contract(
        "tickets",
        ["ticket_id"],
        {
            "ticket_id": id_("ticket_id"),
            "customer_id": id_("customer_id", required=True, of="customers"),
            "opened_at": time("opened_at", now, required=True),
            **{event: time(event, now) for event in events},
            "kind": choice("kind", ("complaint", "question", "incident", "request"), required=True),
            "channel": choice("channel", CHANNELS),
            "owner_id": id_("owner_id", of="owners"),
            "priority": text(),
        },
        [in_order("opened_at", event) for event in events],
        dated_by="opened_at",
        later={event: (event,) for event in events},
    )


def _engagement(now: Circumstances) -> Contract:
    return contract(
        "engagement",
        ["customer_id", "date", "event"],
        {
            "customer_id": id_("customer_id", required=True, of="customers"),
            "date": time("date", now, required=True, day=True),
            "event": text(required=True),
            "count": number("count", required=True, low=0),
        },
        dated_by="date",
    )


def _contracts(now: Circumstances) -> Contract:
    return contract(
        "contracts",
        ["contract_id"],
        {
            "contract_id": id_("contract_id"),
            "customer_id": id_("customer_id", required=True, of="customers"),
            "starts_on": time("starts_on", now, required=True, day=True, past=False),
            "ends_on": time("ends_on", now, required=True, day=True, past=False),
            "annual_value": number("annual_value", required=True, low=0),
            "status": choice("status", ("active", "renewed", "lost", "pending"), required=True),
            "reason": text(),
        },
        [in_order("starts_on", "ends_on", strict=True)],
    )


def _assignments(now: Circumstances) -> Contract:
    return contract(
        "assignments",
        ["experiment_id", "customer_id"],
        {
            "experiment_id": id_("experiment_id", required=True),
            "customer_id": id_("customer_id", required=True, of="customers"),
            "arm": text(required=True),
            "assigned_at": time("assigned_at", now, required=True),
            "stratum": text(),
        },
        dated_by="assigned_at",
    )


def _referrals(now: Circumstances) -> Contract:
    itself = Reason(
        "customer refers itself",
        "客户推荐了自己",
        "a referral is of another customer; correct the ids",
    )
    return contract(
        "referrals",
        ["customer_id", "referred_customer_id"],
        {
            "customer_id": id_("customer_id", required=True, of="customers"),
            "referred_customer_id": id_("referred_customer_id", required=True, of="customers"),
            "referred_at": time("referred_at", now, required=True),
            "recurring_value": number("recurring_value", low=0),
        },
        [
            rule(
                itself,
                ("referred_customer_id", "customer_id"),
                lambda rows: rows.referred_customer_id != rows.customer_id,
            )
        ],
        dated_by="referred_at",
    )


def _owners() -> Contract:
    return contract(
        "owners",
        ["owner_id"],
        {
            "owner_id": id_("owner_id", required=True),
            "name": text(),
            "role": text(),
            "hours_per_week": number("hours_per_week", low=0, high=168),
        },
    )


def _owner_history(now: Circumstances) -> Contract:
    return contract(
        "owner_history",
        ["customer_id", "owner_id", "starts_on"],
        {
            "customer_id": id_("customer_id", required=True, of="customers"),
            "owner_id": id_("owner_id", required=True, of="owners"),
            "starts_on": time("starts_on", now, required=True, day=True, past=False),
            "ends_on": time("ends_on", now, day=True, past=False),
        },
        [in_order("starts_on", "ends_on")],
    )


def _interviews(now: Circumstances) -> Contract:
    return contract(
        "interviews",
        ["customer_id", "field", "interviewed_at"],
        {
            "customer_id": id_("customer_id", required=True, of="customers"),
            "field": text(required=True),
            "interviewed_at": time("interviewed_at", now, required=True),
            "value": text(required=True),
        },
        dated_by="interviewed_at",
    )


def _survey_values(now: Circumstances) -> Contract:
    """What customers said of themselves, held against the CRM and the interviews."""
    return contract(
        "survey_values",
        ["customer_id", "field", "answered_at"],
        {
            "customer_id": id_("customer_id", required=True, of="customers"),
            "field": text(required=True),
            "answered_at": time("answered_at", now, required=True),
            "value": text(required=True),
        },
        dated_by="answered_at",
    )


def _stages(now: Circumstances) -> Contract:
    return contract(
        "stages",
        ["customer_id", "stage", "entered_at"],
        {
            "customer_id": id_("customer_id", required=True, of="customers"),
            "stage": text(required=True),
            "entered_at": time("entered_at", now, required=True),
        },
        dated_by="entered_at",
    )


def _needs() -> Contract:
    return contract(
        "needs",
        ["need_id"],
        {
            "need_id": id_("need_id"),
            "description": text(required=True),
            "kano": choice("kano", ("basic", "expected", "delight"), required=True),
            "importance": number("importance", required=True),
            "urgency": number("urgency", required=True),
            "customer_id": id_("customer_id", of="customers"),
        },
    )


def _reviews(now: Circumstances) -> Contract:
    return contract(
        "reviews",
        ["customer_id", "reviewed_at"],
        {
            "customer_id": id_("customer_id", required=True, of="customers"),
            "reviewed_at": time("reviewed_at", now, required=True),
            "label": text(required=True),
            "reviewer": text(),
        },
        dated_by="reviewed_at",
    )


TABLES = tuple(contracts())


def __getattr__(name: str) -> Contract:
    """A table's contract for frames of one's own: contracts.transactions, …"""
    if name in TABLES:
        return contracts()[name]
    from relkit.errors import did_you_mean

    raise AttributeError(f"there is no contract of '{name}'{did_you_mean(name, TABLES)}")
