"""`Op`: what an application computes; the contract of users' ops and of the built-in ones.

A user's op defines, in Theano's names, `Op.make_node` (or ``itypes`` and ``otypes``) and
`Op.perform`, and optionally ``infer_shape``, ``grad`` or ``L_op``, ``R_op``,
``connection_pattern``, ``view_map``, ``destroy_map``; ``__props__`` gives equality and hash.

**Built-in ops** derive from `BuiltinOp` and are usually frozen dataclasses. They define

``make_node(*inputs)``
    checks the operand types and returns the `Apply`.
``numpy(*arrays)``
    the reference meaning: an array, or a tuple of arrays when there are several outputs. It gives
    `perform`, so constant folding, the NumPy mode, the debug mode and tests all run it.
``shape(node, in_shapes, ctx)``
    a list with one tuple of sizes per output. ``in_shapes`` holds a tuple of sizes per input, None
    for operands without a shape. A size supports integer arithmetic; the same method serves static
    lengths, the rewriter and the run-time size program.
``L_op(inputs, outputs, g_outputs)``
    the gradient as a graph.

and as many of the lowering methods ``define``, ``reduction``, ``routine``, ``emit`` and ``view``
as apply; ``symc.loop.protocol`` is their contract and that of ``ctx``. A node that none of them
covers runs `perform` as a Python step.

Whoever makes nodes by hand calls the op: `Op.__call__` is the one place where traces are recorded
and test values computed. Whoever runs ``perform`` calls `run_perform`, which checks what the op
stored.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np

from symc.config import config
from symc.errors import MethodNotDefined, SymcError, user_message
from symc.graph.node import Apply, Constant, Variable
from symc.graph.props import WithProps
from symc.graph.testvalue import compute_test_values
from symc.graph.thunk import MakesThunks, has_own_thunk, run_thunk
from symc.graph.trace import creation_trace, user_line
from symc.graph.usercode import UserCode, has_c_code

__all__ = [
    "BuiltinOp",
    "Op",
    "compiled_code",
    "named_op",
    "run_graph",
    "run_perform",
    "set_compile_hook",
    "set_shape_hook",
]

O = TypeVar("O", bound="Op")  # noqa: E741


class Op(UserCode, MakesThunks, WithProps):
    """An operation; calling it with variables applies it.

    Attributes
    ----------
    itypes, otypes : sequence of Type, optional
        Operand and result types, for ops that work on fixed types only.
    default_output : int or None
        Which output a call returns; None returns all of them (or the only one).
    view_map, destroy_map : dict from int to list of int
        ``{output: [input]}``: which outputs are views of, or overwrite, which inputs.
    params_type : Type or None
        Type of the extra argument of `perform`, made by ``get_params(node)``.
    inner_graph : Graph, optional
        The graph inside the op, for ops that have one; printers show it.
    """

    default_output: int | None = None
    view_map: ClassVar[dict[int, list[int]]] = {}
    destroy_map: ClassVar[dict[int, list[int]]] = {}
    params_type: Any = None
    check_input = True
    _f16_ok = False
    _has_c_code = False
    _has_own_thunk = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._has_c_code = has_c_code(cls)
        cls._has_own_thunk = has_own_thunk(cls)

    # -- making nodes -------------------------------------------------------------------------

    def make_node(self, *inputs: Any) -> Apply:
        """Return an application of this op to `inputs`.

        The default takes operands of the types in ``itypes``, converting plain values and
        variables that convert without loss, and gives results of the types in ``otypes``.

        Raises
        ------
        TypeError
            If the number or the types of the operands do not fit.
        NotImplementedError
            If the class defines neither this method nor ``itypes`` and ``otypes``.
        """
        itypes = getattr(self, "itypes", None)
        otypes = getattr(self, "otypes", None)
        if itypes is None or otypes is None:
            raise NotImplementedError(
                f"{type(self).__name__} must define make_node, or itypes and otypes"
            )
        if len(inputs) != len(itypes):
            raise ValueError(f"{self} takes {len(itypes)} inputs, got {len(inputs)}: {inputs}")
        variables = [
            self._operand(i, x, t) for i, (x, t) in enumerate(zip(inputs, itypes, strict=True))
        ]
        return Apply(self, variables, [otype() for otype in otypes])

    def _operand(self, i: int, given: Any, itype: Any) -> Variable:
        try:
            variable: Variable = itype.filter_variable(given)
            return variable
        except TypeError as error:
            got = given.type if isinstance(given, Variable) else type(given)
            raise TypeError(
                user_message(
                    f"input {i} of {self} has the wrong type",
                    got=f"{given} of type {got}",
                    expected=str(itype),
                    where=user_line(given) or None,
                )
            ) from error

    def __call__(self, *inputs: Any, **kwargs: Any) -> Any:
        """Apply the op.

        Parameters
        ----------
        *inputs : Variable or object
            The operands, as `make_node` takes them.
        return_list : bool, optional
            Always return a list of outputs.
        **kwargs
            Passed to `make_node`.

        Returns
        -------
        Variable or list of Variable
            The output named by ``default_output``, else the only output, else all of them.
        """
        return_list = kwargs.pop("return_list", False)
        try:
            node = self.make_node(*inputs, **kwargs)
        except SymcError as error:
            _say_where(error)
            raise
        limit = config.traceback.limit
        if limit > 0:
            trace = creation_trace(limit)
            node.tag.trace = trace
            for output in node.outputs:
                output.tag.trace = trace
        if config.compute_test_value != "off":
            compute_test_values(node, run_perform)
        outputs = node.outputs
        index = self.default_output
        if index is not None:
            return [outputs[index]] if return_list else outputs[index]
        if len(outputs) == 1 and not return_list:
            return outputs[0]
        return list(outputs)

    # -- running ------------------------------------------------------------------------------

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]], params: Any = None
    ) -> None:
        """Compute the node with Python.

        Parameters
        ----------
        node : Apply
            The application.
        inputs : list
            Values of the operands; not to be changed unless ``destroy_map`` says so.
        output_storage : list of list
            One cell per output; the result goes to ``output_storage[i][0]``.
        params : object, optional
            Only passed when the op has a ``params_type``.
        """
        raise MethodNotDefined(f"{type(self).__name__} does not define perform")

    def make_c_thunk(
        self,
        node: Apply,
        storage_map: dict[Variable, list[Any]],
        compute_map: dict[Variable, list[Any]],
        no_recycling: list[Any],
    ) -> Callable[[], None]:
        """Return a function that calls the compiled form of the op's C code.

        Raises
        ------
        NotImplementedError
            If the op brings none, or there is no compiler.
        """
        compiled = compiled_code(node)
        if compiled is None:
            raise NotImplementedError(f"{self} has no C code that could be compiled")

        def thunk() -> None:
            results = compiled([storage_map[v][0] for v in node.inputs])
            for output, value in zip(node.outputs, results, strict=True):
                storage_map[output][0] = value
                compute_map[output][0] = True

        return thunk

    def get_params(self, node: Apply) -> Any:
        """Return the value of the extra argument of `perform`.

        By default, for a `symc.graph.params.ParamsType`, the op's attributes with the names of the
        fields.
        """
        collect = getattr(self.params_type, "get_params", None)
        if collect is not None:
            return collect(self)
        raise MethodNotDefined(
            f"{type(self).__name__} has a params_type and does not define get_params"
        )

    def do_constant_folding(self, node: Apply) -> bool:
        """Tell whether the node may be computed at compile time when its inputs are constant."""
        return True

    def python_constant_folding(self, node: Apply) -> bool:
        """Tell whether constant folding must use `perform`."""
        return True

    # -- derivatives --------------------------------------------------------------------------

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        """Return the gradients with respect to `inputs`; the default calls `grad`."""
        if type(self).grad is Op.grad:
            raise MethodNotDefined(self._no_gradient())
        return self.grad(inputs, g_outputs)

    def grad(self, inputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        """Return the gradients with respect to `inputs`; the default calls `L_op`."""
        if type(self).L_op is Op.L_op:
            raise MethodNotDefined(self._no_gradient())
        return self.L_op(inputs, self(*inputs, return_list=True), g_outputs)

    def _no_gradient(self) -> str:
        return user_message(
            f"{self} has no gradient",
            got=f"class {type(self).__name__}, which defines neither grad nor L_op",
            hint="define one of them, or use disconnected_grad where no gradient is wanted",
        )

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        """Return the forward derivatives of the outputs along `eval_points`."""
        raise MethodNotDefined(f"{type(self).__name__} does not define R_op")

    # -- pickling -----------------------------------------------------------------------------

    def __reduce_ex__(self, protocol: Any) -> Any:
        entry = _named.get(id(self))
        if entry is not None:
            _, module, name = entry
            if getattr(sys.modules.get(module), name, None) is self:
                return _load_named, (module, name)
        return super().__reduce_ex__(protocol)


def _say_where(error: SymcError) -> None:
    """Add the user's line that is being executed to a message that names none."""
    text = error.args[0] if error.args else None
    trace = creation_trace(1)
    if isinstance(text, str) and "\n  at: " not in text and trace:
        error.args = (f"{text}\n  at: {trace[-1]}", *error.args[1:])


