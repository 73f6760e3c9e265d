"""Users' ops with C code of their own: from the op's methods to a function of values."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from ..codegen.foreign import Operand, UserText, failing, foreign_source
from ..errors import CompilerMissing, MethodNotDefined
from ..graph.cbinding import FAIL, c_binding
from ..graph.node import Apply
from ..graph.usercode import has_c_code
from ..runtime.cxx import UserBuild, compile_user_code, load_user_code

__all__ = ["compiled_node", "user_source"]

NODE_NAME = "node_0"
"""What users' methods get as `name`: there is one node in a unit."""

_modules: dict[str, Any] = {}
_functions: WeakKeyDictionary[Apply, Any] = WeakKeyDictionary()


def compiled_node(node: Apply) -> Callable[[list[Any]], list[Any]] | None:
    """The compiled function of a node whose op has C code; None where there is none.

    Parameters
    ----------
    node : Apply

    Returns
    -------
    callable or None
        Takes the list of the values of the inputs, returns the list of those of the outputs.
        None: the op declines by raising MethodNotDefined or NotImplementedError, or there is no
        compiler and the op has a ``perform``.

    Raises
    ------
    UserCodeError
        If the code does not compile.
    """
    known = _functions.get(node, _functions)
    if known is not _functions:
        return known  # type: ignore[no-any-return]
    function = _compiled(node)
    _functions[node] = function
    return function


def _compiled(node: Apply) -> Any:
    if not has_c_code(type(node.op)):
        return None
    try:
        source, build = user_source(node)
    except (MethodNotDefined, NotImplementedError):
        return None
    module = _modules.get(source)
    if module is None or build.headers:
        try:
            path = compile_user_code(source, build, str(node.op))
        except CompilerMissing:
            if _has_perform(node.op):
                return None
            raise
        module = _modules.get(str(path)) or load_user_code(path, str(node.op))
        _modules[str(path)] = module
        if not build.headers:
            _modules[source] = module
    return module.create(node.run_params())


def _has_perform(op: Any) -> bool:
    return any("perform" in cls.__dict__ for cls in type(op).__mro__[:-1] if _is_users(cls))


def _is_users(cls: type) -> bool:
    return not cls.__module__.startswith("symc.graph.")


def user_source(node: Apply) -> tuple[str, UserBuild]:
    """The C++ text for a node, and how it is compiled.

    Raises
    ------
    MethodNotDefined, NotImplementedError
        If the op declines.
    """
    op = node.op
    overwritten = {i for over in op.destroy_map.values() for i in over}
    inputs = [
        operand(v.type, f"V{k}", k in overwritten) for k, v in enumerate(node.inputs)
    ]
    outputs = [operand(v.type, f"V{node.nin + k}") for k, v in enumerate(node.outputs)]
    params = None
    sub = {"fail": failing("symc_code_end")}
    init_sub = {"fail": failing("symc_init_end")}
    if op.params_type is not None:
        params = operand(op.params_type, "symc_p")
        sub["params"] = init_sub["params"] = params.name
    inames, onames = [x.name for x in inputs], [y.name for y in outputs]
    parts = {
        "code": op.c_code(node, NODE_NAME, inames, onames, sub),
        "code_cleanup": op.c_code_cleanup(node, NODE_NAME, inames, onames, sub),
        "support": op.c_support_code(),
        "support_apply": op.c_support_code_apply(node, NODE_NAME),
        "support_struct": op.c_support_code_struct(node, NODE_NAME),
        "init_module": "\n".join([*op.c_init_code(), op.c_init_code_apply(node, NODE_NAME)]),
        "init_struct": op.c_init_code_struct(node, NODE_NAME, init_sub),
        "cleanup_struct": op.c_cleanup_code_struct(node, NODE_NAME),
    }
    types = [v.type for v in (*node.inputs, *node.outputs)]
    types += [] if op.params_type is None else [op.params_type]
    headers = tuple(dict.fromkeys([*_all(types, "c_headers"), *op.c_headers()]))
    text = UserText(
        parts,
        headers,
        inputs,
        outputs,
        params,
        hashlib.sha256(repr(op.c_code_cache_version_apply(node)).encode()).hexdigest()[:16],
        tuple(dict.fromkeys(t.c_support_code() for t in types if hasattr(t, "c_support_code"))),
    )
    build = UserBuild(
        (*_all(types, "c_header_dirs"), *op.c_header_dirs()),
        (*_all(types, "c_libraries"), *op.c_libraries()),
        (*_all(types, "c_lib_dirs"), *op.c_lib_dirs()),
        (*_all(types, "c_compile_args"), *op.c_compile_args()),
        tuple(op.c_no_compile_args()),
        headers,
    )
    return foreign_source(text), build


def _all(types: list[Any], method: str) -> list[str]:
    """What the types that have C code of their own say."""
    return [text for t in types if hasattr(t, method) for text in getattr(t, method)()]


def operand(type_: Any, name: str, overwritten: bool = False) -> Operand:
    """A value of a type as a C variable of an op's code."""
    texts = vars(c_binding(type_, name))
    sync = texts["sync"].replace(FAIL, failing("symc_code_end"))
    return Operand(**{**texts, "sync": sync}, overwritten=overwritten)
