"""Five shortfalls of capturing customer data, each from counts.

Scattered channels, formats that differ, missing consent, little initiative, outdated
tools; after the five shortfalls that companies are usually said to have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relkit.data.checking import MISALIGNED
from relkit.data.consent import CONSENT_OF
from relkit.data.quality.capture_coverage import STAGES, Coverage
from relkit.data.quality.contact_counts import ConsentCounts, consent_counts
from relkit.data.quality.evidence import Evidence, evidence_frame, not_supplied, share
from relkit.data.quality.row_funnel import Funnel
from relkit.data.quality.source_inventory import SourceInventory

if TYPE_CHECKING:
    import pandas as pd

    from relkit.data.sources import Source

# Faults of how something is written, not of what it says.
_OF_FORM = (
    " is unreadable",
    " is text",
    " has an offset from UTC",
    " is not true or false",
    " is in scientific notation",
    MISALIGNED.en,
)
_OF_WORDS = (" is not one of ", " or ")


@dataclass(frozen=True, slots=True, eq=False)
class Shortfalls:
    """What was measured of each shortfall.

    Attributes:
        items: scattered (files that the data lie in), formats (share of the rows read that
            are not written as the table is to be written), consent (share of customers
            without consent in any channel), initiative (share of customers whom nobody
            ever asked anything), age (days from the last row of the feed that has been
            silent longest to `as_of`).
        consent: Consents by channel; None where no consent is supplied.
    """

    items: tuple[Evidence, ...]
    consent: ConsentCounts | None

    @property
    def by_item(self) -> Mapping[str, Evidence]:
        return {each.item: each for each in self.items}

    def to_frame(self) -> pd.DataFrame:
        """One row a shortfall: item, status, value, unit, part, of, reason, missing."""
        return evidence_frame(self.items)


def shortfalls(
    source: Source, rows: Funnel, supplied: SourceInventory, known: Coverage
) -> Shortfalls:
    """The five shortfalls of a source.

    Args:
        source: As opened.
        rows: As made by `funnel`.
        supplied: As made by `inventory`.
        known: As made by `coverage`.
    """
    consents = consent_counts(source)
    items = (
        _scattered(supplied),
        _formats(rows, supplied),
        _consent(source, consents),
        _initiative(known),
        _age(supplied),
    )
    return Shortfalls(items, consents)


def _scattered(supplied: SourceInventory) -> Evidence:
    tables = len(supplied.tables)
    files = len({(path, digest) for _, path, _, _, digest in supplied.files})
    details = {"tables": tables, "expected": tables + len(supplied.missing)}
    return Evidence("scattered", "count", float(files), details=details)


def _formats(rows: Funnel, supplied: SourceInventory) -> Evidence:
    lost = sum(
        loss.rows for each in rows.tables for loss in each.losses if _is_of_form(loss.reason)
    )
    formats = sorted({each.format for each in supplied.tables})
    return share("formats", lost, rows.overall.read, formats=formats)


def _is_of_form(reason: str) -> bool:
    """Whether a fault is one of how a value is written."""
    of_words = " is not " in reason and any(part in reason for part in _OF_WORDS)
    return of_words or reason.endswith(_OF_FORM)


def _consent(source: Source, found: ConsentCounts | None) -> Evidence:
    if found is None:
        columns = [f"customers.{name}" for name in CONSENT_OF.values()]
        return not_supplied("consent", columns if source.has("customers") else ["customers"])
    without = found.customers - found.somewhere
    return share("consent", without, found.customers, unknown=found.nowhere_known)


def _initiative(known: Coverage) -> Evidence:
    if not known.is_measured("asked"):
        return not_supplied("initiative", STAGES["asked"])
    return share("initiative", known.customers - known.covered("asked"), known.customers)


def _age(supplied: SourceInventory) -> Evidence:
    feeds = [each for each in supplied.tables if each.gaps_known]
    if not feeds:
        feeds = [each for each in supplied.tables if each.table == "transactions"]
    oldest = max(feeds, key=lambda each: each.days_since_last or 0)
    details = {"table": oldest.table, "last": oldest.last, "gaps": len(supplied.gaps)}
    return Evidence("age", "days", float(oldest.days_since_last or 0), details=details)
