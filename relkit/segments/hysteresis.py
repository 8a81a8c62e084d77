"""Tiers that do not flap: a move counts when it is large, or when it lasts.

A customer at a border changes tier with every small purchase, and each change costs
an owner, a letter, a price list. So a move is made at once only if the customer stands
beyond the border by more than a band; inside the band it must last for some days of
the history. That has a price: for a while some customers stand in a tier where they no
longer, or not yet, belong; it is shown beside the calm that it buys.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relkit.errors import DataError, ParameterError
from relkit.segments.cents import sums_by, to_cents
from relkit.segments.tier_history import TierHistory

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class HeldTiers:
    """Tiers with and without hysteresis, day by day.

    Attributes:
        computed: The history as it was given.
        held: The same customers and days with the tiers that hysteresis leaves them in.
        band: How far beyond a border a move is made at once, as a share of the border;
            None where only lasting counts.
        dwell: For how many days of the history running a smaller move must last.
    """

    computed: TierHistory
    held: TierHistory
    band: float | None
    dwell: int

    def to_frame(self) -> pd.DataFrame:
        """as_of, customer_id, computed, tier (the held one), differs."""
        rows = self.held.rows[["as_of", "customer_id", "tier"]].copy()
        rows.insert(2, "computed", self.computed.rows["tier"].to_numpy())
        return rows.assign(differs=rows["computed"] != rows["tier"])

    def flapping(self) -> pd.DataFrame:
        """Two rows, computed and held: tiers, changes, there_and_back (shares of
        customer-days, as ``TierHistory.flapping`` counts them), differs (share of
        customer-days on which the held tier is another than the computed one)."""
        rows = []
        differs = float(self.to_frame()["differs"].mean())
        for name, history in (("computed", self.computed), ("held", self.held)):
            changes, back = history.flapping()
            rows.append((name, changes, back, 0.0 if name == "computed" else differs))
        return pd.DataFrame(rows, columns=["tiers", "changes", "there_and_back", "differs"])

    def price(self, revenue: pd.DataFrame, best: int = 1) -> HysteresisPrice:
        """What holding costs: the revenue to come that the best tiers no longer catch.

        Args:
            revenue: as_of, customer_id, revenue in the time after that day; who has no
                row brought nothing. Days without any row are left out.
            best: How many tiers from the top count as the best.

        Raises:
            ParameterError: best is not 1 to the number of tiers less one.
            DataError: columns are missing, or no day of the history has revenue after it.
        """
        if not 1 <= best < len(self.held.names):
            raise ParameterError(
                f"best={best} must be 1 to {len(self.held.names) - 1}: the tiers that get the care"
            )
        return HysteresisPrice(_captured(self, revenue, best), self.held.names[:best])


@dataclass(frozen=True, slots=True, eq=False)
class HysteresisPrice:
    """How much of the revenue to come the best tiers catch, computed and held.

    Attributes:
        days: as_of, revenue (after that day), captured_computed, captured_held (shares
            of it), size_computed, size_held (shares of customers in the best tiers).
        best: The tiers that count as the best.
    """

    days: pd.DataFrame
    best: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        return self.days.copy()

    @property
    def captured_computed(self) -> float:
        """Mean over days of the share of revenue to come in the best computed tiers."""
        return float(self.days["captured_computed"].mean())

    @property
    def captured_held(self) -> float:
        """The same of the held tiers."""
        return float(self.days["captured_held"].mean())

    @property
    def lost(self) -> float:
        """The price, in shares of the revenue to come: computed minus held."""
        return self.captured_computed - self.captured_held


def hold_tiers(
    history: TierHistory | HeldTiers, band: float | None = 0.25, dwell: int = 2
) -> HeldTiers:
    """Lets a customer change tier when far beyond a border, or when it lasts.

    A border lies at a share of customers counted from the top, say 20 %. With band .25 who
    is held below it moves up at once from the best 15 % on, and who is held above it
    moves down at once beyond 25 %; in between the computed tier must differ from the
    held one on ``dwell`` days of the history running. Every move goes to the computed
    tier. A customer's first day is taken as computed; absence breaks a run.

    What comes later never changes what was held earlier, and holding what is already
    held changes nothing: the computed tiers stay with it and are what is read.

    Args:
        history: Tiers on the days on which they are reviewed, say quarters; or what this
            function gave for them.
        band: In [0, 1); 0 makes every move at once. None: only lasting counts; the one
            choice for tiers by rules, which have no rank and so no distance to a border.
        dwell: 1 or more; 1 makes every move at once.

    Raises:
        ParameterError: band or dwell, or a history without ranks and with a band.
    """
    history = _as_computed(history)
    _check(history, band, dwell)
    shares = history.shares
    computed = history.places()
    held = np.full_like(computed, -1)
    run = np.zeros(computed.shape[1], dtype=np.intp)
    last = np.full(computed.shape[1], -1, dtype=np.intp)
    rank = None if band is None else history.spread("rank_share")
    for day, now in enumerate(computed):
        there = now >= 0
        differs = there & (last >= 0) & (now != last)
        # Who is away for a day starts counting anew.
        run = np.where(differs, run + 1, 0)
        beyond = np.zeros(len(now), dtype=bool)
        if rank is not None and shares is not None and band is not None:
            beyond = differs & _beyond(rank[day], last, now, np.cumsum(shares)[:-1], band)
        moves = there & ((last < 0) | beyond | (run >= dwell))
        last = np.where(moves, now, last)
        run[moves] = 0
        held[day] = np.where(there, last, -1)
    return HeldTiers(history, _with_tiers(history, held), band, int(dwell))


def _as_computed(history: TierHistory | HeldTiers) -> TierHistory:
    """The computed tiers, also of a history that is already held."""
    if isinstance(history, HeldTiers):
        return history.computed
    if not isinstance(history, TierHistory):
        raise ParameterError(
            f"history must be what rk.tiers_as_of or rk.tier_history gives, not "
            f"{type(history).__name__}"
        )
    if "computed" not in history.rows:
        return history
    rows = history.rows.assign(tier=history.rows["computed"]).drop(columns="computed")
    return TierHistory(rows, history.names, history.shares, history.by)


def _beyond(
    rank: NDArray[np.float64],
    held: NDArray[np.intp],
    now: NDArray[np.intp],
    borders: NDArray[np.float64],
    band: float,
) -> NDArray[np.bool_]:
    """Whether a customer stands beyond the border of the held tier by more than the band."""
    ends = np.concatenate([[0.0], borders, [1.0]])
    # Nothing lies above the best tier, and nothing below the last.
    top, bottom = ends[held] * (1 - band), ends[np.minimum(held + 1, len(ends) - 1)] * (1 + band)
    # .3 × .75 is .22499999999999998 on a computer, and .225 stands on that border.
    return np.where(now < held, rank <= top + _ROUNDING, rank > bottom + _ROUNDING)


def _with_tiers(history: TierHistory, held: NDArray[np.intp]) -> TierHistory:
    day = pd.factorize(history.rows["as_of"])[0]
    customer = pd.factorize(history.rows["customer_id"], sort=True)[0]
    tier = np.array(history.names, dtype=object)[held[day, customer]]
    rows = history.rows.assign(computed=history.rows["tier"], tier=tier)
    return TierHistory(rows, history.names, history.shares, history.by)


def _check(history: TierHistory, band: float | None, dwell: int) -> None:
    faults = []
    if band is not None and (not isinstance(band, (int, float)) or not 0 <= band < 1):
        faults.append(f"band={band!r} must be in [0, 1), or None; give 25 % as 0.25")
    if isinstance(dwell, bool) or not isinstance(dwell, (int, np.integer)) or dwell < 1:
        faults.append(f"dwell={dwell!r} must be 1 or more days of the history")
    if band is not None and (history.shares is None or "rank_share" not in history.rows):
        faults.append(
            f"band={band!r} needs tiers by rank; rules have no distance to a border: give "
            "band=None, and dwell alone holds the tiers"
        )
    if faults:
        raise ParameterError("tiers cannot be held like this", faults)


def _captured(tiers: HeldTiers, revenue: pd.DataFrame, best: int) -> pd.DataFrame:
    missing = [name for name in ("as_of", "customer_id", "revenue") if name not in revenue]
    if missing:
        raise DataError(f"revenue: column {' and '.join(missing)} is missing")
    ids = tiers.held.customer_ids()
    days = pd.Index(tiers.held.rows["as_of"].unique())
    at = ids.get_indexer(pd.Index(revenue["customer_id"].astype("str")))
    on = days.get_indexer(pd.DatetimeIndex(pd.to_datetime(revenue["as_of"])).as_unit("us"))
    known = (at >= 0) & (on >= 0)
    cents = to_cents(revenue["revenue"], "revenue")[known]
    cell = on[known] * len(ids) + at[known]
    table = sums_by(cell, cents, len(days) * len(ids)).reshape(len(days), len(ids))
    rows = []
    computed, held = tiers.computed.places(), tiers.held.places()
    for day, brought, one, other in zip(days, table, computed, held, strict=True):
        # Who had no tier on that day could not be caught by one.
        brought = np.where(one >= 0, brought, 0)
        total = int(brought.sum())
        if total <= 0:
            continue
        caught = [int(brought[(t >= 0) & (t < best)].sum()) / total for t in (one, other)]
        sizes = [((t >= 0) & (t < best)).sum() / (t >= 0).sum() for t in (one, other)]
        rows.append((day, total / 100, *caught, *sizes))
    if not rows:
        raise DataError("no day of the history has revenue after it; give earlier days")
    names = ["as_of", "revenue", "captured_computed", "captured_held"]
    return pd.DataFrame(rows, columns=[*names, "size_computed", "size_held"])
