"""Tier rules: named tiers with clauses, every customer in exactly one tier or in none.

A clause is a condition on columns; a customer matches a tier where at least one of
its clauses is true, and gets the first matching tier by precedence. Who matches
none is *unassigned*: a hole in the rules is shown, never filled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from relkit.errors import ParameterError, did_you_mean
from relkit.segments.rule_text import Condition, comparisons, holds
from relkit.segments.rule_variables import Variable, check_customers, read_columns

UNASSIGNED = "unassigned"


@dataclass(frozen=True, slots=True)
class Clause:
    """One way into a tier.

    Attributes:
        name: Unique in its tier.
        text: As the file has it.
        condition: The same, as a tree.
    """

    name: str
    text: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier and the ways into it.

    Attributes:
        name: As the result has it.
        clauses: At least one; the first that is true is the one that fired.
        share: Share of customers that it was to hold; None where nobody said.
        before: Tiers that it comes before, wherever they stand in the file.
        label: What readers call it, by language; the name where there is none.
    """

    name: str
    clauses: tuple[Clause, ...]
    share: float | None = None
    before: tuple[str, ...] = ()
    label: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TierRules:
    """Rules that put customers in tiers; read them with ``rk.read_tier_rules``.

    Attributes:
        tiers: In the order of the file.
        precedence: Names, the tier that wins first.
        variables: What the names in the clauses stand for.
        currency: Of the thresholds of amounts; None where there are none.
        title: What the rules are called, by language.
        potential: The column that stands for potential, where the rules are a
            matrix of value and potential.
    """

    tiers: tuple[Tier, ...]
    precedence: tuple[str, ...]
    variables: tuple[Variable, ...]
    currency: str | None = None
    title: Mapping[str, str] = field(default_factory=dict)
    potential: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(tier.name for tier in self.tiers)

    @property
    def ordered(self) -> tuple[Tier, ...]:
        """The tiers, the one that wins first."""
        by_name = {tier.name: tier for tier in self.tiers}
        return tuple(by_name[name] for name in self.precedence)

    def label(self, tier: str, language: str) -> str:
        """What readers of a language call a tier."""
        labels = next((t.label for t in self.tiers if t.name == tier), {})
        return labels.get(language, tier)

    def to_frame(self) -> pd.DataFrame:
        """Columns tier, place (of precedence, from 1), clause, text, target_share."""
        rows = [
            (tier.name, self.precedence.index(tier.name) + 1, clause.name, clause.text, tier.share)
            for tier in self.tiers
            for clause in tier.clauses
        ]
        columns = ["tier", "place", "clause", "text", "target_share"]
        return pd.DataFrame(rows, columns=columns).astype({"target_share": float})


@dataclass(frozen=True, slots=True)
class TierAssignment:
    """The tier of every customer, and why.

    Attributes:
        customers: One row a customer, in the order given: customer_id, tier
            (``unassigned`` where no clause is true), clause (that fired; missing where
            none did), matched (how many tiers the customer matches).
        rules: That were applied.
        missing: Columns variable, column, customers (without a value), unassigned
            (of these); a row for each variable that lacks any.
    """

    customers: pd.DataFrame
    rules: TierRules
    missing: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        return self.customers.copy()

    def sizes(self) -> pd.DataFrame:
        """Columns tier, customers, share, target_share (nan where none is set); unassigned last."""
        names = [*self.rules.names, UNASSIGNED]
        counts = self.customers["tier"].value_counts().reindex(names, fill_value=0).to_numpy()
        targets = [*(tier.share for tier in self.rules.tiers), None]
        return pd.DataFrame(
            {
                "tier": names,
                "customers": counts,
                "share": counts / len(self.customers),
                "target_share": np.array(targets, dtype=float),
            }
        )


@dataclass(frozen=True, slots=True)
class Matches:
    """What every clause says of every customer, before precedence.

    Attributes:
        customer_id: Shape (n,).
        columns: The arrays behind the names.
        tiers: For each tier by name, shape (n,): whether it matches.
        clauses: For each (tier, clause), shape (n,): whether it is true.
    """

    customer_id: pd.Series
    columns: Mapping[str, np.ndarray]
    tiers: Mapping[str, np.ndarray]
    clauses: Mapping[tuple[str, str], np.ndarray]


def match_clauses(
    frame: pd.DataFrame, rules: TierRules, currency: str | None = None, rate: float | None = None
) -> Matches:
    """Which clauses are true of which customers; arguments and errors as ``assign_tiers``."""
    ids = check_customers(frame)
    columns = read_columns(frame, rules.variables, rules.currency, currency, rate)
    _refuse_residual(frame, rules)
    clauses = {
        (tier.name, clause.name): np.asarray(holds(clause.condition, columns), dtype=bool)
        for tier in rules.tiers
        for clause in tier.clauses
    }
    tiers = {
        tier.name: np.logical_or.reduce([clauses[tier.name, c.name] for c in tier.clauses])
        for tier in rules.tiers
    }
    return Matches(ids, columns, tiers, clauses)


