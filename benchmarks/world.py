"""Seconds and memory of synthetic worlds, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import NamedTuple

# Prints the processor seconds of the job, the peak memory before and after it in MB,
# and the rows made; imports are paid before.
PROBE = """
import json, resource, sys, tempfile, time
import pandas, pyarrow.csv, pyarrow.parquet
import relkit as rk
import relkit.data.world_files
how, customers, tables = json.loads(sys.argv[1])
unit = 1024 if sys.platform == "linux" else 1024**2
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
before, began = peak(), time.process_time()
if how == "memory":
    made = rk.simulate_world(customers, tables=tables).to_frame()
else:
    with tempfile.TemporaryDirectory() as folder:
        made = rk.write_world(folder, customers, tables=tables).to_frame()
seconds = time.process_time() - began
print(json.dumps([seconds, before, peak(), int(made.query("not truth")["rows"].sum())]))
"""


class Job(NamedTuple):
    """A world to make: in memory or to disk, all tables or some."""

    name: str
    how: str
    customers: int
    tables: tuple[str, ...] | None = None


BUYING = ("transactions", "customers")
JOBS = (
    Job("20 k, all tables, in memory", "memory", 20_000),
    Job("20 k, all tables, to disk", "disk", 20_000),
    Job("100 k, all tables, in memory", "memory", 100_000),
    Job("100 k, all tables, to disk", "disk", 100_000),
    Job("1 M, transactions and customers, in memory", "memory", 1_000_000, BUYING),
    Job("1 M, transactions and customers, to disk", "disk", 1_000_000, BUYING),
    Job("1 M, all tables, to disk", "disk", 1_000_000),
)


def main() -> None:
    print(
        f"{'182 weeks, planted faults':<44}{'cpu s':>8}{'before MB':>11}{'peak MB':>9}{'rows':>14}"
    )
    for job in JOBS:
        asked = json.dumps([job.how, job.customers, job.tables])
        said = subprocess.run(
            [sys.executable, "-c", PROBE, asked], check=True, capture_output=True, text=True
        ).stdout
        seconds, before, peak, rows = json.loads(said.splitlines()[-1])
        print(f"{job.name:<44}{seconds:>8.1f}{before:>11.0f}{peak:>9.0f}{rows:>14,}", flush=True)


if __name__ == "__main__":
    main()
