"""What the accounts of the synthetic world leave in the company's tables."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from relkit.data.world_accounts import CAUSES, Accounts, interactions, logins
from relkit.data.world_columns import (
    Array,
    choose,
    constant,
    days,
    flags,
    labels,
    moments,
    numbered,
    numbers,
    place_within,
    table,
)
from relkit.data.world_parameters import WorldParameters
from relkit.data.world_people import FAMILY, GIVEN
from relkit.data.world_voice import Tickets, resolution_hours

TICKETS_PER_WEEK = 0.08
NPS_EVERY = 13  # weeks
CHANNELS, CHANNEL_SHARES = (
    ("phone", "email", "wechat", "visit", "event"),
    (0.4, 0.3, 0.15, 0.1, 0.05),
)
DEPTHS, DEPTH_SHARES = ("message", "deep", "strategic"), (0.6, 0.3, 0.1)
DIMENSIONS, DIMENSION_SHARES = ("emotion", "value", "response"), (0.3, 0.4, 0.3)
SUBJECTS = ("check-in", "proposal", "training", "service report", "review")
FIELDS = ("industry", "region", "decision_maker")
INTERVIEWED, SURVEYED, REVIEWED = 0.25, 0.25, 0.10
REVIEWER_RIGHT = 0.85
KANO = ("basic", "expected", "delight")


class Need(NamedTuple):
    """What an account may ask for, and of which kind that is (place in KANO)."""

    description: str
    kano: int


NEEDS = (
    Need("data export works", 0),
    Need("service reachable by phone", 0),
    Need("invoices are correct", 0),
    Need("faster answers", 1),
    Need("interface to the accounting system", 1),
    Need("training for new staff", 1),
    Need("monthly report by itself", 2),
    Need("ideas from similar companies", 2),
)


def contracts_table(world: WorldParameters, accounts: Accounts, ids: pa.Array) -> pa.Table:
    """The table `contracts`: a year each, renewed until the account closes."""
    end = np.minimum(accounts.closed_at, world.weeks)
    terms = np.ceil((end - accounts.contract_at) / 52).astype(np.int64)
    who = np.repeat(np.arange(len(terms)), terms)
    nth = place_within(who)
    starts = accounts.contract_at[who] + 52 * nth
    full_term = starts + 52
    lost = full_term >= accounts.closed_at[who]
    runs_on = ~lost & (full_term > world.weeks)
    status = np.where(lost, 2, np.where(runs_on, 1, 0))
    told = lost & ~accounts.silent[who]
    price = np.exp(0.1 * accounts.cause_z[who, CAUSES.index("price")])
    value = 20_000 * accounts.size[who] * 1.03**nth * price
    return table(
        contract_id=numbered("SYN-V", (accounts.number[who], 8), (nth + 1, 2)),
        customer_id=ids.take(pa.array(who)),
        starts_on=days(starts, world.start),
        ends_on=days(np.where(lost, accounts.closed_at[who], full_term), world.start),
        annual_value=numbers(np.maximum(np.round(value, -2), 100.0)),
        status=labels(status, ("renewed", "active", "lost")),
        reason=labels(np.where(told, accounts.cause[who], -1), CAUSES),
    )


def engagement_table(
    world: WorldParameters, accounts: Accounts, ids: pa.Array, rng: np.random.Generator
) -> pa.Table:
    """The table `engagement`: logins by week; an open account without any has a row of 0."""
    counts = logins(rng, accounts)
    who, week = np.nonzero(accounts.open)
    return table(
        customer_id=ids.take(pa.array(who)),
        date=days(week.astype(float), world.start),
        event=constant("login", len(who)),
        count=numbers(counts[who, week]),
    )


def account_touches_table(
    world: WorldParameters, accounts: Accounts, ids: pa.Array, rng: np.random.Generator
) -> pa.Table:
    """The table `touches`: interactions with the owner, in both directions."""
    who, week = _events(interactions(rng, accounts))
    when = week + rng.random(len(who))
    order = np.lexsort((when, who))
    when, count = when[order], len(who)
    # A visit or a talk is no message that could be opened or clicked.
    never = constant(None, count, pa.bool_())
    return table(
        touch_id=numbered("SYN-L", (accounts.number[who], 8), (place_within(who) + 1, 4)),
        customer_id=ids.take(pa.array(who)),
        occurred_at=moments(when, world.start),
        channel=labels(choose(rng, CHANNEL_SHARES, count), CHANNELS),
        direction=labels(choose(rng, (0.65, 0.35), count), ("outbound", "inbound")),
        dimension=labels(choose(rng, DIMENSION_SHARES, count), DIMENSIONS),
        depth=labels(choose(rng, DEPTH_SHARES, count), DEPTHS),
        content_type=labels(rng.integers(len(SUBJECTS), size=count), SUBJECTS),
        owner_id=_owner_at(accounts, who, when.astype(np.int64)),
        automated=flags(np.zeros(count, bool)),
        delivered=flags(np.ones(count, bool)),
        opened=never,
        clicked=never,
        replied=never,
        unsubscribed=never,
    )


def _events(counts: Array) -> tuple[Array, Array]:
    """Counts (n, weeks) → account and week of each event."""
    cell = np.repeat(np.arange(counts.size), counts.ravel())
    return cell // counts.shape[1], cell % counts.shape[1]


def _owner_at(accounts: Accounts, who: Array, week: Array) -> pa.Array:
    return accounts.owner_ids(accounts.seat[who], accounts.owner[accounts.seat[who], week])


def account_tickets(accounts: Accounts, rng: np.random.Generator) -> Tickets:
    """Tickets of accounts; the less satisfied complain more."""
    rate = TICKETS_PER_WEEK * np.sqrt(accounts.size)[:, None] * accounts.open
    who, week = _events(rng.poisson(rate))
    when = week + rng.random(len(who))
    when = when[np.lexsort((when, who))]
    satisfaction = accounts.satisfaction[who]
    complains = rng.random(len(who)) < np.minimum(0.3 * np.exp(-0.3 * satisfaction), 0.9)
    return Tickets(
        who=who,
        opened_at=when,
        kind=np.where(complains, 0, rng.integers(1, 4, size=len(who))),
        hours=resolution_hours(rng, satisfaction),
        satisfaction=satisfaction,
        declining=accounts.declining(who, np.floor(when)),
        owner_id=_owner_at(accounts, who, when.astype(np.int64)),
    )


def account_nps(
    world: WorldParameters, rng: np.random.Generator, accounts: Accounts
) -> tuple[Array, Array]:
    """Every account is asked each quarter, as long as it is one."""
    first = accounts.start_at + rng.random(len(accounts.number)) * NPS_EVERY
    end = np.minimum(accounts.closed_at, world.weeks)
    rounds = np.maximum(np.ceil((end - first) / NPS_EVERY), 0).astype(np.int64)
    who = np.repeat(np.arange(len(rounds)), rounds)
    return who, first[who] + NPS_EVERY * place_within(who)


def owner_tables(
    world: WorldParameters, accounts: Accounts, ids: pa.Array, rng: np.random.Generator
) -> tuple[pa.Table, pa.Table, pa.Array]:
    """The tables `owners` and `owner_history`, and each account's latest owner."""
    seats = len(accounts.owner)
    per_seat = accounts.owner[:, -1] + 1
    seat = np.repeat(np.arange(seats), per_seat)
    count = len(seat)
    names = [f"{given} {family}" for given in GIVEN for family in FAMILY]
    owners = table(
        owner_id=accounts.owner_ids(seat, place_within(seat)),
        name=labels(rng.integers(len(names), size=count), names),
        role=labels(choose(rng, (0.8, 0.2), count), ("account manager", "senior account manager")),
        hours_per_week=numbers(rng.choice([20.0, 32.0, 40.0], size=count, p=[0.15, 0.25, 0.6])),
    )
    history, latest = _owner_history(world, accounts, ids)
    return owners, history, latest


