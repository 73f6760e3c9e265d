"""The classes that all layers derive from."""

from __future__ import annotations

import contextlib
import inspect
from abc import ABCMeta
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

import symc
from symc.gof.utils import simple_extract_stack
from symc.nn import utils

__all__ = ["Layer", "MergeLayer"]

Shape = tuple[Any, ...]

SUPPORTS_APART = 40


def _check_lengths(shape: Sequence[Any], what: str) -> None:
    for n in shape:
        if isinstance(n, (float, np.floating)):
            raise TypeError(f"{what} has shape {tuple(shape)}: lengths are whole numbers, got {n}")
    if any(n is not None and not isinstance(n, symc.Variable) and n <= 0 for n in shape):
        raise ValueError(
            f"{what} has shape {tuple(shape)}: lengths must be positive, or None where they are "
            "not known"
        )


def _shape_of(incoming: Any) -> Shape:
    """The shape of what a layer is put on."""
    if isinstance(incoming, tuple):
        return incoming
    if not hasattr(incoming, "output_shape"):
        raise TypeError(
            f"what a layer is put on is a layer or a tuple of lengths, got "
            f"{type(incoming).__name__}: {incoming!r:.80}"
        )
    return incoming.output_shape


def _users_line() -> str:
    """The line of the user's program that is being run."""
    return "".join(map(str, simple_extract_stack(limit=1)))


def add_lines(problem: Exception, *lines: str) -> None:
    """Append lines to the message of an exception, but for those that it has already."""
    text, *others = problem.args or ("",)
    if isinstance(text, str):
        news = [line for line in lines if line not in text]
        problem.args = ("\n".join([text, *news]), *others)


def _below(layer: Any) -> list[Any]:
    if hasattr(layer, "input_layers"):
        return [x for x in layer.input_layers if x is not None]
    below = getattr(layer, "input_layer", None)
    return [] if below is None else [below]


def in_order(layers: Sequence[Any], stop: Collection[Any] = ()) -> list[Any]:
    """The layers of networks, each once and after those below it; not those below `stop`."""
    order: list[Any] = []
    done: set[Any] = set()
    pending = [(x, False) for x in reversed(layers)]
    while pending:
        x, ready = pending.pop()
        if x in done:
            continue
        if ready:
            done.add(x)
            order.append(x)
            continue
        pending.append((x, True))
        if x not in stop:
            pending.extend((b, False) for b in reversed(_below(x)) if b not in done)
    return order


class _Built(ABCMeta):
    """Checks a layer once it is built, and lets mistakes say which line built which layer."""

    @property
    def __signature__(cls) -> inspect.Signature:
        """The arguments of the class, which `__call__` would hide."""
        _, *parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
        return inspect.Signature(parameters)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        try:
            layer = super().__call__(*args, **kwargs)
            layer._check_output_shape()
        except Exception as problem:
            below = args[0] if args else kwargs.get("incoming", kwargs.get("incomings"))
            inputs = below if isinstance(below, list) else [below]
            shapes = " and ".join(f"{getattr(x, 'output_shape', x)!r:.80}" for x in inputs)
            name = f" {kwargs['name']!r}" if kwargs.get("name") else ""
            add_lines(
                problem, f"  layer: {cls.__name__}{name} on {shapes}", f"  at: {_users_line()}"
            )
            raise
        layer._built_at = _users_line()
        return layer


