"""Referrals between consumers of the synthetic world, and the stages they go through."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from relkit.data.world_columns import labels, moments, place_within, table
from relkit.data.world_consumers import Consumers
from relkit.data.world_parameters import WorldParameters

REFERRED = 0.05
STAGES = ("first purchase", "second purchase", "third purchase", "fifth purchase", "tenth purchase")
AT_PURCHASE = (1, 2, 3, 5, 10)


def referrals_table(
    world: WorldParameters, people: Consumers, ids: pa.Array, block: int
) -> pa.Table:
    """The table `referrals`: some came because a customer of their block, by then, sent them."""
    rng = world.stream("referrals", block)
    n = len(ids)
    came = np.flatnonzero(rng.random(n) < REFERRED)
    by = rng.integers(n, size=len(came))
    when = people.first_at[came] - rng.exponential(1.0, len(came))
    able = (people.first_at[by] < when) & (when <= people.left_at[by])
    came, by, when = came[able], by[able], when[able]
    return table(
        customer_id=ids.take(pa.array(by)),
        referred_customer_id=ids.take(pa.array(came)),
        referred_at=moments(when, world.start),
    )


def stages_table(world: WorldParameters, people: Consumers, ids: pa.Array) -> pa.Table:
    """The table `stages`: when each consumer made the first, second, … tenth purchase."""
    nth = place_within(people.buyer) + 1
    reached = np.isin(nth, AT_PURCHASE)
    stage = np.searchsorted(AT_PURCHASE, nth[reached])
    return table(
        customer_id=ids.take(pa.array(people.buyer[reached])),
        stage=labels(stage, STAGES),
        entered_at=moments(people.bought_at[reached], world.start),
    )
