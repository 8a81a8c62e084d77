"""The demo: notebooks on CDNOW and on the synthetic world, and how to go on from there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from relkit.errors import ParameterError
from relkit.run.workers import Outcome, Request

# What transactions are enough for runs on CDNOW, what needs more tables on the world.
REPORTS = (
    ("customer_value", "cdnow"),
    ("segments", "cdnow"),
    ("review_deck", "cdnow"),
    ("data_quality", "world"),
    ("experiment_design", "world"),
    ("frequency_experiment", "world"),
)
ENDINGS = {"en": "", "zh": "_zh"}
WORLD = Path("data") / "world"
WORLD_CUSTOMERS, WORLD_SEED = 20_000, 1
_ON_FROM_HERE = {
    "en": """\
How to go on
  open the deck       it moves with the arrow keys, and prints one slide a page
  work by hand        ./kit lab
  your own customers  copy params/sources/template.yaml to params/sources/mine.yaml, say where
                      your file is and what its columns are called, and look at it:
                        ./kit relkit check params/sources/mine.yaml
                      copy params/customer_value/cdnow.yaml to params/customer_value/mine.yaml,
                      set source: params/sources/mine.yaml, and run it:
                        ./kit relkit run params/customer_value/mine.yaml""",
    "zh": """\
接下来
  打开演示稿      用方向键翻页，打印时每页一张
  自己动手        ./kit lab
  换成自己的客户  把 params/sources/template.yaml 复制为 params/sources/mine.yaml，
                  写明文件位置和列名，然后检查：
                    ./kit relkit check params/sources/mine.yaml
                  把 params/customer_value/cdnow_zh.yaml 复制为 params/customer_value/mine.yaml，
                  设置 source: params/sources/mine.yaml，然后运行：
                    ./kit relkit run params/customer_value/mine.yaml""",
}
_LABELS = {
    "en": {"report": "report", "deck": "deck", "index": "all reports"},
    "zh": {"report": "报告", "deck": "演示稿", "index": "全部报告"},
}


def demo_requests(root: Path, language: str, outputs: Path | None) -> list[Request]:
    """What the demo runs.

    Raises:
        ParameterError: no demo in this language.
    """
    if language not in ENDINGS:
        raise ParameterError(f"language={language!r} must be one of {', '.join(ENDINGS)}")
    return [
        Request(root / "params" / notebook / f"{source}{ENDINGS[language]}.yaml", outputs=outputs)
        for notebook, source in REPORTS
    ]


def make_world(root: Path) -> Path | None:
    """Write the synthetic world that reports read, if it is not there yet.

    Returns:
        The folder that was written, or None.
    """
    folder = root / WORLD
    if folder.exists():
        return None
    from relkit.data.world_files import write_world

    write_world(folder, WORLD_CUSTOMERS, WORLD_SEED)
    return folder


def closing_words(outcomes: Sequence[Outcome], index: Path, language: str) -> str:
    """Where everything lies, and how to go on; only what was published is named."""
    # A Chinese character takes two columns of a terminal.
    from rich.cells import set_cell_size

    from relkit.run.progress import shown_path

    labels = _LABELS[language]
    lines = [""]
    for outcome in outcomes:
        if outcome.folder is None:
            continue
        latest = outcome.folder.parent / "latest"
        for page in ("report", "deck"):
            if (outcome.folder / f"{page}.html").exists():
                name = outcome.request.path.parent.name
                path = shown_path(latest / f"{page}.html")
                lines.append(f"  {name:<22}{set_cell_size(labels[page], 8)}{path}")
    lines.append(f"  {set_cell_size(labels['index'], 30)}{shown_path(index)}")
    if all(outcome.folder is not None for outcome in outcomes):
        lines += ["", _ON_FROM_HERE[language]]
    return "\n".join(lines)
