"""Compiled functions: what is called, copied, pickled and asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, SymcError, user_message
from ..graph.node import SharedVariable
from ..graph.trace import user_line
from ..runtime import FunctionBase
from .finder import Finder, InputContainer, Values
from .inputs import In


class Function(FunctionBase):  # type: ignore[misc, valid-type]
    """A compiled function; made by :func:`function`.

    Calling it computes the outputs. Values of the inputs are given by position or by name.

    Attributes
    ----------
    maker : FunctionMaker
    name : str or None
    trust_input : bool
        Accepted for Theano's sake, and without effect. A call is checked in C, in less time than
        one NumPy call takes to find its loop; without the check a wrong array would be read out of
        bounds.

    Raises
    ------
    TypeError
        When called with missing, extra or unknown arguments, or a value of the wrong type.
    ValueError, IndexError, ...
        When called: what NumPy raises for the same computation; no shared variable has changed.
    """

    def __init__(self, maker: Any) -> None:
        self.maker = maker
        self.name = maker.name
        self.trust_input = False
        self.profile = None
        self._specs = maker.explicit
        self._values: list[Any] = [_default(s) for s in self._specs]
        names = [s.name for s in self._specs]
        self._ambiguous = {name for name, count in Counter(names).items() if count > 1}
        self._positions = {
            name: k
            for k, name in enumerate(names)
            if name is not None and name not in self._ambiguous
        }
        super().__init__(len(self._specs), maker.returns)
        maker.executor.attach(self)

    # -- what the call path asks for

    def _arrange(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        return self._bind(args, kwargs)

    def _convert(self, position: int, value: Any) -> Any:
        spec = self._specs[position]
        try:
            fitting = spec.variable.type.filter(
                value, strict=spec.strict, allow_downcast=spec.allow_downcast
            )
        except (TypeError, ValueError) as error:
            raise self._bad_value(position, error) from None
        # This is called for what does not fit as it is, and programs may demand C order.
        if _is_strided(fitting) or (spec.mutable and _is_read_only(fitting)):
            return np.array(fitting, order="C")
        return fitting

    def _bad_value(self, position: int, error: Exception) -> Exception:
        spec = self._specs[position]
        label = f"argument {position}" + (f" ({spec.name})" if spec.name else "")
        what, _, rest = str(error).partition("\n")
        kind = error if isinstance(error, SymcError) else ArgumentError("")
        line = user_line(spec.variable)
        lines = [f"function {self.name or '<unnamed>'}, {label}: {what}", rest] if rest else [
            f"function {self.name or '<unnamed>'}, {label}: {what}"
        ]
        if line and "  at: " not in rest:
            lines.append(f"  at: {line}")
        return type(kind)("\n".join(lines))

    def _another_variant(self, inputs: tuple[Any, ...]) -> Any:
        return self.maker.executor.another(inputs, self.variants)

    def _explain(self, program: Any, record: Any, inputs: Any, cause: Any) -> Exception:
        return self.maker.executor.explain(program, record, inputs, cause)

    # -- arguments

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        specs = self._specs
        takers = [k for k, s in enumerate(specs) if not s.implicit]
        if len(args) > len(takers):
            raise self._argument_error(
                f"too many arguments: {len(args)} given, at most {len(takers)} taken"
            )
        given: dict[int, Any] = dict(zip(takers, args, strict=False))
        for name, value in kwargs.items():
            k = self._positions.get(name)
            if name in self._ambiguous:
                raise self._argument_error(f"several inputs are named {name!r}; pass them in order")
            if k is None or specs[k].implicit:
                raise self._argument_error(f"unknown argument {name!r}")
            if k in given:
                raise self._argument_error(f"argument {name!r} is given twice")
            given[k] = value
        missing = [
            s.name or f"number {k}"
            for k, s in enumerate(specs)
            if k not in given and self._values[k] is None
        ]
        if missing:
            raise self._argument_error(f"missing argument(s): {', '.join(map(str, missing))}")
        return [given[k] if k in given else self._kept(k) for k in range(len(specs))]

    def _kept(self, k: int) -> Any:
        """The default value of input `k`, a copy where the call may overwrite it."""
        spec, value = self._specs[k], self._values[k]
        overwritten = spec.mutable and spec.update is None
        return spec.variable.type.copy_value(value) if overwritten else value

    def _argument_error(self, what: str) -> ArgumentError:
        names = [
            f"{s.name or '<unnamed>'}: {s.variable.type}" + ("" if s.value is None else " = ...")
            for s in self._specs
        ]
        return ArgumentError(
            user_message(
                f"function {self.name or '<unnamed>'}: {what}",
                expected=f"({', '.join(names)})",
            )
        )

    def _position(self, item: Any) -> int:
        if isinstance(item, int) and -len(self._specs) <= item < len(self._specs):
            return item
        if isinstance(item, str) and item in self._positions:
            return self._positions[item]
        for k, spec in enumerate(self._specs):
            if spec.variable is item:
                return k
        known = ", ".join(str(s.variable) for s in self.maker.specs) or "none"
        raise KeyError(f"the function has no single input {item!r}; its inputs: {known}")

    def __getitem__(self, item: Any) -> Any:
        shared = self._shared_of(item)
        return shared.get_value() if shared is not None else self._values[self._position(item)]

    def __setitem__(self, item: Any, value: Any) -> None:
        shared = self._shared_of(item)
        if shared is not None:
            shared.set_value(value)
            return
        k = self._position(item)
        self._values[k] = _stored(self._specs[k], value)

    def _shared_of(self, item: Any) -> Any:
        for spec in self.maker.specs:
            if spec.tied and (spec.variable is item or spec.name == item):
                return spec.value
        return item if isinstance(item, SharedVariable) else None

    def input_spec(self, item: Any) -> In:
        """The `In` that is meant by a position, a name or a variable.

        Raises
        ------
        KeyError
            Where no single input is meant.
        """
        for spec in self.maker.specs:
            if spec.tied and (spec.variable is item or spec.name == item):
                return spec
        return self._specs[self._position(item)]

    @property
    def value(self) -> Values:
        """The default values: ``f.value[x]`` reads one, ``f.value[x] = 3`` sets it."""
        return Values(self)

    @property
    def container(self) -> Finder:
        """The containers of the default values: ``f.container[x].value``."""
        return Finder(self)

    @property
    def finder(self) -> Finder:
        """As `container`."""
        return Finder(self)

    @property
    def inv_finder(self) -> dict[InputContainer, In]:
        """From the containers of `finder` to the inputs."""
        return {InputContainer(self, spec): spec for spec in self.maker.specs}

    @property
    def input_storage(self) -> list[InputContainer]:
        """The containers of the inputs, in order."""
        return [InputContainer(self, spec) for spec in self.maker.specs]

    def get_shared(self) -> list[SharedVariable]:
        """The shared variables that the function reads or updates."""
        return list(self.maker.closed.shared)

    def sync_shared(self) -> None:
        """Wait until all shared values are up to date; they always are on a CPU."""

    def prepare(self, *inputs: Any) -> None:
        """Compile what a call with these inputs needs, without running it.

        A function is compiled for lengths that are equal where they have to be equal or 1; inputs
        that are broadcast at run time need a variant of their own, made at the first such call.
        """
        values = [self._convert(k, v) for k, v in enumerate(self._bind(inputs, {}))]
        self.maker.executor.prepare(values)

    def memory_traffic(self, *inputs: Any) -> Any:
        """Count the bytes that a call with these inputs reads and writes, without running it.

        Returns
        -------
        Traffic
            With the attributes ``read``, ``written``, ``fetched`` (lines that stores change and
            that were not read anyway), ``least`` (every input used read once, every result written
            once), ``total`` and ``ratio``, the total to the least. What each step of the program
            reads and writes counts, be it in a cache or not; see `symc.codegen.traffic`.

        Raises
        ------
        ValueError
            If the function is not compiled to native code, or a size depends on what is computed.
        """
        values = [self._convert(k, v) for k, v in enumerate(self._bind(inputs, {}))]
        return self.maker.executor.traffic(values)

    def free(self) -> None:
        """Give memory that is kept between calls back; the function stays usable."""
        self.maker.executor.free()

    def copy(
        self,
        share_memory: bool = False,
        swap: Mapping[SharedVariable, SharedVariable] | None = None,
        delete_updates: bool = False,
        name: str | None = None,
        profile: Any = None,
    ) -> Function:
        """Another function of the same graph.

        Parameters
        ----------
        share_memory : bool, optional
            Accepted for Theano's sake; intermediate memory is pooled for all functions anyway.
        swap : dict, optional
            Shared variables to use instead of those of this function. Updates of a variable,
            default updates included, go to the one that is used instead.
        delete_updates : bool, optional
            The copy updates nothing.
        name : str, optional
            By default the name of this function.

        Returns
        -------
        Function
            With the default values that this function has now.

        Raises
        ------
        TypeError
            If a swapped variable has another type than the one it stands for.
        ValueError
            If the function has no such shared variable.
        """
        del share_memory, profile
        maker = self.maker
        _check_swap(swap or {}, maker.closed.shared)
        if swap or (delete_updates and maker.has_updates):
            maker = maker.changed(swap or {}, delete_updates)
        made = maker.create()
        made.name = name or self.name
        made.trust_input = self.trust_input
        made._values = list(self._values)
        return made

    def __copy__(self) -> Function:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        # All that __init__ does not make anew: options, default values, the user's attributes.
        state = {k: v for k, v in self.__dict__.items() if k not in _REBUILT}
        return _rebuild, (self.maker, state)

    def debugprint_info(self) -> Any:
        """What `debugprint` shows of this function."""
        return self.maker.executor.debugprint_info()

    def __repr__(self) -> str:
        return f"<symc function {self.name or ''}({', '.join(map(str, self._positions))})>"


class StatefulFunction(Function):
    """A function with inputs that no caller gives, or whose defaults change with each call."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs, then store the new default values."""
        results = self.invoke(self._bind(args, kwargs))
        changing = [k for k, s in enumerate(self._specs) if s.update is not None]
        if not changing:
            return results
        split = len(results) - len(changing)
        for k, value in zip(changing, results[split:], strict=True):
            self._values[k] = value
        return _wrapped(results[:split], self.maker.keys)


