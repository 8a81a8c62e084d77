"""Summaries at scale: relkit against DuckDB's bare count and lifetimes, in one run.

1 M customers with some 6 M transactions from Parquet, and with RELKIT_BENCH_LARGE=1
ten times as many. Each job runs in a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

_YAML = """\
name: Benchmark
format: parquet
files: data/orders.parquet
currency: EUR
synthetic: true
transactions: {transaction_id: order, customer_id: customer, occurred_at: day, amount: amount}
"""
_JOB = """\
import resource, statistics, sys, time, warnings
warnings.simplefilter("ignore")
def used():
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)
def timed(job, times=3):
    wall, processor = [], []
    for _ in range(times):
        started, before = time.perf_counter(), used()
        result = job()
        wall.append(time.perf_counter() - started)
        processor.append(used() - before)
        del result
    return statistics.median(wall), statistics.median(processor)
{job}
# Linux hands the peak of the parent on to its child in ru_maxrss, and not in VmHWM.
status = open("/proc/self/status").read().split() if sys.platform == "linux" else []
own = int(status[status.index("VmHWM:") + 1]) if status else resource.getrusage(who).ru_maxrss
peak = own if who == resource.RUSAGE_SELF else resource.getrusage(who).ru_maxrss
print(f"{{wall:.2f}} {{processor:.2f}} {{peak / 1e6:.2f}}")
"""
_SUMMARY = """
who = resource.RUSAGE_SELF
import relkit as rk
source = rk.open_source("params/sources/orders.yaml")
summary = lambda: rk.rfm_summary(source.transactions, source.as_of, unit="week")
"""
_JOBS = {
    "DuckDB: count by customer_id": """
who = resource.RUSAGE_SELF
import duckdb
sql = "SELECT customer, count(*) FROM 'data/orders.parquet' GROUP BY customer"
wall, processor = timed(lambda: duckdb.sql(sql).to_arrow_table())
""",
    "relkit check": """
import subprocess
who = resource.RUSAGE_CHILDREN
command = [sys.executable, "-m", "relkit", "check", "params/sources/orders.yaml"]
wall, processor = timed(lambda: subprocess.run(command, check=True, capture_output=True), 1)
""",
    "relkit: open_source": """
who = resource.RUSAGE_SELF
import relkit as rk
wall, processor = timed(lambda: rk.open_source("params/sources/orders.yaml"), 1)
""",
    "relkit: first rfm_summary of a source": f"""{_SUMMARY}
wall, processor = timed(summary, 1)
""",
    "relkit: every other rfm_summary": f"""{_SUMMARY}
summary()
wall, processor = timed(summary)
""",
    "lifetimes: summary_data_from_…": """
who = resource.RUSAGE_SELF
import pandas as pd
from lifetimes.utils import summary_data_from_transaction_data
rows = pd.read_parquet("data/orders.parquet", columns=["customer", "day", "amount"])
wall, processor = timed(lambda: summary_data_from_transaction_data(
    rows, "customer", "day", "amount", observation_period_end=rows["day"].max()), 1)
""",
}


def simulate(path: Path, customers: int) -> int:
    """Write some six transactions a customer to Parquet, in no order; gives how many."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as parquet

    rng, written = np.random.default_rng(1), 0
    writer = None
    for start in range(0, customers, 250_000):
        block = min(250_000, customers - start)
        ids = np.repeat(np.arange(start, start + block), rng.geometric(1 / 6, block))
        rows = len(ids)
        # Spread over the whole range of ids, so that no block is a range of its own.
        names = pa.array(np.char.add("C", np.char.zfill((ids * 7919 % customers).astype("U8"), 8)))
        seconds = rng.integers(0, 700 * 86_400, rows).astype("timedelta64[s]")
        numbers = np.arange(written, written + rows).astype("U9")
        table = pa.table(
            {
                "order": pa.array(np.char.add("O", numbers)),
                "customer": names.take(pa.array(rng.permutation(rows))),
                "day": pa.array(np.datetime64("2023-01-01", "us") + seconds),
                "amount": pa.array(np.round(rng.gamma(6, 8, rows), 2)),
            }
        )
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
        written += rows
    if writer is not None:
        writer.close()
    return written


def run(folder: Path, job: str) -> tuple[float, float, float]:
    """Seconds, processor seconds and GB of a job, in a process of its own on two cores."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = ["taskset", "-c", "0,1"] if hasattr(os, "sched_setaffinity") else []
    done = subprocess.run(
        [*command, sys.executable, "-c", _JOB.format(job=job)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    wall, processor, memory = done.stdout.split()[-3:]
    return float(wall), float(processor), float(memory)


def measure(customers: int, skip: tuple[str, ...] = ()) -> None:
    """Print the table of one size; the ratio is of processor seconds."""
    with tempfile.TemporaryDirectory(prefix="relkit-bench-") as home:
        folder = Path(home)
        (folder / "notebooks").mkdir()
        (folder / "data").mkdir()
        (folder / "params/sources").mkdir(parents=True)
        (folder / "params/sources/orders.yaml").write_text(_YAML)
        rows = simulate(folder / "data/orders.parquet", customers)
        title = f"{customers:,} customers, {rows:,} rows"
        print(f"\n{title:<44}{'s':>8}{'CPU s':>8}{'x bare':>8}{'GB':>7}")
        bare = None
        for name, job in _JOBS.items():
            if name.startswith(skip):
                continue
            wall, processor, memory = run(folder, job)
            bare = bare or processor
            ratio = processor / bare
            print(f"{name:<44}{wall:>8.2f}{processor:>8.2f}{ratio:>8.1f}{memory:>7.2f}", flush=True)


def main() -> None:
    measure(1_000_000)
    if os.environ.get("RELKIT_BENCH_LARGE"):
        measure(10_000_000, skip=("lifetimes", "relkit: every other"))


if __name__ == "__main__":
    main()
