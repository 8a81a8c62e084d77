"""What stands beside a synthetic world's tables: its source YAML and its README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relkit.data.world_parameters import CURRENCY, TIME_ZONE, WorldParameters

NOTES: Mapping[str, str] = {
    "transactions": "purchases of consumers",
    "customers": "consumers (SYN-C…) and accounts (SYN-A…)",
    "touches": "contacts with consumers, interactions with accounts",
    "feedback": "requests for a score and their answers (csat, nps)",
    "tickets": "complaints, questions, incidents, requests",
    "engagement": "logins of accounts by week",
    "contracts": "yearly contracts of accounts",
    "assignments": "which contact frequency each consumer was randomised to",
    "referrals": "consumers who came because another sent them",
    "owners": "who looks after accounts",
    "owner_history": "from when to when",
    "interviews": "what accounts said of themselves in interviews",
    "survey_values": "what accounts said of themselves in a survey",
    "stages": "first, second, third, fifth, tenth purchase of each consumer",
    "needs": "what accounts ask for",
    "reviews": "people's verdict on accounts at the snapshot",
}


def source_text(world: WorldParameters, form: str, columns: Mapping[str, Sequence[str]]) -> str:
    """The source YAML of a world's folder.

    Args:
        world: Its parameters.
        form: 'parquet' or 'csv'.
        columns: Table → its columns in the files.
    """
    lines = [
        "# Simulated customers; nobody here is real.",
        "name: {en: Synthetic world, zh: 合成客户世界}",
        f"format: {form}",
        f"currency: {CURRENCY}",
        f"time_zone: {TIME_ZONE}       # times are wall clock there",
        "synthetic: true",
        "tables:",
    ]
    for name in world.tables:
        lines += [f"  {name}:", f"    files: data/{name}.{form}", "    columns:"]
        lines += [f"      {column}: {column}" for column in columns[name]]
    return "\n".join(lines) + "\n"


def readme_text(world: WorldParameters, csv: bool) -> str:
    """What the folder is, for whoever finds it."""
    faults = (
        "no faults" if world.faults is None else "planted faults, listed in truth/faults.parquet"
    )
    accounts = f" and {world.accounts:,} accounts" if world.accounts else ""
    lines = [
        "# Synthetic world",
        "",
        f"Simulated by relkit: {world.customers:,} consumers{accounts} over {world.weeks} weeks, "
        f"{world.start} to {world.last_day}, with {faults}. Nobody here is real: names are made "
        "of word lists, e-mail addresses use domains reserved for examples, telephone numbers "
        "ranges reserved for fiction.",
        "",
        f"- kind: {world.kind}, seed: {world.seed}",
        f"- look back from `as_of: {world.as_of}`; what is later is the future "
        "(`later_rows: set_aside`)",
        "- `params/sources/world.yaml`: the source to open",
        *(["- `params/sources/world_csv.yaml`: the same from CSV"] if csv else []),
        "- `data/`: what a company would have on record",
        "- `truth/`: what no company knows; not for methods, only to score them",
        "- `world.json`: what the world was made of, and the hash of each file",
        "",
        "| table | what it holds |",
        "|---|---|",
        *(f"| {name} | {NOTES[name]} |" for name in world.tables),
    ]
    return "\n".join(lines) + "\n"
