"""Small projects built in code, and the command run as a user runs it."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PARAMETERS = "n: int = 1  # how many"


def markdown(text):
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def code(source, *tags):
    return {
        "cell_type": "code",
        "metadata": {"tags": list(tags)},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def notebook(*cells):
    """A notebook of cells: text, Markdown if it begins with a mark of it; or (code, tag)."""
    made = []
    for number, cell in enumerate(cells):
        if isinstance(cell, tuple):
            cell = code(*cell)
        else:
            cell = markdown(cell) if cell.startswith(("# ", "## ", "<!--")) else code(cell)
        made.append({**cell, "id": f"cell-{number}"})
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


@dataclass
class Project:
    """A project folder with tiny notebooks, and the relkit command in it."""

    root: Path

    def add(self, name, *cells, parameters=PARAMETERS):
        """A notebook, with a parameter cell in front, and params/<name>/weekly.yaml."""
        cells = cells if parameters is None else ((parameters, "parameters"), *cells)
        path = self.root / "notebooks" / f"{name}.ipynb"
        path.write_text(json.dumps(notebook(*cells)), encoding="utf-8")
        return self.given(name, "")

    def given(self, name, text, report="weekly"):
        path = self.root / "params" / name / f"{report}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    @property
    def outputs(self):
        return self.root / "outputs"

    def start(self, *words, **env):
        return subprocess.Popen(
            [sys.executable, "-m", "relkit", *map(str, words)],
            cwd=self.root,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Where the tests themselves run in the background, SIGINT is ignored and would stay so.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def relkit(self, *words, **env):
        """Exit code, standard output, standard error."""
        process = self.start(*words, **env)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def record(self, name):
        return json.loads((self.outputs / name / "latest" / "run.json").read_text())

    def ledger(self):
        path = self.outputs / "runs.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def published(self):
        """A hash of every file that readers of reports see, and where ``latest`` points."""
        return {
            path: value
            for path, value in self.everything().items()
            if not path.startswith((".failed", ".work", ".locks"))
            and path not in ("runs.jsonl", "index.html")
        }

    def everything(self):
        if not self.outputs.exists():
            return {}
        return {
            path.relative_to(self.outputs).as_posix(): os.readlink(path)
            if path.is_symlink()
            else hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.outputs.rglob("*"))
            if path.is_symlink() or path.is_file()
        }


@pytest.fixture
def make_notebook():
    return notebook


@pytest.fixture
def project(tmp_path):
    for folder in ("notebooks", "params"):
        (tmp_path / folder).mkdir()
    return Project(tmp_path)


@pytest.fixture(scope="session")
def project_at():
    """A project in a folder of one's own, for what many tests share."""

    def make(root):
        for folder in ("notebooks", "params/sources", "data"):
            (root / folder).mkdir(parents=True)
        return Project(root)

    return make
