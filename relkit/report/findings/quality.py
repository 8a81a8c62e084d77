"""How good the data are: what became of the rows, what is known of whom, what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from relkit.data.contracts import TABLES
from relkit.data.quality.evidence import Evidence
from relkit.data.quality.source_inventory import LARGEST_CHANCE, LEAST_STEPS
from relkit.report.statements import Statement, listed, say, statement

if TYPE_CHECKING:
    from relkit.data.quality.capture_coverage import Coverage
    from relkit.data.quality.capture_shortfalls import Shortfalls
    from relkit.data.quality.pillars import Maturity
    from relkit.data.quality.row_funnel import Funnel, TableFunnel
    from relkit.data.quality.service_failures import FailureModes
    from relkit.data.quality.source_inventory import SourceInventory


def table_names(names: Iterable[str]) -> Statement:
    """Tables, and columns as 'table.column', in the reader's words."""
    return listed([_supplied_name(name) for name in names])


def _supplied_name(name: str) -> Statement | str:
    table, _, column = name.partition(".")
    if not column:
        return f"quality.table.{table}"
    return statement("{table:term} ({column:text})", "{table:term}（{column:text}）",
                     table=f"quality.table.{table}", column=column)  # fmt: skip


def _reason(en: str, zh: str) -> Statement:
    """The reason of a loss, as a term in a sentence."""
    # Braces in it are no slots.
    words = {"en": en, "zh": zh}
    return Statement({c: t.replace("{", "{{").replace("}", "}}") for c, t in words.items()})


def quality_funnel(rows: Funnel) -> Statement:
    """What share of the rows can be used, and where most of the others were lost."""
    whole, losses = rows.overall, rows.losses()
    values = {"n": whole.in_scope, "as_of": rows.as_of}
    if losses.empty:
        return say("quality.funnel_all", **values)
    most = losses.iloc[0]
    return say(
        "quality.funnel",
        share=whole.usable_share,
        table=f"quality.table.{most['table']}",
        reason=_reason(str(most["reason"]), str(most["reason_zh"])),
        rows=int(most["rows"]),
        **values,
    )


def quality_adds_up(rows: Funnel) -> Statement:
    """Rows read = the parts they went to."""
    whole = rows.overall
    return say(
        "quality.adds_up",
        read=whole.read,
        later=whole.later,
        incomplete=whole.lost("complete"),
        inaccurate=whole.lost("accurate"),
        untimely=whole.lost("timely"),
        noncompliant=whole.lost("compliant"),
        usable=whole.usable,
    )


def quality_by_table(rows: Funnel) -> Statement | None:
    """How many tables are usable in full, and which one least; None where there is one only."""
    held = [each for each in rows.tables if each.in_scope]
    if len(held) < 2:
        return None
    full = sum(each.usable == each.in_scope for each in held)
    if full == len(held):
        n = rows.overall.in_scope
        return say("quality.funnel_tables_all", tables=len(held), n=n)
    worst = min(held, key=lambda each: each.usable / each.in_scope)
    return say(
        "quality.funnel_tables",
        full=full,
        tables=len(held),
        table=f"quality.table.{worst.table}",
        share=worst.usable_share,
        n=worst.in_scope,
    )


def quality_losses(rows: Funnel) -> Statement | None:
    """How many rows break a contract, and how many only may not be used; None if none is lost."""
    lost = [loss for each in rows.tables for loss in each.losses]
    if not lost:
        return None
    broken = sum(loss.rows for loss in lost if loss.breaks_contract)
    kept = sum(loss.rows for loss in lost if not loss.breaks_contract)
    return say("quality.losses", broken=broken, kept=kept)


def quality_steps(rows: Funnel) -> Statement:
    """What the steps ask, and what cannot be asked here."""
    untimed = sum(not each.timed for each in rows.tables)
    return say("quality.steps_defined", tables=len(rows.tables), untimed=untimed)


def quality_inventory(supplied: SourceInventory) -> Statement:
    """What was supplied: tables, rows, files, first and last day."""
    days = [day for each in supplied.tables for day in (each.first, each.last) if day]
    return say(
        "quality.inventory",
        tables=len(supplied.tables),
        possible=len(TABLES),
        rows=sum(each.read for each in supplied.tables),
        first=min(days),
        last=max(days),
    )


def quality_missing(supplied: SourceInventory) -> Statement | None:
    """The tables that were not supplied; None if all are there."""
    if not supplied.missing:
        return None
    return say("quality.missing", missing=table_names(supplied.missing))


def quality_files(supplied: SourceInventory) -> Statement:
    """How many files the figures go back to."""
    sizes = {(path, digest): size for _, path, _, size, digest in supplied.files}
    return say("quality.files", files=len(sizes), bytes=sum(sizes.values()))


def quality_gaps(supplied: SourceInventory) -> Statement:
    """Which feeds were silent, if any."""
    judged = sum(each.gaps_known for each in supplied.tables)
    tables = len(supplied.tables)
    if not supplied.gaps:
        if not judged:
            return say("quality.gaps_unknown", tables=tables, least=LEAST_STEPS)
        return say("quality.gaps_none", judged=judged, tables=tables)
    longest = max(supplied.gaps, key=lambda gap: gap.days)
    values = {"table": f"quality.table.{longest.table}", "days": longest.days}
    if len(supplied.gaps) == 1:
        return say("quality.gaps_one", first=longest.first, **values)
    return say("quality.gaps_many", n=len(supplied.gaps), first=longest.first, **values)