# Module-level op instances: id -> (the op, kept alive so that the id stays its own; module; name).
_named: dict[int, tuple[Op, str, str]] = {}


def named_op(name: str, op: O, module: str | None = None) -> O:
    """Make a module-level op instance pickle, and copy, as a reference to its name.

    Parameters
    ----------
    name : str
        The global name that it is bound to.
    op : Op
        The instance.
    module : str, optional
        The module; by default the caller's.

    Returns
    -------
    Op
        `op` itself, so that ``exp = named_op("exp", Elemwise(...))`` reads as an assignment.
    """
    if module is None:
        module = str(sys._getframe(1).f_globals["__name__"])
    _named[id(op)] = (op, module, name)
    return op


def _load_named(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


# ---------------------------------------------------------------------------------------------
# Built-in ops
# ---------------------------------------------------------------------------------------------


class BuiltinOp(Op):
    """Base of the ops of symc itself; the module's docstring is the contract."""

    def numpy(self, *arrays: Any) -> Any:
        """Return the value of the op on arrays: an array, or a tuple of them."""
        raise MethodNotDefined(f"{type(self).__name__} does not define numpy")

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        """Return the sizes of each output."""
        raise MethodNotDefined(f"{type(self).__name__} does not define shape")

    def infer_shape(self, node: Apply, in_shapes: Sequence[Any]) -> list[Any]:
        """Return the lengths of each output as variables, in Theano's form.

        Parameters
        ----------
        node : Apply
        in_shapes : sequence
            Per operand a tuple of lengths, integers or variables; None without a shape.
        """
        return _infer_shape(node, in_shapes)

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]], params: Any = None
    ) -> None:
        """Store what `numpy` returns, in the dtypes that the node declares."""
        results = self.numpy(*inputs)
        if not isinstance(results, tuple):
            results = (results,)
        if len(results) != len(output_storage):
            raise ValueError(
                f"{self}.numpy returned {len(results)} values for {len(output_storage)} outputs"
            )
        for cell, output, result in zip(output_storage, node.outputs, results, strict=True):
            dtype = getattr(output.type, "dtype", None)
            cell[0] = result if dtype is None else np.asarray(result, dtype=dtype)


