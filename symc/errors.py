"""Exception classes and the one layout of their messages.

Every class derives from `SymcError` and, where Theano raises a built-in exception in the same
situation, from that built-in class too, so ``except ValueError`` in old code keeps working.

Messages are built by `user_message`: the first line says what went wrong, the indented lines below
say what was got, what was expected, where the user wrote it, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

__all__ = [
    "AdvancedIndexingError",
    "AliasedMemoryError",
    "ArgumentError",
    "AsTensorError",
    "AssertFailedError",
    "CacheError",
    "CompileError",
    "CompilerMissing",
    "ComplexError",
    "ConfigError",
    "CycleError",
    "DTypeError",
    "DebugModeError",
    "DisconnectedInputError",
    "EmptyConstantError",
    "GradientError",
    "GraphError",
    "InconsistencyError",
    "IndexOutOfBoundsError",
    "IndexShapeError",
    "IntegerDivisionError",
    "LiteralOverflowError",
    "MethodNotDefined",
    "MissingInputError",
    "NonScalarCostError",
    "NotScalarConstantError",
    "NullTypeGradError",
    "RewriteError",
    "ShapeError",
    "SingularMatrixError",
    "SymcError",
    "TestValueError",
    "UndefinedGradientError",
    "UnknownFlagError",
    "UnusedInputError",
    "UpdateError",
    "UpdateTypeError",
    "UserCodeError",
    "VerifyError",
    "user_message",
]


class SymcError(Exception):
    """Base of every exception that symc raises on purpose."""


# ---------------------------------------------------------------------------------------------
# Values, types and shapes
# ---------------------------------------------------------------------------------------------


class ShapeError(SymcError, ValueError):
    """Shapes, lengths or ranks do not fit together."""


class DTypeError(SymcError, TypeError):
    """A dtype is unknown, does not fit the operation, or would lose precision silently."""


class AsTensorError(SymcError, TypeError):
    """A Python object can't be turned into a tensor variable."""


class ComplexError(SymcError, NotImplementedError):
    """The operation is not defined for complex numbers."""


class LiteralOverflowError(SymcError, OverflowError):
    """A Python integer does not fit the dtype that the other operand gives it."""


class IndexOutOfBoundsError(SymcError, IndexError):
    """An index lies outside its axis."""


class IndexShapeError(ShapeError, IndexOutOfBoundsError):
    """The index arrays of one indexing expression can't be broadcast together."""


class AdvancedIndexingError(SymcError, TypeError):
    """The index needs integer-array or mask indexing where only basic indexing is possible."""


class IntegerDivisionError(SymcError, ZeroDivisionError):
    """An integer was divided by zero where the result can't be represented."""


class SingularMatrixError(SymcError, np.linalg.LinAlgError):
    """A matrix is singular, or not positive definite where it must be."""


class AssertFailedError(SymcError, AssertionError):
    """A condition that the user put into the graph is false at run time."""


class NotScalarConstantError(SymcError):
    """The value of a variable as a scalar constant was asked for, and it is not one."""


class EmptyConstantError(NotScalarConstantError):
    """The constant has no element, so it has no scalar value."""


class TestValueError(SymcError, AttributeError):
    """A variable has no test value, or one that does not fit its type."""

    __test__ = False  # the name begins like a test class; pytest must not collect it


# ---------------------------------------------------------------------------------------------
# Graphs
# ---------------------------------------------------------------------------------------------


class GraphError(SymcError, ValueError):
    """A graph is not well formed."""


class CycleError(GraphError):
    """A graph contains a cycle."""


class MissingInputError(SymcError):
    """A graph depends on a variable that is neither an input, nor shared, nor constant."""


class MethodNotDefined(SymcError):  # noqa: N818 - Theano's name
    """An op does not define the optional method that was called."""


class InconsistencyError(SymcError):
    """A replacement or a declared destroy or view map makes a graph inconsistent."""


class RewriteError(SymcError):
    """A rewrite rule failed or produced a replacement of another type."""


class VerifyError(SymcError):
    """A program or graph breaks a rule of its language; a defect of symc or of a user's op."""


# ---------------------------------------------------------------------------------------------
# Gradients
# ---------------------------------------------------------------------------------------------