class Layer(metaclass=_Built):
    """One input, one output, and parameters.

    A subclass writes `get_output_for`, and `get_output_shape_for` where the output has another
    shape than the input; it makes its parameters with `add_param`.

    Parameters
    ----------
    incoming : Layer or tuple
        The layer below, or the shape of the input, with None for lengths that are not known.
    name : str, optional

    Attributes
    ----------
    input_layer : Layer or None
        None where a shape was given.
    input_shape : tuple of int or None
    params : dict
        The tags of each parameter, by the parameter.
    param_shapes : dict
        The shape that each parameter was made for.
    get_output_kwargs : list of str
        Names that `get_output` may be given for this layer beyond the parameters with defaults of
        `get_output_for`.

    Raises
    ------
    ValueError
        If a length of the input or of the output is not positive.
    TypeError
        If `incoming` is neither a layer nor a tuple.
    """

    _built_at = ""

    def __init__(self, incoming: Any, name: str | None = None) -> None:
        self.input_shape: Shape = _shape_of(incoming)
        self.input_layer: Layer | None = None if isinstance(incoming, tuple) else incoming
        self.name = name
        self.params: dict[Any, set[str]] = {}
        self.param_shapes: dict[Any, Shape] = {}
        self.get_output_kwargs: list[str] = []
        _check_lengths(self.input_shape, f"the input of {self._called()}")

    def __getstate__(self) -> dict[str, Any]:
        # Pickling goes down from layer to layer, and Python's stack is short: what comes first is
        # every so many layers from the bottom, so that there are never more than these to go.
        return {"_supports": in_order(_below(self))[::SUPPORTS_APART], **self.__dict__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__.pop("_supports", None)

    def _called(self) -> str:
        return type(self).__name__ + (f" {self.name!r}" if self.name else "")

    def _check_output_shape(self) -> None:
        # What a class can't say yet (because of an unknown length, of an attribute to come) is
        # asked for again by the layer above.
        shape: Shape = ()
        with contextlib.suppress(NotImplementedError, TypeError, AttributeError):
            shape = self.output_shape
        _check_lengths(shape, f"the output of {self._called()} for input {self.input_shape}")

    def _axis(self, axis: int, rank: int | None = None) -> int:
        """An axis of the input, counted from the start."""
        rank = len(self.input_shape) if rank is None else rank
        if not -rank <= axis < rank:
            raise ValueError(
                f"{self._called()}: axis {axis} of an input of shape {self.input_shape}, which has "
                f"{rank} axes"
            )
        return axis % rank

    def _check_fits(self, shape: Shape, wanted: Shape, what: str) -> None:
        """Refuse a shape that contradicts the one that is needed; None fits anything."""
        if len(shape) != len(wanted) or any(
            m != n and m is not None and n is not None
            for m, n in zip(shape, wanted, strict=True)
        ):
            raise ValueError(
                f"{self._called()} with input of shape {self.input_shape}: {what} has shape "
                f"{tuple(shape)}, expected {tuple(wanted)}"
            )

    def _check_function(self, function: Any, what: str) -> None:
        """Refuse what can't be called: the name of a function, say."""
        if not callable(function):
            raise TypeError(
                f"{self._called()}: {what} is a function of expressions, such as symc.tensor.max, "
                f"got {type(function).__name__}: {function!r:.80}"
            )

    def _check_least(self, least: int, **numbers: tuple[int, ...]) -> None:
        """Refuse smaller numbers."""
        for name, values in numbers.items():
            if any(n < least for n in values):
                raise ValueError(f"{self._called()}: {name} is at least {least}, got {values}")

    def _check_rank(self, *ranks: int) -> None:
        """Refuse an input of another rank."""
        if len(self.input_shape) not in ranks:
            raise ValueError(
                f"{self._called()} needs an input of {' or '.join(map(str, ranks))} dimensions, "
                f"got shape {self.input_shape}"
            )

    @property
    def output_shape(self) -> Shape:
        """Shape of the output for the shape of the input that the layer was built for."""
        shape = tuple(self.get_output_shape_for(self.input_shape))
        if any(isinstance(n, symc.Variable) for n in shape):
            raise ValueError(
                f"{self._called()} says that its output has shape {shape}: lengths are numbers, or "
                "None where they are not known, but not expressions"
            )
        return shape

    def get_params(self, unwrap_shared: bool = True, **tags: bool) -> list[Any]:
        """Return the parameters of this layer.

        Parameters
        ----------
        unwrap_shared : bool
            Whether to return the shared variables inside instead of parameters that are other
            expressions.
        **tags : bool
            Which tags parameters must have (True) or not have (False), such as ``trainable=True``.

        Returns
        -------
        list of SharedVariable, or of tensor
        """
        wanted = {tag for tag, value in tags.items() if value}
        unwanted = {tag for tag, value in tags.items() if not value}
        chosen = [
            p for p, has in self.params.items() if wanted <= has and not unwanted & has
        ]
        return utils.collect_shared_vars(chosen) if unwrap_shared else chosen

    def get_output_shape_for(self, input_shape: Any) -> Shape:
        """Return the shape of the output for a shape of the input.

        Parameters
        ----------
        input_shape : tuple of int or None

        Returns
        -------
        tuple of int or None
            Here that of the input.
        """
        return input_shape

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """Return the output as an expression of the input.

        Parameters
        ----------
        input : TensorVariable
        **kwargs
            What `get_output` was given, such as ``deterministic=True``.

        Returns
        -------
        TensorVariable
        """
        raise NotImplementedError(f"{type(self).__name__} has no method get_output_for")

    def add_param(self, spec: Any, shape: Sequence[int], name: str | None = None, **tags: bool):
        """Make a parameter and note its tags.

        Parameters
        ----------
        spec : number, numpy.ndarray, tensor or callable
            As for `symc.nn.utils.create_param`.
        shape : tuple of int
        name : str, optional
            The layer's own name is put before it.
        **tags : bool
            `trainable` and `regularizable` are True unless said otherwise.

        Returns
        -------
        SharedVariable or TensorVariable

        Raises
        ------
        ValueError
            If the shape is not right.
        TypeError
            If `spec` is of another type.
        """
        if name is not None and self.name is not None:
            name = f"{self.name}.{name}"
        try:
            param = utils.create_param(spec, shape, name)
        except (ValueError, TypeError) as problem:
            raise type(problem)(
                f"{self._called()} with input of shape {self.input_shape}: {problem}"
            ) from problem
        has = {"trainable": True, "regularizable": True, **tags}
        self.params[param] = {tag for tag, value in has.items() if value}
        self.param_shapes[param] = tuple(shape)
        return param


class MergeLayer(Layer):
    """Several inputs, one output, and parameters.

    Parameters
    ----------
    incomings : list of Layer or tuple
        Layers below, or shapes.
    name : str, optional

    Attributes
    ----------
    input_layers : list of Layer or None
    input_shapes : list of tuple
    """

    def __init__(self, incomings: Sequence[Any], name: str | None = None) -> None:
        if not incomings:
            raise ValueError(f"{type(self).__name__} merges one layer or more, got none")
        self.input_shapes = [_shape_of(i) for i in incomings]
        self.input_layers = [None if isinstance(i, tuple) else i for i in incomings]
        self.name = name
        self.params = {}
        self.param_shapes = {}
        self.get_output_kwargs = []
        for shape in self.input_shapes:
            _check_lengths(shape, f"an input of {self._called()}")

    @property
    def input_shape(self) -> Any:  # type: ignore[override]
        """The shapes of all inputs, for messages."""
        return self.input_shapes

    @property
    def output_shape(self) -> Shape:
        """Shape of the output for the shapes of the inputs that the layer was built for."""
        shape = tuple(self.get_output_shape_for(self.input_shapes))
        if any(isinstance(n, symc.Variable) for n in shape):
            raise ValueError(
                f"{self._called()} says that its output has shape {shape}: lengths are numbers, or "
                "None where they are not known, but not expressions"
            )
        return shape

    def get_output_shape_for(self, input_shapes: Any) -> Shape:
        """Return the shape of the output for shapes of the inputs.

        Parameters
        ----------
        input_shapes : list of tuple

        Returns
        -------
        tuple of int or None
        """
        raise NotImplementedError(f"{type(self).__name__} has no method get_output_shape_for")

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Return the output as an expression of the inputs.

        Parameters
        ----------
        inputs : list of TensorVariable
        **kwargs
            What `get_output` was given.

        Returns
        -------
        TensorVariable
        """
        raise NotImplementedError(f"{type(self).__name__} has no method get_output_for")
