"""The quality of a source as tables for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from relkit.data.contracts import contracts
from relkit.data.quality.evidence import Evidence
from relkit.data.quality.row_funnel import STEPS
from relkit.data.quality.supplied import NotSupplied
from relkit.report.blocks import Table, table
from relkit.report.findings.quality import quality_evidence
from relkit.report.language import current
from relkit.report.statements import Statement, say, term

if TYPE_CHECKING:
    from relkit.data.quality.capture_coverage import Coverage
    from relkit.data.quality.capture_shortfalls import Shortfalls
    from relkit.data.quality.pillars import Maturity
    from relkit.data.quality.row_funnel import Funnel
    from relkit.data.quality.service_failures import FailureModes
    from relkit.data.quality.source_inventory import SourceInventory

# Enough of a hash to find a file by; the whole one stands in the saved table.
HASH_SHOWN = 12


def _tables(names: Iterable[object]) -> list[str]:
    return [term(f"quality.table.{name}") for name in names]


def funnel(rows: Funnel) -> Table:
    """Rows of each table that pass each step; a dash where a step asks nothing of it."""
    frame = rows.to_frame()
    for step in STEPS:
        asked = pd.Series([each.is_measured(step) for each in rows.tables], index=frame.index)
        frame[step] = frame[step].astype("Int64").where(asked)
    frame["table"] = _tables(frame["table"])
    steps = ("read", "later", *STEPS, "usable")
    columns = {
        "table": ("quality.label.table", "text"),
        **{step: (f"quality.step.{step}", "count") for step in steps},
        "usable_share": ("quality.label.usable_share", "percent"),
    }
    return table(frame, columns, caption=say("quality.caption.funnel"), name="funnel")


def losses(rows: Funnel, n: int = 12) -> Table | None:
    """Why rows were lost, the n most frequent reasons; None if none was."""
    frame = rows.losses().head(n)
    if frame.empty:
        return None
    scope = [rows.of(str(name)).in_scope for name in frame["table"]]
    words = frame["reason_zh"] if current().code == "zh" else frame["reason"]
    shown = pd.DataFrame(
        {
            "table": _tables(frame["table"]),
            "step": [term(f"quality.not_step.{step}") for step in frame["step"]],
            "reason": words,
            "rows": frame["rows"],
            "share": frame["rows"] / scope,
        }
    )
    columns = {
        "table": ("quality.label.table", "text"),
        "step": ("quality.label.step", "text"),
        "reason": ("label.reason", "text"),
        "rows": ("label.rows", "count"),
        "share": ("quality.label.lost_share", "percent"),
    }
    return table(shown, columns, caption=say("quality.caption.losses"), name="losses")


def inventory(supplied: SourceInventory) -> Table:
    """One row a table: rows, days, silences, files."""
    frame = supplied.to_frame()
    frame["table"] = _tables(frame["table"])
    columns = {
        "table": ("quality.label.table", "text"),
        "used": ("quality.label.rows_used", "count"),
        "first": ("quality.label.first_day", "date"),
        "last": ("quality.label.last_day", "date"),
        "days_since_last": ("quality.label.days_since_last", "count"),
        "gaps": ("quality.label.gaps", "count"),
        "files": ("quality.label.files", "count"),
        "format": ("quality.label.format", "text"),
    }
    return table(frame, columns, caption=say("quality.caption.inventory"), name="inventory")


def gaps(supplied: SourceInventory) -> Table | None:
    """One row a silence; None if there is none."""
    frame = supplied.gaps_frame()
    if frame.empty:
        return None
    frame["table"] = _tables(frame["table"])
    columns = {
        "table": ("quality.label.table", "text"),
        "first": ("quality.label.from", "date"),
        "last": ("quality.label.to", "date"),
        "days": ("quality.label.days", "count"),
        "usual_step": ("quality.label.usual_step", "count"),
        "by_chance": ("quality.label.by_chance", "number3"),
        "still_silent": ("quality.label.still", "text"),
    }
    return table(frame, columns, caption=say("quality.caption.gaps"), name="gaps")


def files(supplied: SourceInventory) -> Table:
    """One row a file with its hash."""
    frame = supplied.files_frame()
    frame["table"] = _tables(frame["table"])
    frame["sha256"] = [f"{digest[:HASH_SHOWN]}…" for digest in frame["sha256"]]
    columns = {
        "table": ("quality.label.table", "text"),
        "file": ("label.file", "text"),
        "rows": ("label.rows", "count"),
        "bytes": ("quality.label.bytes", "count"),
        "sha256": ("quality.label.sha256", "text"),
    }
    return table(frame, columns, caption=say("quality.caption.files"), name="files")


def coverage(known: Coverage) -> Table:
    """One row a table that captures customers, under its stage."""
    frame = known.by_table()
    shown = frame.assign(
        stage=[term(f"quality.stage.{stage}") for stage in frame["stage"]],
        table=_tables(frame["table"]),
    )
    columns = {
        "stage": ("quality.label.stage", "text"),
        "table": ("quality.label.captured_in", "text"),
        "covered": ("quality.label.covered", "count"),
        "share": ("label.share_of_customers", "percent"),
    }
    return table(shown, columns, caption=say("quality.caption.coverage"), name="coverage")


def fields(known: Coverage) -> Table | None:
    """How many customers have each descriptive field; None where there is none."""
    if known.fields.empty:
        return None
    names = [term(f"quality.field.{field}") for field in known.fields["field"]]
    columns = {
        "field": ("quality.label.field", "text"),
        "filled": ("quality.label.filled", "count"),
        "share": ("label.share_of_customers", "percent"),
    }
    frame = known.fields.assign(field=names)
    return table(frame, columns, caption=say("quality.caption.fields"), name="fields")


def needed(found: object) -> Table | None:
    """What would have to be supplied; None where a result was found.

    Args:
        found: As made by the `try_` functions of `rk.quality`.
    """
    if not isinstance(found, NotSupplied):
        return None
    comma, rows = "、" if current().code == "zh" else ", ", []
    for name in found.tables:
        held = contracts()[name]
        # An id that is not mapped is made of the row's number.
        must = held.required or held.key
        more = [column for column in held.columns if column not in must]
        rows.append((term(f"quality.table.{name}"), comma.join(must), comma.join(more)))
    frame = pd.DataFrame(rows, columns=["table", "required", "optional"])
    columns = {
        "table": ("quality.label.table", "text"),
        "required": ("quality.label.required", "text"),
        "optional": ("quality.label.optional", "text"),
    }
    return table(frame, columns, caption=say("quality.caption.needed"), name="needed")


def shortfalls(lacks: Shortfalls) -> Table:
    """The five shortfalls with their evidence."""
    return _checklist("shortfall", lacks.items)


def failures(fails: FailureModes) -> Table:
    """The five failure modes with their evidence."""
    note = say("quality.window", days=fails.window_days)
    return _checklist("failure", fails.items, note)


def _checklist(kind: str, items: Iterable[Evidence], note: Statement | None = None) -> Table:
    rows = [
        (
            term(f"quality.{kind}.{each.item}"),
            _figure(each),
            quality_evidence(each).text(),
        )
        for each in items
    ]
    frame = pd.DataFrame(rows, columns=["item", "figure", "evidence"])
    columns = {
        "item": (f"quality.label.{kind}", "text"),
        "figure": ("quality.label.figure", "text"),
        "evidence": ("quality.label.evidence", "text"),
    }
    caption = say(f"quality.caption.{kind}s")
    return table(frame, columns, caption=caption, name=f"{kind}s", note=note)


def _figure(item: Evidence) -> str:
    """The figure of an item, whose unit its evidence says; or that there is none."""
    if item.value is None:
        return term("quality.status.not_measurable")
    return current().percent(item.value) if item.unit == "share" else current().count(item.value)


def consent(lacks: Shortfalls) -> Table | None:
    """Consents by channel; None where none are supplied."""
    if lacks.consent is None:
        return None
    frame = lacks.consent.channels
    shown = frame.assign(channel=[term(f"quality.channel.{each}") for each in frame["channel"]])
    columns = {
        "channel": ("quality.label.channel", "text"),
        **{word: (f"quality.label.consent_{word}", "count") for word in ("yes", "no", "unknown")},
    }
    return table(shown, columns, caption=say("quality.caption.consent"), name="consent")


def maturity(found: Maturity) -> Table:
    """Each item of each pillar with its counts; what is not measured with the reason."""
    rows = [
        (
            term(f"quality.pillar.{pillar.name}"),
            term(f"quality.item.{item.item}"),
            say("quality.part_of", part=item.part, of=item.of).text()
            if item.is_measured
            else quality_evidence(item).text(),
            item.value,
        )
        for pillar in found.pillars
        for item in pillar.items
    ]
    frame = pd.DataFrame(rows, columns=["pillar", "item", "counts", "value"])
    frame = frame.astype({"value": "float64"})
    columns = {
        "pillar": ("quality.label.pillar", "text"),
        "item": ("quality.label.item", "text"),
        "counts": ("quality.label.part", "text"),
        "value": ("quality.label.share", "percent"),
    }
    return table(frame, columns, caption=say("quality.caption.maturity"), name="maturity_items")
