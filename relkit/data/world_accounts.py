"""Accounts of the synthetic world: five causes to leave, and what shows before it.

Time goes by whole weeks; arrays over weeks have shape (accounts, weeks).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from relkit.data.world_columns import Array, labels, moments, numbered
from relkit.data.world_parameters import ACCOUNTS_PER_BLOCK, WorldParameters

Floats = NDArray[np.float64]

CAUSES = ("service", "price", "owner left", "product gap", "fatigue")
HAZARD: Floats = 0.484 * np.array([0.0016, 0.0014, 0.0010, 0.0010, 0.0006])  # a week, at z = 0
EFFECT: Floats = np.array([0.9, 1.1, 1.6, 1.0, 0.7])
OWNER = CAUSES.index("owner left")
NOTICE = 4  # weeks between the decision to leave and the closing
SILENT_SHARE, DECLINE_RATE, DECLINE_WEEKS = 0.30, 0.22, 10
DIP_SHARE, DIP_WEEKS, DIP_DEPTH = 0.10, 5, 0.35
THERE_AT_START = 0.70
ACCOUNTS_PER_OWNER = 40
OWNER_WEEKS = 130  # that an owner stays, on average
NEW_OWNER_WEEKS = 26  # that the change of an owner is felt
LOGIN_SHAPE, LOGINS = 3, 8
CONTACT_SHAPE, CONTACT_SCALE, CONTACT_LEAST = 3, 0.35, 0.15


def season(week: Array) -> Floats:
    """Share of usual activity: a trough around Spring Festival, week 6 of 52."""
    return np.asarray(1 - 0.25 * np.exp(-0.5 * ((np.asarray(week) % 52 - 6) / 1.2) ** 2))


@dataclass(frozen=True, slots=True)
class Accounts:
    """A block of accounts; shape (n,), times in weeks.

    Attributes:
        number: What the id is made of.
        size: Log-normal, median 1.
        satisfaction: Standard normal.
        cause_z: What drives each cause but the owner's leaving, shape (n, causes).
        contact_rate: Interactions a week when nothing disturbs.
        start_at: First week.
        contract_at: Beginning of the first contract, before the world's start for those
            who were there already.
        decided_at: Week of the decision to leave; infinite if that never came.
        closed_at: First week without the account; infinite if beyond the world.
        cause: Place in CAUSES of the cause it left for, or -1.
        silent: Leaves without a sign.
        decline_from: First week of its decline; infinite if there is none.
        dip_from: First week of a harmless dip; infinite if there is none.
        seat: Whose desk looks after it.
        owner: Place of the owner at that desk, shape (seats, weeks): 0, 1, …
        activity: d, by decline and dip, shape (n, weeks).
        open: Whether it is an account, shape (n, weeks).
    """

    number: Array
    size: Floats
    satisfaction: Floats
    cause_z: Floats
    contact_rate: Floats
    start_at: Array
    contract_at: Floats
    decided_at: Floats
    closed_at: Floats
    cause: Array
    silent: Array
    decline_from: Floats
    dip_from: Floats
    seat: Array
    owner: Array
    activity: Floats
    open: Array

    @property
    def block(self) -> int:
        return int(self.number[0] - 1) // ACCOUNTS_PER_BLOCK

    def owner_ids(self, seat: Array, place: Array) -> pa.Array:
        """Ids of owners by desk and place at that desk."""
        return numbered(
            "SYN-O", (np.full(len(seat), self.block), 5), (seat, 3), (place, 2), between=""
        )

    def declining(self, who: Array, when: Array) -> Array:
        return np.asarray(when >= self.decline_from[who])


def account_ids(number: Array) -> pa.Array:
    """Ids that nobody takes for real ones."""
    return numbered("SYN-A", (number, 8))


def make_accounts(world: WorldParameters, block: int) -> Accounts:
    """One block of accounts and when each leaves, if it does."""
    rng = world.stream("accounts", block)
    first = block * ACCOUNTS_PER_BLOCK
    n, weeks = min(ACCOUNTS_PER_BLOCK, world.accounts - first), world.weeks
    size = np.exp(0.8 * rng.standard_normal(n))
    satisfaction = rng.standard_normal(n)
    contacts = rng.gamma(CONTACT_SHAPE, CONTACT_SCALE, n)
    usual, spread = CONTACT_SHAPE * CONTACT_SCALE, CONTACT_SCALE * np.sqrt(CONTACT_SHAPE)
    cause_z = rng.standard_normal((n, len(CAUSES)))
    # What can be seen of two causes: dissatisfaction, and contacts above the usual.
    cause_z[:, 0], cause_z[:, OWNER], cause_z[:, 4] = -satisfaction, 0, (contacts - usual) / spread
    if world.kind == "flat":
        cause_z[:, 4] = 0  # contacts drive nobody away
    there = rng.random(n) < THERE_AT_START
    start_at = np.where(there, 0, rng.integers(world.snapshot, size=n))
    contract_at = np.where(there, -52 * rng.random(n), start_at)
    seat = np.arange(n) % -(-n // ACCOUNTS_PER_OWNER)
    leaves = rng.random((seat.max() + 1, weeks)) < 1 / OWNER_WEEKS
    leaves[:, 0] = False
    decided, cause = _decisions(rng, cause_z, start_at, leaves[seat])
    silent = rng.random(n) < SILENT_SHARE
    closed = np.where(decided + NOTICE < weeks, decided + NOTICE, np.inf)
    length = NOTICE + rng.poisson(6, n)
    decline_from = np.where(silent, np.inf, decided + NOTICE - length)
    room = np.maximum(np.minimum(closed, weeks) - start_at - DIP_WEEKS, 1)
    dip_from = np.where(
        rng.random(n) < DIP_SHARE, start_at + np.floor(rng.random(n) * room), np.inf
    )
    week = np.arange(weeks)
    return Accounts(
        number=first + 1 + np.arange(n),
        size=size,
        satisfaction=satisfaction,
        cause_z=cause_z,
        contact_rate=contacts + CONTACT_LEAST,
        start_at=start_at,
        contract_at=contract_at,
        decided_at=decided,
        closed_at=closed,
        cause=cause,
        silent=silent,
        decline_from=decline_from,
        dip_from=dip_from,
        seat=seat,
        owner=np.cumsum(leaves, axis=1),
        activity=_activity(week, decline_from, dip_from),
        open=(week >= start_at[:, None]) & (week < closed[:, None]),
    )


def _decisions(
    rng: np.random.Generator, cause_z: Floats, start_at: Array, owner_leaves: Array
) -> tuple[Floats, Array]:
    """Week and cause of the first decision to leave, by competing weekly hazards."""
    n, weeks = owner_leaves.shape
    week = np.arange(weeks)
    fixed = HAZARD * np.exp(EFFECT * cause_z)
    last = np.maximum.accumulate(np.where(owner_leaves, week, -weeks), axis=1)
    felt = (week - last < NEW_OWNER_WEEKS) & (last > start_at[:, None])
    by_owner = HAZARD[OWNER] * np.where(felt, np.exp(EFFECT[OWNER]), 1.0)
    others = fixed.sum(axis=1) - fixed[:, OWNER]
    hazard = (others[:, None] + by_owner) * (week >= start_at[:, None])
    # Survival to the end of week w is exp(-sum of hazards): one exponential an account.
    patience = rng.standard_exponential((n, 1))
    decides = np.cumsum(hazard, axis=1) > patience
    ever = decides[:, -1]
    when = np.argmax(decides, axis=1)
    shares = fixed.copy()
    shares[:, OWNER] = by_owner[np.arange(n), when]
    ends = np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True)
    cause = np.minimum((rng.random((n, 1)) > ends).sum(axis=1), len(CAUSES) - 1)
    return np.where(ever, when, np.inf), np.where(ever, cause, -1)


def _activity(week: Array, decline_from: Floats, dip_from: Floats) -> Floats:
    since = week - decline_from[:, None] + 1  # 1 in the first week of the decline
    decline = np.exp(-DECLINE_RATE * np.clip(since, 0, DECLINE_WEEKS))
    dips = (week >= dip_from[:, None]) & (week < dip_from[:, None] + DIP_WEEKS)
    return np.asarray(decline * np.where(dips, DIP_DEPTH, 1.0))


def logins(rng: np.random.Generator, accounts: Accounts) -> Array:
    """Logins a week, negative binomial; 0 where the account is not open."""
    week = np.arange(accounts.open.shape[1])
    mean = LOGINS * accounts.size[:, None] * accounts.activity * season(week)
    drawn = rng.negative_binomial(LOGIN_SHAPE, LOGIN_SHAPE / (LOGIN_SHAPE + mean))
    return np.where(accounts.open, drawn, 0)


def interactions(rng: np.random.Generator, accounts: Accounts) -> Array:
    """Interactions with the owner a week, Poisson; 0 where the account is not open."""
    week = np.arange(accounts.open.shape[1])
    mean = accounts.contact_rate[:, None] * accounts.activity * season(week)
    return np.asarray(rng.poisson(mean * accounts.open))


def account_truth(world: WorldParameters, accounts: Accounts, ids: pa.Array) -> pa.Table:
    """What no company knows of its accounts."""
    decided = np.isfinite(accounts.decided_at)
    at = {
        name: moments(getattr(accounts, name), world.start)
        for name in ("decided_at", "closed_at", "decline_from", "dip_from")
    }
    z = {
        f"z_{cause.replace(' ', '_')}": accounts.cause_z[:, place]
        for place, cause in enumerate(CAUSES)
        if place != OWNER
    }
    return pa.table(
        {
            "customer_id": ids,
            "size": accounts.size,
            "satisfaction": accounts.satisfaction,
            "contact_rate": accounts.contact_rate,
            **z,
            "start_at": moments(accounts.start_at.astype(float), world.start),
            **at,
            "cause": labels(accounts.cause, CAUSES),
            "silent": pa.array(accounts.silent, mask=~decided),
        }
    )
