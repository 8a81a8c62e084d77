"""What customers of the synthetic world say: tickets, and answers to surveys.

The happier are likelier to answer, so the answers alone are not the customers' mind;
the answer that everyone would have given is kept with the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

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
from relkit.data.world_consumers import COMPLAINTS_PER_WEEK, Consumers, complaint_multiplier
from relkit.data.world_parameters import WorldParameters

TICKET_KINDS = ("complaint", "question", "incident", "request")
CONSUMER_QUESTIONS_PER_WEEK = 0.003
TICKET_CHANNELS = ("phone", "email", "wechat", "app")
PRIORITIES = ("low", "normal", "high")
REOPENED = 0.03
NPS_ASKED, CSAT_ASKED = 0.10, 0.60  # share of purchases, of resolved tickets
WORDS = ("took too long", "not solved", "friendly and quick", "as expected", "太慢了", "很满意")
_HOURS_PER_WEEK = 168.0


@dataclass(frozen=True, slots=True)
class Tickets:
    """Tickets of a block, sorted by customer and time; shape (tickets,), times in weeks.

    Attributes:
        who: Place of the customer in the block.
        opened_at: When.
        kind: Place in TICKET_KINDS.
        hours: From opening to resolution.
        satisfaction: Of the customer.
        declining: Whether the account was on its way out.
        owner_id: Who deals with it, or None.
    """

    who: Array
    opened_at: Array
    kind: Array
    hours: Array
    satisfaction: Array
    declining: Array
    owner_id: pa.Array | None = None

    @property
    def resolved_at(self) -> Array:
        return np.asarray(self.opened_at + self.hours / _HOURS_PER_WEEK)


def resolution_hours(rng: np.random.Generator, satisfaction: Array) -> Array:
    """Log-normal, about 30 hours; shorter for the satisfied."""
    noise = rng.standard_normal(len(satisfaction))
    return np.asarray(np.exp(np.log(30) + 0.5 * noise - 0.25 * satisfaction))


def csat_latent(rng: np.random.Generator, tickets: Tickets) -> Array:
    """How content a customer is with a resolution; 1.2 less on the way out."""
    noise = rng.standard_normal(len(tickets.who))
    slow = 0.5 * np.log(tickets.hours / 24)
    return np.asarray(tickets.satisfaction - slow - 1.2 * tickets.declining + 0.8 * noise)


def chance_to_answer(latent: Array) -> Array:
    """The more content, the likelier: 0.40 in the middle, 0.55 one step up, 0.27 one down."""
    return np.asarray(1 / (1 + np.exp(0.4 - 0.6 * latent)))


def csat_score(latent: Array) -> Array:
    """1 to 5."""
    return np.clip(np.round(3.5 + latent), 1, 5).astype(np.int64)


def nps_score(latent: Array) -> Array:
    """0 to 10."""
    return np.clip(np.round(7.2 + 1.8 * latent), 0, 10).astype(np.int64)


def consumer_tickets(world: WorldParameters, people: Consumers, block: int) -> Tickets:
    """Complaints and questions of consumers, as long as they are customers."""
    rng = world.stream("consumer voice", block)
    end = np.minimum(people.left_at, world.weeks)
    begin = np.column_stack([people.first_at, people.experiment_at])
    until = np.column_stack([np.minimum(end, people.experiment_at), end])
    # Nobody is in the first phase who came after it, nor in the second who left before.
    length = np.maximum(until - begin, 0).ravel()
    complaints = rng.poisson(
        COMPLAINTS_PER_WEEK * complaint_multiplier(people.dose).ravel() * length
    )
    questions = rng.poisson(CONSUMER_QUESTIONS_PER_WEEK * length)
    slots = np.arange(len(length))
    slot = np.concatenate([np.repeat(slots, complaints), np.repeat(slots, questions)])
    kind = np.repeat([0, 1], [complaints.sum(), questions.sum()])
    when = begin.ravel()[slot] + rng.random(len(slot)) * length[slot]
    order = np.lexsort((when, slot))
    who = slot[order] // 2
    return Tickets(
        who=who,
        opened_at=when[order],
        kind=kind[order],
        hours=resolution_hours(rng, people.satisfaction[who]),
        satisfaction=people.satisfaction[who],
        declining=np.zeros(len(who), bool),
    )


def tickets_table(
    world: WorldParameters,
    rng: np.random.Generator,
    tickets: Tickets,
    number: Array,
    ids: pa.Array,
    prefix: str,
) -> pa.Table:
    """The table `tickets`; what would be resolved after the world's end is still open."""
    count, end = len(tickets.who), world.weeks
    resolved = tickets.resolved_at
    replied = tickets.opened_at + rng.uniform(0.05, 0.9, count) * (resolved - tickets.opened_at)
    again = resolved + rng.exponential(1.0, count)
    again = np.where(rng.random(count) < REOPENED, again, np.inf)
    return table(
        ticket_id=numbered(prefix, (number[tickets.who], 8), (place_within(tickets.who) + 1, 3)),
        customer_id=ids.take(pa.array(tickets.who)),
        opened_at=moments(tickets.opened_at, world.start),
        first_reply_at=moments(np.where(replied < end, replied, np.inf), world.start),
        resolved_at=moments(np.where(resolved < end, resolved, np.inf), world.start),
        reopened_at=moments(np.where(again < end, again, np.inf), world.start),
        kind=labels(tickets.kind, TICKET_KINDS),
        channel=labels(choose(rng, (0.4, 0.3, 0.2, 0.1), count), TICKET_CHANNELS),
        owner_id=constant(None, count) if tickets.owner_id is None else tickets.owner_id,
        priority=labels(choose(rng, (0.3, 0.5, 0.2), count), PRIORITIES),
    )


