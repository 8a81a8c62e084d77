"""What to take into a limited capacity so that it is worth most: the knapsack, exactly.

Taking by worth per hour is nearly right and sometimes badly wrong, when sizes come in
lumps. So the order only gives a first choice and a bound; whatever the bound cannot decide
(the core, a few items around the edge) is searched whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# What may be missed on purpose, as a share of the whole.
_CLOSE_ENOUGH = 1e-6
# Partial choices kept at most; beyond it the less promising go, and the bound says so.
_MOST_STATES = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A choice, and what no choice can exceed.

    Attributes:
        chosen: Shape (n,).
        worth: Of the chosen together.
        upper_bound: Worth if items could be divided at will; never less than ``worth``.
    """

    chosen: NDArray[np.bool_]
    worth: float
    upper_bound: float


def pack(worth: Floats, size: Floats, capacity: float) -> Packed:
    """Chooses items worth most together within the capacity, to a millionth.

    Args:
        worth: Shape (n,); items worth 0 or less are never taken.
        size: Shape (n,), above 0.
        capacity: 0 or more.

    Source: Dantzig (1957) for the bound; Dembo & Hammer (1980), "A reduction algorithm
        for knapsack problems", for what the bound decides; Nemhauser & Ullmann (1969),
        "Discrete dynamic programming and capital allocation", Management Science 15, for
        the search.
    """
    # A sum of hours that equals the capacity but for rounding fits.
    room = capacity * (1 + 1e-12)
    # Equal items keep their order, so that the caller's order decides between them.
    order = np.argsort(-worth / size, kind="stable")
    order = order[(worth[order] > 0) & (size[order] <= room)]
    gain, need = worth[order], size[order]
    taken = _fill(gain, need, room)
    before = np.concatenate([[0.0], np.cumsum(need)])
    bound = float(np.clip((room - before[:-1]) / need, 0, 1) @ gain) if len(order) else 0.0
    if not taken.all():
        taken = _searched(gain, need, room, taken, bound)
    chosen = np.zeros(len(worth), dtype=bool)
    chosen[order[taken]] = True
    total = float(worth[chosen].sum())
    return Packed(chosen, total, max(bound, total))


def _fill(gain: Floats, need: Floats, room: float) -> NDArray[np.bool_]:
    """In order while they fit, passing over who does not; or one alone, if that is more."""
    taken = np.cumsum(need) <= room
    left = room - need[taken].sum()
    for item in np.flatnonzero(~taken):
        if need[item] <= left:
            taken[item] = True
            left -= need[item]
    if len(gain) and gain.max() > gain[taken].sum():
        taken[:] = False
        taken[gain.argmax()] = True
    return taken


def _searched(
    gain: Floats, need: Floats, room: float, taken: NDArray[np.bool_], bound: float
) -> NDArray[np.bool_]:
    """The best choice among those that the bound leaves open."""
    price = float((gain / need)[np.flatnonzero(np.cumsum(need) > room)[0]])
    least = float(gain[taken].sum()) * (1 + _CLOSE_ENOUGH)
    # To decide otherwise on an item costs at least this much of the bound.
    reduced = gain - price * need
    core = np.flatnonzero(bound - np.abs(reduced) > least)
    fixed = reduced > 0
    fixed[core] = False
    start = (float(gain[fixed].sum()), float(need[fixed].sum()))
    if not len(core) or start[1] > room:
        return taken
    found = _search(gain[core], need[core], room, start, least)
    if found is None:
        return taken
    fixed[core[found]] = True
    return fixed


def _search(
    gain: Floats, need: Floats, room: float, start: tuple[float, float], least: float
) -> NDArray[np.intp] | None:
    """Places of the best choice that exceeds ``least``; None if there is none.

    Keeps, item by item, the partial choices that no other beats in worth and size at once
    and whose bound still exceeds the best so far.
    """
    worth, used = np.array([start[0]]), np.array([start[1]])
    steps: list[tuple[NDArray[np.intp], NDArray[np.bool_]]] = []
    sums = np.concatenate([[0.0], np.cumsum(need)]), np.concatenate([[0.0], np.cumsum(gain)])
    for item in range(len(gain)):
        both = np.concatenate([worth, worth + gain[item]])
        sizes = np.concatenate([used, used + need[item]])
        with_it = np.arange(len(both)) >= len(worth)
        keep = np.flatnonzero(sizes <= room)
        best = max(least, float(both[keep].max()))
        ahead = both[keep] + _rest(gain, need, sums, item + 1, room - sizes[keep])
        keep = keep[ahead >= best * (1 - 1e-12)]
        if not len(keep):
            return None
        keep = keep[np.lexsort((-both[keep], sizes[keep]))]
        keep = keep[_unbeaten(both[keep])]
        if len(keep) > _MOST_STATES:
            ahead = both[keep] + _rest(gain, need, sums, item + 1, room - sizes[keep])
            keep = keep[np.sort(np.argsort(-ahead, kind="stable")[:_MOST_STATES])]
        steps.append((keep % len(worth), with_it[keep]))
        worth, used = both[keep], sizes[keep]
    state = int(worth.argmax())
    if worth[state] <= least:
        return None
    chosen = []
    for item in range(len(gain) - 1, -1, -1):
        parents, with_it = steps[item]
        if with_it[state]:
            chosen.append(item)
        state = int(parents[state])
    return np.array(chosen, dtype=np.intp)


def _rest(
    gain: Floats, need: Floats, sums: tuple[Floats, Floats], item: int, left: Floats
) -> Floats:
    """What the items from one on could add at most to partial choices with room left."""
    sizes, worths = sums
    reach = np.searchsorted(sizes, sizes[item] + left, side="right") - 1
    part = np.minimum(reach, len(gain) - 1)
    whole: Floats = worths[reach] - worths[item]
    rest = np.maximum(sizes[item] + left - sizes[reach], 0) * gain[part] / need[part]
    return np.where(reach < len(gain), whole + rest, whole)


def _unbeaten(worth: Floats) -> NDArray[np.bool_]:
    """Of choices in the order of their size, those worth more than every smaller one."""
    best = np.maximum.accumulate(worth)
    return np.concatenate([[True], worth[1:] > best[:-1]])