def assign_tiers(
    frame: pd.DataFrame,
    rules: TierRules,
    currency: str | None = None,
    rate: float | None = None,
) -> TierAssignment:
    """Put every customer in the first tier that matches, or in none.

    Args:
        frame: One row a customer: customer_id and the columns that the rules name;
            days_since_last is made from T and recency where it is not there.
        rules: As read.
        currency: Of the frame's amounts; needed where the rules speak of any.
        rate: What one unit of it is worth in the currency of the rules, where they differ.

    Raises:
        ParameterError: the currencies do not agree.
        DataError: no customers, one twice, or columns that are missing or are not
            what the rules declare; all faults at once.
    """
    return assignment_of(match_clauses(frame, rules, currency, rate), rules)


def assignment_of(matches: Matches, rules: TierRules) -> TierAssignment:
    """Precedence applied to the clauses that are true."""
    n = len(matches.customer_id)
    which = np.zeros(n, dtype=np.int16)
    labels: list[tuple[str, str | None]] = [(UNASSIGNED, None)]
    for tier in rules.ordered:
        for clause in tier.clauses:
            labels.append((tier.name, clause.name))
            free = which == 0
            which[free & matches.clauses[tier.name, clause.name]] = len(labels) - 1
    matched = np.sum([matches.tiers[name] for name in rules.names], axis=0, dtype=np.int64)
    customers = pd.DataFrame(
        {
            "customer_id": matches.customer_id,
            "tier": np.array([tier for tier, _ in labels], dtype=object)[which],
            "clause": pd.Series(np.array([clause for _, clause in labels], dtype=object)[which]),
            "matched": matched,
        }
    )
    return TierAssignment(customers, rules, _missing(matches, rules, which == 0))


def _missing(matches: Matches, rules: TierRules, unassigned: np.ndarray) -> pd.DataFrame:
    rows = []
    for variable in rules.variables:
        absent = missing_values(matches.columns[variable.name])
        if absent.any():
            both = int((absent & unassigned).sum())
            rows.append((variable.name, variable.column, int(absent.sum()), both))
    return pd.DataFrame(rows, columns=["variable", "column", "customers", "unassigned"])


def missing_values(values: np.ndarray) -> np.ndarray:
    """Where a column has no value, shape (n,)."""
    absent: np.ndarray = np.isnan(values) if values.dtype.kind == "f" else values == None  # noqa: E711
    return np.asarray(absent, dtype=bool)


def precedence_of(tiers: Sequence[Tier]) -> tuple[str, ...]:
    """The order in which tiers win: as they stand, but for what ``before`` says.

    Raises:
        ParameterError: ``before`` names no tier, or goes round in a circle.
    """
    names = [tier.name for tier in tiers]
    faults = [
        f"{tier.name}: before names '{other}', which is no tier{did_you_mean(other, names)}"
        for tier in tiers
        for other in tier.before
        if other not in names
    ]
    if faults:
        raise ParameterError("precedence of the tiers", faults)
    waits_for = {name: {t.name for t in tiers if name in t.before} for name in names}
    order: list[str] = []
    while len(order) < len(names):
        free = [name for name in names if name not in order and waits_for[name] <= set(order)]
        if not free:
            circle = _circle(waits_for, [name for name in names if name not in order])
            raise ParameterError(
                f"precedence of the tiers goes round in a circle: {' before '.join(circle)}; take "
                "one 'before' away"
            )
        order.append(free[0])
    return tuple(order)


def _circle(waits_for: Mapping[str, Iterable[str]], stuck: Sequence[str]) -> list[str]:
    path = [stuck[0]]
    while True:
        earlier = next(name for name in stuck if name in waits_for[path[-1]])
        if earlier in path:
            return [earlier, *reversed(path[path.index(earlier) :])]
        path.append(earlier)


def _refuse_residual(frame: pd.DataFrame, rules: TierRules) -> None:
    """Potential made of value to come minus what was spent is the opposite of value."""
    if rules.potential is None or rules.potential not in frame or "clv" not in frame:
        return
    amounts = [v.column for v in rules.variables if v.column in frame and v.column != "clv"]
    potential = frame[rules.potential].to_numpy(float, na_value=np.nan)
    for column in dict.fromkeys([*amounts, "total_spend"]):
        if column == rules.potential or column not in frame:
            continue
        if not pd.api.types.is_numeric_dtype(frame[column]):
            continue
        residual = (frame["clv"] - frame[column]).to_numpy(float, na_value=np.nan)
        known = ~np.isnan(potential) & ~np.isnan(residual)
        if known.sum() > 1 and np.allclose(potential[known], residual[known]):
            raise ParameterError(
                f"potential: column '{rules.potential}' is clv minus {column}; that falls as value "
                "rises and puts customers in the wrong corner. Use clv itself, or an entered score"
            )


def names_used(conditions: Iterable[Condition]) -> list[str]:
    """The names in conditions, in the order they are first met."""
    return list(dict.fromkeys(c.variable for one in conditions for c in comparisons(one)))
