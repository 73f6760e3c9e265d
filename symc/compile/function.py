"""``function``: from inputs and outputs to something that can be called."""

from __future__ import annotations

import inspect
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from ..config import config
from ..errors import user_message
from ..graph.node import Apply, Variable, set_eval_hook
from ..graph.op import set_compile_hook, set_shape_hook
from ..lazy import LazyModule
from .callable import Function
from .inputs import as_input
from .maker import FunctionMaker
from .mode import Mode, get_mode

_foreign = LazyModule("symc.compile.foreign")
_profiling = LazyModule("symc.compile.profiling")
_shapes = LazyModule("symc.compile.shapes")

__all__ = ["Function", "explain", "function", "function_dump"]


def function(
    inputs: Sequence[Any],
    outputs: Any = None,
    mode: Mode | str | None = None,
    updates: Any = None,
    givens: Any = None,
    no_default_updates: Any = False,
    accept_inplace: bool = False,
    name: str | None = None,
    rebuild_strict: bool = True,
    allow_input_downcast: bool | None = None,
    profile: Any = None,
    on_unused_input: str | None = None,
) -> Function:
    """Compile a graph into a callable.

    Parameters
    ----------
    inputs : list of Variable or In
        Any variable may be an input, inner ones of the graph too.
    outputs : Variable, Out, list or dict of them, optional
        What a call returns: nothing, one value, a list, or a dict with the same keys.
    mode : Mode or str, optional
        See :class:`symc.compile.mode.Mode`.
    updates : pairs or dict, optional
        New values of shared variables, computed from the old ones and stored together after
        everything has been computed.
    givens : pairs or dict, optional
        Replacements of variables of the graph.
    no_default_updates : bool or list of SharedVariable, optional
        Which default updates not to apply.
    accept_inplace : bool, optional
        Accepted for Theano's sake.
    name : str, optional
    rebuild_strict : bool, optional
        Whether givens must keep the type of what they replace.
    allow_input_downcast : bool or None, optional
        Default of ``In(allow_downcast=...)``.
    profile : bool, str or ProfileStats, optional
        Whether calls are counted and timed (see `symc.compile.profiling`); a text is the title of
        the profile. Default: ``config.profile``.
    on_unused_input : {"raise", "warn", "ignore"}, optional

    Returns
    -------
    Function

    Raises
    ------
    MissingInputError, UnusedInputError, UpdateError, TypeError
        Each names the variable and the line where it was made.

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> x = T.dvector("x")
    >>> f = symc.function([x], 2 * x + 1)
    >>> f([0.0, 1.0])
    array([1., 3.])
    """
    del accept_inplace
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(
            user_message(
                "the inputs of a function must be a list",
                got=f"{type(inputs).__name__}: {inputs!r}",
                hint="write function([x], ...) for one input",
            )
        )
    specs = [as_input(i, allow_input_downcast) for i in inputs]
    stats = None
    if profile or (profile is None and config.profile):
        stats = _profiling.as_profile(profile, name)
    start = perf_counter()
    maker = FunctionMaker(
        specs,
        outputs,
        get_mode(mode),
        updates=updates,
        givens=givens,
        no_default_updates=no_default_updates,
        strict=rebuild_strict,
        name=name,
        on_unused_input=on_unused_input,
    )
    if stats is None:
        return maker.create()
    made: Function = _profiling.profiled(maker, stats, perf_counter() - start)
    return made


def function_dump(
    filename: str | os.PathLike[str],
    inputs: Sequence[Any],
    outputs: Any = None,
    **options: Any,
) -> None:
    """Write the arguments of a call of `function` to a file instead of compiling.

    The file shows somebody else what does not compile:
    ``function(**pickle.load(open(filename, "rb")))`` makes the function.

    Parameters
    ----------
    filename : path
    inputs, outputs, **options
        As for `function`; a name that it does not know is an error.

    Raises
    ------
    TypeError
        For an unknown option.
    """
    given = inspect.signature(function).bind(inputs, outputs, **options)
    Path(filename).write_bytes(pickle.dumps(dict(given.arguments)))


def explain(f: Function, details: bool = False) -> str:
    """Say which rewrite rules fired while a function was compiled.

    Parameters
    ----------
    f : Function
        Of any mode.
    details : bool, optional
        Add one line per firing, in order: phase, rule, op, and the user's line.

    Returns
    -------
    str
        What was done in one line; then every rule with its phase, how often it fired, and the
        user's lines where it did so most.

    Raises
    ------
    TypeError
        If `f` is not a compiled function.

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> x = T.dscalar("x")
    >>> "log_of_one_plus" in symc.explain(symc.function([x], T.log(1 + x)))
    True
    """
    if not isinstance(f, Function):
        raise TypeError(
            user_message(
                "explain tells about compiled functions",
                got=f"{type(f).__name__}: {f!r}",
                hint="compile the expression first: explain(function([x], expression))",
            )
        )
    optimized = f.maker.executor.optimized
    rules = {(firing.phase, firing.rule) for firing in optimized.firings}
    seconds = sum(optimized.phase_seconds.values())
    lines = [
        f"function {f.name or '<unnamed>'}: {len(optimized.firings)} rewrite(s) "
        f"by {len(rules)} rule(s) in {seconds:.3f} s",
        *optimized.summary(),
    ]
    if details and optimized.firings:
        lines += ["", "in order:", *map(str, optimized.firings)]
    return "\n".join(lines)


def _function_of(inputs: tuple[Variable, ...], output: Variable) -> Function:
    """What `Variable.eval` calls."""
    return function(list(inputs), output, on_unused_input="ignore")


def _compiled_node(node: Apply) -> Any:
    """What `run_perform` calls for ops that bring C code."""
    return _foreign.compiled_node(node)


def _shapes_of_node(node: Apply, in_shapes: Sequence[Any]) -> list[Any]:
    """What ``infer_shape`` of a built-in op calls."""
    found: list[Any] = _shapes.infer_shape(node, in_shapes)
    return found


set_eval_hook(_function_of)
set_compile_hook(_compiled_node)
set_shape_hook(_shapes_of_node)
