"""The nodes of an expression graph: `Variable`, `Constant`, `SharedVariable`, `Apply`.

A `Variable` is a value to be computed; its `Type` says which Python values it may take. An `Apply`
is one application of an op to input variables, giving output variables. The links (``type``,
``owner``, ``index``, ``op``, ``inputs``, ``outputs``) are set once; everything else about a node is
free: nodes are ordinary objects with a ``__dict__``, and users hang names, tags and attributes on
them, which cloning keeps.

Names that belong to higher floors reach this one through two hooks: `set_eval_hook` (compiling, for
`Variable.eval`) and `set_container_hook` (storage, for `SharedVariable`).
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from symc.config import config
from symc.errors import GraphError, user_message
from symc.graph.observers import ConstructionObservers
from symc.graph.pickling import Node
from symc.graph.trace import user_line
from symc.graph.type import Type

__all__ = [
    "Apply",
    "Constant",
    "Node",
    "SharedVariable",
    "Type",
    "Variable",
    "scratchpad",
    "set_container_hook",
    "set_eval_hook",
]

V = TypeVar("V", bound="Variable")
A = TypeVar("A", bound="Apply")

_next_auto_name = itertools.count().__next__


class scratchpad:  # noqa: N801 - Theano's name
    """A bag of free attributes, used as ``tag`` of variables and applications."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def __copy__(self) -> scratchpad:
        new = object.__new__(scratchpad)
        new.__dict__.update(self.__dict__)
        return new

    def __str__(self) -> str:
        inside = ", ".join(f"{key}={value!r}" for key, value in sorted(vars(self).items()))
        return f"scratchpad{{{inside}}}"

    __repr__ = __str__


def _copied_tag(tag: Any) -> Any:
    """A copy one level deep, at little cost where the tag is the usual one."""
    return tag.__copy__() if type(tag) is scratchpad else copy.copy(tag)


# ---------------------------------------------------------------------------------------------
# Variables
# ---------------------------------------------------------------------------------------------


class Variable(Node, ConstructionObservers):
    """A value in a graph.

    Parameters
    ----------
    type : Type
        What values it may take.
    owner : Apply, optional
        The application that computes it; set by `Apply`.
    index : int, optional
        Its position among the owner's outputs; set by `Apply`.
    name : str, optional
        Shown instead of the expression.

    Attributes
    ----------
    tag : scratchpad
        Free attributes; ``tag.trace`` is where it was made, ``tag.test_value`` its test value.
    auto_name : str
        ``auto_<n>``, different for every variable of the process.
    """

    name: str | None
    owner: Apply | None
    index: int | None

    def __init__(
        self,
        type: Type,
        owner: Apply | None = None,
        index: int | None = None,
        name: str | None = None,
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"the name of a variable must be a string or None, got {name!r}")
        if index is not None and not isinstance(index, int):
            raise TypeError(f"the index of an output must be an int, got {index!r}")
        self.type: Any = type
        self.owner = owner
        self.index = index
        self.name = name
        self.tag: Any = scratchpad()
        self.auto_name = f"auto_{_next_auto_name()}"
        if self.construction_observers:
            self.notify_construction_observers(self)

    def clone(self: V) -> V:
        """Return a variable without owner that has this one's class, type, name and attributes.

        The tag is copied one level deep.
        """
        return self._ownerless_copy()

    def _ownerless_copy(self: V) -> V:
        new: V = object.__new__(type(self))
        attributes = new.__dict__
        attributes.update(self.__dict__)
        attributes.pop("_fn_cache", None)
        attributes.pop("fgraph", None)
        attributes["owner"] = None
        attributes["index"] = None
        attributes["tag"] = _copied_tag(self.tag)
        attributes["auto_name"] = f"auto_{_next_auto_name()}"
        if self.construction_observers:
            self.notify_construction_observers(new)
        return new

    def facts_key(self) -> tuple[Any, ...]:
        """Return what the compiler knows about this variable besides its type.

        These are lengths that the user has declared; two graphs with equal fingerprints agree in
        them.
        """
        declared = self.__dict__.get("static_shape")
        return () if declared is None else (declared,)

    @property
    def clients(self) -> list[tuple[Any, int]]:
        """Who reads this variable in the mutable graph that it belongs to (``self.fgraph``).

        Raises
        ------
        AttributeError
            If it belongs to none; an immutable graph is asked by ``graph.clients(variable)``.
        """
        graph = self.__dict__.get("fgraph")
        if graph is None:
            raise AttributeError(
                f"{self} belongs to no FunctionGraph; ask graph.clients(variable) for its readers"
            )
        readers: list[tuple[Any, int]] = graph.clients(self)
        return readers

    def get_parents(self) -> list[Any]:
        """Return the owner in a list, or an empty list."""
        return [] if self.owner is None else [self.owner]

    def eval(self, inputs_to_values: Mapping[Variable, Any] | None = None) -> Any:
        """Compute this variable's value.

        The compiled function is kept on the variable, so that a second call with the same inputs
        does not compile.

        Parameters
        ----------
        inputs_to_values : mapping, optional
            Values of the variables it depends on.

        Returns
        -------
        object
            Usually a NumPy array.
        """
        values = {} if inputs_to_values is None else inputs_to_values
        if not isinstance(values, Mapping):
            raise TypeError(
                f"eval takes a dict from variables to values, got {type(values).__name__}; "
                "for example x.eval({a: 1.0})"
            )
        inputs = tuple(sorted(values, key=id))
        cache: dict[tuple[Variable, ...], Callable[..., Any]]
        cache = self.__dict__.setdefault("_fn_cache", {})
        if inputs not in cache:
            cache[inputs] = _compile_for_eval(inputs, self)
        return cache[inputs](*(values[v] for v in inputs))

    def __getstate__(self) -> Any:
        state = dict(self.__dict__)
        state.pop("_fn_cache", None)
        state.pop("fgraph", None)
        if not config.pickle_test_value and hasattr(self.tag, "test_value"):
            state["tag"] = copy.copy(self.tag)
            del state["tag"].test_value
        return state

    def __str__(self) -> str:
        if self.name is not None:
            return self.name
        if self.owner is None:
            return f"<{self.type}>"
        op = self.owner.op
        which = "out" if self.index == getattr(op, "default_output", None) else self.index
        return f"{op}.{which}"

    def __repr__(self) -> str:
        return str(self)


