"""What a synthetic world is made of: its arguments, its constants, its random streams.

Customers are made in blocks, each from random streams of its own, so that what a
block holds depends neither on how many blocks there are nor on when it is made.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from relkit.data.grains import check_day
from relkit.errors import ParameterError, did_you_mean
from relkit.units import convert

KINDS = ("full", "flat", "pure")
START = "2022-01-03"  # a Monday; week 6 of each year is then about Spring Festival
WEEKS, SNAPSHOT = 182, 156
EXPERIMENT_LEAD = 13  # weeks from the first random assignment to the snapshot
WEEKS_PER_MONTH = convert(1, "month", "week")
WEEK_LIMITS = (8, 1040)
# Twenty years from the latest start still end before the dates planted as future ones.
START_LIMITS = (dt.date(1990, 1, 1), dt.date(2070, 1, 1))
CONSUMERS_PER_BLOCK, ACCOUNTS_PER_BLOCK = 10_000, 1_000
MOST_CUSTOMERS = 40_000_000  # ids beyond are for planted second and unknown ids
CURRENCY, TIME_ZONE = "CNY", "Asia/Shanghai"

# Table -> who has rows in it.
TABLES: Mapping[str, tuple[str, ...]] = {
    "transactions": ("consumers",),
    "customers": ("consumers", "accounts"),
    "touches": ("consumers", "accounts"),
    "feedback": ("consumers", "accounts"),
    "tickets": ("consumers", "accounts"),
    "engagement": ("accounts",),
    "contracts": ("accounts",),
    "assignments": ("consumers",),
    "referrals": ("consumers",),
    "owners": ("accounts",),
    "owner_history": ("accounts",),
    "interviews": ("accounts",),
    "survey_values": ("accounts",),
    "stages": ("consumers",),
    "needs": ("accounts",),
    "reviews": ("accounts",),
}
PURE_TABLES = ("transactions", "customers")


class ConsumerClass(NamedTuple):
    """A kind of consumer: purchase rate ~ Gamma, drop-out ~ Beta, spend, best contacts a month."""

    name: str
    share: float
    rate_shape: float
    rate_rate: float
    drop_a: float
    drop_b: float
    spend_p: float
    spend_q: float
    spend_gamma: float
    best_per_month: float


CLASSES = (
    ConsumerClass("high", 0.08, 4, 16, 1, 40, 6, 4, 450, 8.0),
    ConsumerClass("growth", 0.27, 3, 30, 1, 16, 6, 4, 350, 4 / 3),
    ConsumerClass("standard", 0.40, 2, 50, 1, 7, 6, 4, 200, 2 / 3),
    ConsumerClass("occasional", 0.25, 1, 80, 1, 4, 6, 4, 150, 1 / 3),
)
PURE_CLASSES = (ConsumerClass("pure", 1.0, 0.9, 9, 0.8, 2.5, 6, 4, 350, np.nan),)
ARMS = (0.0, 1 / 3, 1.0, 2.0, 4.0, 8.0)  # contacts a month
ARM_NAMES = ("0", "1/3", "1", "2", "4", "8")
EXPERIMENT = "SYN-EXP-1"


@dataclass(frozen=True, slots=True)
class WorldFaults:
    """How often each kind of fault is planted; shares of rows unless said otherwise.

    Attributes:
        missing_customer: Transactions whose customer_id is empty.
        negative_amount: Purchases with a negative amount.
        future_date: Transactions dated 2099.
        hundredfold_amount: Amounts with the decimal point lost.
        unknown_customer: Transactions of an id that no customer has.
        duplicate: Transactions that stand twice.
        disagreement: Interviewed and surveyed values that differ from the CRM's.
        second_id: Consumers with two or more purchases who got a second id.
        silent_weeks: Weeks in which the login feed (without accounts: the feed of
            touches) stopped.
    """

    missing_customer: float = 0.002
    negative_amount: float = 0.002
    future_date: float = 0.001
    hundredfold_amount: float = 0.001
    unknown_customer: float = 0.001
    duplicate: float = 0.003
    disagreement: float = 0.05
    second_id: float = 0.005
    silent_weeks: int = 2

    def complaints(self) -> list[str]:
        rates = {name: rate for name, rate in asdict(self).items() if name != "silent_weeks"}
        found = [
            f"faults: {name}={rate!r} must be a share in [0, 0.1]; give 2 % as 0.02"
            for name, rate in rates.items()
            if not _is_number(rate) or not 0 <= rate <= 0.1
        ]
        if type(self.silent_weeks) is not int or not 0 <= self.silent_weeks <= 52:
            found.append(f"faults: silent_weeks={self.silent_weeks!r} must be 0 to 52 whole weeks")
        return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class WorldParameters:
    """The checked arguments of a world; times in weeks since `start`.

    Attributes:
        customers: Consumers.
        accounts: Business customers with contracts.
        seed: Of all random streams.
        kind: 'full', 'flat' (contacts have no effect on consumers) or 'pure'
            (BG/NBD and Gamma-Gamma as published, nothing else).
        weeks: Length of the world.
        snapshot: Week that an analyst looks back from.
        randomised_from: Week in which contact frequencies begin to be randomised.
        start: First day.
        faults: What is planted, or None for a clean world.
        tables: Those to make.
    """

    customers: int
    accounts: int
    seed: int
    kind: str
    weeks: int
    snapshot: int
    randomised_from: int
    start: dt.date
    faults: WorldFaults | None
    tables: tuple[str, ...] = field(default=())

    @property
    def classes(self) -> tuple[ConsumerClass, ...]:
        return PURE_CLASSES if self.kind == "pure" else CLASSES

    @property
    def as_of(self) -> dt.date:
        """The last day before the snapshot week."""
        return self.start + dt.timedelta(days=7 * self.snapshot - 1)

    @property
    def last_day(self) -> dt.date:
        return self.start + dt.timedelta(days=7 * self.weeks - 1)

    @property
    def silence(self) -> tuple[str, int, int] | None:
        """The feed that stops: table, first week, week in which it is back."""
        has = [t for t in ("engagement", "touches") if t in self.tables]
        if self.faults is None or not self.faults.silent_weeks or not has:
            return None
        weeks = min(self.faults.silent_weeks, self.snapshot)
        first = min(self.snapshot - 56 if self.snapshot >= 60 else self.snapshot // 2,
                    self.snapshot - weeks)  # fmt: skip
        return has[0], first, first + weeks

    def wants(self, *tables: str) -> bool:
        return any(table in self.tables for table in tables)

    def stream(self, topic: str, block: int) -> np.random.Generator:
        """The random numbers of one topic in one block, like no other's."""
        key = (TOPICS.index(topic), block)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for a file."""
        plain = asdict(self)
        return {
            **plain,
            "tables": list(self.tables),
            "start": self.start.isoformat(),
            "as_of": self.as_of.isoformat(),
            "last_day": self.last_day.isoformat(),
        }


# Order is part of the world: a stream is found by its place here. Append only.
TOPICS = (
    "consumers",
    "categories",
    "people",
    "touches",
    "referrals",
    "consumer voice",
    "consumer tickets",
    "consumer answers",
    "accounts",
    "owners",
    "account people",
    "account touches",
    "logins",
    "needs",
    "reviews",
    "said values",
    "account tickets",
    "account answers",
    "row faults",
    "field faults",
    "second ids",
)


def check_parameters(
    customers: int,
    seed: int,
    kind: str,
    weeks: int,
    snapshot: int,
    faults: WorldFaults | str | None,
    accounts: int | None,
    start: str | dt.date,
    randomised_from: int | None,
    tables: Iterable[str] | None,
) -> WorldParameters:
    """Arguments of a world, checked together.

    Raises:
        ParameterError: some cannot be meant; all of them are said.
    """
    found: list[str] = []
    for name, value, low, high in (
        ("customers", customers, 1, MOST_CUSTOMERS),
        ("seed", seed, 0, 2**63 - 1),
        ("weeks", weeks, *WEEK_LIMITS),
    ):
        if not _is_whole(value) or not low <= value <= high:
            found.append(f"{name}={value!r} must be a whole number, {low:,} to {high:,}")
    found += _faults_of_ends(weeks, snapshot, randomised_from)
    if kind not in KINDS:
        hint = did_you_mean(str(kind), KINDS)
        found.append(f"kind={kind!r} must be one of {', '.join(KINDS)}{hint}")
    if isinstance(faults, WorldFaults):
        found += faults.complaints()
    elif faults not in (None, "planted"):
        found.append(
            f"faults={faults!r} must be 'planted', None for a clean world, or WorldFaults(…)"
        )
    found += _faults_of_accounts(accounts, kind) + _faults_of_start(start)
    known = PURE_TABLES if kind == "pure" else tuple(TABLES)
    chosen = known if tables is None else _listed(tables)
    found += _faults_of_tables(chosen, known)
    if found:
        raise ParameterError("a world cannot be made of these arguments", found)
    count = 0 if kind == "pure" else customers // 10 if accounts is None else accounts
    without = [name for name in chosen if not count and TABLES[name] == ("accounts",)]
    if without and tables is not None:
        raise ParameterError(f"accounts=0, but only accounts are in {', '.join(without)}")
    return WorldParameters(
        customers=int(customers),
        accounts=int(count),
        seed=int(seed),
        kind=kind,
        weeks=int(weeks),
        snapshot=int(snapshot),
        randomised_from=int(
            _experiment_start(snapshot) if randomised_from is None else randomised_from
        ),
        start=check_day(start, "start"),
        faults=WorldFaults() if isinstance(faults, str) else faults,
        tables=tuple(name for name in known if name in chosen and name not in without),
    )


def _experiment_start(snapshot: int) -> int:
    return max(snapshot - EXPERIMENT_LEAD, snapshot // 2)


def _faults_of_ends(weeks: Any, snapshot: Any, randomised_from: Any) -> list[str]:
    if not _is_whole(snapshot) or (_is_whole(weeks) and not 4 <= snapshot <= max(weeks, 4)):
        return [f"snapshot={snapshot!r} must be a whole week, 4 to weeks={weeks!r}"]
    if randomised_from is not None and (
        not _is_whole(randomised_from) or not 0 <= randomised_from <= snapshot
    ):
        return [f"randomised_from={randomised_from!r} must be a whole week, 0 to {snapshot}"]
    return []


def _faults_of_accounts(accounts: Any, kind: Any) -> list[str]:
    if kind == "pure" and accounts:
        return [f"accounts={accounts!r}: the pure world has consumers only; leave it out"]
    if accounts is not None and (not _is_whole(accounts) or not 0 <= accounts <= MOST_CUSTOMERS):
        return [f"accounts={accounts!r} must be a whole number, 0 to {MOST_CUSTOMERS:,}"]
    return []


def _faults_of_start(start: Any) -> list[str]:
    try:
        day = check_day(start, "start")
    except ParameterError as fault:
        return [str(fault)]
    low, high = START_LIMITS
    return [] if low <= day <= high else [f"start={day} must lie between {low} and {high}"]


def _listed(tables: Any) -> tuple[Any, ...]:
    """One name or several."""
    return (
        tuple(tables) if isinstance(tables, Iterable) and not isinstance(tables, str) else (tables,)
    )


def _faults_of_tables(chosen: tuple[Any, ...], known: tuple[str, ...]) -> list[str]:
    if not chosen:
        return ["tables must name at least one table"]
    return [
        f"tables: unknown '{name}'{did_you_mean(str(name), known)}; known: {', '.join(known)}"
        for name in chosen
        if name not in known
    ]
