"""Files of params/ that are no report: checked alone; a plan is frozen by a command."""

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from relkit.cli import main
from relkit.errors import ParameterError
from relkit.run.inspection import inspect_file

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path):
    for folder in ("tiers", "tags", "experiments"):
        shutil.copytree(ROOT / "params" / folder, tmp_path / "params" / folder)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "params/experiments/world.frozen.json").unlink()
    return tmp_path


def freeze(path):
    return CliRunner().invoke(main, ["freeze", str(path)])


def test_a_plan_is_checked_frozen_and_checked_again(project):
    plan = project / "params/experiments/world.yaml"
    said = inspect_file(plan)
    assert "experiment SYN-EXP-1, 6 arms, 4 tiers, 2024-09-30 to 2025-06-29" in said
    assert "  2: 2 a month, message (any); today of growth, standard" in said
    assert "  0: nobody is contacted" in said
    assert "not frozen; before the start on 2024-09-30: relkit freeze params/exp" in said
    done = freeze(plan)
    assert done.exit_code == 0
    # The example's start is long past.
    assert re.search(r"frozen on \d{4}-\d\d-\d\d, too late", done.output)
    record = json.loads((plan.parent / "world.frozen.json").read_text(encoding="utf-8"))
    assert record["experiment"] == "SYN-EXP-1"
    plan.write_text(plan.read_text(encoding="utf-8").replace("margin: 1.10", "margin: 1.30"))
    assert "guardrails: complaints: margin: was 1.10, is 1.30" in inspect_file(plan)
    refused = freeze(plan)
    assert refused.exit_code == 2
    assert "has been changed since" in refused.output


def test_the_shipped_plan_is_as_it_was_frozen():
    said = inspect_file(ROOT / "params/experiments/world.yaml")
    assert "frozen on 2024-09-15, before the start on 2024-09-30" in said


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("tiers/clv_rank.yaml", "no hole, no overlap: proved"),
        ("tiers/four_tiers.yaml", "in no tier: "),
        ("tags/registry.yaml", "tags, each with formula, owner and age"),
        ("tags/keywords.yaml", "keywords of 3 tags"),
    ],
)
def test_rules_and_tags_are_checked(project, file, said):
    assert said in inspect_file(project / "params" / file)


@pytest.mark.parametrize("file", ["tiers/clv_rank.yaml", "experiments/world.yaml"])
def test_they_have_no_parameters(project, file):
    with pytest.raises(
        ParameterError, match="cannot be given parameters; --set goes with a report"
    ):
        inspect_file(project / "params" / file, [("as_of", "2024-01-01")])
