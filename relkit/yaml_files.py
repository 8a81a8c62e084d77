"""A YAML file found and read: plain text in, no surprises, no key twice."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml

from relkit.errors import SourceError, did_you_mean


class _PlainLoader(yaml.SafeLoader):
    """YAML without the surprises of YAML 1.1: `no`, `010`, `12:30`, `2025-01-01` stay text."""


_PlainLoader.yaml_implicit_resolvers = {}

_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$", re.IGNORECASE), list("tTfF")
)
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$", re.IGNORECASE), ["~", "n", "N", ""]
)
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])


def _mapping_without_repeats(loader: _PlainLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    # A key given twice would silently win over the first; the reader sees only one.
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key '{key}' stands twice", key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_PlainLoader.add_constructor("tag:yaml.org,2002:map", _mapping_without_repeats)


def find_upwards(path: str | os.PathLike[str], *, what: str = "source") -> tuple[Path, Path]:
    """A file and the folder its relative path starts from.

    A relative path is looked for in the working directory, then in each folder
    above, so that a notebook in `notebooks/` and a run from the project root
    find the same file.

    Args:
        path: The file as the user named it.
        what: What kind of YAML is wanted, for the error: source, tier rules, plan.

    Raises:
        SourceError: there is no such file; near names are given.
    """
    wanted = Path(path).expanduser()
    here = Path.cwd()
    for start in (here, *here.parents):
        found = start / wanted
        if found.is_file():
            found = Path(os.path.abspath(found))
            # Where the layout of a project shows, its root is known whatever the path was.
            if found.parts[-3:-2] == ("params",):
                return found, found.parents[2]
            plain = not wanted.is_absolute() and ".." not in wanted.parts
            return found, start if plain else found.parent
    if wanted.is_dir():
        raise SourceError(f"{path} is a folder; name the {what} YAML inside it")
    raise SourceError(f"{path}: no such {what} file; {_near_files(wanted)}")


def _near_files(wanted: Path) -> str:
    here = Path.cwd()
    for root in (here, *here.parents):
        folder = root / wanted.parent
        if folder.is_dir():
            names = sorted(p.name for p in folder.iterdir() if p.suffix in (".yaml", ".yml"))
            if names:
                hint = did_you_mean(wanted.name, names)
                return f"{wanted.parent} holds {', '.join(names)}{hint}"
    return "looked from the working directory upwards; give a path like params/sources/shop.yaml"


def read_yaml(
    path: Path, shown: str, *, example: str = "params/sources/template.yaml"
) -> tuple[dict[Any, Any], bytes]:
    """What a YAML says, and its bytes; every scalar but true, false and null stays text.

    Args:
        path: The file.
        shown: What the reader calls it.
        example: A YAML of the same kind that is right.

    Raises:
        SourceError: not text, not YAML, or no mapping.
    """
    text = path.read_bytes()
    try:
        content = yaml.load(text.decode("utf-8-sig"), Loader=_PlainLoader)
    except UnicodeDecodeError:
        raise SourceError(f"{shown} is not a text file in UTF-8; save it as UTF-8") from None
    except yaml.YAMLError as fault:
        raise SourceError(f"{shown} is not readable as YAML: {_yaml_fault(fault)}") from None
    if not isinstance(content, dict):
        raise SourceError(f"{shown} must be a list of 'key: value' lines, as in {example}")
    return content, text


def _yaml_fault(fault: yaml.YAMLError) -> str:
    mark = getattr(fault, "problem_mark", None)
    problem = getattr(fault, "problem", None) or str(fault)
    where = f"line {mark.line + 1}: " if mark is not None else ""
    return f"{where}{problem}"
