"""Every shipped notebook, run small and published, once for all tests here."""

import fcntl
import hashlib
import hmac
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("customer_value", "segments", "review_deck")
MIME = "application/vnd.relkit.block+json"


@dataclass(frozen=True)
class Published:
    """One published report, as a reader and a program find it."""

    folder: Path

    @property
    def record(self):
        return json.loads((self.folder / "run.json").read_text(encoding="utf-8"))

    @property
    def report(self):
        return self.folder / "report.html"

    @property
    def deck(self):
        return self.folder / "deck.html"

    def table(self, name):
        """A saved table, with the ids back in the place of their pseudonyms."""
        frame = pd.read_parquet(self.folder / "tables" / f"{name}.parquet")
        if "customer_id" in frame:
            frame["customer_id"] = frame["customer_id"].map(ids_behind())
            assert frame["customer_id"].notna().all()
        return frame

    def nodes(self, kind):
        """Every block part of a kind that the cells emitted, in order."""
        notebook = json.loads((self.folder / "notebook.ipynb").read_text(encoding="utf-8"))
        found = []
        for cell in notebook["cells"]:
            for output in cell.get("outputs", []):
                if MIME in output.get("data", {}):
                    _collect(output["data"][MIME], kind, found)
        return found

    def statements(self):
        """key -> values of every statement, those inside others too."""
        found = {}
        for phrase in self.nodes("phrase"):
            _statements(phrase["key"], dict(map(tuple, phrase["values"])), found)
        return found


@lru_cache(maxsize=1)
def ids_behind():
    """pseudonym -> id of the CDNOW sample, by hashlib's HMAC with the tests' key."""
    key = os.environ["RELKIT_PSEUDONYM_KEY"].encode()
    behind = {}
    for number in range(1, 23_571):
        digits = hmac.new(key, f"{number:05d}".encode(), hashlib.sha256).hexdigest()
        behind["-".join((digits[:5], digits[5:10], digits[10:15]))] = f"{number:05d}"
    return behind


def _statements(key, values, found):
    if key:
        found[key] = values
    for value in values.values():
        if isinstance(value, dict) and "values" in value:
            _statements(value["key"], value["values"], found)


def _collect(node, kind, found):
    if isinstance(node, dict):
        if node.get("node") == kind:
            found.append(node)
        for value in node.values():
            _collect(value, kind, found)
    elif isinstance(node, list):
        for item in node:
            _collect(item, kind, found)


@pytest.fixture(scope="session")
def published(tmp_path_factory, worker_id):
    """(notebook, language) -> what ``relkit run`` published from the CDNOW sample."""
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent  # one folder for all workers: the first runs, the others read
    outputs = shared / "published"
    with (shared / "published.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not outputs.exists():
            _publish(outputs)
    return {
        (name, language): Published(outputs / f"{name}-cdnow{end}" / "latest")
        for name in NAMES
        for language, end in (("en", ""), ("zh", "_zh"))
    }


def _publish(outputs):
    files = [f"params/{name}/cdnow{end}.yaml" for name in NAMES for end in ("", "_zh")]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "relkit", "run", *files, "--outputs", str(outputs)),
            *("--workers", "2", "--set", "source=params/sources/cdnow_sample.yaml"),
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session", name="ids_behind")
def _behind():
    """pseudonym -> id of every CDNOW customer."""
    return ids_behind()