_REBUILT = frozenset(("maker", "profile", "_specs", "_ambiguous", "_positions"))


def _wrapped(results: list[Any], keys: Any) -> Any:
    if keys == "none":
        return None
    if keys == "list":
        return results
    return results[0] if keys == "single" else dict(zip(keys, results, strict=True))


def _check_swap(
    swap: Mapping[SharedVariable, SharedVariable], shared: Sequence[SharedVariable]
) -> None:
    known = {id(v.container) for v in shared}
    for old, new in swap.items():
        if not isinstance(old, SharedVariable) or not isinstance(new, SharedVariable):
            raise TypeError(
                user_message("only shared variables can be swapped", got=f"{old!r} for {new!r}")
            )
        if old.type != new.type:
            raise TypeError(
                user_message(
                    f"can't swap {old} for {new}", got=str(new.type), expected=str(old.type)
                )
            )
        if id(old.container) not in known:
            raise ValueError(
                user_message(
                    f"{old} is not a shared variable of this function",
                    expected=", ".join(map(str, shared)) or "nothing: there are none",
                )
            )


def _is_strided(value: Any) -> bool:
    return isinstance(value, np.ndarray) and not value.flags.c_contiguous


def _is_read_only(value: Any) -> bool:
    return isinstance(value, np.ndarray) and not value.flags.writeable


def _default(spec: In) -> Any:
    if spec.value is None:
        return None
    if isinstance(spec.value, SharedVariable):
        return spec.value.get_value()
    return _stored(spec, spec.value)


def _stored(spec: In, value: Any) -> Any:
    """A default value as it is kept: a copy unless it may be borrowed."""
    type_ = spec.variable.type
    fitting = type_.filter(value, strict=spec.strict, allow_downcast=spec.allow_downcast)
    if not spec.borrow and type_.may_share_memory(fitting, value):
        return type_.copy_value(fitting)
    return fitting


def _rebuild(maker: Any, state: Mapping[str, Any]) -> Function | None:
    if maker is None:
        return None
    made: Function = maker.create()
    made.__dict__.update(state)
    return made
