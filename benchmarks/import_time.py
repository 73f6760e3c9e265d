"""What ``import symc`` costs beyond ``import numpy``, in milliseconds of processor time.

Each import happens in a process of its own, five times; the medians are printed. The promise is
less than 120 ms on an idle machine.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

CODE = """
import time
first = time.process_time()
import numpy
middle = time.process_time()
import symc
print(middle - first, time.process_time() - middle)
"""


def main() -> None:
    """Print the medians."""
    runs = []
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", CODE], capture_output=True, text=True, check=True
        )
        runs.append([1e3 * float(word) for word in done.stdout.split()])
    numpy_ms, symc_ms = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"import numpy {numpy_ms:.0f} ms, import symc {symc_ms:.0f} ms more")


if __name__ == "__main__":
    main()