# ---------------------------------------------------------------------------------------------
# Running perform
# ---------------------------------------------------------------------------------------------


def _not_compiled(node: Apply) -> Callable[[list[Any]], list[Any]] | None:
    return None


_compile_node: Callable[[Apply], Callable[[list[Any]], list[Any]] | None] = _not_compiled


def _no_shapes(node: Apply, in_shapes: Sequence[Any]) -> list[Any]:
    raise MethodNotDefined("infer_shape needs the compiler: import symc, not only symc.graph")


_infer_shape: Callable[[Apply, Sequence[Any]], list[Any]] = _no_shapes


def set_shape_hook(infer_shape: Callable[[Apply, Sequence[Any]], list[Any]]) -> None:
    """Register what answers `BuiltinOp.infer_shape`."""
    global _infer_shape
    _infer_shape = infer_shape


def set_compile_hook(
    compile_node: Callable[[Apply], Callable[[list[Any]], list[Any]] | None],
) -> None:
    """Register the compiler of C code that ops bring themselves.

    Parameters
    ----------
    compile_node : callable
        ``compile_node(node)`` returns a function from the list of input values to the list of
        output values, or None where ``perform`` is to be used.
    """
    global _compile_node
    _compile_node = compile_node


def compiled_code(node: Apply) -> Callable[[list[Any]], list[Any]] | None:
    """The compiled form of a node whose op has C code, or None."""
    return _compile_node(node) if node.op._has_c_code else None


