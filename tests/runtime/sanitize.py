"""Run the tests of the runtime with sanitizers: ``python tests/runtime/sanitize.py [kind ...]``.

Kinds are ``address`` (with undefined behaviour) and ``thread``. The extension and every compiled
program are built with them, in a temporary copy of the project. First comes a program with a fault
that the sanitizer must see, then the tests of the runtime, then the programs of
``tests/sanitize/programs.py``. Needs gcc on Linux.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Kind:
    """One way to run.

    Attributes
    ----------
    flags : tuple of str
        Options of gcc.
    libraries : tuple of str
        What must be loaded before Python.
    variables : dict
        Environment.
    selection : str
        The tests of the runtime that the sanitizer can run.
    families : tuple of str
        Families of programs; all where it is empty.
    fault : str
        A program that the sanitizer must refuse.
    report : str
        A word of the refusal.
    """

    flags: tuple[str, ...]
    libraries: tuple[str, ...]
    variables: dict[str, str]
    selection: str
    families: tuple[str, ...]
    fault: str
    report: str


OUT_OF_BOUNDS = """
import numpy as np
from tests.runtime.programs import AFFINE, VECTOR_IN, VECTOR_OUT, function
text = AFFINE.replace("x[i *", "x[(i + 3) *")
assert text != AFFINE
function(text, inputs=[VECTOR_IN], outputs=[VECTOR_OUT])(np.arange(3.0))
"""

RACE = '''
from tests.runtime.programs import HEAD, function
text = HEAD + """
#include <unistd.h>
static void task(void *context, int64_t first, int64_t last, int thread) {
  usleep(1000); /* until the other threads are awake, however busy the machine is */
  for (int64_t k = first; k < last; k++) ++*(volatile int64_t *)context;
}
int symc_prologue(sy_call *c) { c->work = 1e9; return SY_OK; }
int symc_body(sy_call *c) {
  *(int64_t *)c->out[0].data = 0;
  c->api->parallel(task, c->out[0].data, 100, c->threads);
  return SY_OK;
}
"""
for _ in range(10):
    function(text, outputs=[("fresh", "int64", 0, -1)])()
'''

KINDS = {
    "address": Kind(
        ("-fsanitize=address", "-fsanitize=undefined", "-fno-sanitize-recover=undefined"),
        ("libasan.so", "libubsan.so"),
        {"ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"},
        "not leak and not processes and not environment",
        (),
        OUT_OF_BOUNDS,
        "heap-buffer-overflow",
    ),
    "thread": Kind(
        ("-fsanitize=thread",),
        ("libtsan.so",),
        {"TSAN_OPTIONS": "exitcode=66"},
        "(test_threads or test_containers) and not leak and not fork and not environment "
        "and not blas",
        ("threads", "results_past_the_caches"),
        RACE,
        "data race",
    ),
}


def library(name: str) -> str | None:
    """Path of one of gcc's sanitizer libraries, or None where there is none."""
    if not shutil.which("gcc"):
        return None
    command = ["gcc", f"-print-file-name={name}"]
    path = subprocess.check_output(command, text=True).strip()
    return path if Path(path).is_absolute() else None


def build(directory: Path, flags: tuple[str, ...]) -> None:
    """Copy the project to `directory` and build its extension with `flags`."""
    for name in ("symc", "tests"):
        shutil.copytree(
            ROOT / name, directory / name, ignore=shutil.ignore_patterns("*.so", "__pycache__")
        )
    for name in ("pyproject.toml", "setup.py", "README.md"):
        shutil.copy(ROOT / name, directory)
    options = " ".join(("-g", "-fno-omit-frame-pointer", *flags))
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=directory, check=True,
        env={**os.environ, "CC": "gcc", "CFLAGS": options, "LDFLAGS": options},
    )  # fmt: skip
    if not list(directory.glob("symc/runtime/_callpath*.so")):
        raise SystemExit("the extension can't be built with a sanitizer")


def run(kind: Kind) -> int:
    """Build and run everything; 0 where the fault is seen and all else is clean."""
    with tempfile.TemporaryDirectory() as name:
        build(Path(name), kind.flags)
        options = " ".join(kind.flags)
        environment = {
            **os.environ,
            **kind.variables,
            "LD_PRELOAD": " ".join(str(library(lib)) for lib in kind.libraries),
            "PYTHONPATH": name,
            "SYMC_FLAGS": f"gcc.cxxflags={options},base_compiledir={name}/cache,"
            "on_opt_error=raise,num_threads=3",
        }
        fault = subprocess.run(
            [sys.executable, "-c", kind.fault], cwd=name, env=environment, check=False,
            capture_output=True, text=True,
        )  # fmt: skip
        if fault.returncode == 0 or kind.report not in fault.stderr:
            print("the fault is not seen:", fault.stderr, sep="\n")
            return 1
        tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/runtime"]
        worst = 0
        for command in (
            [*tests, "-k", kind.selection], ["tests/sanitize/programs.py", *kind.families]
        ):  # fmt: skip
            done = subprocess.run(
                [sys.executable, *command], cwd=name, env=environment, check=False
            )
            worst = max(worst, abs(done.returncode))
        return worst


def main(kinds: list[str]) -> int:
    """Run all kinds; the exit code is 0 where all of them are clean."""
    return max(run(KINDS[name]) for name in kinds or KINDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
