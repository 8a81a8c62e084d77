"""The command as a user and a scheduler meet it: what it writes, says and ends with."""

import json
import os
import re
import signal
import time

import pytest

from relkit.run.publish import Outputs

RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
BLOCKS = """
import pandas as pd
import relkit as rk
rk.save_table(pd.DataFrame({"customer_id": ["a"], "clv": [1.5]}), "values")
"""
GATES = 'rk.details("Gates", rk.gate("rows add up", True), rk.gate("no gaps", False))'
SLIDE = 'rk.slide(rk.statement(en="{n:count} customers", zh="{n:count} 位客户", n=n))'
SOURCE = """rk.provenance({"name": "Shop", "files": [
    {"path": "shop.csv", "rows": 3, "sha256": "ab" * 32}]})"""


def test_a_run_is_published_whole(project):
    project.add("story", "# Worth\n\nHow much?", BLOCKS, GATES, SLIDE, SOURCE)
    code, out, err = project.relkit("run", "params/story/weekly.yaml", "--set", "n=3")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:3] == [
        "story-weekly: parameters checked",
        "story-weekly: executing 5 cells",
        "story-weekly: rendered",
    ]
    assert re.fullmatch(
        rf"story-weekly: published outputs/story-weekly/{RUN_ID.pattern}/report.html \(.* s\)",
        lines[3],
    )

    folder = (project.outputs / "story-weekly" / "latest").resolve()
    assert {p.name for p in folder.iterdir()} == {
        "report.html", "deck.html", "notebook.ipynb", "tables", "run.json"
    }  # fmt: skip
    assert {p.name for p in (folder / "tables").iterdir()} == {"values.csv", "values.parquet"}
    record = project.record("story-weekly")
    assert record["run_id"] == folder.name
    assert RUN_ID.fullmatch(record["run_id"])
    assert (record["report"], record["notebook"], record["status"]) == (
        "story-weekly", "story", "published"
    )  # fmt: skip
    assert record["parameters"] == {"n": 3}
    assert record["data"]["files"] == [{"path": "shop.csv", "rows": 3, "sha256": "ab" * 32}]
    assert record["gates"] == [
        {"statement": "rows add up", "passed": True},
        {"statement": "no gaps", "passed": False},
    ]
    assert record["finding"] == "3 customers"
    assert (record["title"], record["question"]) == ("Worth", "How much?")
    assert {"python", "relkit", "pandas", "numpy", "duckdb", "papermill"} <= set(record["versions"])
    assert set(record["seconds"]) == {"check", "execute", "render", "publish"}
    assert record["started_at"] < record["finished_at"]

    # Every file that a reader gets is in the record with its hash, and the other way round.
    there = {
        path.removeprefix(f"story-weekly/{folder.name}/"): value
        for path, value in project.published().items()
        if folder.name in path and not path.endswith("run.json")
    }
    assert record["files"] == there

    (entry,) = project.ledger()
    assert (entry["run_id"], entry["status"]) == (folder.name, "published")
    index = (project.outputs / "index.html").read_text()
    for page in ("report.html", "deck.html"):
        assert f'href="story-weekly/{folder.name}/{page}"' in index
    assert not list((project.outputs / ".work" / "story-weekly").iterdir())


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A project in which a report was published once; its outputs must stay as they are."""
    import shutil

    root = tmp_path_factory.mktemp("published")
    for folder in ("notebooks", "params"):
        (root / folder).mkdir()
    yield root
    shutil.rmtree(root)


@pytest.fixture
def once(published, project):
    """A project with one published report, copied so that each test may harm its own."""
    import shutil

    done = type(project)(published)
    if not done.outputs.exists():
        done.add("tiny", "# Tiny", "n + 1")
        code, _, err = done.relkit("run", "params/tiny/weekly.yaml")
        assert code == 0, err
    shutil.copytree(published, project.root, symlinks=True, dirs_exist_ok=True)
    return project


@pytest.mark.parametrize(
    ("parameters", "text", "words", "set_"),
    [
        ("n: int = 1", "m: 2\n", "unknown parameter 'm'; it takes n", ()),
        ("n: int = 1", "n: two\n", "n='two' must be a whole number", ()),
        ("n: int = 1", "n: 12:30\n", "line 1: 12:30 is counted in sixties", ()),
        ("n: int = 1", "", "n=1.5 must be a whole number", ("--set", "n=1.5")),
        (None, "", "no code cell is tagged 'parameters'", ()),
        ("n = 1", "", "'n = 1' has no type", ()),
    ],
)
def test_wrong_use_ends_with_2_and_changes_nothing_at_all(once, parameters, text, words, set_):
    before = once.everything()
    once.add("tiny", "# Tiny", "n", parameters=parameters)
    once.given("tiny", text)
    code, _, err = once.relkit("run", "params/tiny/weekly.yaml", *set_)
    assert code == 2
    assert words in err
    assert "Traceback" not in err
    assert once.everything() == before


def test_two_parameter_cells(once):
    before = once.everything()
    once.add("tiny", ("n: int = 2", "parameters"))
    code, _, err = once.relkit("run", "params/tiny/weekly.yaml")
    assert code == 2
    assert "notebooks/tiny.ipynb: 2 cells are tagged 'parameters' (cells 1, 2)" in err
    assert once.everything() == before


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("params/tiny/weakly.yaml", "no such file; did you mean 'weekly.yaml'?"),
        ("params/tinny/weekly.yaml", "no such notebook; did you mean 'tiny'?"),
        ("params/weekly.yaml", "a parameter file lies in params/<notebook>/<report>.yaml"),
        ("params/sources/shop.yaml", "is a source, not a report"),
        ("/weekly.yaml", "no project found there or above"),
    ],
)
def test_files_that_are_no_report(project, path, words):
    project.add("tiny", "n")
    for name in ("tinny", "sources"):
        project.given(name, "", "weekly")
    project.given("sources", "", "shop")
    (project.root / "params" / "weekly.yaml").touch()
    code, _, err = project.relkit("run", path)
    assert code == 2
    assert words in err


def test_two_files_never_publish_to_one_place(project):
    project.add("a", "1")
    project.given("a", "", "b-c")
    project.add("a-b", "1")
    project.given("a-b", "", "c")
    code, _, err = project.relkit("run", "params/a/b-c.yaml")
    assert code == 2
    assert "would publish to the same place as params/a-b/c.yaml: a-b-c; rename one" in err


def test_a_failed_run_is_kept_apart_and_the_earlier_report_stays(once):
    before = once.published()
    once.add("tiny", "# Tiny", "n", "## Sums", "int('x')")
    code, out, err = once.relkit("run", "params/tiny/weekly.yaml")
    assert code == 1
    message = err.strip()
    assert message.startswith(
        "cell 5 of notebooks/tiny.ipynb (under 'Sums') raised ValueError: invalid literal"
    )
    assert message.endswith("/notebook.ipynb, or run again with --traceback")
    assert "did not publish" in out
    assert once.published() == before

    (kept,) = (once.outputs / ".failed" / "tiny-weekly").iterdir()
    assert f"outputs/.failed/tiny-weekly/{kept.name}/notebook.ipynb" in message
    record = json.loads((kept / "run.json").read_text())
    assert record["status"] == "failed"
    assert message.startswith(record["message"] + "; see outputs/.failed")
    assert "invalid literal" in (kept / "notebook.ipynb").read_text()
    assert [entry["status"] for entry in once.ledger()] == ["published", "failed"]
    index = (once.outputs / "index.html").read_text()
    assert "The newest run failed; this is the last good one." in index
    assert "raised ValueError" in index

    code, _, err = once.relkit("run", "params/tiny/weekly.yaml", "--traceback")
    assert code == 1
    assert "int('x')" in err
    assert err.count("raised ValueError") == 1


def test_a_page_that_cannot_be_made_is_a_failed_run(project, monkeypatch):
    from relkit.errors import RunError
    from relkit.report import html
    from relkit.run.runner import run_report

    def broken(document, record):
        raise RuntimeError("no ink")

    project.add("tiny", "# Tiny", "n")
    monkeypatch.setattr(html, "render_report", broken)
    with pytest.raises(RunError, match="relkit itself failed with RuntimeError: no ink"):
        run_report(project.root / "params/tiny/weekly.yaml")
    assert not project.published()
    assert [entry["status"] for entry in project.ledger()] == ["failed"]


def test_two_runs_of_one_report_one_publishes(once):
    once.add("tiny", "import time; time.sleep(1.5)")
    processes = [once.start("run", "params/tiny/weekly.yaml") for _ in range(2)]
    ended = [(p.communicate(timeout=60), p.returncode) for p in processes]
    assert sorted(code for _, code in ended) == [0, 75]
    (busy,) = [err for (_, err), code in ended if code == 75]
    assert "tiny-weekly: another run of this report is going on (process" in busy
    assert len(once.ledger()) == 2


def wait_for(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.02)


def alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


SAY_PID = "import os, time; open('kernel.pid', 'w').write(str(os.getpid())); time.sleep(60)"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_leaves_the_earlier_report_and_no_process(once, how):
    before = once.published()
    once.add("tiny", SAY_PID)
    process = once.start("run", "params/tiny/weekly.yaml")
    pid = once.root / "kernel.pid"
    wait_for(lambda: pid.exists() and pid.read_text())
    os.kill(process.pid, how)
    _, err = process.communicate(timeout=30)
    assert process.returncode == (-9 if how == signal.SIGKILL else 1)
    wait_for(lambda: not alive(int(pid.read_text())))
    assert once.published() == before
    if how != signal.SIGKILL:
        assert "the run was interrupted while cell 2 of notebooks/tiny.ipynb ran" in err
        assert [entry["status"] for entry in once.ledger()] == ["published", "failed"]
        return

    # Nobody could put the killed run away; the next one does, and publishes.
    once.add("tiny", "n + 1")
    code, _, err = once.relkit("run", "params/tiny/weekly.yaml")
    assert code == 0, err
    assert (
        once.published().items()
        > {path: value for path, value in before.items() if not path.endswith("latest")}.items()
    )
    assert [entry["status"] for entry in once.ledger()] == [
        "published", "interrupted", "published"
    ]  # fmt: skip
    assert "the run ended without a word" in (once.outputs / "index.html").read_text()


def test_several_reports_one_failing_stops_none(project):
    project.add("good", "n")
    project.add("bad", "1 / 0")
    project.add("wrong", "n")
    project.given("wrong", "m: 1")
    code, out, err = project.relkit(
        "run", *(f"params/{name}/weekly.yaml" for name in ("bad", "wrong", "good"))
    )
    assert code == 1
    assert [line.split("  ")[0].split() for line in out.splitlines()[-3:]] == [
        ["failed"], ["wrong", "use"], ["published"]
    ]  # fmt: skip
    assert "ZeroDivisionError" in err
    assert "unknown parameter 'm'" in err
    assert [entry["report"] for entry in project.ledger() if entry["status"] == "published"] == [
        "good-weekly"
    ]


def test_outputs_that_cannot_be_written(project):
    project.add("tiny", "n")
    (project.root / "taken").write_text("a file")
    code, _, err = project.relkit("run", "params/tiny/weekly.yaml", "--outputs", "taken/here")
    assert code == 1
    assert "taken" in err
    assert "nothing was published" in err
    assert "Traceback" not in err


def test_the_ledger_outlives_a_line_that_was_cut_off(project):
    from relkit.run import publish

    place = Outputs(project.outputs)
    place.root.mkdir()
    place.ledger.write_text('{"run_id": "a"}\n{"run_id": "b", "rep')
    record = publish.RunRecord("r", "n", "c", "failed", {}, "params/n/r.yaml", publish.now())
    publish.enter(place, record, place.failed("r") / "c")
    assert [entry["run_id"] for entry in publish.read_ledger(place)] == ["a", "c"]
