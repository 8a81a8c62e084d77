"""Ratios against peers and studies of truth: ``./kit bench``, or ``./kit bench value``.

What follows a single name goes to it: ``./kit bench coverage --populations 60``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    known = sorted(path.stem for path in HERE.glob("*.py") if path.stem != "__main__")
    words = sys.argv[1:]
    options = words[1:] if len(words) > 1 and words[1].startswith("-") else []
    chosen = words[:1] if options else words or known
    unknown = [name for name in chosen if name not in known]
    if unknown:
        print(f"no benchmark called {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    for name in chosen:
        main_of = import_module(f"benchmarks.{name}").main
        if options:
            main_of(options)
        else:
            main_of()
    return 0


if __name__ == "__main__":
    sys.exit(main())
