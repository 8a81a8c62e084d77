"""Commands that start no kernel."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from relkit import __version__
from relkit.cli import main
from relkit.errors import BusyError, ParameterError, RelkitError
from relkit.run.demo import closing_words, demo_requests, make_world
from relkit.run.workers import Outcome, Request, worst

ROOT = Path(__file__).parents[2]
SHOP = """\
name: {en: Shop, zh: 商店}
files: shop.csv
format: csv
transactions:
  transaction_id: order
  customer_id: customer
  occurred_at: when
  amount: paid
currency: USD
"""
ROWS = """\
order,customer,when,paid
1,a,2024-01-05,10.00
2,b,2024-01-09,12.50
3,a,2024-02-01,8.00
"""


def cli(project, *words, monkeypatch):
    monkeypatch.chdir(project.root)
    done = CliRunner().invoke(main, list(words))
    return done.exit_code, done.stdout, done.stderr


def test_version_and_help():
    assert __version__ in CliRunner().invoke(main, ["--version"]).stdout
    helped = CliRunner().invoke(main, ["--help"]).stdout
    for command in ("run", "check", "list", "index", "demo"):
        assert f"  {command} " in helped
        assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0


def test_the_command_itself_loads_nothing_heavy():
    heavy = ("numpy", "pandas", "ibis", "matplotlib", "papermill", "nbformat", "pydantic")
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom relkit.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"


def test_execution_does_not_compile_the_grammars_it_never_uses():
    # The package must be there for the saving to mean anything, and stay usable afterwards.
    code = (
        "import sys, time\nfrom relkit.run.notebook import import_machinery\n"
        "import_machinery()\nprint('rfc3987_syntax' in sys.modules)\n"
        "from importlib.util import find_spec; print(find_spec('rfc3987_syntax') is not None)"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.split() == ["False", "True"]


@pytest.mark.parametrize(
    "words", [["run"], ["run", "--set", "x", "f.yaml"], ["rnu"], ["demo", "fr"]]
)
def test_wrong_words_end_with_2(words):
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_list_says_what_there_is_and_how_it_ran(project, monkeypatch):
    project.add("story", "# Worth\n\nHow much?", "1")
    project.add("broken", "1", parameters=None)
    project.outputs.mkdir()
    (project.outputs / "runs.jsonl").write_text(
        '{"report": "story-weekly", "status": "published", "started_at": "2026-01-01T00:00:00Z"}\n'
        '{"report": "story-weekly", "status": "failed", "started_at": "2026-01-02T00:00:00Z"}\n'
    )
    code, out, _ = cli(project, "list", monkeypatch=monkeypatch)
    assert code == 0
    lines = out.splitlines()
    at = lines.index("story: Worth")
    assert lines[at + 1] == "  How much?"
    assert lines[at + 2] == "  params/story/weekly.yaml  failed 2026-01-02T00:00:00Z"
    assert "broken: cannot be run" in lines
    assert "no code cell is tagged 'parameters'" in out


def test_check_a_source_and_a_report(project, monkeypatch):
    (project.root / "shop.csv").write_text(ROWS)
    project.given("sources", SHOP, "shop")
    project.add("story", "1", parameters='source: str = "params/sources/shop.yaml"')
    for file in ("params/sources/shop.yaml", "params/story/weekly.yaml"):
        code, out, err = cli(project, "check", file, monkeypatch=monkeypatch)
        assert code == 0, err
        assert "params/sources/shop.yaml: 3 rows read, 3 used, 0 set aside" in out
        assert "2 customers, 2024-01-05 to 2024-02-01, as of 2024-02-01" in out
    assert "params/story/weekly.yaml: parameters are right for notebooks/story.ipynb" in out


def test_check_says_what_is_wrong(project, monkeypatch):
    project.given("sources", SHOP, "shop")
    code, _, err = cli(project, "check", "params/sources/shop.yaml", monkeypatch=monkeypatch)
    assert code == 1
    assert "shop.csv" in err
    project.add("story", "1")
    project.given("story", "x: 1")
    code, _, err = cli(project, "check", "params/story/weekly.yaml", monkeypatch=monkeypatch)
    assert code == 2
    assert "unknown parameter 'x'" in err
    assert not project.outputs.exists()


def test_a_shipped_notebooks_source_must_be_there(project, monkeypatch):
    project.given("sources", SHOP, "shop")
    shutil.copy(ROOT / "notebooks" / "segments.ipynb", project.root / "notebooks")
    project.given("segments", "source: params/sources/shp.yaml")
    code, _, err = cli(project, "check", "params/segments/weekly.yaml", monkeypatch=monkeypatch)
    assert code == 2
    assert err.strip() == (
        "params/segments/weekly.yaml: source='params/sources/shp.yaml': no such file; "
        "did you mean 'params/sources/shop.yaml'?"
    )


def test_index_of_nothing_says_how_to_begin(project, monkeypatch):
    code, out, _ = cli(project, "index", monkeypatch=monkeypatch)
    assert (code, out.strip()) == (0, "outputs/index.html")
    assert "Nothing has been published yet." in (project.outputs / "index.html").read_text()


def outcome(code):
    return Outcome(Request(path=None), code)


def test_the_worst_exit_code_is_that_of_all():
    assert worst([]) == 0
    assert worst([outcome(0), outcome(75)]) == 75
    assert worst([outcome(75), outcome(2), outcome(0)]) == 2
    assert worst([outcome(2), outcome(1), outcome(75)]) == 1
    assert (RelkitError.exit_code, ParameterError.exit_code, BusyError.exit_code) == (1, 2, 75)


@pytest.mark.parametrize(("language", "ending"), [("en", ""), ("zh", "_zh")])
def test_the_demo_runs_files_that_are_there_and_says_how_to_go_on(language, ending, tmp_path):
    requests = demo_requests(ROOT, language, tmp_path)
    names = {request.path.name for request in requests}
    assert names == {f"cdnow{ending}.yaml", f"world{ending}.yaml"}
    assert all(request.path.is_file() for request in requests)
    folder = tmp_path / "review_deck-cdnow" / "20260101T000000Z-abcd"
    folder.mkdir(parents=True)
    for page in ("report.html", "deck.html"):
        (folder / page).touch()
    outcomes = [Outcome(request, 0, folder=folder) for request in requests]
    said = closing_words(outcomes, tmp_path / "index.html", language)
    assert said.count("latest/report.html") == len(requests)
    assert said.count("latest/deck.html") == len(requests)
    assert "index.html" in said
    assert "./kit lab" in said
    assert (ROOT / "params/sources/template.yaml").is_file()
    assert "params/sources/template.yaml" in said
    assert "./kit" not in closing_words([Outcome(requests[0], 1)], tmp_path / "i", language)


def test_the_demo_writes_its_world_once(tmp_path, monkeypatch):
    monkeypatch.setattr("relkit.run.demo.WORLD_CUSTOMERS", 60)
    written = make_world(tmp_path)
    assert written == tmp_path / "data" / "world"
    shipped = (ROOT / "params/sources/world.yaml").read_text(encoding="utf-8")
    for table in ("transactions", "touches", "assignments"):
        assert f"files: data/world/data/{table}.parquet" in shipped
        assert (written / "data" / f"{table}.parquet").is_file()
    assert make_world(tmp_path) is None


def test_help_and_list_are_quick(project):
    # Three times what was seen on a loaded machine, far below the cost of any heavy import.
    for words in (["--help"], ["list"]):
        started = time.process_time(), time.monotonic()
        assert project.relkit(*words)[0] == 0
        assert time.monotonic() - started[1] < 1.5