def _no_compiler(inputs: tuple[Variable, ...], output: Variable) -> Callable[..., Any]:
    raise GraphError("eval needs the compiler: import symc, not only symc.graph")


_compile_for_eval: Callable[[tuple[Variable, ...], Variable], Callable[..., Any]] = _no_compiler


def set_eval_hook(
    compile_function: Callable[[tuple[Variable, ...], Variable], Callable[..., Any]],
) -> None:
    """Register the compiler behind `Variable.eval`.

    Parameters
    ----------
    compile_function : callable
        ``compile_function(inputs, output)`` returns a function of the inputs' values that returns
        the output's value.
    """
    global _compile_for_eval
    _compile_for_eval = compile_function


class Constant(Variable):
    """A variable whose value is known when the graph is built.

    Parameters
    ----------
    type : Type
        Its type.
    data : object
        Its value; passed through ``type.filter``.
    name : str, optional
        Shown instead of the value.
    """

    def __init__(self, type: Type, data: Any, name: str | None = None) -> None:
        super().__init__(type, None, None, name)
        self.data = type.filter(data)

    @property
    def value(self) -> Any:
        """The value; another name of ``data``."""
        return self.data

    def signature(self) -> Any:
        """Return a hashable object that is equal for constants of equal type and value."""
        return (self.type, type(self.data), _value_key(self))

    def merge_signature(self) -> Any:
        """Return the signature used when equal constants are merged."""
        return self.signature()

    def equals(self, other: object) -> bool:
        """Tell whether `other` is a constant of the same type and value."""
        return isinstance(other, Constant) and bool(self.signature() == other.signature())

    def digest(self) -> bytes:
        """Return a hash of the value that is the same in every process."""
        data = self.data
        if isinstance(data, np.ndarray) and data.dtype.kind != "O":
            head = f"{data.dtype.str}{data.shape}".encode()
            return hashlib.sha256(head + np.ascontiguousarray(data).tobytes()).digest()
        return hashlib.sha256(pickle.dumps(data, protocol=4)).digest()

    def __str__(self) -> str:
        if self.name is not None:
            return self.name
        text = str(self.data)
        if len(text) > 20:
            text = f"{text[:10].strip()}...{text[-10:].strip()}"
        return f"{type(self).__name__}{{{text}}}"


