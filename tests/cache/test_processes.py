"""64 processes started together on an empty cache, a third of them killed at random."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from symc.runtime import native_available

ROOT = Path(__file__).resolve().parents[2]

# One process starts the others by fork, so that all are at work at the same time on two cores.
LEADER = """
import os, sys, time, warnings
warnings.simplefilter("error")
import numpy as np
from tests.runtime.programs import AFFINE, VECTOR_IN, VECTOR_OUT, function
from symc.runtime import statistics

def work():
    for k in range(2):
        text = AFFINE.replace("* 2 + 1", f"* {k + 3} + 1")
        f = function(text, inputs=[VECTOR_IN], outputs=[VECTOR_OUT])
        assert f(np.arange(3.0)).tolist() == [1, k + 4, 2 * k + 7]

count = int(sys.argv[1])
children = []
for number in range(count):
    child = os.fork()
    if not child:
        os.setsid()
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    children.append(child)
print(*children, flush=True)
ends = [os.waitpid(child, 0)[1] for child in children]
work()
print(statistics()["compiled"], *ends)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_third_of_64_processes_is_killed(tmp_path):
    if not native_available():
        pytest.skip("needs the extension and a C compiler")
    environment = {**os.environ, "SYMC_FLAGS": f"base_compiledir={tmp_path / 'Plätze hier'}"}
    leader = subprocess.Popen(
        [sys.executable, "-c", LEADER, "64"], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    children = [int(number) for number in leader.stdout.readline().split()]
    assert len(children) == 64
    chance = random.Random(11)
    for child in chance.sample(children, 21):
        time.sleep(chance.random() * 0.05)
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it was done before
    out, errors = leader.communicate(timeout=200)
    assert leader.returncode == 0, errors
    compiled, *ends = map(int, out.split())
    assert set(ends) == {0, int(signal.SIGKILL)}
    assert ends.count(0) >= 64 - 21
    assert compiled == 0  # what the survivors published serves the next one
