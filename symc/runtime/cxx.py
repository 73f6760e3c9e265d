"""Users' C++ code: compiling it against Python's and NumPy's headers, and loading it."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from dataclasses import dataclass
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import Any

import numpy as np

from ..codegen.foreign import MODULE_NAME
from ..config import config
from ..errors import CompilerMissing, UserCodeError, user_message
from .store import digest_of, store
from .toolchain import CompilerFailedError, find_compiler, run_compilers

__all__ = ["UserBuild", "compile_user_code", "load_user_code"]

# Code written for older compilers must go through; meaning is as in generated code.
_OPTIONS = ("-O3", "-fPIC", "-fpermissive", "-fwrapv", "-fno-strict-aliasing", "-w", "-shared")


@dataclass(frozen=True)
class UserBuild:
    """How an op wants its code compiled.

    Attributes
    ----------
    header_dirs, libraries, lib_dirs, args, no_args, headers : tuple of str
        As the methods ``c_header_dirs``, ... say.
    """

    header_dirs: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    lib_dirs: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    no_args: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()

    def header_texts(self) -> list[str]:
        """Contents of the headers that are found in the op's own directories."""
        found = []
        for header in self.headers:
            for directory in self.header_dirs:
                path = Path(directory, header.strip('<>"'))
                if path.is_file():
                    found.append(path.read_text(encoding="utf-8", errors="replace"))
                    break
        return found

    def options(self) -> list[str]:
        """Options before the source."""
        own = [*_OPTIONS, *config.gcc.cxxflags.split(), *self.args]
        own += [f"-I{d}" for d in self.header_dirs]
        own += [f"-I{sysconfig.get_paths()['include']}", f"-I{np.get_include()}"]
        return [o for o in own if o not in self.no_args]

    def linking(self) -> list[str]:
        """Options behind the source."""
        paths = [o for d in self.lib_dirs for o in (f"-L{d}", f"-Wl,-rpath,{d}")]
        if sys.platform == "darwin":
            paths += ["-undefined", "dynamic_lookup"]
        return [*paths, *(f"-l{name}" for name in self.libraries)]


def compile_user_code(source: str, build: UserBuild, what: str) -> Path:
    """Compile the text of `symc.codegen.foreign.foreign_source`, or find it in the cache.

    Parameters
    ----------
    source : str
    build : UserBuild
    what : str
        Named in errors.

    Returns
    -------
    pathlib.Path
        An extension module.

    Raises
    ------
    CompilerMissing
        If there is no C++ compiler.
    UserCodeError
        If the compiler refuses the text.
    """
    compiler = config.cxx
    if not compiler:
        raise CompilerMissing(
            user_message(
                f"the C code of {what} needs a C++ compiler",
                hint="install one (for example `apt install g++`), or name it by the flag cxx",
            )
        )
    options, linking = build.options(), build.linking()
    key = digest_of(
        *("user code", sys.version, np.__version__, compiler, find_compiler().identity),
        *("\0".join(options), "\0".join(linking), source, *build.header_texts()),
    )
    path = store.find(key, ".so")
    if path is not None:
        return path
    with store.workspace() as directory:
        Path(directory, "op.cpp").write_text(source, encoding="utf-8")
        try:
            run_compilers([[compiler, *options, "op.cpp", "-o", "op.so", *linking]], directory)
        except CompilerFailedError as refusal:
            raise _refused(key, refusal.args[0], source, what) from None
        return store.publish(key, ".so", Path(directory, "op.so").read_bytes())


def _refused(key: str, words: str, source: str, what: str) -> UserCodeError:
    report = f"{words}\n---- op.cpp ----\n{source}"
    path = store.publish(key, ".error.txt", report.encode("utf-8", "replace"))
    first = next((line for line in words.splitlines() if "error" in line), words.strip())
    return UserCodeError(
        user_message(
            f"the C++ compiler refuses the C code of {what}",
            got=first,
            hint=f"the compiler's words and the whole text are in {path}",
        )
    )


def load_user_code(path: Path, what: str) -> Any:
    """The loaded module; its ``create(params)`` returns the function of a node.

    Raises
    ------
    UserCodeError
        If it can't be loaded, because a library is missing for example.
    """
    loader = ExtensionFileLoader(MODULE_NAME, str(path))
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path, loader=loader)
    assert spec is not None
    try:
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
    except ImportError as problem:
        raise UserCodeError(
            user_message(
                f"the compiled C code of {what} can't be loaded",
                got=str(problem),
                hint="name the libraries that it needs in c_libraries, and where they are in "
                "c_lib_dirs",
            )
        ) from problem
    return module
