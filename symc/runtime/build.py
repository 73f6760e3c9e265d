"""From C text to a loaded library: the compiler, the cache, the loader.

A library's key is a digest of its texts, the headers, the options, the identity of the compiler
and of the processor, and the version of the ABI: whatever changes makes another key, and names,
paths and hash seeds do not enter. What is in the cache starts no compiler.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..config import config
from ..errors import CompileError, user_message
from . import native
from .store import Entry, digest_of, store
from .toolchain import CompilerFailedError, CompilerInfo, find_compiler, run_compilers

__all__ = [
    "cache_dir",
    "cache_entries",
    "clear_cache",
    "compile_library",
    "find_library",
    "load_blob",
    "load_library",
    "statistics",
    "store_blob",
]

_LIBRARY = ".so"
_BLOB = ".blob"
_count_lock = threading.Lock()
_counts = {"compiled": 0, "found": 0}


def compile_library(
    sources: Mapping[str, str],
    *,
    headers: Mapping[str, str] | None = None,
    flags: Sequence[str] = (),
    levels: Mapping[str, str] | None = None,
    libraries: Sequence[str] = ("-lm",),
) -> Path:
    """Compile C texts into one shared library, or find it in the cache.

    Parameters
    ----------
    sources : mapping of str to str
        C text by unit name (a word). Several units are compiled at the same time.
    headers : mapping of str to str, optional
        Further header texts by file name; ``symc_abi.h`` is always there.
    flags : sequence of str, optional
        Further compiler options for all units.
    levels : mapping of str to str, optional
        Optimisation options by unit name, in one string; ``"-O3"`` where a unit is not named.
    libraries : sequence of str, optional
        Options for the linker.

    Returns
    -------
    pathlib.Path
        The library; its content has been checked.

    Raises
    ------
    CompilerMissing
        If there is no C compiler that works.
    CompileError
        If the compiler refuses the text; its words are in the file that the message names.
    CacheError
        If there is no place on disk to compile.
    """
    found = find_compiler()
    headers = {"symc_abi.h": _abi_header(), **(headers or {})}
    levels = {name: (levels or {}).get(name, "-O3") for name in sources}
    options = (*found.flags, *(("-g",) if config.cmodule.debug else ()), *flags)
    key = digest_of(
        *("library", str(native.ABI_VERSION), found.identity, "\0".join(options)),
        "\0".join(libraries),
        *(part for name in sources for part in (name, levels[name], sources[name])),
        *(part for name in sorted(headers) for part in (name, headers[name])),
    )
    path = store.find(key, _LIBRARY)
    if path is not None:
        _count("found")
        return path
    content = _compile(found, key, sources, headers, options, levels, libraries)
    return store.publish(key, _LIBRARY, content)


def find_library(name: str) -> Path | None:
    """Return the library of that file name, if the cache has it undamaged.

    Parameters
    ----------
    name : str
        Of a path that `compile_library` has returned.
    """
    path = store.find(name.partition("-")[0], _LIBRARY)
    if path is None or path.name != name:
        return None
    _count("found")
    return path


def _compile(
    found: CompilerInfo,
    key: str,
    sources: Mapping[str, str],
    headers: Mapping[str, str],
    options: Sequence[str],
    levels: Mapping[str, str],
    libraries: Sequence[str],
) -> bytes:
    _count("compiled")
    quiet = () if config.cmodule.compilation_warning else ("-w",)
    with store.workspace() as directory:
        _write_texts(directory, {**{f"{n}.c": t for n, t in sources.items()}, **headers})
        base = [found.path, *options, *quiet, "-I."]
        longest_first = sorted(sources, key=lambda name: (-len(sources[name]), name))
        units = [[*base, *levels[name].split(), f"{name}.c"] for name in longest_first]
        link = ["-shared", "-o", f"library{_LIBRARY}"]
        try:
            if len(sources) == 1:
                run_compilers([[*units[0], *link, *libraries]], directory)
            else:
                run_compilers([[*unit, "-c"] for unit in units], directory)
                objects = [f"{name}.o" for name in sources]
                run_compilers([[found.path, *options, *objects, *link, *libraries]], directory)
            return Path(directory, f"library{_LIBRARY}").read_bytes()
        except CompilerFailedError as refusal:
            raise _with_report(key, refusal.args[0], sources) from None
        except OSError as problem:
            raise CompileError(
                user_message("the compiler's result can't be read", got=str(problem))
            ) from problem


def _write_texts(directory: Path, texts: Mapping[str, str]) -> None:
    try:
        for name, text in texts.items():
            Path(directory, name).write_text(text, encoding="utf-8")
    except OSError as problem:
        raise CompileError(
            user_message("C text can't be written to disk", got=str(problem))
        ) from problem


def _with_report(key: str, words: str, sources: Mapping[str, str]) -> CompileError:
    """Put the compiler's words and the text into a file and name it in the error."""
    report = [words, *(f"---- {name}.c ----\n{text}" for name, text in sources.items())]
    path = store.publish(key, ".error.txt", "\n".join(report).encode("utf-8", "replace"))
    first = next((line for line in words.splitlines() if "error" in line), words.strip())
    return CompileError(
        user_message(
            "the C compiler failed on generated code",
            got=first,
            hint=f"the compiler's words and the whole text are in {path}",
        )
    )


@functools.lru_cache(maxsize=1)
def _abi_header() -> str:
    return Path(__file__).with_name("csrc").joinpath("symc_abi.h").read_text(encoding="utf-8")


def load_library(path: Path) -> Any:
    """Load a library; it is closed when the last program that holds it is gone.

    Parameters
    ----------
    path : pathlib.Path
        As returned by `compile_library`.

    Returns
    -------
    Library
        ``address(name)`` gives the address of a symbol, ``integer(name)`` the value of an
        exported ``int``.

    Raises
    ------
    CompileError
        If the library can't be loaded, or the call path extension is missing.
    """
    if native.callpath is None:
        raise CompileError(
            user_message(
                "compiled programs can't be called",
                got=native.problem,
                hint="install symc again where a C compiler and Python's headers are present",
            )
        )
    try:
        return native.callpath.Library(path)
    except OSError as problem:
        raise CompileError(
            user_message(
                "a compiled program can't be loaded",
                got=str(problem),
                hint="if its directory forbids running programs (noexec), name another one by the "
                "flag base_compiledir",
            )
        ) from problem


def store_blob(key: str, content: bytes) -> None:
    """Keep bytes in the cache, under the same rules as libraries.

    Parameters
    ----------
    key : str
        Text that names all that the content depends on.
    content : bytes

    Raises
    ------
    CacheError
        If nothing can be written anywhere.
    """
    store.publish(digest_of("blob", key), _BLOB, content)


def load_blob(key: str) -> bytes | None:
    """Bytes kept by `store_blob`, or None where there are none, or only damaged ones."""
    return store.load(digest_of("blob", key), _BLOB)


def cache_dir() -> Path:
    """The directory of the cache; it need not exist yet."""
    return store.root


def cache_entries() -> list[Entry]:
    """All entries of the cache, least recently used first."""
    return store.entries()


def clear_cache() -> int:
    """Remove all entries of the cache; returns the number of bytes they had."""
    return store.clear()


def statistics() -> dict[str, int]:
    """How many libraries this process has ``compiled`` and how many it ``found`` in the cache."""
    with _count_lock:
        return dict(_counts)


def _count(what: str) -> None:
    with _count_lock:
        _counts[what] += 1
