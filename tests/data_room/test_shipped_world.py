"""The world that the shipped reports read: its source is the one a world is written with."""

from pathlib import Path

import pytest

import relkit as rk

ROOT = Path(__file__).parents[2]


def test_the_shipped_source_is_the_written_one_but_for_the_folder(tmp_path):
    written = rk.write_world(tmp_path / "world", customers=60, seed=3)
    expected = written.source.read_text(encoding="utf-8").replace(
        "files: data/", "files: data/world/data/"
    )
    shipped = (ROOT / "params/sources/world.yaml").read_text(encoding="utf-8")
    lines = [line for line in shipped.splitlines() if not line.startswith(("#", "made_by:"))]
    assert lines == [line for line in expected.splitlines() if not line.startswith("#")]


def test_missing_files_are_made_by_the_command_that_the_yaml_names(tmp_path, monkeypatch):
    folder = tmp_path / "params" / "sources"
    folder.mkdir(parents=True)
    text = (ROOT / "params/sources/world.yaml").read_text(encoding="utf-8")
    (folder / "world.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(rk.SourceError, match=r"make it by: \./kit relkit world --out data/world$"):
        rk.open_source("params/sources/world.yaml")
    rk.write_world(tmp_path / "data" / "world", customers=60, seed=3)
    opened = rk.open_source(
        "params/sources/world.yaml",
        as_of="2024-12-29",
        later_rows="set_aside",
        max_set_aside=0.1,
    )
    assert opened.synthetic
    assert opened.missing == ()


def test_made_by_must_be_text(tmp_path, monkeypatch):
    folder = tmp_path / "params" / "sources"
    folder.mkdir(parents=True)
    text = (ROOT / "params/sources/world.yaml").read_text(encoding="utf-8")
    text = text.replace("made_by: ./kit relkit world --out data/world", "made_by: [a, b]")
    (folder / "world.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(rk.SourceError, match="made_by must be a command"):
        rk.open_source("params/sources/world.yaml")