class DisconnectedInputError(SymcError, ValueError):
    """The gradient was asked for a variable that the cost does not depend on."""


class NullTypeGradError(SymcError, TypeError):
    """The gradient passes through an undefined (null) gradient."""


class UndefinedGradientError(SymcError, NotImplementedError):
    """An op has no gradient for the input asked for."""


class NonScalarCostError(SymcError, TypeError):
    """The cost given to the gradient is not a scalar."""


class GradientError(SymcError):
    """A symbolic gradient differs from finite differences by more than the tolerance."""


# ---------------------------------------------------------------------------------------------
# Compiled functions
# ---------------------------------------------------------------------------------------------


class UnusedInputError(SymcError):
    """An input of a function is not used by any output or update."""


class ArgumentError(SymcError, TypeError):
    """A compiled function was called with missing, extra, unknown or unfit arguments."""


class AliasedMemoryError(SymcError):
    """Memory is shared between values that must not share it."""


class UpdateError(SymcError, ValueError):
    """The updates of a function contradict each other or name something that has no storage."""


class UpdateTypeError(UpdateError, TypeError):
    """An update's type differs from the type of its shared variable."""


class DebugModeError(SymcError):
    """A check of the debug mode failed."""


class CompileError(SymcError, RuntimeError):
    """The C compiler or the loader failed on generated code."""


class CompilerMissing(CompileError):  # noqa: N818 - says what is the case
    """There is no C compiler that works."""


class UserCodeError(CompileError):
    """The C code that an op brings does not compile, or can't be loaded."""


class CacheError(SymcError, RuntimeError):
    """The compilation cache can't be used."""


# ---------------------------------------------------------------------------------------------
# Configuration
# ---------------------------------------------------------------------------------------------


class ConfigError(SymcError, ValueError):
    """A configuration flag has a bad value, or was changed after it took effect."""


class UnknownFlagError(ConfigError, AttributeError):
    """There is no configuration flag of this name."""


# ---------------------------------------------------------------------------------------------
# Message layout
# ---------------------------------------------------------------------------------------------

_MAX_LINES = 39
_MAX_BLOCK_LINES = 8
_MAX_LINE_LENGTH = 300

Lines = str | Iterable[object] | None


def user_message(
    what: str,
    *,
    got: Lines = None,
    expected: Lines = None,
    where: Lines = None,
    hint: Lines = None,
) -> str:
    """Build the text of an error in symc's one layout; parts that are None or empty are left out.

    Parameters
    ----------
    what : str
        What went wrong, in one sentence.
    got : str or iterable, optional
        What was found: shapes, dtypes, names. An iterable gives one line per item.
    expected : str or iterable, optional
        What would have been right.
    where : str or iterable, optional
        The user's line or lines, as ``file:line in function: code``.
    hint : str or iterable, optional
        What to do about it.

    Returns
    -------
    str
        At most 39 lines; longer parts are cut and say how many lines are missing.

    Examples
    --------
    >>> print(user_message("x + y: shapes do not broadcast", got="(2, 3) and (4,)",
    ...                    hint="lengths must be equal, or one of them 1"))
    x + y: shapes do not broadcast
      got: (2, 3) and (4,)
      hint: lengths must be equal, or one of them 1
    """
    lines = _clipped(what.splitlines() or [""], _MAX_BLOCK_LINES)
    for label, block in (("got", got), ("expected", expected), ("at", where), ("hint", hint)):
        if block is None or block == "":
            continue
        indent = " " * (len(label) + 4)
        texts = _clipped(_as_lines(block), _MAX_BLOCK_LINES)
        lines += [f"  {label}: {text}" if i == 0 else indent + text for i, text in enumerate(texts)]
    return "\n".join(_clipped(lines, _MAX_LINES))


def _as_lines(block: str | Iterable[object]) -> list[str]:
    items = [block] if isinstance(block, str) else block
    return [line for item in items for line in (str(item).splitlines() or [""])]


def _clipped(lines: list[str], limit: int) -> list[str]:
    cut = [
        line if len(line) <= _MAX_LINE_LENGTH else line[: _MAX_LINE_LENGTH - 3] + "..."
        for line in lines
    ]
    if len(cut) <= limit:
        return cut
    return [*cut[: limit - 1], f"... ({len(cut) - limit + 1} more lines)"]