def run_perform(node: Apply, inputs: Sequence[Any], allow_destroy: bool = False) -> list[Any]:
    """Compute a node with its op's C code or ``perform``, and check what that stored.

    Parameters
    ----------
    node : Apply
        The application.
    inputs : sequence
        Values of its inputs.
    allow_destroy : bool
        Whether inputs that ``destroy_map`` names may be overwritten; otherwise copies are.

    Returns
    -------
    list
        One value per output. An output that shares memory with an input is a copy unless the op
        declares it in ``view_map`` or ``destroy_map``.

    Raises
    ------
    TypeError
        If a stored value is not of the output's type.
    ValueError
        If nothing was stored.
    Exception
        What ``perform`` raised, with the node and the user's line added to its text.
    """
    op = node.op
    values = list(inputs)
    if op.destroy_map and not allow_destroy:
        for i in {i for overwritten in op.destroy_map.values() for i in overwritten}:
            values[i] = node.inputs[i].type.copy_value(values[i])
    cells: list[list[Any]] = [[None] for _ in node.outputs]
    compiled = _compile_node(node) if op._has_c_code else None
    try:
        if compiled is not None:
            cells = [[value] for value in compiled(values)]
        elif op._has_own_thunk:
            cells = run_thunk(node, values)
        elif op.params_type is None:
            op.perform(node, values, cells)
        else:
            op.perform(node, values, cells, node.run_params())
    except Exception as error:
        _blame(error, node)
        raise
    return [_checked_output(node, i, cells, values) for i in range(len(cells))]


def run_graph(
    order: Iterable[Apply],
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    values: Sequence[Any],
) -> list[Any]:
    """Compute a graph with `run_perform`.

    Parameters
    ----------
    order : iterable of Apply
        Its applications, each after those it depends on.
    inputs, outputs : sequence of Variable
        Its ends; all other leaves are constants.
    values : sequence
        Values of the inputs.

    Returns
    -------
    list
        Values of the outputs; they may share memory with inputs and constants.
    """
    known: dict[Variable, Any] = dict(zip(inputs, values, strict=True))

    def value(variable: Variable) -> Any:
        return variable.data if isinstance(variable, Constant) else known[variable]

    for node in order:
        found = run_perform(node, [value(v) for v in node.inputs])
        known.update(zip(node.outputs, found, strict=True))
    return [value(v) for v in outputs]


def _checked_output(node: Apply, i: int, cells: list[list[Any]], values: list[Any]) -> Any:
    output, value = node.outputs[i], cells[i][0]
    if value is None and not output.type.is_valid_value(None):
        raise ValueError(_output_message(node, i, f"nothing was stored for output {i}"))
    try:
        value = output.type.filter_output(value)
    except (TypeError, ValueError) as error:
        what = f"perform stored a value of another type for output {i}: {error}"
        raise TypeError(_output_message(node, i, what)) from error
    declared = {*node.op.view_map.get(i, ()), *node.op.destroy_map.get(i, ())}
    aliased = any(
        j not in declared and output.type.may_share_memory(value, given)
        for j, given in enumerate(values)
    ) or any(output.type.may_share_memory(value, cell[0]) for cell in cells[:i])
    return output.type.copy_value(value) if aliased else value


def _output_message(node: Apply, i: int, what: str) -> str:
    return user_message(
        f"{node.op}: {what}",
        expected=f"a value of type {node.outputs[i].type} for output {i}",
        where=user_line(node) or None,
        hint=f"output_storage[{i}][0] must be set by {type(node.op).__name__}.perform",
    )


_BLAMED = "while computing "


def _blame(error: Exception, node: Apply) -> None:
    """Add the node to an exception's text, once: the innermost node is the one to blame."""
    if getattr(error, "_symc_blamed", False):
        return
    line = user_line(node)
    note = f"{_BLAMED}{node}" + (f"\n  at: {line}" if line else "")
    if len(error.args) == 1 and isinstance(error.args[0], str) and not isinstance(error, KeyError):
        error.args = (f"{error.args[0]}\n{note}",)
    elif hasattr(error, "add_note"):
        error.add_note(note)
    error._symc_blamed = True  # type: ignore[attr-defined]
