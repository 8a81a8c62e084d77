"""Clusters keep to one thread, in a process that had not loaded the libraries before."""

import subprocess
import sys

SCRIPT = """
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_info

from relkit.segments import clusters

seen = []
fit = clusters._fit


def watched(*given):
    seen.append({pool["num_threads"] for pool in threadpool_info()})
    return fit(*given)


clusters._fit = watched
random = np.random.default_rng(1)
frame = pd.DataFrame({"customer_id": [f"c{i}" for i in range(60)], "a": random.gamma(1, 1, 60)})
clusters.find_clusters(frame, ["a"], k=2, bootstraps=2)
assert seen and all(threads == {1} for threads in seen), seen
"""


def test_one_thread_however_the_process_began():
    environment = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
