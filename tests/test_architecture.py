"""ARCHITECTURE.md against the code: floors, import rules, and nothing unlisted."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "relkit"
ROW = re.compile(r"^\| (\d) \| `([\w/]+\.py)` \|", re.M)
FLOORS = {path: int(floor) for floor, path in ROW.findall((ROOT / "ARCHITECTURE.md").read_text())}
STUDIES = {"value", "segments", "frequency"}
# Library -> where it may be imported; a folder ends in '/'.
HOMES = {
    "ibis": ["data/"],
    "duckdb": ["data/"],
    "matplotlib": ["report/plots/", "report/theme.py", "report/blocks.py"],
    "seaborn": ["report/plots/", "report/theme.py"],
    "papermill": ["run/"],
    "nbclient": ["run/"],
    "lifetimes": ["value/interop.py"],
    "great_tables": ["report/tables.py"],
}


def modules():
    return sorted(
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    )


def imports(relative):
    """Every (line, dotted name) that a module imports, inside functions too."""
    for node in ast.walk(ast.parse((PACKAGE / relative).read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relkit/{relative}:{node.lineno}: write imports out in full"
            yield node.lineno, node.module
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def home_of(dotted):
    """relkit.data.sources.open_source -> data/sources.py, or None for a bare package."""
    parts = dotted.split(".")[1:]
    for end in range(len(parts), 0, -1):
        candidate = "/".join(parts[:end]) + ".py"
        if (PACKAGE / candidate).exists():
            return candidate
    return None


def broken_rules(relative, found):
    own_floor, own_room = FLOORS[relative], relative.split("/")[0]
    for line, dotted in found:
        where = f"relkit/{relative}:{line} imports {dotted}"
        library = dotted.split(".")[0]
        if library in HOMES and not any(relative.startswith(home) for home in HOMES[library]):
            allowed = ", ".join(HOMES[library]) or "nowhere"
            yield f"{where}: {library} is at home in {allowed}"
        if library != "relkit" or (home := home_of(dotted)) is None:
            continue
        room = home.split("/")[0]
        if FLOORS[home] > own_floor:
            yield f"{where}: floor {own_floor} may not import floor {FLOORS[home]}"
        elif own_room in STUDIES and room != own_room and FLOORS[home] == 2:
            yield f"{where}: a study never imports another study, nor data"
        elif own_room != room and FLOORS[home] == own_floor == 2:
            yield f"{where}: rooms on one floor do not know each other"


def test_every_module_is_on_the_page_and_the_other_way_round():
    assert modules() == sorted(FLOORS)


@pytest.mark.parametrize("relative", modules())
def test_import_rules(relative):
    assert list(broken_rules(relative, imports(relative))) == []


def test_the_rules_can_be_broken():
    assert list(broken_rules("value/bgnbd.py", [(1, "relkit.data.sources.open_source")]))
    assert list(broken_rules("value/bgnbd.py", [(1, "relkit.segments.tiers")]))
    assert list(broken_rules("errors.py", [(1, "relkit.cli")]))
    assert list(broken_rules("value/bgnbd.py", [(1, "ibis")]))
    assert list(broken_rules("data/sources.py", [(1, "lifetimes.datasets")]))
    assert not list(broken_rules("studies/validation.py", [(1, "relkit.value.bgnbd")]))


def test_import_relkit_is_light():
    heavy = ("numpy", "pandas", "ibis", "matplotlib", "papermill")
    code = f"import sys, relkit; print([m for m in {heavy} if m in sys.modules])"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"


def test_every_public_name_is_where_it_is_said_to_be():
    import relkit

    for name in relkit.__all__:
        assert getattr(relkit, name) is not None


def test_an_unknown_name_has_a_hint():
    import relkit

    with pytest.raises(AttributeError, match="did you mean 'open_source'"):
        _ = relkit.open_sorce
