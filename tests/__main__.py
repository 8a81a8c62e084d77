"""Every check there is: ``./kit test``; ``./kit test --all`` adds the long studies.

Anything else on the line goes to pytest: ``./kit test -k tiers``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def step(name: str, *command: str) -> bool:
    started = time.monotonic()
    print(f"── {name}", flush=True)
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT)
    print(f"   {'ok' if done.returncode == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s")
    return done.returncode == 0


def main() -> int:
    words = sys.argv[1:]
    everything = "--all" in words
    words = [word for word in words if word != "--all"]
    marks = [] if everything else ["-m", "not slow"]
    # Plots are drawn to files only, wherever the tests run.
    os.environ["MPLBACKEND"] = "agg"
    passed = [
        step("lint", "ruff", "check", "."),
        step("format", "ruff", "format", "--check", "."),
        step("types", "mypy"),
        step(
            "tests",
            "pytest",
            "-n",
            "2",
            "-rs",
            "--durations=15",
            "--durations-min=8",
            *marks,
            *words,
        ),
    ]
    print("all checks passed" if all(passed) else "some checks FAILED, see above")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
