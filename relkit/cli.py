"""The commands. Each says one line on what is wrong, and ends with a code that means it.

0 published or right · 1 failed · 2 wrong use · 75 another run is going on
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relkit import __version__
from relkit.errors import RelkitError

if TYPE_CHECKING:
    from relkit.run.workers import Outcome, Request


def complain(message: str) -> None:
    """A message on standard error; characters from the data cannot command the terminal."""
    from relkit.report.language import visible

    click.echo(visible(message), err=True)


class Commands(click.Group):
    """A group whose commands end with an error's own code, its text and no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RelkitError as error:
            complain(str(error))
            ctx.exit(error.exit_code)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="relkit")
def main() -> None:
    """Research notebooks on customer relationships: run, checked and published.

    Exit codes: 0 published, 1 failed, 2 wrong use, 75 another run of the report is going on.
    """


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r} must be name=value, such as top_customers=50")
    return name.strip(), value


def _pairs(_: Any, __: Any, texts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(_pair(text) for text in texts)


_outputs = click.option(
    "--outputs",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to publish; outputs/ of the project unless said.",
)
_set = click.option(
    "--set",
    "overrides",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_pairs,
    help="A value that comes before the file's; may be given several times.",
)
_workers = click.option(
    "--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Runs at once."
)
_traceback = click.option("--traceback", is_flag=True, help="Show the whole story of a failure.")
_files = click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)


@main.command()
@_files
@_set
@_outputs
@_workers
@_traceback
def run(
    files: tuple[Path, ...],
    overrides: tuple[tuple[str, str], ...],
    outputs: Path | None,
    workers: int,
    traceback: bool,
) -> None:
    """Run reports: params/<notebook>/<report>.yaml -> outputs/<notebook>-<report>/."""
    from relkit.run.workers import Request, worst

    outcomes = _run([Request(path, overrides, outputs) for path in files], workers, traceback)
    if len(outcomes) > 1:
        click.echo(_summary(outcomes))
    sys.exit(worst(outcomes))


def _run(requests: list[Request], workers: int, traceback: bool) -> list[Outcome]:
    from relkit.run.progress import watcher
    from relkit.run.workers import run_many

    with watcher() as watching:
        outcomes = run_many(requests, workers, watching)
    for outcome in outcomes:
        if outcome.folder is None:
            if traceback and outcome.details:
                complain(outcome.details)
            complain(outcome.message)
    return outcomes


def _summary(outcomes: list[Outcome]) -> str:
    from relkit.run.progress import shown_path

    words = {0: "published", 1: "failed", 2: "wrong use", 75: "busy"}
    return "\n".join(
        f"{words.get(outcome.exit_code, 'failed'):<10} {outcome.request.name}"
        + (f"  {shown_path(outcome.folder)}" if outcome.folder else "")
        for outcome in outcomes
    )


@main.command()
@_files
@_set
def check(files: tuple[Path, ...], overrides: tuple[tuple[str, str], ...]) -> None:
    """Check parameters and data; no kernel starts. FILE is a report or a source."""
    from relkit.run.inspection import inspect_file

    faults: list[RelkitError] = []
    for path in files:
        try:
            click.echo(inspect_file(path, overrides))
        except RelkitError as error:
            faults.append(error)
            complain(str(error))
    if faults:
        sys.exit(1 if any(fault.exit_code == 1 for fault in faults) else faults[0].exit_code)


@main.command(name="list")
@_outputs
def list_(outputs: Path | None) -> None:
    """List notebooks, their parameter files, and how each last ran."""
    from relkit.run.inspection import inventory
    from relkit.run.runner import find_root

    click.echo(inventory(find_root(Path.cwd()), outputs))


@main.command()
@_outputs
def index(outputs: Path | None) -> None:
    """Rebuild outputs/index.html."""
    from relkit.run.index import write_index
    from relkit.run.progress import shown_path
    from relkit.run.publish import Outputs, cannot_write
    from relkit.run.runner import find_root

    place = Outputs((outputs or find_root(Path.cwd()) / "outputs").absolute())
    try:
        click.echo(shown_path(write_index(place)))
    except OSError as error:
        raise cannot_write(error, place) from error


@main.command()
@click.argument("language", type=click.Choice(["en", "zh"]), default="en")
@_outputs
@_workers
@_traceback
def demo(language: str, outputs: Path | None, workers: int, traceback: bool) -> None:
    """Run the notebooks on CDNOW's real customers and on simulated ones, in English or Chinese."""
    from relkit.run.demo import closing_words, demo_requests, make_world
    from relkit.run.progress import shown_path
    from relkit.run.runner import find_root
    from relkit.run.workers import worst

    root = find_root(Path.cwd())
    requests = demo_requests(root, language, outputs)
    written = make_world(root)
    if written is not None:
        click.echo(f"{shown_path(written)}: a synthetic world, for what CDNOW has no tables for")
    outcomes = _run(requests, workers, traceback)
    index_page = (outputs or root / "outputs").absolute() / "index.html"
    click.echo(closing_words(outcomes, index_page, language))
    sys.exit(worst(outcomes))


@main.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--customers", type=int, default=20_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--kind",
    type=click.Choice(["full", "flat", "pure"]),
    default="full",
    show_default=True,
    help="full: contacts matter; flat: they do not; pure: nothing but buying and leaving.",
)
@click.option("--faults/--clean", default=True, show_default=True, help="Plant known faults.")
@click.option("--csv", is_flag=True, help="CSV files beside the Parquet ones.")
def world(out: Path, customers: int, seed: int, kind: Any, faults: bool, csv: bool) -> None:
    """Write a synthetic data set with known truth, ready to be opened."""
    from relkit.data.world_files import write_world

    planted = "planted" if faults else None
    click.echo(write_world(out, customers, seed, kind=kind, faults=planted, csv=csv).describe())


@main.command()
@click.argument("plan", type=click.Path(path_type=Path))
def freeze(plan: Path) -> None:
    """Freeze the PLAN of an experiment before its start; later changes are shown."""
    from relkit.frequency.freezing import freeze_plan
    from relkit.run.inspection import inspect_file

    freeze_plan(plan.absolute())
    click.echo(inspect_file(plan))


@main.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="A CSV file that is written; it holds ids, so keep it where the data are.",
)
def ids(source: Path, out: Path) -> None:
    """Write which pseudonym stands for which customer of SOURCE, by this user's key."""
    from relkit.run.identities import write_ids

    click.echo(write_ids(source, out))


@main.group(cls=Commands, name="source")
def source_() -> None:
    """Sources: say which column of a file is which."""


@source_.command(name="new")
@_files
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write; params/sources/<name of the file>.yaml unless said.",
)
@click.option(
    "--table", metavar="NAME", help="Which table the file holds; recognised by its columns."
)
def source_new(files: tuple[Path, ...], out: Path | None, table: str | None) -> None:
    """Propose a mapping of the columns of FILE..., one table each; overwrites nothing."""
    from relkit.data.proposal import write_proposal
    from relkit.run.progress import shown_path
    from relkit.run.runner import find_root

    place, proposal = write_proposal(files, find_root(Path.cwd()), out, table)
    click.echo(f"{shown_path(place)}: {proposal.described()}\n\nrelkit check {shown_path(place)}")
