"""What makes a function: its inputs, outputs, updates and replacements, and its executor."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from ..config import config
from ..errors import ConfigError, UnusedInputError, user_message
from ..graph.garbage import rare_collections
from ..graph.node import SharedVariable, Variable
from ..graph.trace import user_line
from ..graph.walk import graph_inputs
from ..runtime import expect_native
from .callable import Function, StatefulFunction
from .collect import Closed, close, update_pairs
from .inputs import In, Out, as_input, changed_input, flat_outputs
from .mode import Mode, get_mode
from .planned import make_executor


class FunctionMaker:
    """Everything that defines a function, before and after it is compiled.

    Parameters
    ----------
    specs : sequence of In or Variable
    outputs : Variable, Out, list, dict or None
        As the user gave them; decides what a call returns.
    mode : Mode or str, optional
    updates, givens, no_default_updates, strict :
        See `function`.
    name : str or None
    swap : dict, optional
        Shared variables to use instead of others, by container.
    """

    def __init__(
        self,
        specs: Sequence[Any],
        outputs: Any,
        mode: Mode | str | None = None,
        *,
        updates: Any = None,
        givens: Any = None,
        no_default_updates: Any = False,
        strict: bool = True,
        name: str | None = None,
        on_unused_input: str | None = None,
        swap: Mapping[SharedVariable, SharedVariable] | None = None,
    ) -> None:
        self.specs = [as_input(spec) for spec in specs]
        self.outputs_given = outputs
        self.mode = get_mode(mode)
        if self.mode.executor != "numpy":
            expect_native()  # the first time, while the graph is copied and the lowering loaded
        self.updates = update_pairs(updates)
        self.givens = update_pairs(givens)
        self.no_default_updates = no_default_updates
        self.strict = strict
        self.name = name
        self.swap = dict(swap or {})
        self.on_unused_input = _checked_choice(on_unused_input)
        self.outs, self.keys = flat_outputs(outputs)
        self.explicit = [s for s in self.specs if not s.tied]
        _check_twice(self.specs)
        with rare_collections():
            self.closed = self._close()
            self._check_unused()
            self.executor = make_executor(self)

    def _close(self) -> Closed:
        hidden = [s.update for s in self.explicit if s.update is not None]
        tied = [
            (s.value, s.update) for s in self.specs if s.tied and s.update is not None
        ]
        return close(
            self.specs,
            [*(o.variable for o in self.outs), *hidden],
            [*self.updates, *tied],
            self.givens,
            self.no_default_updates,
            strict=self.strict,
            swap=self.swap,
        )

    def _check_unused(self) -> None:
        used = set(graph_inputs(self.closed.roots))
        unused = [
            s
            for s, v in zip(self.explicit, self.closed.inputs, strict=True)
            if v not in used
        ]
        if not unused or self.on_unused_input == "ignore":
            return
        lines = [f"{s.variable} ({s.variable.type})" for s in unused]
        message = user_message(
            f"{len(unused)} input(s) of the function have no influence on what it computes",
            where=[line for line in (user_line(s.variable) for s in unused) if line] or None,
            got=", ".join(lines),
            hint="leave them out, or pass on_unused_input='ignore' (or 'warn')",
        )
        if self.on_unused_input == "warn":
            warnings.warn(message, stacklevel=4)
            return
        raise UnusedInputError(message)

    @property
    def fgraph(self) -> Any:
        """The graph of the program that runs (D8); read-only."""
        return self.executor.fgraph

    @property
    def inputs(self) -> list[In]:
        """The inputs as `In` objects."""
        return self.specs

    @property
    def outputs(self) -> list[Out]:
        """The outputs as `Out` objects."""
        return self.outs

    @property
    def has_updates(self) -> bool:
        """Whether a call changes anything."""
        return bool(self.closed.updates) or any(s.update is not None for s in self.explicit)

    def changed(
        self, swap: Mapping[SharedVariable, SharedVariable], delete_updates: bool
    ) -> FunctionMaker:
        """A maker for the same graph with other shared variables, or without updates."""
        return FunctionMaker(
            [
                changed_input(s, update=None) if delete_updates or s.tied else s
                for s in self.specs
            ],
            self.outputs_given,
            self.mode,
            updates=None if delete_updates else self.closed.update_sources,
            givens=self.givens,
            no_default_updates=True,
            strict=self.strict,
            name=self.name,
            on_unused_input="ignore",
            swap=_after(self.swap, swap),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        options = {
            "updates": self.updates,
            "givens": self.givens,
            "no_default_updates": self.no_default_updates,
            "strict": self.strict,
            "name": self.name,
            "on_unused_input": "ignore",
            "swap": self.swap,
        }
        return _remade, (self.specs, self.outputs_given, self.mode, options)

    @property
    def returns(self) -> str | tuple[str, ...]:
        """How a call returns its results, in the words of the call path."""
        if any(s.update is not None for s in self.explicit):
            return "list"
        return self.keys if isinstance(self.keys, str) else tuple(self.keys)

    def create(self) -> Function:
        """A function with its own default values."""
        if any(s.update is not None or s.implicit for s in self.explicit):
            return StatefulFunction(self)
        return Function(self)


def _remade(
    specs: Sequence[In], outputs: Any, mode: Mode, options: Mapping[str, Any]
) -> FunctionMaker | None:
    if not config.unpickle_function:
        return None
    return FunctionMaker(specs, outputs, mode, **options)


def _after(
    first: Mapping[SharedVariable, SharedVariable], then: Mapping[SharedVariable, SharedVariable]
) -> dict[SharedVariable, SharedVariable]:
    """One exchange that does what two do one after the other."""
    targets = {id(old.container): new for old, new in then.items()}
    both = {old: targets.get(id(new.container), new) for old, new in first.items()}
    moved = {id(old.container) for old in first}
    both.update({old: new for old, new in then.items() if id(old.container) not in moved})
    return both


def _checked_choice(on_unused_input: str | None) -> str:
    choice = config.on_unused_input if on_unused_input is None else on_unused_input
    if choice not in ("raise", "warn", "ignore"):
        raise ConfigError(
            user_message(
                "unknown value of on_unused_input",
                got=repr(choice),
                expected="'raise', 'warn' or 'ignore'",
            )
        )
    return choice


def _check_twice(specs: Sequence[In]) -> None:
    seen: set[Variable] = set()
    for spec in specs:
        if spec.variable in seen:
            raise UnusedInputError(
                user_message(f"the variable {spec.variable} is given twice among the inputs")
            )
        seen.add(spec.variable)
