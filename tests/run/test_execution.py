"""A real kernel: what it is given, and every way a notebook can fail to reach its end."""

import json
import os
import subprocess
import sys

import pytest

from relkit.errors import NotebookError
from relkit.run.notebook import execute, heading_above, read_notebook, title_and_question


def outcome(project, *cells, **parameters):
    project.add("tiny", "# Tiny\n\nWhat is it?", "## First part", "n + 1", *cells)
    path = project.root / "notebooks" / "tiny.ipynb"
    seen = []
    done = execute(path, parameters, project.root, project.root / "tables", "en", seen.append)
    return done, seen


def shown_by(executed):
    return [
        output["data"]["text/plain"] if "data" in output else output.get("text")
        for cell in executed.notebook.cells
        for output in cell.get("outputs", [])
    ]


def test_the_kernel_is_this_python_whatever_the_machine_offers(project, monkeypatch):
    # A kernel specification that comes first and cannot run.
    spec = project.root / "elsewhere" / "kernels" / "python3"
    spec.mkdir(parents=True)
    broken = {"argv": ["/bin/false"], "display_name": "Broken", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(broken))
    monkeypatch.setenv("JUPYTER_PATH", str(spec.parents[1]))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    executed, seen = outcome(
        project,
        "## Second part",
        "import os, sys\n"
        "(sys.executable, os.getcwd(), os.environ['RELKIT_TABLES'], sys.dont_write_bytecode)",
        n=41,
    )
    assert executed.failure is None
    first, second = shown_by(executed)
    assert first == "42"
    assert eval(second) == (
        sys.executable, str(project.root), str(project.root / "tables"), False
    )  # fmt: skip
    # The parameter cell stands above every heading here.
    assert seen == ["", "First part", "Second part"]
    # Nothing of this machine's folders stays in what is published, beside the outputs.
    assert str(project.root) not in json.dumps(executed.notebook.metadata)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("1 / 0", "raised ZeroDivisionError: division by zero"),
        ("raise KeyError", "raised KeyError"),
        ("import sys; sys.exit(0)", "ended the notebook with sys.exit(0); a report is published"),
        ("raise SystemExit", "ended the notebook with sys.exit()"),
        ("exit()", "ended the notebook with exit()"),
        ("import os; os._exit(0)", "the kernel died (most often the machine ran out of memory)"),
        (("2", "skip-execution"), "was not run; every code cell must run"),
        (("1 / 0", "raises-exception"), "raised ZeroDivisionError"),
    ],
)
def test_every_way_to_stop_early_is_a_failure_that_names_the_cell(project, source, words):
    executed, _ = outcome(project, "## The end", source, *([] if source == "exit()" else ["3"]))
    assert words in executed.failure.message
    # Parameters, title, heading, sum, heading, and this; the injected cell is not counted.
    assert "cell 6 of notebooks/tiny.ipynb (under 'The end')" in executed.failure.message
    assert not executed.failure.explained
    assert "2" in shown_by(executed)[0]  # what had run is kept


def test_an_error_of_relkit_is_shown_as_it_is(project):
    executed, _ = outcome(
        project,
        "from relkit.errors import DataError\n"
        "raise DataError('transactions: 2 faults', ['one', 'two'])",
    )
    assert executed.failure.message == (
        "transactions: 2 faults\n  - one\n  - two\n"
        "  in cell 5 of notebooks/tiny.ipynb (under 'First part')"
    )
    assert executed.failure.explained
    assert "Traceback" in executed.failure.traceback
    assert "\x1b" not in executed.failure.traceback


def test_plain_papermill_runs_the_same_files(project):
    path = project.add("tiny", "# Tiny", "n + 1")
    path.write_text("n: 41\n")
    done = subprocess.run(
        [sys.executable, "-m", "papermill", "notebooks/tiny.ipynb", "out.ipynb",
         "-f", "params/tiny/weekly.yaml"],
        cwd=project.root, capture_output=True, text=True,
        env={**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ran = json.loads((project.root / "out.ipynb").read_text())
    assert ran["cells"][-1]["outputs"][0]["data"]["text/plain"] == ["42"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not a notebook (no JSON)"),
        ("[]", "not a notebook of format 4"),
        ('{"nbformat": 3, "worksheets": []}', "not a notebook of format 4"),
        ('{"nbformat": 4, "cells": 1}', "holds no list of cells"),
        (
            '{"nbformat": 4, "cells": [], "metadata": {"kernelspec": {"language": "R"}}}',
            "its kernel is for R",
        ),
    ],
)
def test_what_is_no_python_notebook(tmp_path, content, words):
    path = tmp_path / "x.ipynb"
    path.write_text(content)
    with pytest.raises(NotebookError) as caught:
        read_notebook(path, "notebooks/x.ipynb")
    assert words in str(caught.value)
    with pytest.raises(NotebookError, match="no such notebook; did you mean 'x'"):
        read_notebook(tmp_path / "xx.ipynb", "notebooks/xx.ipynb")


STORY = (
    "# Value\n\nWhat are they **worth**,\nand how sure?\n\nMore.",
    ("n: int = 1", "parameters"),
    "## Who buys\n\n### In detail",
    "1",
)


def test_title_and_question_come_from_the_first_cell(make_notebook):
    assert title_and_question(make_notebook(*STORY)) == (
        "Value", "What are they worth, and how sure?"
    )  # fmt: skip
    both = make_notebook("<!-- en -->\n# Value\nHow much?\n\n<!-- zh -->\n# 价值\n值多少？")
    assert title_and_question(both, "en") == ("Value", "How much?")
    assert title_and_question(both, "zh") == ("价值", "值多少？")
    assert title_and_question(make_notebook("1")) == ("", "")


def test_the_heading_of_a_cell_is_the_nearest_above(make_notebook):
    cells = make_notebook(*STORY)["cells"]
    assert heading_above(cells, 3) == "In detail"
    assert heading_above(cells, 1) == "Value"
    assert heading_above(cells[1:], 0) == ""
