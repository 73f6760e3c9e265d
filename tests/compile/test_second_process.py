"""A second process finds every program in the cache, whatever its hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from symc.runtime import native_available

ROOT = Path(__file__).resolve().parents[2]

PROGRAMS = """
import sys
started = []
sys.addaudithook(lambda event, args: started.append(args) if event == "subprocess.Popen" else 0)
import numpy as np
import symc, symc.tensor as T
from symc.runtime.build import statistics

x, m, y = T.dvector("x"), T.fmatrix("m"), T.ivector("y")
w = symc.shared(np.ones((3, 2), "float32"), "w")
b = symc.shared(np.zeros(2, "float32"), "b")
long = x
for _ in range(40):
    long = T.tanh(T.sin(long) + x) * x
logits = T.dot(m, w) + b
cost = -T.mean(T.log(T.nnet.softmax(logits))[T.arange(y.shape[0]), y])
steps = [(v, v - np.float32(0.1) * g) for v, g in zip((w, b), symc.grad(cost, [w, b]))]
square, rows = np.ones(3), np.ones((2, 3), "float32")

results = [
    symc.function([x], [long, symc.grad(long.sum(), x)])(square),
    symc.function([m, y], cost, updates=steps)(rows, np.array([0, 1], "int32")),
    symc.function([m], [m.var(axis=0), m.max(axis=1), m.argmax(axis=1), T.sort(m)])(rows),
    symc.function([x], [x[::-1], T.concatenate([x, x * 2]), x[x.argmin():]])(square),
    symc.function([x, m], x + m)(square[:1], rows),
]
with symc.batch():
    f, g = symc.function([x], T.erf(x)), symc.function([x], T.cumsum(x))
f(square), g(square)
print(statistics()["compiled"], statistics()["found"], len(started))
"""


def run(cache: Path, seed: str) -> tuple[int, ...]:
    """How many libraries a process has compiled and found, and how many programs it started."""
    environment = {
        **os.environ,
        "PYTHONHASHSEED": seed,
        "SYMC_FLAGS": f"base_compiledir={cache}",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAMS], env=environment, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return tuple(map(int, done.stdout.split()))


@pytest.mark.compiler
@pytest.mark.skipif(not native_available(), reason="needs a C compiler")
def test_a_second_process_starts_no_compiler(tmp_path: Path) -> None:
    compiled, found, started = run(tmp_path, "0")
    assert compiled >= 6
    assert started > compiled
    for seed in ("1", "77", "4294967295"):
        assert run(tmp_path, seed) == (0, compiled + found, 0)