def feedback_tables(
    world: WorldParameters,
    rng: np.random.Generator,
    tickets: Tickets,
    asked_nps: tuple[Array, Array],
    satisfaction: Array,
    left_at: Array,
    number: Array,
    ids: pa.Array,
    prefix: str,
) -> tuple[pa.Table, pa.Table]:
    """The table `feedback`, and with the same rows what everyone would have answered.

    Args:
        world: Its parameters.
        rng: Random generator.
        tickets: Some are followed by a question about the resolution (csat).
        asked_nps: Who is asked for a recommendation, and when; sorted by customer.
        satisfaction: Of each customer, shape (n,).
        left_at: When each stops to be one; they do not answer after that.
        number: What the ids are made of, shape (n,).
        ids: Ids, shape (n,).
        prefix: Of the ids of the answers.
    """
    resolved = tickets.resolved_at
    asked = np.flatnonzero(
        (rng.random(len(resolved)) < CSAT_ASKED)
        & (resolved < np.minimum(left_at[tickets.who], world.weeks))
    )
    latent_csat = csat_latent(rng, tickets)[asked]
    latent_nps = satisfaction[asked_nps[0]] + 0.8 * rng.standard_normal(len(asked_nps[0]))
    who = np.concatenate([tickets.who[asked], asked_nps[0]])
    when = np.concatenate([resolved[asked], asked_nps[1]])
    latent = np.concatenate([latent_csat, latent_nps])
    csat = np.repeat([True, False], [len(asked), len(asked_nps[0])])
    order = np.lexsort((when, who))
    who, when, latent, csat = who[order], when[order], latent[order], csat[order]
    count = len(who)
    later = when + rng.exponential(2 / 7, count)
    there = later < np.minimum(left_at[who], world.weeks)
    answered = (rng.random(count) < chance_to_answer(latent)) & there
    would = np.where(csat, csat_score(latent), nps_score(latent))
    wrote = answered & (rng.random(count) < 0.1)
    identity = numbered(prefix, (number[who], 8), (place_within(who) + 1, 3))
    kind = labels(np.where(csat, 0, 1), ("csat", "nps"))
    customer = ids.take(pa.array(who))
    feedback = table(
        feedback_id=identity,
        customer_id=customer,
        asked_at=moments(when, world.start),
        answered_at=moments(np.where(answered, later, np.inf), world.start),
        kind=kind,
        score=numbers(would, answered),
        scale_min=numbers(np.where(csat, 1, 0)),
        scale_max=numbers(np.where(csat, 5, 10)),
        text=labels(np.where(wrote, rng.integers(len(WORDS), size=count), -1), WORDS),
    )
    would_say = table(
        feedback_id=identity,
        customer_id=customer,
        kind=kind,
        latent=latent,
        score=would,
        answered=answered,
    )
    return feedback, would_say


def consumer_nps(
    world: WorldParameters, rng: np.random.Generator, people: Consumers
) -> tuple[Array, Array]:
    """Some purchases are followed by a request, three days later."""
    asked = rng.random(len(people.buyer)) < NPS_ASKED
    when = people.bought_at[asked] + 3 / 7
    inside = when < world.weeks
    return people.buyer[asked][inside], when[inside]
