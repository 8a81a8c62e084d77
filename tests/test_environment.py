"""environment.yml and requirements.lock against pyproject.toml."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
# What conda-forge calls a package that PyPI calls otherwise.
CONDA_NAMES = {
    "ibis-framework": "ibis-duckdb",
    "duckdb": "python-duckdb",
    "matplotlib": "matplotlib-base",
    "brotli": "brotli-python",
    "pandera": "pandera-ibis",
    "playwright": "playwright-python",
}


def wanted():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + project["optional-dependencies"]["dev"]
    return {canonicalize_name(r.name): r.specifier for r in map(Requirement, lines)}


def locked():
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text(), re.M)
    found = {}
    for name, version in pins:
        found.setdefault(canonicalize_name(name), []).append(Version(version))
    return found


def test_conda_and_pyproject_ask_for_the_same():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip_part = next(item["pip"] for item in listed if isinstance(item, dict))
    lines = [item for item in listed if isinstance(item, str)] + pip_part
    conda = {}
    for line in lines:
        if line in ("pip", "-e .") or line.startswith("python "):
            continue
        requirement = Requirement(line)
        conda[requirement.name] = requirement.specifier
    expected = {CONDA_NAMES.get(name, name): bounds for name, bounds in wanted().items()}
    assert conda == expected
    assert "lifetimes" in {Requirement(line).name for line in pip_part if line != "-e ."}


def test_conda_and_pyproject_want_the_same_python():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    python = next(item for item in listed if isinstance(item, str) and item.startswith("python "))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert SpecifierSet(python.removeprefix("python ")) == SpecifierSet(project["requires-python"])


def test_the_lock_holds_every_package_within_its_bounds():
    pins = locked()
    for name, bounds in wanted().items():
        assert name in pins, (
            f"{name} is not in requirements.lock; make it anew as ARCHITECTURE.md says"
        )
        for version in pins[name]:
            assert version in bounds, f"{name} {version} is outside {bounds}"


def test_the_lock_has_hashes_and_names_no_index():
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert "index" not in text  # neither an option nor an address
    entries = re.split(r"\n(?=[a-zA-Z])", text)
    assert len(entries) > 100
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_packages_that_were_ordered_are_there():
    ordered = {
        "jupyterlab",
        "pandas",
        "scikit-learn",
        "lifetimes",
        "seaborn",
        "papermill",
        "pytest",
    }
    assert ordered <= set(wanted())


def test_spark_has_a_lock_of_its_own():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (asked,) = (Requirement(line) for line in project["optional-dependencies"]["spark"])
    text = (ROOT / "requirements-spark.lock").read_text()
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.M))
    assert Version(pins[asked.name]) in asked.specifier
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(pins)