def _value_key(constant: Constant) -> Any:
    """Return a hashable stand-in for the data: exact, so that 0.0, -0.0 and False differ."""
    data = constant.data
    if isinstance(data, (str, bytes, int, type(None))):
        return data
    if isinstance(data, (float, complex)):
        return repr(data)
    try:
        hash(data)
    except TypeError:
        return constant.digest()
    return data


class SharedVariable(Variable):
    """A variable whose value lives in a container between calls.

    Several variables may stand on one container. The storage itself belongs to a higher floor;
    here only this much is known about a container: ``get_value(borrow, return_internal_type)`` and
    ``set_value(value, borrow)``.

    Parameters
    ----------
    name : str or None
        Its name.
    type : Type
        Its type.
    value : object
        Its first value; ignored when `container` is given.
    strict : bool, optional
        Whether values must already have the type.
    allow_downcast : bool, optional
        Whether values may lose precision on the way in.
    container : object, optional
        The storage to stand on.

    Attributes
    ----------
    container : object
        The storage.
    default_update : Variable or None
        The expression that functions store here unless told otherwise.
    """

    def __init__(
        self,
        name: str | None,
        type: Type,
        value: Any = None,
        strict: bool | None = False,
        allow_downcast: bool | None = None,
        container: Any = None,
    ) -> None:
        super().__init__(type, None, None, name)
        if container is None:
            container = _make_container(type, value, bool(strict), allow_downcast, name)
        self.container = container
        self.default_update: Any = None

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> Any:
        """Return the current value, a copy unless `borrow`."""
        return self.container.get_value(borrow=borrow, return_internal_type=return_internal_type)

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Replace the current value, by a copy of `new_value` unless `borrow`."""
        self.container.set_value(new_value, borrow=borrow)

    def clone(self: Any) -> Any:
        """Return another variable on the same container; it has no default update."""
        new = self._ownerless_copy()
        new.default_update = None
        return new


def _no_storage(
    type: Type, value: Any, strict: bool, allow_downcast: bool | None, name: str | None
) -> Any:
    raise GraphError("shared variables need storage: import symc, not only symc.graph")


_make_container: Callable[[Type, Any, bool, bool | None, str | None], Any] = _no_storage


def set_container_hook(
    make_container: Callable[[Type, Any, bool, bool | None, str | None], Any],
) -> None:
    """Register the storage behind `SharedVariable`.

    Parameters
    ----------
    make_container : callable
        ``make_container(type, value, strict, allow_downcast, name)`` returns a container.
    """
    global _make_container
    _make_container = make_container


Type.Variable = Variable
Type.Constant = Constant


# ---------------------------------------------------------------------------------------------
# Applications
# ---------------------------------------------------------------------------------------------


class Apply(Node):
    """One application of an op.

    Parameters
    ----------
    op : Op
        What is computed.
    inputs : sequence of Variable
        The operands.
    outputs : sequence of Variable
        The results: variables that no application owns yet. They get this one as ``owner``.

    Raises
    ------
    TypeError
        If an input or output is not a variable.
    GraphError
        If an output already belongs to another application, or is given twice.
    """

    def __init__(self, op: Any, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> None:
        self.op = op
        self.inputs: list[Any] = _variables_only(op, "inputs", inputs)
        self.outputs: list[Any] = _variables_only(op, "outputs", outputs)
        self.tag: Any = scratchpad()
        for i, output in enumerate(self.outputs):
            if output.owner is None:
                output.owner = self
                output.index = i
            elif output.owner is not self or output.index != i:
                raise GraphError(self._ownership_message(i, output))

    def _ownership_message(self, i: int, output: Variable) -> str:
        if output.owner is self:
            return f"output {i} of {self.op} is the same variable as its output {output.index}"
        return user_message(
            f"output {i} of {self.op} already belongs to another application",
            got=f"{output}, output {output.index} of {output.owner}",
            expected="a variable without owner",
            where=user_line(output) or None,
            hint="make a fresh one with v.type() or v.clone()",
        )

    def __getstate__(self) -> Any:
        state = dict(self.__dict__)
        state.pop("fgraph", None)
        return state

    @property
    def nin(self) -> int:
        """Number of inputs."""
        return len(self.inputs)

    @property
    def nout(self) -> int:
        """Number of outputs."""
        return len(self.outputs)

    @property
    def out(self) -> Any:
        """The default output."""
        return self.default_output()

    def default_output(self) -> Any:
        """Return the output that the op names in ``default_output``, or the only one.

        Raises
        ------
        ValueError
            If there are several outputs and the op names none, or names one that is not there.
        """
        index = getattr(self.op, "default_output", None)
        if index is None:
            if len(self.outputs) == 1:
                return self.outputs[0]
            raise ValueError(f"{self.op} has {self.nout} outputs and no default_output")
        if not 0 <= index < len(self.outputs):
            raise ValueError(f"{self.op}.default_output is {index}, but it has {self.nout} outputs")
        return self.outputs[index]

    def get_parents(self) -> list[Any]:
        """Return the inputs."""
        return list(self.inputs)

    def run_params(self) -> Any:
        """Return the op's parameters for this application, or None when it has none."""
        params_type = getattr(self.op, "params_type", None)
        if params_type is None:
            return None
        return params_type.filter(self.op.get_params(self), strict=False)

    def clone(self: A) -> A:
        """Return an application of the same op to the same inputs, with cloned outputs."""
        return self._with(list(self.inputs))

    def _with(self: A, inputs: list[Any]) -> A:
        new: A = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.__dict__.pop("fgraph", None)
        new.inputs = inputs
        new.tag = _copied_tag(self.tag)
        new.outputs = []
        for i, output in enumerate(self.outputs):
            cloned = output.clone()
            cloned.owner = new
            cloned.index = i
            new.outputs.append(cloned)
        return new

    def clone_with_new_inputs(self: A, inputs: Sequence[Variable], strict: bool = True) -> A:
        """Return an application of the same op to other inputs.

        Where all types are the old ones the outputs are clones of the old outputs; otherwise the
        op makes a new node, whose outputs take over name, tag and attributes.

        Parameters
        ----------
        inputs : sequence of Variable
            As many as there are inputs now.
        strict : bool
            If True, inputs of another type are converted without loss or refused; if False, the
            op decides.

        Raises
        ------
        TypeError
            If `strict` and an input can't take the old type.
        """
        new_inputs = list(inputs)
        if len(new_inputs) != len(self.inputs):
            raise ValueError(f"{self.op} has {self.nin} inputs here, got {len(new_inputs)}")
        remake = False
        for i, (old, new) in enumerate(zip(self.inputs, new_inputs, strict=True)):
            if old is new or old.type is new.type or old.type == new.type:
                continue
            if strict:
                new_inputs[i] = old.type.filter_variable(new)
            else:
                remake = True
        return self._remade(new_inputs) if remake else self._with(new_inputs)

    def _remade(self: A, inputs: list[Any]) -> A:
        node: A = self.op.make_node(*inputs)
        _keep_annotations(self, node)
        for old, new in zip(self.outputs, node.outputs, strict=False):
            _keep_annotations(old, new)
            if old.name is not None:
                new.name = old.name
            if old.type != new.type and hasattr(new.tag, "test_value"):
                del new.tag.test_value
        return node

    def __str__(self) -> str:
        return f"{self.op}({', '.join(map(str, self.inputs))})"

    def __repr__(self) -> str:
        return str(self)


def _variables_only(op: Any, what: str, given: Iterable[Any]) -> list[Any]:
    if not isinstance(given, (list, tuple)):
        raise TypeError(f"the {what} of an Apply must be a list or tuple, got {given!r} for {op}")
    for i, variable in enumerate(given):
        if not isinstance(variable, Variable):
            raise TypeError(
                f"the {what} of an Apply must be variables; {what}[{i}] of {op} is "
                f"{variable!r} of {type(variable)}"
            )
    return list(given)


def _keep_annotations(old: Node, new: Node) -> None:
    """Give `new` the tag and the attributes of `old` that it does not have itself."""
    attributes = new.__dict__
    for key, value in old.__dict__.items():
        if key != "_fn_cache":
            attributes.setdefault(key, value)
    tag = copy.copy(old.__dict__["tag"])
    tag.__dict__.update(attributes["tag"].__dict__)
    attributes["tag"] = tag