def _owner_history(
    world: WorldParameters, accounts: Accounts, ids: pa.Array
) -> tuple[pa.Table, pa.Array]:
    weeks = accounts.owner.shape[1]
    of_account = accounts.owner[accounts.seat]  # (n, weeks)
    changed = np.diff(of_account, axis=1, prepend=-1) > 0
    changed &= accounts.open
    changed[np.arange(len(ids)), accounts.start_at] = True
    who, week = np.nonzero(changed)
    last = np.r_[who[1:] != who[:-1], True]
    end = np.where(last, accounts.closed_at[who], np.r_[week[1:], weeks])
    history = table(
        customer_id=ids.take(pa.array(who)),
        owner_id=_owner_at(accounts, who, week),
        starts_on=days(np.where(week == accounts.start_at[who], accounts.contract_at[who], week),
                       world.start),
        ends_on=days(end, world.start),
    )  # fmt: skip
    return history, _owner_at(accounts, who[last], week[last])


def said_values_tables(
    world: WorldParameters, accounts: Accounts, customers: pa.Table, rng: np.random.Generator
) -> tuple[pa.Table, pa.Table]:
    """What some accounts said of themselves, in an interview and in a survey."""
    end = np.minimum(accounts.closed_at, world.weeks)
    found = []
    for share, when_name in ((INTERVIEWED, "interviewed_at"), (SURVEYED, "answered_at")):
        asked = np.flatnonzero(rng.random(len(end)) < share)
        when = accounts.start_at + rng.random(len(end)) * (end - accounts.start_at)
        who = np.repeat(asked, len(FIELDS))
        field = np.tile(np.arange(len(FIELDS)), len(asked))
        known = pa.concat_arrays([customers[name].combine_chunks() for name in FIELDS])
        columns = {
            "customer_id": customers["customer_id"].take(pa.array(who)),
            "field": labels(field, FIELDS),
            when_name: moments(when[who], world.start),
            "value": known.take(pa.array(field * len(end) + who)),
        }
        found.append(pa.table(columns))
    return found[0], found[1]


