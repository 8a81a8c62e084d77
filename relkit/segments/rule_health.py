"""Are the rules whole: who falls through, who is caught twice, which clauses are idle.

Holes and overlaps are proved on the rule set, for every customer there could be, and
then counted on those there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.segments.rule_cells import MOST_CELLS, Axis, Cover, axes_of, cells, cover, region
from relkit.segments.rule_text import AnyOf, Condition
from relkit.segments.rules import (
    UNASSIGNED,
    Matches,
    TierAssignment,
    TierRules,
    assignment_of,
    match_clauses,
    names_used,
)

MOST_BOXES = 200

FIRES, NOT_SEEN, OUTRANKED, SHADOWED = "fires", "not seen", "outranked", "shadowed"


@dataclass(frozen=True, slots=True)
class Overlap:
    """Where two tiers both match: a cover of that region.

    Attributes:
        tiers: The one that wins first.
        axes: Of what their clauses measure.
        cover: The region as boxes.
    """

    tiers: tuple[str, str]
    axes: tuple[Axis, ...]
    cover: Cover


@dataclass(frozen=True, slots=True)
class RulesProof:
    """What holds of every customer that there could be.

    Attributes:
        axes: Every variable, cut at the thresholds.
        cells: How many cells that makes.
        limit: More are not tried.
        proved: False where there are more; ``holes``, ``overlaps`` and ``shadowed`` then
            say nothing.
        holes: The region of no tier.
        overlaps: A region for each two tiers that meet.
        shadowed: (tier, clause) that can be true and can never decide, since whoever
            it is true of was taken by an earlier clause.
    """

    axes: tuple[Axis, ...]
    cells: int
    limit: int
    proved: bool
    holes: Cover
    overlaps: tuple[Overlap, ...]
    shadowed: tuple[tuple[str, str], ...]

    @property
    def covers_everybody(self) -> bool:
        """Whether there is no hole, for customers who lack no value."""
        return self.proved and not self.holes.boxes

    @property
    def overlaps_nowhere(self) -> bool:
        return self.proved and not self.overlaps


@dataclass(frozen=True, slots=True)
class RulesHealth:
    """A rule set, held against every customer there could be and those there are.

    Attributes:
        assignment: The tier of every customer.
        proof: What holds of all there could be.
        coverage: A row for 0, 1, 2, … tiers matched: matched, customers, share,
            revenue, revenue_share.
        holes: A row for each hole, most customers first: box, where (as a rule),
            customers, share, revenue, revenue_share, added (customers that are in no
            hole above). Holes may share customers. Customers who lack a value are not
            in them; see ``assignment.missing``.
        overlaps: The same for each two tiers that meet, with tier (that wins) and
            other; added counts within the pair.
        clauses: A row a clause: tier, clause, text, true_for (customers), fired
            (customers), revenue (of those), status ('fires'; 'not seen': true for
            nobody here; 'outranked': true only for customers that earlier clauses took;
            'shadowed': proved to be so for every customer there could be).
        shares: A row a tier, unassigned last: tier, customers, share, target_share,
            difference (both nan where no target is set), revenue, revenue_share.
        placed: The cell of each customer on each axis, a column a variable; -1 where
            the value is missing.
        revenue: The column that was added up.
    """

    assignment: TierAssignment
    proof: RulesProof
    coverage: pd.DataFrame
    holes: pd.DataFrame
    overlaps: pd.DataFrame
    clauses: pd.DataFrame
    shares: pd.DataFrame
    placed: pd.DataFrame
    revenue: str

    def to_frame(self) -> pd.DataFrame:
        return self.coverage.copy()

    def matching(self, least: int, most: int | None = None) -> pd.Series:
        """Customers that match ``least`` to ``most`` tiers: sums of the coverage."""
        matched = self.coverage["matched"]
        chosen = (matched >= least) & (matched <= (least if most is None else most))
        return self.coverage.loc[chosen, ["customers", "share", "revenue", "revenue_share"]].sum()

    @property
    def in_none(self) -> pd.Series:
        """customers, share, revenue, revenue_share of those in no tier."""
        return self.matching(0)

    @property
    def in_several(self) -> pd.Series:
        """customers, share, revenue, revenue_share of those in two tiers or more."""
        return self.matching(2, len(self.assignment.rules.tiers))

    def grid(self, x: str | None = None, y: str | None = None) -> pd.DataFrame:
        """Customers in none and in several tiers, by the cells of two variables.

        Args:
            x: A variable of the rules; the first with numbers where it is not given.
            y: Another; the next.

        Returns:
            Columns x, y (number of the cell; y is 0 where the rules have one variable),
            customers, none, several; every pair of cells. Customers who lack one of the
            two values are left out.
        """
        axes = self.grid_axes(x, y)
        matched = self.assignment.customers["matched"].to_numpy()
        places = [self.placed[axis.variable.name].to_numpy() for axis in axes]
        known = np.logical_and.reduce([place >= 0 for place in places])
        shape = tuple(axis.size for axis in axes)
        flat = np.ravel_multi_index([place[known] for place in places], shape)
        size = int(np.prod(shape))
        cells_of = np.unravel_index(np.arange(size), shape)
        return pd.DataFrame(
            {
                "x": cells_of[0],
                "y": cells_of[1] if len(axes) > 1 else np.zeros(size, dtype=int),
                "customers": np.bincount(flat, minlength=size),
                "none": np.bincount(flat[matched[known] == 0], minlength=size),
                "several": np.bincount(flat[matched[known] > 1], minlength=size),
            }
        )

    def grid_axes(self, x: str | None = None, y: str | None = None) -> tuple[Axis, ...]:
        """The axes of ``grid``: two, or one where the rules have no more.

        Raises:
            ParameterError: the rules have no such variable.
        """
        by_name = {name: axis for axis in self.proof.axes for name in axis.names}
        for name in (x, y):
            if name is not None and name not in by_name:
                raise ParameterError(
                    f"the rules have no variable '{name}'{did_you_mean(name, by_name)}; they have "
                    f"{', '.join(by_name)}"
                )
        numbers = [axis for axis in self.proof.axes if axis.variable.kind in ("number", "whole")]
        free = [*numbers, *(axis for axis in self.proof.axes if axis not in numbers)]
        free = [axis for axis in free if x not in axis.names and y not in axis.names]
        chosen = [by_name[x] if x else free.pop(0)]
        if y or free:
            chosen.append(by_name[y] if y else free.pop(0))
        return tuple(chosen)


def prove_rules(rules: TierRules, limit: int = MOST_CELLS) -> RulesProof:
    """What a rule set covers, for every customer there could be.

    Args:
        rules: As read.
        limit: Cells at most; with more the proof is not tried, and says so.
    """
    conditions = {tier.name: _any(tier.name, rules) for tier in rules.tiers}
    axes = axes_of(list(conditions.values()), rules.variables)
    size = cells(axes)
    if size > limit:
        nothing = Cover((), (), complete=False)
        return RulesProof(tuple(axes), size, limit, False, nothing, (), ())
    inside = [region(condition, axes) for condition in conditions.values()]
    holes = cover(~np.logical_or.reduce(inside), axes, MOST_BOXES)
    return RulesProof(
        tuple(axes),
        size,
        limit,
        True,
        holes,
        _overlaps(conditions, rules, axes),
        _shadowed(rules, axes),
    )


def _any(tier: str, rules: TierRules) -> Condition:
    clauses = next(t.clauses for t in rules.tiers if t.name == tier)
    return AnyOf(tuple(clause.condition for clause in clauses))


def _overlaps(
    conditions: dict[str, Condition], rules: TierRules, every: Sequence[Axis]
) -> tuple[Overlap, ...]:
    found = []
    for first, second in combinations(rules.precedence, 2):
        pair = [conditions[first], conditions[second]]
        used = names_used(pair)  # nothing else matters to the two
        axes = [axis for axis in every if set(axis.names) & set(used)]
        both = region(pair[0], axes) & region(pair[1], axes)
        if both.any():
            found.append(Overlap((first, second), tuple(axes), cover(both, axes, MOST_BOXES)))
    return tuple(found)


def _shadowed(rules: TierRules, axes: Sequence[Axis]) -> tuple[tuple[str, str], ...]:
    found = []
    taken = np.zeros(tuple(axis.size for axis in axes), dtype=bool)
    for tier in rules.ordered:
        for clause in tier.clauses:
            inside = region(clause.condition, axes)
            if not (inside & ~taken).any():
                found.append((tier.name, clause.name))
            taken |= inside
    return tuple(found)


def rules_health(
    frame: pd.DataFrame,
    rules: TierRules,
    currency: str | None = None,
    rate: float | None = None,
    revenue: str = "total_spend",
) -> RulesHealth:
    """Assign tiers, and hold the rules against all there could be and all there are.

    Args:
        frame: As for ``assign_tiers``, with the column of revenue.
        rules: As read.
        currency: As for ``assign_tiers``.
        rate: As for ``assign_tiers``.
        revenue: Column that is added up, in the currency of the frame.

    Raises:
        ParameterError: as ``assign_tiers``.
        DataError: as ``assign_tiers``; or no revenue, or a total that has no shares.
    """
    matches = match_clauses(frame, rules, currency, rate)
    money = _revenue(frame, revenue)
    assignment, proof = assignment_of(matches, rules), prove_rules(rules)
    placed = pd.DataFrame(
        {
            axis.variable.name: axis.cell_of(matches.columns[axis.variable.name])
            for axis in proof.axes
        }
    )
    count = _Counter(money, placed)
    pairs = [
        count.boxes(overlap.cover, overlap.axes).assign(
            tier=overlap.tiers[0], other=overlap.tiers[1]
        )
        for overlap in proof.overlaps
    ]
    columns = ["tier", "other", *_BOX_COLUMNS]
    return RulesHealth(
        assignment=assignment,
        proof=proof,
        coverage=_coverage(assignment, count),
        holes=count.boxes(proof.holes, proof.axes),
        overlaps=pd.concat(pairs, ignore_index=True)[columns] if pairs else _empty(columns),
        clauses=_clauses(matches, assignment, proof, money),
        shares=_shares(assignment, count),
        placed=placed,
        revenue=revenue,
    )


_BOX_COLUMNS = ("box", "where", "customers", "share", "revenue", "revenue_share", "added")


def _empty(columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame({name: [] for name in columns})


def _revenue(frame: pd.DataFrame, column: str) -> np.ndarray:
    if column not in frame:
        raise DataError(
            f"rules health: no column '{column}' to add up"
            f"{did_you_mean(column, map(str, frame.columns))}; name one with revenue="
        )
    money = frame[column].to_numpy(float, na_value=np.nan)
    bad = ~np.isfinite(money)
    if bad.any():
        raise DataError(
            f"rules health: {column} is not a finite number in {int(bad.sum()):,} rows (first: row "
            f"{int(bad.argmax())})"
        )
    if money.sum() <= 0:
        raise DataError(
            f"rules health: {column} sums to {money.sum():,.2f}, and only a positive total has "
            "shares; see whether the amounts are complete"
        )
    return money


@dataclass(frozen=True, slots=True)
class _Counter:
    """Customers and revenue of any part of the population.

    Attributes:
        money: Revenue, shape (n,).
        placed: The cell of each customer on each axis.
    """

    money: np.ndarray
    placed: pd.DataFrame

    def part(self, customers: float, revenue: float) -> dict[str, float]:
        return {
            "customers": int(customers),
            "share": float(customers) / len(self.money),
            "revenue": float(revenue),
            "revenue_share": float(revenue / self.money.sum()),
        }

    def of(self, chosen: np.ndarray) -> dict[str, float]:
        return self.part(chosen.sum(), self.money[chosen].sum())

    def boxes(self, found: Cover, axes: Sequence[Axis]) -> pd.DataFrame:
        """A row a box, most customers first."""
        if not found.boxes:
            return _empty(_BOX_COLUMNS)
        shape = tuple(axis.size for axis in axes)
        places = [self.placed[axis.variable.name].to_numpy() for axis in axes]
        known = np.logical_and.reduce([place >= 0 for place in places])
        flat = np.ravel_multi_index([place[known] for place in places], shape)
        size = int(np.prod(shape))
        customers = np.bincount(flat, minlength=size).reshape(shape)
        revenue = np.bincount(flat, self.money[known], minlength=size).reshape(shape)
        rows: list[tuple[dict[str, Any], Any]] = []
        for box, cells_of in zip(found.boxes, found.slices, strict=True):
            inside = np.ix_(*cells_of)
            part = self.part(customers[inside].sum(), revenue[inside].sum())
            rows.append(({"box": box, "where": box.text(), **part}, inside))
        rows.sort(key=lambda row: -row[0]["customers"])
        for row, inside in rows:
            row["added"] = int(customers[inside].sum())
            customers[inside] = 0
        return pd.DataFrame([row for row, _ in rows])[list(_BOX_COLUMNS)]


def _coverage(assignment: TierAssignment, count: _Counter) -> pd.DataFrame:
    matched = assignment.customers["matched"].to_numpy()
    rows = [{"matched": n, **count.of(matched == n)} for n in range(max(2, matched.max()) + 1)]
    return pd.DataFrame(rows)


def _shares(assignment: TierAssignment, count: _Counter) -> pd.DataFrame:
    tiers = assignment.customers["tier"].to_numpy(object)
    targets = {tier.name: tier.share for tier in assignment.rules.tiers}
    rows = []
    for name in (*assignment.rules.names, UNASSIGNED):
        part = count.of(tiers == name)
        target = np.nan if targets.get(name) is None else float(targets[name] or 0.0)
        difference = part["share"] - target
        rows.append({"tier": name, **part, "target_share": target, "difference": difference})
    columns = ["tier", "customers", "share", "target_share", "difference", "revenue"]
    return pd.DataFrame(rows)[[*columns, "revenue_share"]]


def _clauses(
    matches: Matches, assignment: TierAssignment, proof: RulesProof, money: np.ndarray
) -> pd.DataFrame:
    tiers = assignment.customers["tier"].to_numpy(object)
    fired_clause = assignment.customers["clause"].to_numpy(object)
    rows = []
    for tier in assignment.rules.tiers:
        in_tier = tiers == tier.name
        for clause in tier.clauses:
            true_for = matches.clauses[tier.name, clause.name]
            fired = in_tier & true_for & (fired_clause == clause.name)
            status = FIRES
            if (tier.name, clause.name) in proof.shadowed:
                status = SHADOWED
            elif not fired.any():
                status = OUTRANKED if true_for.any() else NOT_SEEN
            rows.append(
                {
                    "tier": tier.name,
                    "clause": clause.name,
                    "text": clause.text,
                    "true_for": int(true_for.sum()),
                    "fired": int(fired.sum()),
                    "revenue": float(money[fired].sum()),
                    "status": status,
                }
            )
    return pd.DataFrame(rows)
