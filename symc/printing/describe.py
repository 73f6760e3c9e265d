"""Short descriptions of graphs and values that are the same in every run."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ..graph.formula import DefaultPrinter, LeafPrinter
from ..graph.node import Variable

__all__ = [
    "VALID_ASSOC",
    "default_printer",
    "hex_digest",
    "leaf_printer",
    "min_informative_str",
    "position_independent_str",
    "use_ascii",
    "var_descriptor",
]

VALID_ASSOC = {"left", "right", "either"}
"""Ways in which an operator may associate."""

use_ascii = True
"""Formulas are written with ASCII characters only."""

leaf_printer = LeafPrinter()
default_printer = DefaultPrinter()


def min_informative_str(obj: Variable, indent_level: int = 0) -> str:
    """Describe how a variable is computed, down to the next variables that have names.

    Parameters
    ----------
    obj : Variable
    indent_level : int
        Number of blanks before the first line.

    Returns
    -------
    str
        A line per variable: a letter, and the name, the op or the type. What was described before
        is shown as ``<A>``.

    Examples
    --------
    >>> import symc.tensor as T
    >>> a, b, d = T.vectors("abd")
    >>> c = a + b
    >>> c.name = "C"
    >>> print(min_informative_str(c * d))
    A. Elemwise{mul}
     B. C
     C. d
    """
    lines: list[str] = []
    tags: dict[Variable, str] = {}
    pending = [(obj, indent_level)]
    while pending:
        variable, level = pending.pop()
        if variable in tags:
            lines.append(f"{' ' * level}<{tags[variable]}>")
            continue
        tags[variable] = _letters(len(tags))
        operands: list[Variable] = []
        if variable.name is not None:
            text = variable.name
        elif variable.owner is not None:
            text, operands = str(variable.owner.op), variable.owner.inputs
        else:
            text = str(variable)
        lines.append(f"{' ' * level}{tags[variable]}. {text}")
        pending.extend((operand, level + 1) for operand in reversed(operands))
    return "\n".join(lines)


def _letters(number: int) -> str:
    text = ""
    while True:
        number, digit = divmod(number, 26)
        text = chr(ord("A") + digit) + text
        if not number:
            return text
        number -= 1


def var_descriptor(obj: Any) -> str:
    """Describe a value by what it holds, so that equal values of two runs have equal texts.

    Parameters
    ----------
    obj : object
        A variable, an array, an object with ``__array__``, or a list, tuple or dict of them;
        anything else is described by ``str``.
    """
    if isinstance(obj, Variable):
        return position_independent_str(obj)
    if isinstance(obj, (list, tuple)):
        return f"{type(obj).__name__}[{', '.join(map(var_descriptor, obj))}]"
    if isinstance(obj, dict):
        pairs = [f"{var_descriptor(key)}: {var_descriptor(obj[key])}" for key in obj]
        return f"dict{{{', '.join(pairs)}}}"
    if hasattr(obj, "__array__") and not isinstance(obj, np.generic):
        return f"<{type(obj).__name__}: {hex_digest(np.asarray(obj))}>"
    return str(obj)


def position_independent_str(obj: Variable) -> str:
    """Describe a variable by its class and type, not by its address.

    Raises
    ------
    TypeError
        If `obj` is no variable.
    """
    if not isinstance(obj, Variable):
        raise TypeError(f"position_independent_str describes variables, got {type(obj)}")
    return f"{type(obj).__name__}(type={obj.type})"


def hex_digest(x: Any) -> str:
    """Return a hash of the elements, the strides and the shape of an array."""
    array = np.asarray(x)
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return f"{digest}|dtype={array.dtype}|strides={list(array.strides)}|shape={list(array.shape)}"
