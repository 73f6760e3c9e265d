"""The C part of the contract of users' ops: C code over NumPy arrays.

An op that defines `UserCode.c_code` is computed by compiled code wherever a C++ compiler is found,
and by ``perform`` elsewhere. All methods return text, or lists of text. Those whose names end in
``_apply`` or ``_struct`` may differ from node to node.
"""

from __future__ import annotations

from typing import Any

from symc.errors import MethodNotDefined

__all__ = ["UserCode", "has_c_code"]


class UserCode:
    """Methods that an op with C code of its own may define; by default there is nothing.

    Notes
    -----
    `name` is a word that no other node uses in the same text, `sub` a dict with ``fail`` (what to
    write where a Python exception has been set, or none: the computation ends there) and, if the
    op has a ``params_type``, ``params`` (the name of the C variable).
    """

    def c_code(
        self, node: Any, name: str, inames: list[str], onames: list[str], sub: dict[str, str]
    ) -> str:
        """Return statements that compute the outputs.

        Parameters
        ----------
        node : Apply
        name : str
        inames, onames : list of str
            Names of the C variables: ``PyArrayObject*`` for tensors (for outputs NULL; the code
            makes an array with its own reference), ``PyObject*`` or what the type's ``c_declare``
            says for others. The typedef ``dtype_<name>`` is the C type of the elements.
        sub : dict
        """
        raise MethodNotDefined(f"{type(self).__name__} does not define c_code")

    def c_code_cleanup(
        self, node: Any, name: str, inames: list[str], onames: list[str], sub: dict[str, str]
    ) -> str:
        """Return statements that run after `c_code`, whether it has failed or not."""
        return ""

    def c_headers(self) -> list[str]:
        """Return names of headers, with or without ``<>`` or quotes."""
        return []

    def c_header_dirs(self) -> list[str]:
        """Return directories of headers."""
        return []

    def c_libraries(self) -> list[str]:
        """Return names of libraries, without ``-l``."""
        return []

    def c_lib_dirs(self) -> list[str]:
        """Return directories of libraries."""
        return []

    def c_compile_args(self) -> list[str]:
        """Return further options of the compiler."""
        return []

    def c_no_compile_args(self) -> list[str]:
        """Return options of the compiler that must not be used."""
        return []

    def c_support_code(self) -> str:
        """Return declarations that come before everything else."""
        return ""

    def c_support_code_apply(self, node: Any, name: str) -> str:
        """Return declarations for one node."""
        return ""

    def c_support_code_struct(self, node: Any, name: str) -> str:
        """Return members of the struct that lives as long as the node's compiled form."""
        return ""

    def c_init_code(self) -> list[str]:
        """Return statements that run once when the code is loaded."""
        return []

    def c_init_code_apply(self, node: Any, name: str) -> str:
        """Return statements for one node that run once when the code is loaded."""
        return ""

    def c_init_code_struct(self, node: Any, name: str, sub: dict[str, str]) -> str:
        """Return statements that run when the struct is made."""
        return ""

    def c_cleanup_code_struct(self, node: Any, name: str) -> str:
        """Return statements that run when the struct goes."""
        return ""

    def c_code_cache_version(self) -> tuple[Any, ...]:
        """Return a tuple that changes with the meaning of the code; empty where none is kept."""
        return ()

    def c_code_cache_version_apply(self, node: Any) -> tuple[Any, ...]:
        """Return the version for one node; by default that of the op."""
        return self.c_code_cache_version()


def has_c_code(cls: type) -> bool:
    """Tell whether a class of ops brings C code of its own for NumPy arrays."""
    return getattr(cls, "c_code", UserCode.c_code) is not UserCode.c_code
