"""`COp`: an op whose C code stands in files of its own."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symc.config import config
from symc.errors import MethodNotDefined, user_message
from symc.graph.op import Op

__all__ = ["COp", "OpenMPOp"]

_SECTION = re.compile(r"^#section[ \t]+([a-zA-Z0-9_]+)[ \t]*$", re.MULTILINE)
_APPLY = "APPLY_SPECIFIC"


class COp(Op):
    """An op whose C code is in files, divided by lines ``#section name``.

    Parameters
    ----------
    func_files : str or list of str
        Files; relative ones are looked for beside the module of the class.
    func_name : str, optional
        A function of the support code, which computes the op: it takes the inputs, pointers to
        the outputs and, where the op has a ``params_type``, the parameters; it returns 0, or
        another number where it has failed and set an exception. Without it there must be a section
        ``code``.

    Notes
    -----
    Sections are ``support_code``, ``support_code_apply``, ``support_code_struct``, ``init_code``,
    ``init_code_apply``, ``init_code_struct``, ``code``, ``code_cleanup`` and
    ``cleanup_code_struct``. In those that belong to a node, macros are defined:
    ``APPLY_SPECIFIC(name)`` is a name that belongs to the node, ``DTYPE_INPUT_0``,
    ``TYPENUM_INPUT_0``, ``ITEMSIZE_INPUT_0`` (and so on, for outputs too) describe the elements;
    in ``code``, ``code_cleanup`` and ``init_code_struct`` also ``FAIL`` and ``PARAMS``, and in the
    first two ``INPUT_0``, ``OUTPUT_0``, ...

    Raises
    ------
    ValueError
        If a file can't be read, has no or an unknown section, or nothing computes the op.
    """

    SECTIONS = (
        *("support_code", "support_code_apply", "support_code_struct", "init_code"),
        *("init_code_apply", "init_code_struct", "code", "code_cleanup", "cleanup_code_struct"),
    )

    def __init__(self, func_files: str | Sequence[str], func_name: str | None = None) -> None:
        files = [func_files] if isinstance(func_files, str) else list(func_files)
        self.func_files = [self.get_path(name) for name in files]
        self.func_name = func_name
        self.func_codes: list[str] = []
        self.code_sections: dict[str, str] = {}
        self.load_c_code(self.func_files)
        both = func_name is not None and "code" in self.code_sections
        if both or (func_name is None and "code" not in self.code_sections):
            raise ValueError(
                f"{type(self).__name__}: give func_name or a section 'code', "
                + ("not both" if both else "neither is there")
            )

    @classmethod
    def get_path(cls, f: str) -> str:
        """Return a file name that is relative to the class's module as an absolute one."""
        path = Path(f)
        if not path.is_absolute():
            path = Path(inspect.getfile(cls)).resolve().parent / path
        return str(path)

    def load_c_code(self, func_files: Sequence[str]) -> None:
        """Read files and add their sections to those that are there."""
        for name in func_files:
            try:
                text = Path(name).read_text(encoding="utf-8")
            except OSError as problem:
                raise ValueError(
                    user_message(f"the C code of {type(self).__name__} can't be read",
                                 got=str(problem))
                ) from problem
            self.func_codes.append(text)
            head, *rest = _SECTION.split(text)
            if not rest:
                raise ValueError(f"{name} has no line `#section name`; names: {self.SECTIONS}")
            if re.sub(r"/\*.*?\*/|//[^\n]*", "", head, flags=re.DOTALL).strip():
                raise ValueError(f"{name} has code before its first section: {head.strip()!r}")
            for section, body in zip(rest[::2], rest[1::2], strict=True):
                if section not in self.SECTIONS:
                    raise ValueError(f"{name}: unknown section {section!r}; {self.SECTIONS}")
                self.code_sections[section] = self.code_sections.get(section, "") + body

    def c_code_cache_version(self) -> tuple[Any, ...]:
        """Return a digest of the files; the text itself enters the cache's key as well."""
        return tuple(self.func_codes)

    # ---- parts without macros

    def c_support_code(self) -> str:
        """Return the section ``support_code``."""
        return self.code_sections.get("support_code", "")

    def c_init_code(self) -> list[str]:
        """Return the section ``init_code``."""
        code = self.code_sections.get("init_code")
        return [] if code is None else [code]

    # ---- parts that belong to a node

    def c_support_code_apply(self, node: Any, name: str) -> str:
        """Return the section ``support_code_apply``."""
        return self._with_macros("support_code_apply", self.get_c_macros(node, name))

    def c_support_code_struct(self, node: Any, name: str) -> str:
        """Return the section ``support_code_struct``."""
        return self._with_macros("support_code_struct", self.get_c_macros(node, name))

    def c_init_code_apply(self, node: Any, name: str) -> str:
        """Return the section ``init_code_apply``."""
        return self._with_macros("init_code_apply", self.get_c_macros(node, name))

    def c_init_code_struct(self, node: Any, name: str, sub: dict[str, str]) -> str:
        """Return the section ``init_code_struct``."""
        macros = self.get_c_macros(node, name) + self._sub_macros(sub)
        return self._with_macros("init_code_struct", macros)

    def c_cleanup_code_struct(self, node: Any, name: str) -> str:
        """Return the section ``cleanup_code_struct``."""
        return self._with_macros("cleanup_code_struct", self.get_c_macros(node, name))

    def c_code_cleanup(
        self, node: Any, name: str, inames: list[str], onames: list[str], sub: dict[str, str]
    ) -> str:
        """Return the section ``code_cleanup``."""
        macros = self.get_c_macros(node, name) + self._io_macros(inames, onames)
        return self._with_macros("code_cleanup", macros + self._sub_macros(sub))

    def c_code(
        self, node: Any, name: str, inames: list[str], onames: list[str], sub: dict[str, str]
    ) -> str:
        """Return the call of the function, or the section ``code``."""
        macros = self.get_c_macros(node, name) + self._sub_macros(sub)
        if self.func_name is None:
            return self._with_macros("code", macros + self._io_macros(inames, onames))
        arguments = [*inames, *(f"&{out}" for out in onames)]
        if self.params_type is not None:
            arguments.append(sub["params"])
        call = f"if ({self.func_name}({', '.join(arguments)}) != 0) {sub['fail']}\n"
        return _surrounded(call, macros)

    # ---- macros

    def get_c_macros(
        self, node: Any, name: str, check_input: bool | None = None
    ) -> list[tuple[str, str]]:
        """Return names and meanings of the macros that describe a node."""
        macros = [(f"{_APPLY}(str)", f"str##_{name}")]
        for kind, variables in (("INPUT", node.inputs), ("OUTPUT", node.outputs)):
            for i, variable in enumerate(variables):
                dtype = getattr(variable.type, "dtype", None)
                if dtype is None:
                    continue
                known = np.dtype(dtype)
                macros += [
                    (f"DTYPE_{kind}_{i}", f"npy_{dtype}"),
                    (f"TYPENUM_{kind}_{i}", str(known.num)),
                    (f"ITEMSIZE_{kind}_{i}", str(known.itemsize)),
                ]
        if hasattr(self.params_type, "name") and hasattr(self.params_type, "c_declare"):
            macros.append(("PARAMS_TYPE", str(self.params_type.name)))
        return macros + [(n, str(v)) for n, v in self.get_op_params()]

    def get_op_params(self) -> list[tuple[str, str]]:
        """Return further macros: pairs of name and value."""
        return []

    def _sub_macros(self, sub: dict[str, str]) -> list[tuple[str, str]]:
        macros = [("FAIL", sub["fail"])]
        return [*macros, ("PARAMS", sub["params"])] if "params" in sub else macros

    def _io_macros(self, inames: list[str], onames: list[str]) -> list[tuple[str, str]]:
        inputs = [(f"INPUT_{i}", name) for i, name in enumerate(inames)]
        return inputs + [(f"OUTPUT_{i}", name) for i, name in enumerate(onames)]

    def _with_macros(self, section: str, macros: list[tuple[str, str]]) -> str:
        code = self.code_sections.get(section)
        return "" if code is None else _surrounded(code, macros)


def _surrounded(code: str, macros: list[tuple[str, str]]) -> str:
    """`code` between definitions of macros and their end."""
    defined = "".join(f"#define {name} {' '.join(str(m).split())}\n" for name, m in macros)
    undefined = "".join(f"#undef {name.partition('(')[0]}\n" for name, _ in macros)
    return f"\n{defined}{code}\n{undefined}"


class OpenMPOp(Op):
    """An op whose C code may use OpenMP.

    Parameters
    ----------
    openmp : bool, optional
        Whether it does; default: ``config.openmp``.
    """

    def __init__(self, openmp: bool | None = None) -> None:
        self.openmp = config.openmp if openmp is None else openmp

    def c_compile_args(self) -> list[str]:
        """Return the option for OpenMP."""
        return ["-fopenmp"] if self.openmp else []

    def c_headers(self) -> list[str]:
        """Return OpenMP's header."""
        return ["omp.h"] if self.openmp else []

    def c_code(
        self, node: Any, name: str, inames: list[str], onames: list[str], sub: dict[str, str]
    ) -> str:
        """Return statements that compute the outputs; a subclass must define it."""
        raise MethodNotDefined(f"{type(self).__name__} does not define c_code")