def needs_table(accounts: Accounts, ids: pa.Array, rng: np.random.Generator) -> pa.Table:
    """The table `needs`: the more a product lacks, the more is asked for."""
    gap = accounts.cause_z[:, CAUSES.index("product gap")]
    who = np.repeat(np.arange(len(gap)), rng.poisson(0.8 * np.exp(0.5 * gap)))
    which = rng.integers(len(NEEDS), size=len(who))
    return table(
        need_id=numbered("SYN-N", (accounts.number[who], 8), (place_within(who) + 1, 2)),
        description=labels(which, [need.description for need in NEEDS]),
        kano=labels(np.array([need.kano for need in NEEDS])[which], KANO),
        importance=numbers(rng.integers(1, 6, size=len(who))),
        urgency=numbers(rng.integers(1, 6, size=len(who))),
        customer_id=ids.take(pa.array(who)),
    )


def reviews_table(
    world: WorldParameters, accounts: Accounts, ids: pa.Array, rng: np.random.Generator
) -> pa.Table:
    """The table `reviews`: people's verdict at the snapshot on whether an account is at risk."""
    there = (accounts.start_at < world.snapshot) & (accounts.closed_at > world.snapshot)
    who = np.flatnonzero(there & (rng.random(len(there)) < REVIEWED))
    risky = accounts.decided_at[who] < world.snapshot + 13
    said = risky ^ (rng.random(len(who)) >= REVIEWER_RIGHT)
    when = world.snapshot - rng.random(len(who))
    return table(
        customer_id=ids.take(pa.array(who)),
        reviewed_at=moments(np.maximum(when, accounts.start_at[who]), world.start),
        label=labels(said.astype(int), ("healthy", "at risk")),
        reviewer=labels(rng.integers(5, size=len(who)), [f"reviewer {i}" for i in range(1, 6)]),
    )
