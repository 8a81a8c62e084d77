"""Segments, clusters and tags of a report that goes on where they cannot be made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from relkit.errors import DataError
from relkit.segments.named_segments import RfmSegments, read_rfm_segments, rfm_segments
from relkit.segments.tags import CustomerTags, TagRegistry, tag_customers
from relkit.studies.tier_review import NotShown

if TYPE_CHECKING:
    from relkit.segments.clusters import Clusters
    from relkit.segments.scores import RfmScores
    from relkit.studies.customer_facts import CustomerFacts


def try_rfm_segments(scores: RfmScores, path: str) -> RfmSegments | NotShown:
    """Named RFM segments, where the scores have as many bands as the names.

    Args:
        scores: As made by ``rk.rfm_scores``.
        path: As for ``rk.read_rfm_segments``.

    Raises:
        ParameterError, SourceError: as ``rk.read_rfm_segments``.
    """
    names = read_rfm_segments(path)
    if names.bands != scores.bands:
        return NotShown("segments", "bands", str(names.bands))
    return rfm_segments(scores, names)


def try_clusters(features: pd.DataFrame, columns: Sequence[str]) -> Clusters | NotShown:
    """Clusters, where customers differ enough for any.

    Args:
        features, columns: As for ``rk.find_clusters``.
    """
    from relkit.segments.clusters import find_clusters

    try:
        return find_clusters(features, columns)
    except DataError:
        return NotShown("clusters", "alike")


def tag_everyone(
    registry: TagRegistry, columns: pd.DataFrame, scores: RfmScores, facts: CustomerFacts
) -> CustomerTags:
    """Every tag of a library for every customer, from all that a report knows of them.

    Args:
        registry: As read by ``rk.read_tags``.
        columns: As made by ``rk.tier_columns``; their customers are tagged.
        scores: As made by ``rk.rfm_scores``.
        facts: As made by ``rk.customer_facts``.

    Raises:
        DataError: a column of another kind than its formula.
    """
    letters = scores.to_frame()[["customer_id", "r", "f", "m", "rfm_sum"]]
    known = facts.to_frame()
    new = [name for name in known if name == "customer_id" or name not in columns]
    people = columns.merge(letters, on="customer_id", validate="one_to_one").merge(
        known[new], on="customer_id", how="left", validate="one_to_one"
    )
    return tag_customers(registry, people, as_of=facts.as_of, data_until=facts.data_until)
