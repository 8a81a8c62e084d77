"""Contacts with the consumers of the synthetic world: by habit first, by lot later.

Before the experiment those who buy more are contacted more, at random times; in it,
contacts come at the even distances of the arm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from relkit.data.world_columns import (
    Array,
    choose,
    constant,
    flags,
    labels,
    moments,
    numbered,
    place_within,
    table,
)
from relkit.data.world_consumers import Consumers, complaint_multiplier
from relkit.data.world_parameters import ARMS, WEEKS_PER_MONTH, WorldParameters


class Content(NamedTuple):
    """A type of content, and how often it is opened, then clicked, and answered."""

    name: str
    share: float
    dimension: str
    opened: float
    clicked: float
    replied: float


CONTENTS = (
    Content("offer", 0.35, "value", 0.22, 0.12, 0.010),
    Content("news", 0.25, "value", 0.18, 0.06, 0.005),
    Content("advice", 0.20, "response", 0.35, 0.18, 0.030),
    Content("greeting", 0.15, "emotion", 0.45, 0.05, 0.040),
    Content("survey", 0.05, "response", 0.25, 0.20, 0.060),
)
CHANNELS = ("email", "sms", "wechat", "app", "phone")
CHANNEL_SHARES = (0.35, 0.20, 0.25, 0.10, 0.10)
PHONE = CHANNELS.index("phone")
DEPTHS = ("message", "deep", "strategic")
DELIVERED, PHONE_ANSWERED, UNSUBSCRIBED = 0.97, 0.40, 0.001


def touches_table(world: WorldParameters, people: Consumers, ids: pa.Array, block: int) -> pa.Table:
    """The table `touches` of a block of consumers.

    After a customer has left, contacts go on, since nobody knows, but are not answered.
    They end when a customer unsubscribes.
    """
    rng = world.stream("touches", block)
    who, when, phase = _contacts(rng, world, people)
    count = len(who)
    channel = choose(rng, CHANNEL_SHARES, count)
    content = choose(rng, [c.share for c in CONTENTS], count)
    opened, clicked, replied = (
        np.array([getattr(c, name) for c in CONTENTS])[content]
        for name in ("opened", "clicked", "replied")
    )
    phone = channel == PHONE
    delivered = rng.random(count) < DELIVERED
    here = delivered & (when <= people.left_at[who])
    opens = here & (rng.random(count) < opened)
    clicks = opens & (rng.random(count) < clicked)
    replies = here & (rng.random(count) < np.where(phone, PHONE_ANSWERED, replied))
    tired = complaint_multiplier(people.dose)[who, phase]
    unsubscribes = here & ~phone & (rng.random(count) < UNSUBSCRIBED * tired)
    depth = np.where(phone, np.where(rng.random(count) < 0.1, 2, 1), 0)
    kept = _until_the_first(unsubscribes, who)
    who, when, channel, content = who[kept], when[kept], channel[kept], content[kept]
    phone, depth, count = phone[kept], depth[kept], int(kept.sum())
    delivered, opens, clicks = delivered[kept], opens[kept], clicks[kept]
    replies, unsubscribes = replies[kept], unsubscribes[kept]
    return table(
        touch_id=numbered("SYN-K", (people.number[who], 8), (place_within(who) + 1, 4)),
        customer_id=ids.take(pa.array(who)),
        occurred_at=moments(when, world.start),
        channel=labels(channel, CHANNELS),
        direction=constant("outbound", count),
        dimension=labels(content, [c.dimension for c in CONTENTS]),
        depth=labels(depth, DEPTHS),
        content_type=labels(content, [c.name for c in CONTENTS]),
        owner_id=constant(None, count),
        automated=flags(~phone),
        delivered=flags(delivered),
        opened=flags(opens, ~phone),
        clicked=flags(clicks, ~phone),
        replied=flags(replies),
        unsubscribed=flags(unsubscribes, ~phone),
    )


def _until_the_first(event: Array, who: Array) -> Array:
    """Rows of each customer, in the order of time, up to the first with the event."""
    earlier = np.cumsum(event) - event
    starts = np.flatnonzero(np.r_[True, who[1:] != who[:-1]]) if len(who) else np.zeros(0, int)
    lengths = np.diff(np.r_[starts, len(who)])
    return earlier == np.repeat(earlier[starts], lengths)


def _contacts(
    rng: np.random.Generator, world: WorldParameters, people: Consumers
) -> tuple[Array, Array, Array]:
    """Who is contacted when, sorted, and whether before (0) or in the experiment (1)."""
    n, end = len(people.number), float(world.weeks)
    before = np.maximum(world.randomised_from - people.first_at, 0)
    by_habit = rng.poisson(people.history_per_month / WEEKS_PER_MONTH * before)
    per_week = np.array(ARMS)[people.arm] / WEEKS_PER_MONTH
    offset = rng.random(n)  # of the first contact, in distances between two
    by_lot = np.maximum(np.ceil((end - people.experiment_at) * per_week - offset), 0)
    counts = np.column_stack([by_habit, by_lot.astype(np.int64)])
    slot = np.repeat(np.arange(2 * n), counts.ravel())
    who, phase = slot // 2, slot % 2
    nth = place_within(slot)
    with np.errstate(divide="ignore", invalid="ignore"):
        planned = people.experiment_at[who] + (nth + offset[who]) / per_week[who]
    at_random = people.first_at[who] + rng.random(len(slot)) * before[who]
    when = np.where(phase == 1, planned, at_random)
    when = when[np.lexsort((when, slot))]
    return who, when, phase
