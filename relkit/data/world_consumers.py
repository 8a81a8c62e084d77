"""Consumers of the synthetic world: how they buy, leave and complain.

In the full world, u = contacts a month / the best number of contacts acts on all
three. A customer's u is constant before the experiment and constant in it, so
purchases are a Poisson process with two rates, cut off by the first drop-out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from relkit.data.world_columns import (
    Array,
    choose,
    constant,
    labels,
    moments,
    numbered,
    numbers,
    place_within,
    table,
)
from relkit.data.world_parameters import (
    ARM_NAMES,
    ARMS,
    CONSUMERS_PER_BLOCK,
    CURRENCY,
    EXPERIMENT,
    WorldParameters,
)

Floats = NDArray[np.float64]

ARRIVE_BEFORE_SNAPSHOT = 0.93
BUYING_EFFECT, LEAVING_EFFECT, COMPLAINT_EFFECT = 0.20, 0.8, 0.35
COMPLAINTS_PER_WEEK = 0.004
CATEGORIES = ("household", "food", "clothing", "electronics", "leisure")
CATEGORY_SHARES = (0.3, 0.3, 0.2, 0.1, 0.1)


def buying_multiplier(u: Floats) -> Floats:
    """What contacts at u times the best number do to the purchase rate; 1 at u = 1."""
    return np.asarray(np.exp(BUYING_EFFECT * (np.maximum(2 * u - u**2, -6) - 1)))


def leaving_multiplier(u: Floats) -> Floats:
    """What they do to the chance to leave after a repeat purchase; 1 at u = 1."""
    return np.asarray(np.exp(LEAVING_EFFECT * (np.log1p(u) - np.log(2)) ** 2))


def complaint_multiplier(u: Floats) -> Floats:
    """What they do to complaints a week; 1 up to u = 1."""
    return np.asarray(np.exp(COMPLAINT_EFFECT * np.clip(u - 1, 0, 6)))


@dataclass(frozen=True, slots=True)
class Consumers:
    """A block of consumers; arrays of shape (n,) or (purchases,), times in weeks.

    Attributes:
        number: What the id is made of.
        group: Place in the world's classes.
        rate: Purchases a week at u = 1.
        drop_chance: To leave after a repeat purchase at u = 1.
        mean_spend: Expected amount of a purchase.
        satisfaction: Standard normal; says what is answered in surveys.
        first_at: First purchase.
        left_at: Purchase after which the customer left; infinite if that never came.
        history_per_month: Contacts before the experiment.
        arm: Place in ARMS.
        dose: u before and in the experiment, shape (n, 2); 1 where nothing has an effect.
        experiment_at: When the customer's arm begins.
        buyer: Whose purchase, ascending, with ascending times for each.
        bought_at: When.
        amount: In money, cents.
    """

    number: Array
    group: Array
    rate: Floats
    drop_chance: Floats
    mean_spend: Floats
    satisfaction: Floats
    first_at: Floats
    left_at: Floats
    history_per_month: Floats
    arm: Array
    dose: Floats
    experiment_at: Floats
    buyer: Array
    bought_at: Floats
    amount: Floats


def consumer_ids(number: Array) -> pa.Array:
    """Ids that nobody takes for real ones."""
    return numbered("SYN-C", (number, 8))


def make_consumers(world: WorldParameters, block: int) -> Consumers:
    """One block of consumers with their purchases."""
    rng = world.stream("consumers", block)
    first = block * CONSUMERS_PER_BLOCK
    n = min(CONSUMERS_PER_BLOCK, world.customers - first)
    group = choose(rng, [c.share for c in world.classes], n)
    of = {
        name: np.array([getattr(c, name) for c in world.classes], float)[group]
        for name in world.classes[0]._fields
        if name not in ("name", "share")
    }
    rate = rng.standard_gamma(of["rate_shape"]) / of["rate_rate"]
    drop_chance = rng.beta(of["drop_a"], of["drop_b"])
    spend_scale = rng.standard_gamma(of["spend_q"]) / of["spend_gamma"]
    satisfaction = rng.standard_normal(n)
    first_at = _arrivals(rng, world, n)
    history = 1.5 * np.sqrt(rate / 0.06) * np.exp(0.35 * rng.standard_normal(n))
    arm = _randomise(rng, group)
    dose = np.ones((n, 2))
    if world.kind == "full":
        dose = np.column_stack([history, np.array(ARMS)[arm]]) / of["best_per_month"][:, None]
    experiment_at = np.maximum(first_at, world.randomised_from)
    buyer, bought_at, left_at = _purchases(
        rng, world, rate, drop_chance, first_at, experiment_at, dose
    )
    spent = rng.standard_gamma(of["spend_p"][buyer]) / spend_scale[buyer]
    return Consumers(
        number=first + 1 + np.arange(n),
        group=group,
        rate=rate,
        drop_chance=drop_chance,
        mean_spend=of["spend_p"] / spend_scale,
        satisfaction=satisfaction,
        first_at=first_at,
        left_at=left_at,
        history_per_month=history,
        arm=arm,
        dose=dose,
        experiment_at=experiment_at,
        buyer=buyer,
        bought_at=bought_at,
        amount=np.maximum(np.round(spent, 2), 0.01),
    )


def _arrivals(rng: np.random.Generator, world: WorldParameters, n: int) -> Floats:
    share, place = rng.random(n), rng.random(n)
    early = (share < ARRIVE_BEFORE_SNAPSHOT) | (world.weeks == world.snapshot)
    late = world.snapshot + place * (world.weeks - world.snapshot)
    return np.where(early, place * world.snapshot, late)


def _randomise(rng: np.random.Generator, group: Array) -> Array:
    """Arms in random order within each class, so that each class is split evenly."""
    shuffled = np.lexsort((rng.random(len(group)), group))
    arm = np.empty(len(group), np.int8)
    turn = place_within(group[shuffled]) + rng.integers(len(ARMS), size=16)[group[shuffled]]
    arm[shuffled] = turn % len(ARMS)
    return arm


def _purchases(
    rng: np.random.Generator,
    world: WorldParameters,
    rate: Floats,
    drop_chance: Floats,
    first_at: Floats,
    experiment_at: Floats,
    dose: Floats,
) -> tuple[Array, Floats, Floats]:
    # All that a customer who never leaves would buy; what comes after leaving is cut off.
    n, end = len(rate), float(world.weeks)
    before = np.maximum(world.randomised_from - first_at, 0)
    lengths = np.column_stack([before, end - experiment_at])
    wanted = rng.poisson(rate[:, None] * buying_multiplier(dose) * lengths)
    slot = np.repeat(np.arange(2 * n), wanted.ravel())  # customer and phase of each purchase
    who = slot // 2
    begin = np.column_stack([first_at, experiment_at]).ravel()
    when = begin[slot] + rng.random(len(slot)) * lengths.ravel()[slot]
    # The slots ascend, so only the order within a slot is left to be found.
    when = when[np.lexsort((when, slot))]
    chance = (drop_chance[:, None] * leaving_multiplier(dose)).ravel()
    leaves = rng.random(len(slot)) < chance[slot]
    left_at = np.full(n, np.inf)
    np.minimum.at(left_at, who[leaves], when[leaves])
    made = when <= left_at[who]
    buyer = np.append(np.arange(n), who[made])
    bought_at = np.append(first_at, when[made])
    order = np.argsort(buyer, kind="stable")
    return buyer[order], bought_at[order], left_at


def transactions_table(
    world: WorldParameters, people: Consumers, ids: pa.Array, block: int
) -> pa.Table:
    """The table `transactions` of a block."""
    count = len(people.buyer)
    rng = world.stream("categories", block)
    nth = place_within(people.buyer) + 1
    return table(
        transaction_id=numbered("SYN-T", (people.number[people.buyer], 8), (nth, 4)),
        customer_id=ids.take(pa.array(people.buyer)),
        occurred_at=moments(people.bought_at, world.start),
        amount=numbers(people.amount),
        currency=constant(CURRENCY, count),
        kind=constant("purchase", count),
        category=labels(choose(rng, CATEGORY_SHARES, count), CATEGORIES),
    )


def assignments_table(world: WorldParameters, people: Consumers, ids: pa.Array) -> pa.Table:
    """The table `assignments`: everybody's arm, from the experiment's start or their own."""
    count = len(ids)
    return table(
        experiment_id=constant(EXPERIMENT, count),
        customer_id=ids,
        arm=labels(people.arm, ARM_NAMES),
        assigned_at=moments(people.experiment_at, world.start),
        stratum=labels(people.group, [c.name for c in world.classes]),
    )


def consumer_truth(world: WorldParameters, people: Consumers, ids: pa.Array) -> pa.Table:
    """What no company knows of its consumers."""
    best = np.array([c.best_per_month for c in world.classes])[people.group]
    left = people.left_at
    columns = {
        "customer_id": ids,
        "class": labels(people.group, [c.name for c in world.classes]),
        "purchase_rate": people.rate,
        "drop_out_chance": people.drop_chance,
        "mean_spend": people.mean_spend,
        "satisfaction": people.satisfaction,
        "first_at": moments(people.first_at, world.start),
        "left_at": moments(left, world.start),
        "alive_at_snapshot": (people.first_at < world.snapshot) & (left >= world.snapshot),
    }
    if world.kind != "pure":
        columns |= {
            "history_per_month": people.history_per_month,
            "arm_per_month": np.array(ARMS)[people.arm],
            "best_per_month": numbers(best, np.full(len(best), world.kind == "full")),
            "dose_before": people.dose[:, 0],
            "dose_in_experiment": people.dose[:, 1],
        }
    return pa.table(columns)
