"""Sources written for one test: a project folder with a YAML and a file."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

CSV_YAML = """\
name: Shop
format: csv
files: data/shop.csv
{settings}transactions:
  customer_id: customer
  occurred_at: day
  amount: amount
{columns}"""

MakeSource = Callable[..., str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project that is the working directory."""
    for folder in ("params/sources", "data"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def make_source(project: Path) -> MakeSource:
    """Writes data/shop.csv and params/sources/shop.yaml; gives the YAML's relative path."""

    def make(
        content: str | bytes,
        *,
        settings: str = "",
        columns: str = "",
        encoding: str = "utf-8",
        zipped: bool = False,
    ) -> str:
        data = content if isinstance(content, bytes) else content.encode(encoding)
        name = "shop.csv.gz" if zipped else "shop.csv"
        (project / "data" / name).write_bytes(gzip.compress(data) if zipped else data)
        if settings and not settings.endswith("\n"):
            settings += "\n"
        text = CSV_YAML.format(settings=settings, columns=columns)
        text = text.replace("shop.csv", name)
        (project / "params/sources/shop.yaml").write_text(text, encoding="utf-8")
        return "params/sources/shop.yaml"

    return make
