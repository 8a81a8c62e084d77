"""What a review of tiers asks: what moved, and what cannot be said for want of data.

A report goes on where a part of it has no data: each question is answered by its result or
by a ``NotShown`` that says why there is none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.data.grains import check_day
from relkit.errors import DataError, FitError, ParameterError, SourceError
from relkit.segments.bridge import TierBridge, tier_bridge
from relkit.segments.hysteresis import HeldTiers, HysteresisPrice, hold_tiers
from relkit.segments.migration import TierMigration
from relkit.segments.relabelling import RelabelSplit, relabel_split
from relkit.segments.review_queue import ReviewQueue, TopTagged, update_review_queue
from relkit.segments.rule_file import read_tier_rules
from relkit.segments.rule_health import RulesHealth, rules_health
from relkit.segments.rules import UNASSIGNED, TierRules, assign_tiers
from relkit.segments.scores import mid_rank
from relkit.segments.sizing import TierSize, tier_size
from relkit.segments.staleness import StaleTiers, stale_tiers
from relkit.segments.tier_history import TierHistory
from relkit.segments.tiers import Tiers
from relkit.studies.movement import comparison_day
from relkit.studies.tier_history import revenue_after, revenue_between, tiers_as_of
from relkit.yaml_files import find_upwards

if TYPE_CHECKING:
    from relkit.value.lifetime_value import LifetimeValue

    Table = Any  # an Ibis table; Ibis itself is at home in data/ only

MOST_DAYS = 5


@dataclass(frozen=True, slots=True)
class NotShown:
    """Why a part of a report has nothing to show.

    Attributes:
        topic: health, history, migration, held, price, bridge, relabel, in_use, queue, size,
            segments or clusters.
        why: parameter (not given), column (not in the data), currency (no exchange rate),
            history (too short for a model), revenue (none), nobody (in the tier), bands (other
            than the names have) or alike (customers do not differ enough).
        what: The parameters, columns, currency or day that it is about; may be empty.
    """

    topic: str
    why: str
    what: str = ""


def tiers_by_rules(
    columns: pd.DataFrame,
    rules: TierRules,
    currency: str | None = None,
    rate: float | None = None,
    nobody: str = UNASSIGNED,
) -> Tiers:
    """Tiers by rules in the shape of ranked ones, for what compares tiers with value.

    Args:
        columns: As made by ``rk.tier_columns`` with values to come.
        rules: As read; *unassigned* is a last tier where somebody is in none.
        currency, rate: As for ``rk.assign_tiers``; a rate is used where currencies differ.
        nobody: What the tier of those in none is called.

    Raises:
        ParameterError, DataError: as ``rk.assign_tiers``.
    """
    rate = _rate(rules, currency, rate)
    found = assign_tiers(columns, rules, currency, rate)
    sizes = found.sizes()
    sizes = sizes[(sizes["tier"] != UNASSIGNED) | (sizes["customers"] > 0)]
    value = columns["clv"].to_numpy(float)
    frame = pd.DataFrame(
        {
            "customer_id": found.customers["customer_id"],
            "value": value,
            "rank_share": mid_rank(-value),
            "tier": found.customers["tier"].replace(UNASSIGNED, nobody),
        }
    )
    targets = sizes["target_share"].fillna(sizes["share"])
    return Tiers(
        frame,
        tuple(sizes["tier"].replace(UNASSIGNED, nobody)),
        tuple(float(share) for share in targets),
    )


def _rate(rules: TierRules, currency: str | None, rate: float | None) -> float | None:
    """The rate where there is anything to convert."""
    return None if rules.currency in (None, currency) else rate


def try_rules_health(
    columns: pd.DataFrame,
    path: str | None,
    currency: str | None = None,
    rate: float | None = None,
    revenue: str = "spend_last_12_months",
) -> RulesHealth | NotShown:
    """``rk.rules_health`` of a rule file, where its columns and its currency are there.

    Args:
        columns: One row a customer, as made by ``rk.tier_columns``.
        path: The rule file; None, and no rules are held against the customers.
        currency: Of the columns.
        rate: What one unit of it is worth in the currency of the rules, where they differ.
        revenue: The column that is added up.

    Raises:
        ParameterError, SourceError: as ``rk.read_tier_rules``.
    """
    if path is None:
        return NotShown("health", "parameter", "health_rules")
    rules = read_tier_rules(path)
    missing = [each.column for each in rules.variables if each.column not in columns]
    if missing:
        return NotShown("health", "column", ", ".join(dict.fromkeys(missing)))
    rate = _rate(rules, currency, rate)
    if rules.currency not in (None, currency) and rate is None:
        return NotShown("health", "currency", f"{currency} → {rules.currency}")
    return rules_health(columns, rules, currency, rate, revenue=revenue)


@dataclass(frozen=True, slots=True, eq=False)
class TierReview:
    """Tiers on several days, and what moved between two of them.

    The second period is the time between ``compare_to`` and ``as_of``, the first as long a
    time before it. Each day's tiers are made from what was known by then.

    Attributes:
        compare_to: The earlier day, the last of the first period.
        as_of: The later day, the last of the second period.
        start: The day before the first period begins.
        best: The tier that stands first in the rules.
        history: Tiers on the days of review, those two included.
        migration: From which tier to which between the two.
        bridge: The change of revenue between the two periods.
        relabelled: The same of the best tier, split into its accounts and its list.
        held: Tiers that change only when a change lasts for two reviews.
        price: What that costs in revenue that the best tier no longer catches.
        revenue_before: customer_id, revenue of the first period.
        revenue_after: The same of the second.
    """

    compare_to: dt.date
    as_of: dt.date
    start: dt.date
    best: str
    history: TierHistory | NotShown
    migration: TierMigration | NotShown
    bridge: TierBridge | NotShown
    relabelled: RelabelSplit | NotShown
    held: HeldTiers | NotShown
    price: HysteresisPrice | NotShown
    revenue_before: pd.DataFrame
    revenue_after: pd.DataFrame

    def in_best(self) -> list[str]:
        """customer_id of those in the best tier today; nobody where there is no history."""
        if isinstance(self.history, NotShown):
            return []
        return [str(each) for each in _in_tier(self.history, self.best, self.as_of)]


def tier_review(
    transactions: Table,
    summary: pd.DataFrame,
    rules: TierRules,
    *,
    compare_to: str | dt.date | None = None,
    currency: str | None = None,
    rate: float | None = None,
    horizon: float = 52,
    annual_discount_rate: float = 0.10,
    grain: str = "day",
) -> TierReview:
    """Tiers by rules on days of review, and what moved between two of them.

    Days of review are ``as_of``, ``compare_to``, the middle between them and, in steps of
    that half, up to two more before; days too early for a model are left out.

    Args:
        transactions: As for ``rk.rfm_summary``.
        summary: Made of them for ``as_of``; says unit and as_of.
        rules: As read.
        compare_to: The earlier day; None for the one that ``rk.comparison_day`` finds.
        currency, rate: As for ``tiers_by_rules``.
        horizon, annual_discount_rate: Of the value to come, as for
            ``rk.customer_lifetime_value``.
        grain: As for ``rk.rfm_summary``.

    Raises:
        ParameterError: compare_to does not lie between the first purchase and as_of.
        DataError: the rules ask for columns that ``rk.tier_columns`` does not make.
    """
    as_of = check_day(summary.attrs["as_of"], "as_of")
    then = check_day(comparison_day(transactions, as_of, compare_to), "compare_to")
    first = summary["first_at"].min().date()
    if not first < then < as_of:
        raise ParameterError(
            f"compare_to={then} must lie after the first purchase, {first}, and before "
            f"as_of={as_of}; choose a day in between"
        )
    start = then - (as_of - then)
    before = revenue_between(transactions, start, then)
    after = revenue_between(transactions, then, as_of)
    settings: dict[str, Any] = {
        "rules": _ruled(rules, currency, rate),
        "unit": summary.attrs["unit"],
        "grain": grain,
        "horizon": horizon,
        "annual_discount_rate": annual_discount_rate,
    }
    history = _history(transactions, first, then, as_of, settings)
    best = rules.names[0]
    if isinstance(history, NotShown):
        gone = {
            topic: NotShown(topic, history.why, history.what)
            for topic in ("migration", "bridge", "relabel", "held", "price")
        }
        return TierReview(
            then, as_of, start, best, history, gone["migration"], gone["bridge"], gone["relabel"],
            gone["held"], gone["price"], before, after,
        )  # fmt: skip
    held = _held(history)
    return TierReview(
        compare_to=then,
        as_of=as_of,
        start=start,
        best=best,
        history=history,
        migration=history.migration(then, as_of),
        bridge=_bridge(history, then, as_of, before, after),
        relabelled=_relabelled(history, best, then, as_of, before, after),
        held=held,
        price=_price(held, transactions, (as_of - then) // 2, as_of),
        revenue_before=before,
        revenue_after=after,
    )


def _ruled(rules: TierRules, currency: str | None, rate: float | None) -> Any:
    """Columns of a day → tiers with their value to come, in the order of the rules."""
    names = [*rules.names, UNASSIGNED]

    def made(columns: pd.DataFrame) -> pd.DataFrame:
        frame = tiers_by_rules(columns, rules, currency, rate).customers
        # Ranks are those of the value and not of the rules: tiers by rules have no borders.
        return frame.drop(columns="rank_share").assign(tier=pd.Categorical(frame["tier"], names))

    return made


def review_days(first: dt.date, compare_to: dt.date, as_of: dt.date) -> list[dt.date]:
    """as_of, compare_to, their middle, and up to two days before in the same steps."""
    step = (as_of - compare_to) // 2
    days = {as_of, compare_to}
    if step.days >= 1:
        days.add(compare_to + step)
        earlier = [compare_to - step, compare_to - 2 * step]
        days.update(day for day in earlier if day - step >= first)
    return sorted(days)[-MOST_DAYS:]


def _history(
    transactions: Table,
    first: dt.date,
    compare_to: dt.date,
    as_of: dt.date,
    settings: Mapping[str, Any],
) -> TierHistory | NotShown:
    days = review_days(first, compare_to, as_of)
    while True:
        try:
            found = tiers_as_of(transactions, days, **settings)
            break
        except FitError:
            # Earlier days have less to learn from; the two that are compared must stay.
            if days[0] >= compare_to:
                return NotShown("history", "history", compare_to.isoformat())
            days = days[1:]
    if (found.rows["tier"] != UNASSIGNED).all():
        names = tuple(name for name in found.names if name != UNASSIGNED)
        return TierHistory(found.rows, names, found.shares, found.by)
    return found


def _bridge(
    history: TierHistory, then: dt.date, now: dt.date, before: pd.DataFrame, after: pd.DataFrame
) -> TierBridge | NotShown:
    try:
        return tier_bridge(history.at(then), history.at(now), before, after, history.names)
    except DataError:
        return NotShown("bridge", "revenue", f"{then} – {now}")


def _relabelled(
    history: TierHistory,
    best: str,
    then: dt.date,
    now: dt.date,
    before: pd.DataFrame,
    after: pd.DataFrame,
) -> RelabelSplit | NotShown:
    earlier, later = (_in_tier(history, best, day) for day in (then, now))
    if not len(earlier) and not len(later):
        return NotShown("relabel", "nobody", best)
    return relabel_split(earlier, later, before, after)


def _in_tier(history: TierHistory, tier: str, day: dt.date) -> pd.Series:
    rows = history.at(day)
    return rows.loc[rows["tier"] == tier, "customer_id"]


def _held(history: TierHistory) -> HeldTiers | NotShown:
    held = hold_tiers(history, band=None, dwell=2)
    try:
        held.flapping()
    except DataError:
        return NotShown("held", "history", history.dates[0].isoformat())
    return held


def _price(
    held: HeldTiers | NotShown, transactions: Table, step: dt.timedelta, as_of: dt.date
) -> HysteresisPrice | NotShown:
    if isinstance(held, NotShown):
        return NotShown("price", held.why, held.what)
    try:
        later = revenue_after(transactions, held.held.dates, days=step.days, until=as_of)
        return held.price(later)
    except (DataError, ParameterError):
        return NotShown("price", "revenue", as_of.isoformat())


def try_stale_tiers(path: str | None, review: TierReview) -> StaleTiers | NotShown:
    """Tiers that somebody gave, held against those of today.

    Args:
        path: CSV in UTF-8 with customer_id and tier, called as the rules call them; None,
            and there is nothing to hold against.
        review: Tiers of today, and what customers spent before and since.

    Raises:
        SourceError: there is no such file, or it cannot be read.
        DataError: as ``rk.stale_tiers``.
    """
    if path is None:
        return NotShown("in_use", "parameter", "tiers_in_use")
    if isinstance(review.history, NotShown):
        return NotShown("in_use", review.history.why, review.history.what)
    found, _ = find_upwards(path, what="list of tiers")
    try:
        # Every cell stays text: an id may begin with zeros.
        given = pd.read_csv(found, dtype="str", keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as fault:
        raise SourceError(
            f"{found.name} is not readable as CSV ({fault}); save it as 'CSV UTF-8' with the "
            "columns customer_id and tier"
        ) from None
    names = [name for name in review.history.names if name != UNASSIGNED]
    today = review.history.at(review.as_of)
    today = today[today["tier"] != UNASSIGNED]
    return stale_tiers(given, today, review.revenue_before, review.revenue_after, names, names)


def try_review_queue(path: str | None, tagged: TopTagged) -> ReviewQueue | NotShown:
    """The file of human verdicts, brought up to date; nothing is written without a path.

    Args:
        path: As for ``rk.update_review_queue``; from the working directory.
        tagged: As made by ``rk.top_by_rfm``.

    Raises:
        SourceError: as ``rk.update_review_queue``.
    """
    if path is None:
        return NotShown("queue", "parameter", "review_file")
    return update_review_queue(Path(path).expanduser(), tagged.customers["customer_id"])


def try_tier_size(
    clv: LifetimeValue,
    *,
    care_uplift: float | None,
    care_hours: float | None,
    owner_hours: float | None,
    hour_cost: float | None,
) -> TierSize | NotShown:
    """How many accounts the best tier should hold, if what care takes and brings was said.

    Args:
        clv: Values to come without care.
        care_uplift: Share that care adds to it; from an experiment or a judgement.
        care_hours: Owner hours that an account takes in the horizon of ``clv``.
        owner_hours: Hours that the owners have in that time.
        hour_cost: Cost of an owner hour.
    """
    given = {
        "care_uplift": care_uplift,
        "care_hours": care_hours,
        "owner_hours": owner_hours,
        "hour_cost": hour_cost,
    }
    missing = [name for name, value in given.items() if value is None]
    if care_uplift is None or care_hours is None or owner_hours is None or hour_cost is None:
        return NotShown("size", "parameter", ", ".join(missing))
    values = clv.to_frame()
    return tier_size(
        values["customer_id"], values["clv"], care_uplift, care_hours, owner_hours, hour_cost
    )
