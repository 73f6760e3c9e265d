"""Run the tests of the runtime with sanitizers: ``python tests/runtime/sanitize.py [kind ...]``.

Kinds are ``address`` (with undefined behaviour) and ``thread``. The extension and every compiled
program are built with them, in a temporary copy of the project. Needs gcc on Linux.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]

#: Flags of gcc, libraries to preload, environment, tests that a sanitizer can't run.
KINDS = {
    "address": (
        ["-fsanitize=address", "-fsanitize=undefined", "-fno-sanitize-recover=undefined"],
        ["libasan.so", "libubsan.so"],
        {"ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"},
        "not leak and not processes and not environment",
    ),
    "thread": (
        ["-fsanitize=thread"],
        ["libtsan.so"],
        {"TSAN_OPTIONS": "exitcode=66"},
        "(test_threads or test_containers) and not leak and not fork and not environment "
        "and not blas",
    ),
}


def build(directory: Path, flags: list[str]) -> None:
    """Copy the project to `directory` and build its extension with `flags`."""
    for name in ("symc", "tests"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("*.so"))
    shutil.copy(ROOT / "pyproject.toml", directory)
    sources = directory / "symc" / "runtime" / "csrc"
    extension = sources.parent / f"_callpath{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = [sysconfig.get_path("include"), np.get_include(), str(sources)]
    command = ["gcc", "-g", "-O1", "-fno-omit-frame-pointer", "-shared", "-fPIC", "-fwrapv"]
    command += ["-fno-strict-aliasing", "-DNPY_NO_DEPRECATED_API=NPY_2_0_API_VERSION", *flags]
    command += [f"-I{path}" for path in include]
    command += [*map(str, sorted(sources.glob("*.c"))), "-o", str(extension)]
    subprocess.run(command, check=True)


def preloaded(names: list[str]) -> str:
    """Paths of gcc's sanitizer libraries."""
    asked = [["gcc", f"-print-file-name={name}"] for name in names]
    return " ".join(subprocess.check_output(c, text=True).strip() for c in asked)


def main(kinds: list[str]) -> int:
    """Run all kinds; the exit code is 0 where all of them are clean."""
    worst = 0
    for kind in kinds or list(KINDS):
        flags, libraries, variables, selection = KINDS[kind]
        with tempfile.TemporaryDirectory() as name:
            build(Path(name), flags)
            options = " ".join(f for f in flags if "recover" not in f)
            environment = {
                **os.environ,
                **variables,
                "LD_PRELOAD": preloaded(libraries),
                "SYMC_FLAGS": f"gcc.cxxflags={options}",
            }
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
            command += ["tests/runtime", "-k", selection]
            done = subprocess.run(command, cwd=name, env=environment, check=False)
            worst = max(worst, done.returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