def quality_gap_rule(min_days: int) -> Statement:
    """What counts as a silence."""
    return say("quality.gap_rule", min_days=min_days, chance=LARGEST_CHANCE)


def quality_coverage(known: Coverage) -> Statement:
    """The stage of which least is known; or what is known where stages are not supplied."""
    frame = known.to_frame()
    there = frame[frame["status"] == "measured"]
    least = there.iloc[int(there["share"].to_numpy().argmin())]
    told = say(f"quality.covered.{least['stage']}", share=float(least["share"]), n=known.customers)
    if len(there) < len(frame):
        missing = frame.loc[frame["status"] != "measured", "stage"]
        names = listed([f"quality.stage.{stage}" for stage in missing])
        return say("quality.coverage_part", least=told, missing=names)
    whole = known.covered(*known.measured) / known.customers
    return say("quality.coverage", least=told, all=whole)


def quality_coverage_tiers(known: Coverage) -> Statement | None:
    """How far the first and the last tier differ at the stage where they differ most.

    None without two tiers.
    """
    cells = known.by_tier().dropna(subset="tier")
    held = [tier for tier in known.tiers if tier in set(cells["tier"])]
    if len(held) < 2:
        return None
    first, last = (
        cells[cells["tier"] == tier].set_index("stage")["share"].to_dict()
        for tier in (held[0], held[-1])
    )
    stage = max(first, key=lambda name: abs(first[name] - last[name]))
    return say(
        "quality.coverage_tiers",
        tier=held[0],
        last=held[-1],
        stage=f"quality.stage.{stage}",
        share=float(first[stage]),
        last_share=float(last[stage]),
    )


def quality_fields(known: Coverage) -> Statement | None:
    """The descriptive field that is filled least; None where there is none."""
    if known.fields.empty:
        return None
    least = known.fields.iloc[int(known.fields["share"].to_numpy().argmin())]
    return say(
        "quality.fields",
        field=f"quality.field.{least['field']}",
        share=float(least["share"]),
        n=known.customers,
        fields=len(known.fields),
    )


def quality_evidence(item: Evidence) -> Statement:
    """What was counted of an item of a checklist, or why it could not be."""
    if item.reason is not None:
        if item.missing:
            return say(f"quality.reason.{item.reason}", missing=table_names(item.missing))
        return say(f"quality.reason.{item.reason}")
    details = dict(item.details)
    if "formats" in details:
        details["formats"] = ", ".join(details["formats"])
    if item.item == "age":
        details["table"] = f"quality.table.{details['table']}"
    return say(
        f"quality.evidence.{item.item}", value=item.value, part=item.part, of=item.of, **details
    )


def quality_shortfalls(lacks: Shortfalls) -> Statement:
    """How many shortfalls are measured, and which of the shares is largest."""
    return _checklist("shortfalls", lacks.items, ("formats", "consent", "initiative"))


def quality_failures(fails: FailureModes) -> Statement:
    """How many failure modes are measured, and which of the shares is largest."""
    items = ("silos", "single_channel", "no_emotion", "reactive")
    return _checklist("failures", fails.items, items)


def _checklist(name: str, items: tuple[Evidence, ...], shares: tuple[str, ...]) -> Statement:
    measured = sum(each.is_measured for each in items)
    told = [each for each in items if each.item in shares and each.value]
    if not measured:
        return say(f"quality.{name}_none", n=len(items))
    if not told:
        return say(f"quality.{name}_few", measured=measured, n=len(items))
    most = max(told, key=lambda each: each.value or 0.0)
    what = say(f"quality.short.{most.item}", value=most.value)
    return say(f"quality.{name}", measured=measured, n=len(items), what=what)


def quality_consent(lacks: Shortfalls) -> Statement | None:
    """The channel whose consents are known least; None where none are supplied."""
    if lacks.consent is None:
        return None
    channels = lacks.consent.channels
    least = channels.iloc[int(channels["unknown"].to_numpy().argmax())]
    return say(
        "quality.consent",
        channel=f"quality.channel.{least['channel']}",
        n=lacks.consent.customers,
        yes=int(least["yes"]),
        no=int(least["no"]),
        unknown=int(least["unknown"]),
    )


def quality_maturity(found: Maturity) -> Statement:
    """The pillar with the lowest score, or those that can be scored at all."""
    scored = [each for each in found.pillars if each.score is not None]
    n = len(found.pillars)
    if not scored:
        return say("quality.maturity_none", n=n)
    lowest = min(scored, key=lambda each: each.score or 0.0)
    values = {"pillar": f"quality.pillar.{lowest.name}", "score": lowest.score}
    if len(scored) < n:
        return say(
            "quality.maturity_part",
            measured=len(scored),
            n=n,
            items=len(lowest.measured),
            all=len(lowest.items),
            **values,
        )
    best = max(scored, key=lambda each: each.score or 0.0)
    name = f"quality.pillar.{best.name}"
    return say("quality.maturity", best=name, best_score=best.score, **values)


def quality_maturity_items(found: Maturity) -> Statement:
    """What a score is, and how many of the items are measured."""
    items = [item for each in found.pillars for item in each.items]
    measured = sum(item.is_measured for item in items)
    return say("quality.maturity_items", measured=measured, n=len(items))


def most_broken(rows: Funnel) -> tuple[TableFunnel, float]:
    """The table with the largest share of rows that break its contract, and that share."""
    held = [each for each in rows.tables if each.in_scope]
    worst = max(held, key=lambda each: each.broken / each.in_scope)
    return worst, worst.broken / worst.in_scope
