"""The C compiler: finding it, what it is, which options it takes, and running it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

from ..config import config
from ..errors import CacheError, CompileError, CompilerMissing, user_message
from .store import digest_of, store

__all__ = [
    "CompilerFailedError",
    "CompilerInfo",
    "compiler",
    "cores",
    "expect_compiler",
    "find_compiler",
    "forget_compilers",
    "run_compilers",
]

#: Options without which a program can't be built.
_REQUIRED = ("-std=gnu11", "-fPIC")

#: Options that are probed, and left out where the compiler refuses them. The first group is about
#: meaning (IEEE arithmetic, wrapping integers, no type-based alias analysis), the second about
#: speed, the third keeps files small. sin and cos are no builtins because the compiler would join
#: them into sincos, which no loop vectorises.
_OPTIONAL = (
    *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fwrapv"),
    *("-fno-strict-aliasing", "-fno-builtin-sin", "-fno-builtin-cos"),
    *("-fno-builtin-sinf", "-fno-builtin-cosf"),
    *("-march=native", "-fopenmp-simd", "-fno-plt", "-fno-semantic-interposition"),
    *("-fno-stack-protector", "-fcf-protection=none", "-fno-asynchronous-unwind-tables"),
    *("-fno-ident", "-pipe"),
)

#: Options of gcc alone. Short loops of constant length are unrolled, which keeps accumulators in
#: registers; only cheap ones, for functions in them would get long (softmax over short rows took
#: twice as long to compile). The rest turns off what costs time to compile, a fifth to a third of
#: it for kernels, and speeds up no program that was measured: vector code for the remainders of
#: loops, and passes over code that is printed without redundancies. (Without the propagation of
#: ranges normal deviates take 25 % longer, without -fivopts softmax over short rows 8 %, so these
#: stay.)
_GCC_ONLY = (
    *("-fpeel-loops", "--param=max-completely-peeled-insns=60"),
    *("--param=vect-epilogues-nomask=0", "-fno-tree-pre", "-fno-gcse", "-fno-schedule-insns2"),
    *("-fno-thread-jumps", "-fno-tree-tail-merge", "-fno-ipa-cp", "-fno-ipa-sra", "-fno-ipa-icf"),
    "-fno-ipa-vrp",
)

_PROBE = """
#include <math.h>
#include <stdint.h>
double symc_probe(const double *x, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; k++) sum += sqrt(x[k]);
  return sum;
}
"""


@dataclass(frozen=True)
class CompilerInfo:
    """A C compiler that works.

    Attributes
    ----------
    path : str
        The program as it is started: links are not resolved, because wrappers go by their name.
    version : str
        First line of what it says about itself.
    flags : tuple of str
        The options of `_REQUIRED`, `_OPTIONAL` and `_GCC_ONLY` that it takes.
    features : str
        Digest of what ``-march=native`` stands for on this machine.
    identity : str
        Digest of all that decides what machine code it makes; part of every cache key.
    """

    path: str
    version: str
    flags: tuple[str, ...]
    features: str
    identity: str


class CompilerFailedError(CompileError):
    """The compiler has run and failed; its only argument is what the compiler said."""


#: Lists what ``native`` stands for.
_NATIVE = ("-march=native", "-Q", "--help=target")
_POLL = 0.002  # seconds between looks at running compilers

_Process = Union["subprocess.Popen[bytes]", str]  # a process, or why it could not be started

_lock = threading.Lock()
_known: dict[tuple[str, str], CompilerInfo | CompilerMissing] = {}


def cores() -> int:
    """Number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def find_compiler() -> CompilerInfo:
    """Return the C compiler that ``config.cc`` names, after trying it once.

    Raises
    ------
    CompilerMissing
        If there is none or it does not work; the message says what to do.
    CacheError
        If there is no place on disk to try it.
    """
    return _find(config.cc, config.gcc.cxxflags)


def expect_compiler() -> None:
    """Have the compiler that ``config.cc`` names examined meanwhile, if it was not yet."""
    which = config.cc, config.gcc.cxxflags
    if which not in _known:
        threading.Thread(target=_try_to_find, args=which).start()


def _try_to_find(name: str, extra: str) -> None:
    with contextlib.suppress(CompilerMissing, CacheError):  # found again by who needs it
        _find(name, extra)


def _find(name: str, extra: str) -> CompilerInfo:
    with _lock:
        found = _known.get((name, extra))
        if found is None:
            try:
                found = _examine(name, extra)
            except CompilerMissing as problem:
                found = problem
            _known[name, extra] = found
    if isinstance(found, CompilerMissing):
        raise CompilerMissing(*found.args)
    return found


def compiler() -> CompilerInfo | None:
    """Return the C compiler, or None where there is none that works or no place to try it."""
    try:
        return find_compiler()
    except (CompilerMissing, CacheError):
        return None


def forget_compilers() -> None:
    """Examine the compiler again at its next use."""
    with _lock:
        _known.clear()


def _missing(what: str, got: str | None = None) -> CompilerMissing:
    return CompilerMissing(
        user_message(
            what,
            got=got,
            expected="a C compiler such as gcc or clang",
            hint="install one (for example `apt install gcc`), or name it by the flag cc; "
            "until then functions run on the NumPy path",
        )
    )


