"""``symc doctor``: what was found on this machine, what is missing, and how to get it."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import runtime
from .array.constructors import vector
from .compile.function import function
from .compile.mode import Mode
from .config import config
from .errors import CacheError, CompilerMissing
from .ops.math import exp
from .runtime import native

OK, MISSING, NOTE = "ok", "missing", "note"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes
    ----------
    subject : str
    state : {"ok", "missing", "note"}
    text : str
    cure : str
        What to do about it; may be empty.
    """

    subject: str
    state: str
    text: str
    cure: str = ""


def _python() -> Iterator[Finding]:
    text = f"{platform.python_version()} at {sys.executable}, NumPy {np.__version__}"
    yield Finding("Python", OK, text)


def _extension() -> Iterator[Finding]:
    if native.callpath is not None:
        yield Finding("call path", OK, "the C extension is there")
    else:
        cure = "install a C compiler and Python's headers, then install symc again"
        yield Finding("call path", MISSING, native.problem, cure)


def _compiler() -> Iterator[Finding]:
    try:
        found = runtime.find_compiler()
    except CompilerMissing:
        cure = "install gcc or clang (Debian: apt-get install gcc), or set "
        cure += "SYMC_FLAGS=cc=/path/to/cc"
        yield Finding("C compiler", MISSING, "no working compiler was found", cure)
    except CacheError as problem:
        cure = "make room, or set SYMC_FLAGS=base_compiledir=/another/directory"
        yield Finding("C compiler", MISSING, str(problem).partition("\n")[0], cure)
    else:
        yield Finding("C compiler", OK, f"{found.path} ({found.version})")
        yield Finding("vector unit", OK, f"{vector_unit(_cpu_flags())}; own vector mathematics")


def _cpu_flags() -> frozenset[str]:
    """What the system says about the processor; empty where it says nothing."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    words = next((ln for ln in lines if ln.startswith(("flags", "Features"))), "")
    return frozenset(words.partition(":")[2].split())


def vector_unit(flags: frozenset[str]) -> str:
    """The widest vector instructions among a processor's flags."""
    for flag, text in (
        ("avx512f", "AVX-512, 16 floats at a time"),
        ("avx2", "AVX2, 8 floats at a time"),
        ("avx", "AVX, 8 floats at a time"),
        ("sse2", "SSE2, 4 floats at a time"),
        ("asimd", "NEON, 4 floats at a time"),
    ):
        if flag in flags:
            return text
    return f"what the compiler finds on {platform.machine()}"


def _blas() -> Iterator[Finding]:
    if native.callpath is None:
        yield Finding("BLAS", MISSING, "compiled code reaches it through the call path only")
        return
    info = runtime.blas_info()
    if info is None:
        cure = "reinstall SciPy: python3 -m pip install --force-reinstall scipy"
        yield Finding("BLAS", MISSING, "SciPy's BLAS could not be loaded", cure)
    else:
        shared = "on symc's threads" if info.shares_threads else "on threads of its own"
        text = f"{info.config or 'SciPy BLAS'}, {info.threads} threads, {shared}"
        yield Finding("BLAS", OK, f"{text}; from {info.library or info.source}")


def _onednn() -> Iterator[Finding]:
    found = runtime.find_onednn()
    if config.onednn.enabled == "off":
        yield Finding("oneDNN", NOTE, "is not used: the flag onednn.enabled is off")
    elif found.problem:
        cure = "optional, for some convolutions: python3 -m pip install onednn-cpu-gomp"
        yield Finding("oneDNN", NOTE, f"was not found; {found.problem}", cure)
    else:
        text = f"{found.version} from {found.path}; onednn.enabled is {config.onednn.enabled}"
        yield Finding("oneDNN", OK, text)


def _threads() -> Iterator[Finding]:
    allowed, _ = runtime.thread_info()
    yield Finding("threads", OK, f"{allowed} per call; OMP_NUM_THREADS and CPU affinity are obeyed")


def _cache() -> Iterator[Finding]:
    entries = runtime.cache_entries()
    size = sum(e.bytes for e in entries) / 1e6
    text = f"{runtime.cache_dir()}: {len(entries)} entries, {size:.1f} MB"
    yield Finding("cache", OK, f"{text} (limit {config.cache_size_limit} MB)")


def _gpu() -> Iterator[Finding]:
    if shutil.which("nvidia-smi") is None:
        yield Finding("GPU", NOTE, "no NVIDIA driver was found; functions run on the CPU")
    else:
        yield Finding("GPU", NOTE, "an NVIDIA driver is there; this release runs on the CPU only")


def _kernel() -> Iterator[Finding]:
    values = np.linspace(-1, 1, 5)
    x = vector("x", dtype="float64")
    before = runtime.statistics()
    f = function([x], exp(x) + x, mode=Mode("native"))
    right = np.allclose(f(values), np.exp(values) + values, rtol=1e-14)
    native_code = runtime.statistics() != before
    if right and native_code:
        yield Finding("test kernel", OK, "compiled, ran, and gave NumPy's numbers")
    elif right:
        cure = "install what is missing above; until then functions run on NumPy, more slowly"
        yield Finding("test kernel", MISSING, "ran on NumPy: there is no compiled code", cure)
    else:
        yield Finding("test kernel", MISSING, "gave wrong numbers; please report this")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _python,
    _extension,
    _compiler,
    _blas,
    _onednn,
    _threads,
    _cache,
    _gpu,
    _kernel,
)
"""All checks, in the order of the report."""


def findings() -> list[Finding]:
    """Run all checks; one that fails is itself a finding."""
    found: list[Finding] = []
    for check in CHECKS:
        try:
            found += check()
        except Exception as error:
            what = str(error).splitlines()[0] if str(error) else type(error).__name__
            found.append(Finding(check.__name__.strip("_"), MISSING, what))
    return found


def main() -> int:
    """Print the report.

    Returns
    -------
    int
        0 only if a compiled kernel ran and gave the right numbers.
    """
    report = findings()
    width = max(len(f.subject) for f in report)
    for finding in report:
        print(f"{finding.state:>7}  {finding.subject:<{width}}  {finding.text}")
        if finding.cure:
            print(f"{'':>7}  {'':<{width}}  -> {finding.cure}")
    ran = any(f.subject == "test kernel" and f.state == OK for f in report)
    return 0 if ran else 1
