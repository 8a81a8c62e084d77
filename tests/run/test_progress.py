"""What is shown while reports run: bars on a terminal, lines elsewhere."""

import io
from pathlib import Path

from rich.console import Console

from relkit.run import progress
from relkit.run.runner import Step
from relkit.run.workers import Outcome, Request

STEPS = [
    Step("checked"),
    Step("executing", cells=3),
    Step("cell", "Load"),
    Step("cell", "Who [bold]buys[/bold]?"),
    Step("cell", "Findings"),
    Step("rendering"),
    Step("rendered"),
]


def bars():
    terminal = Console(file=io.StringIO(), force_terminal=True, width=160, _environ={})
    return progress.progress_bars(terminal)


def test_a_bar_moves_a_step_a_cell_and_shows_the_heading(tmp_path):
    made = bars()
    watcher = progress.Bars(made)
    seen = []
    for step in STEPS:
        watcher.step("value-shop", step)
        (task,) = made.tasks
        seen.append((task.completed, task.total, task.fields["doing"]))
    assert seen == [
        (0, None, "parameters checked"),
        (0, 5, "kernel starting"),
        (0, 5, "Load"),
        (1, 5, "Who [bold]buys[/bold]?"),
        (2, 5, "Findings"),
        (3, 5, "rendering"),
        (4, 5, "publishing"),
    ]
    watcher.ended(Outcome(Request(Path("params/value/shop.yaml")), 0, folder=tmp_path))
    (task,) = made.tasks
    assert task.finished
    assert task.fields["doing"].endswith("report.html")


def test_text_in_a_heading_is_no_markup():
    made = bars()
    watcher = progress.Bars(made)
    with made:
        for step in STEPS[:4]:
            watcher.step("value-shop", step)
        watcher.tick()
    assert "Who [bold]buys[/bold]?" in made.console.file.getvalue()


def test_a_run_that_fails_before_its_first_step_has_a_line_too(capsys):
    request = Request(Path("params/value/shop.yaml"))
    made = bars()
    progress.Bars(made).ended(Outcome(request, 2, "wrong"))
    assert made.tasks[0].fields["doing"] == "did not publish"
    progress.Lines().ended(Outcome(request, 2, "wrong"))
    assert capsys.readouterr().out == "value-shop: did not publish\n"
