"""Programs that can be called: a loaded library and the description of its operands.

A ``NativeProgram`` is described by keyword arguments, all optional sequences:

``inputs`` : ``(dtype, ndim, broadcast, flags)``
    `dtype` is anything NumPy takes as one, or None for a Python object; `broadcast` a tuple of
    bools, true for axes that must have length 1; `flags` a string of letters: ``w`` the program
    writes into it, ``c`` it must be C-contiguous, ``s`` no Python number is taken for it. What does
    not fit goes through the function's ``_convert``; objects always do.
``shared`` : ``(container, dtype, ndim, flags)``
    An array that does not fit the flags is replaced by a copy that does, for good.
``constants`` : array or object
    Arrays must be C-contiguous, aligned and in native byte order.
``outputs`` : ``(how, dtype, ndim, source)``
    `how` is ``"fresh"`` (allocated before the body from the prologue's lengths), ``"dynamic"`` (the
    body calls ``output``, or fills in what a step gave it), ``"object"``, or ``"input"``: the
    program has written the value into the storage of input number `source` (else -1).
``updates`` : ``(position, how)``
    Of the shared container at `position`: ``"inplace"`` (the body writes into the container's
    array), or ``"fresh"``, ``"dynamic"``, ``"object"``: the values follow the outputs in ``out``,
    in this order, and go in when everything has succeeded.
``slots`` : ``(first, last)``
    The steps between which each arena slot is live, both inclusive.
``steps`` : ``(callable, inputs, outputs)``
    Python steps: tuples of ``(dtype, ndim)`` and of ``(how, dtype, ndim, broadcast)`` with `how`
    ``"buffer"`` (copied into storage the program has chosen), ``"dynamic"`` or ``"object"``. The
    callable takes the list of inputs and returns the list of outputs.
``sizes`` : int
    Number of early sizes.
``info`` : object
    Notes of the maker, for ``_explain``; an attribute of the program.
``hold_gil`` : bool
    Never run the body without the GIL.

Whether its convolutions may go to oneDNN, the flag ``onednn.enabled`` says when it is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..config import config
from ..errors import CacheError, CompileError, CompilerMissing, user_message
from . import native
from .build import load_library
from .machine import set_num_threads
from .onednn import onednn_mode
from .toolchain import expect_compiler, find_compiler

__all__ = ["expect_native", "native_available", "native_problem", "native_program"]


def expect_native() -> None:
    """Say that `native_problem` will be called soon: the compiler is looked for meanwhile."""
    if native.callpath is not None:
        expect_compiler()


def native_available() -> bool:
    """Whether programs can be compiled and called: the extension is there, and a compiler works.

    The first call of a process looks for the compiler.
    """
    return not native_problem()


def native_problem() -> str:
    """Why programs can't be compiled or called here; empty where they can."""
    if native.callpath is None:
        return native.problem
    try:
        find_compiler()
    except (CompilerMissing, CacheError) as problem:
        return str(problem)
    return ""


def native_program(path: Path, prefix: str = "symc", **description: Any) -> Any:
    """Load a compiled program.

    Parameters
    ----------
    path : pathlib.Path
        As returned by `compile_library`.
    prefix : str, optional
        Its functions are ``<prefix>_prologue`` and ``<prefix>_body``; the version of the ABI is
        ``symc_abi_version`` for all programs of a library.
    **description
        See the module.

    Returns
    -------
    NativeProgram

    Raises
    ------
    CompileError
        If the library can't be loaded or was made for another call path.
    TypeError, ValueError
        If the description contradicts itself.
    """
    library = load_library(path)
    try:
        version = library.integer("symc_abi_version")
        prologue = library.address(f"{prefix}_prologue")
        body = library.address(f"{prefix}_body")
    except AttributeError as problem:
        raise CompileError(user_message("not a compiled program", got=str(problem))) from problem
    if version != native.ABI_VERSION:
        raise CompileError(
            user_message(
                "a compiled program is of another release",
                got=f"ABI version {version}",
                expected=f"ABI version {native.ABI_VERSION}",
            )
        )
    set_num_threads(config.num_threads)
    return native.callpath.NativeProgram(
        prologue, body, library=library, onednn=onednn_mode(), **description
    )
