"""The synthetic world, block by block: so much of it as fits in memory at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from relkit.data.world_account_tables import (
    account_nps,
    account_tickets,
    account_touches_table,
    contracts_table,
    engagement_table,
    needs_table,
    owner_tables,
    reviews_table,
    said_values_tables,
)
from relkit.data.world_accounts import Accounts, account_ids, account_truth, make_accounts
from relkit.data.world_consumers import (
    Consumers,
    assignments_table,
    consumer_ids,
    consumer_truth,
    make_consumers,
    transactions_table,
)
from relkit.data.world_contacts import CONTENTS, touches_table
from relkit.data.world_faults import (
    empty_list,
    plant_in_accounts,
    plant_in_consumers,
    silence_list,
)
from relkit.data.world_parameters import (
    ACCOUNTS_PER_BLOCK,
    CONSUMERS_PER_BLOCK,
    WorldParameters,
)
from relkit.data.world_people import customers_table
from relkit.data.world_ties import referrals_table, stages_table
from relkit.data.world_voice import (
    consumer_nps,
    consumer_tickets,
    feedback_tables,
    tickets_table,
)

Tables = dict[str, pa.Table]


@dataclass(frozen=True, slots=True)
class Block:
    """Part of a world.

    Attributes:
        tables: Rows of the tables that have some here.
        truth: Rows of the truth.
    """

    tables: Tables
    truth: Tables


def world_blocks(world: WorldParameters) -> Iterator[Block]:
    """Blocks of consumers, then of accounts, then what is true of the whole world.

    One block needs up to about 0.5 GB while it is made, whatever the world's size.
    """
    silenced = 0
    for block in range(-(-world.customers // CONSUMERS_PER_BLOCK)):
        part, lost = _consumer_block(world, block)
        silenced += lost
        yield part
    for block in range(-(-world.accounts // ACCOUNTS_PER_BLOCK)):
        part, lost = _account_block(world, block)
        silenced += lost
        yield part
    yield Block({}, {**_constants(world), "faults": silence_list(world, silenced)})


def _consumer_block(world: WorldParameters, block: int) -> tuple[Block, int]:
    people = make_consumers(world, block)
    ids = consumer_ids(people.number)
    makers: dict[str, Callable[[], pa.Table]] = {
        "transactions": lambda: transactions_table(world, people, ids, block),
        "customers": lambda: customers_table(
            world, block, people.number, ids, people.first_at, business=False
        ),
        "touches": lambda: touches_table(world, people, ids, block),
        "assignments": lambda: assignments_table(world, people, ids),
        "referrals": lambda: referrals_table(world, people, ids, block),
        "stages": lambda: stages_table(world, people, ids),
    }
    tables = {name: make() for name, make in makers.items() if world.wants(name)}
    truth = {"consumers": consumer_truth(world, people, ids)}
    if world.wants("tickets", "feedback"):
        _consumer_voice(world, people, ids, block, tables, truth)
    planting = plant_in_consumers(world, tables, people.number, block)
    truth["faults"] = pa.concat_tables([empty_list(), *planting.faults])
    return Block(_chosen(world, planting.tables), truth), planting.silenced


def _chosen(world: WorldParameters, tables: Tables) -> Tables:
    return {name: tables[name] for name in world.tables if name in tables}


def _consumer_voice(
    world: WorldParameters,
    people: Consumers,
    ids: pa.Array,
    block: int,
    tables: Tables,
    truth: Tables,
) -> None:
    tickets = consumer_tickets(world, people, block)
    rng = world.stream("consumer tickets", block)
    tables["tickets"] = tickets_table(world, rng, tickets, people.number, ids, "SYN-Q")
    rng = world.stream("consumer answers", block)
    asked = consumer_nps(world, rng, people)
    tables["feedback"], truth["answers"] = feedback_tables(
        world, rng, tickets, asked, people.satisfaction, people.left_at, people.number, ids, "SYN-F"
    )


def _account_block(world: WorldParameters, block: int) -> tuple[Block, int]:
    accounts = make_accounts(world, block)
    ids = account_ids(accounts.number)
    tables: Tables = {}
    truth = {"accounts": account_truth(world, accounts, ids)}

    def stream(topic: str) -> np.random.Generator:
        return world.stream(topic, block)

    owners, history, latest = owner_tables(world, accounts, ids, stream("owners"))
    tables |= {"owners": owners, "owner_history": history}
    tables["customers"] = customers_table(
        world, block, accounts.number, ids, accounts.contract_at, business=True, owner_id=latest
    )
    makers: dict[str, Callable[[], pa.Table]] = {
        "touches": lambda: account_touches_table(world, accounts, ids, stream("account touches")),
        "engagement": lambda: engagement_table(world, accounts, ids, stream("logins")),
        "contracts": lambda: contracts_table(world, accounts, ids),
        "needs": lambda: needs_table(accounts, ids, stream("needs")),
        "reviews": lambda: reviews_table(world, accounts, ids, stream("reviews")),
    }
    tables |= {name: make() for name, make in makers.items() if world.wants(name)}
    if world.wants("interviews", "survey_values"):
        tables["interviews"], tables["survey_values"] = said_values_tables(
            world, accounts, tables["customers"], stream("said values")
        )
    if world.wants("tickets", "feedback"):
        _account_voice(world, accounts, ids, block, tables, truth)
    planting = plant_in_accounts(world, _chosen(world, tables), block)
    truth["faults"] = pa.concat_tables([empty_list(), *planting.faults])
    return Block(planting.tables, truth), planting.silenced


def _account_voice(
    world: WorldParameters,
    accounts: Accounts,
    ids: pa.Array,
    block: int,
    tables: Tables,
    truth: Tables,
) -> None:
    rng = world.stream("account tickets", block)
    tickets = account_tickets(accounts, rng)
    tables["tickets"] = tickets_table(world, rng, tickets, accounts.number, ids, "SYN-R")
    rng = world.stream("account answers", block)
    asked = account_nps(world, rng, accounts)
    tables["feedback"], truth["answers"] = feedback_tables(
        world, rng, tickets, asked, accounts.satisfaction, accounts.closed_at, accounts.number,
        ids, "SYN-G",
    )  # fmt: skip


def _constants(world: WorldParameters) -> Tables:
    """What holds for everybody: the classes, and what contents are answered."""
    classes = pa.Table.from_pylist([c._asdict() for c in world.classes])
    if world.kind == "pure":
        return {"classes": classes.drop_columns(["best_per_month"])}
    return {"classes": classes, "contents": pa.Table.from_pylist([c._asdict() for c in CONTENTS])}
