"""What clusters show, and whether they are more than any cut through noise would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relkit.report.statements import Statement, say
from relkit.studies.tier_review import NotShown

if TYPE_CHECKING:
    from relkit.segments.clusters import Clusters


def cluster_stability(found: Clusters) -> Statement:
    """The headline: how stable, and whether that exceeds shuffled columns."""
    if found.stability is None:
        return say("clusters.unmeasured", k=found.k, n=found.n)
    low, high = found.stability.shuffled_range
    key = "clusters.exceeds" if found.stability.exceeds_null else "clusters.within"
    return say(
        key,
        k=found.k,
        n=found.n,
        stability=found.stability.observed,
        low=low,
        high=high,
        shuffles=len(found.stability.shuffled),
        p=found.stability.p_value,
    )


def clusters_meaning(found: Clusters) -> Statement:
    """What follows from it; clusters stay a description either way."""
    stability = found.stability
    return say(
        "clusters.means_more" if stability and stability.exceeds_null else "clusters.means_nothing"
    )


def clusters_method(found: Clusters | NotShown) -> Statement | None:
    """How they were made: method, choice of k, on how many customers; None without any."""
    if isinstance(found, NotShown):
        return None
    rows = None if found.stability is None else found.stability.rows
    return say(
        "clusters.method" if rows is not None else "clusters.method_unmeasured",
        method=f"clusters.{found.method.replace('-', '_')}",
        rule=f"clusters.rule_{found.rule}",
        k=found.k,
        n=found.n,
        fitted=found.rows_fitted,
        seed=str(found.seed),
        **({} if rows is None else {"rows": rows}),
    )