def _examine(name: str, extra: str) -> CompilerInfo:
    if not name:
        raise _missing("no C compiler was found, or the flag cc is empty")
    try:
        path = str(Path(name).absolute())
        stat = Path(path).stat()
    except OSError as problem:
        raise _missing(f"the C compiler {name} can't be used", str(problem)) from problem
    key = digest_of(
        *("probe", os.path.realpath(path), str(stat.st_mtime_ns), str(stat.st_size)),
        *(_processor(), extra, *_REQUIRED, *_OPTIONAL, *_GCC_ONLY),
    )
    known = store.load(key, ".blob")
    if known is None:
        try:
            facts = _probe(name, path, extra.split())
        except OSError as problem:
            raise CacheError(
                user_message(
                    "there is no room on disk to try the C compiler",
                    got=str(problem),
                    hint="make room, or name another directory by the flag base_compiledir",
                )
            ) from problem
        with contextlib.suppress(CacheError):  # the next process probes again
            store.publish(key, ".blob", json.dumps(facts, sort_keys=True).encode())
    else:
        facts = json.loads(known)
    identity = digest_of(
        facts["version"], facts["target"], facts["features"], *facts["flags"], _libc()
    )
    return CompilerInfo(path, facts["version"], tuple(facts["flags"]), facts["features"], identity)


def _probe(name: str, path: str, extra: list[str]) -> dict[str, Any]:
    """Try the compiler: which options it takes, what it is, what ``native`` means to it."""
    with store.workspace() as directory:
        Path(directory, "probe.c").write_text(_PROBE, encoding="utf-8")

        def accepts(flags: Sequence[str]) -> str | None:
            command = [path, *flags, "-Werror", "-O1", "-shared", "probe.c", "-o", "probe.so"]
            return _run(command, directory)[1]

        flags = [*_REQUIRED, *_OPTIONAL, *_GCC_ONLY, *extra]
        questions = [["--version"], ["-dumpmachine"], [*_NATIVE]]
        asked = [_launch([path, *question], directory) for question in questions]
        refusal = accepts(flags)
        version, target, listing = map(_result, asked)
        if refusal is not None:
            flags = [*_REQUIRED, *_OPTIONAL, *extra]
            refusal = accepts(flags)
        if refusal is not None:
            refused = accepts(_REQUIRED)
            if refused is not None:
                raise _missing(f"the C compiler {name} does not work", refused)
            flags = [*_REQUIRED, *(f for f in _OPTIONAL if accepts([*_REQUIRED, f]) is None)]
            flags += [f for f in extra if accepts([*_REQUIRED, f]) is None]
        return {
            "version": version[0].partition("\n")[0].strip(),
            "target": target[0].strip(),
            "features": _native_features(path, listing, directory),
            "flags": flags,
        }


def _native_features(path: str, listing: tuple[str, str | None], directory: Path) -> str:
    """Digest of the processor features that ``-march=native`` turns on.

    `listing` is the result of asking for them; a compiler that does not tell shows its macros.
    """
    text, failure = listing
    if failure is not None or not text:
        command = [path, "-march=native", "-E", "-dM", "-x", "c", os.devnull]
        text, failure = _run(command, directory)
    return digest_of(text if failure is None else _processor())


def _run(command: Sequence[str], directory: Path) -> tuple[str, str | None]:
    """Output of a command, and its error text if it failed (None if it did not)."""
    return _result(_launch(command, directory))


def _launch(command: Sequence[str], directory: Path) -> _Process:
    """Start a command whose output is wanted; or say why that can't be done."""
    try:
        return subprocess.Popen(
            command, cwd=directory, env=_environment(directory), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    except OSError as problem:
        return str(problem)


def _result(process: _Process) -> tuple[str, str | None]:
    if isinstance(process, str):
        return "", process
    output, errors = process.communicate()
    text = output.decode("utf-8", "replace")
    if process.returncode == 0:
        return text, None
    return text, errors.decode("utf-8", "replace") or f"exit status {process.returncode}"


def _environment(directory: Path) -> dict[str, str]:
    """The user's environment, with English messages and temporary files kept together."""
    return {**os.environ, "LC_ALL": "C", "TMPDIR": str(directory)}


def run_compilers(commands: Sequence[Sequence[str]], directory: Path) -> None:
    """Run compiler commands in `directory`, as many at once as there are cores.

    Raises
    ------
    CompilerMissing
        If a program can't be started.
    CompilerFailedError
        If one fails.
    """
    waiting = list(enumerate(commands))
    running: dict[int, subprocess.Popen[bytes]] = {}
    failed: int | None = None
    most = cores()
    try:
        while running or (waiting and failed is None):
            while waiting and len(running) < most and failed is None:
                number, command = waiting.pop(0)
                running[number] = _start(command, directory, number)
            ended = _ended(running)
            process = running.pop(ended)
            if process.returncode != 0 and failed is None:
                failed = ended
                for other in running.values():
                    other.kill()
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    if failed is not None:
        text = Path(directory, f"error{failed}.txt").read_text("utf-8", "replace")
        raise CompilerFailedError(text)


def _ended(running: Mapping[int, subprocess.Popen[bytes]]) -> int:
    """The number of a process that has ended; waits for one."""
    if len(running) == 1:
        (number,) = running
        running[number].wait()
        return number
    while True:
        for number, process in running.items():
            if process.poll() is not None:
                return number
        time.sleep(_POLL)


def _start(command: Sequence[str], directory: Path, number: int) -> subprocess.Popen[bytes]:
    with Path(directory, f"error{number}.txt").open("wb") as errors:
        try:
            return subprocess.Popen(
                command, cwd=directory, env=_environment(directory), stdin=subprocess.DEVNULL,
                stdout=errors, stderr=errors,
            )  # fmt: skip
        except OSError as problem:
            raise _missing(f"the C compiler {command[0]} can't be started", str(problem)) from None


def _processor() -> str:
    """What the operating system says about the first processor's kind and features."""
    wanted = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags", "Features")
    lines = []
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if not line.strip():
                    break
                if line.partition(":")[0].strip() in wanted:
                    lines.append(line.strip())
    except OSError:
        lines.append(platform.processor())
    return "\n".join([platform.machine(), *lines])


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return platform.release()
