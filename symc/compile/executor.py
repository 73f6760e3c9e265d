"""What a function is made to run, and what all that run it have in common.

An executor makes *variants* of a closed graph. On the NumPy path there is one, which serves every
call. Native variants are made for a broadcast pattern (D2): the first assumes that lengths which
can't be proved equal are equal; a call that breaks the assumption gets another one, made for the
lengths that were seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..config import config
from ..errors import CacheError, CompileError, ShapeError, user_message
from ..graph.graph import Graph
from ..graph.node import Variable
from ..graph.text import DebugprintInfo
from ..graph.trace import user_line
from ..runtime import notice_once
from .collect import Closed


@dataclass(frozen=True)
class Task:
    """What an executor runs.

    Attributes
    ----------
    closed : Closed
    mode : Mode
    declared : sequence of tuple or None
        Per input the lengths that the user declared for it.
    strict : sequence of bool
        Which inputs take no value that would need a conversion.
    mutable : sequence of bool
        Which inputs may be overwritten.
    """

    closed: Closed
    mode: Any
    declared: Sequence[tuple[int | None, ...] | None]
    strict: Sequence[bool]
    mutable: Sequence[bool]


class Executor:
    """Common parts: the closed graph and its containers."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.closed = task.closed
        self.mode = task.mode
        self.containers = [v.container for v in self.closed.shared]

    def check_declared(self, inputs: Sequence[Any]) -> None:
        """Raise a ShapeError if an input has another length than was declared for it."""
        for variable, lengths, value in zip(
            self.closed.inputs, self.task.declared, inputs, strict=True
        ):
            for axis, length in enumerate(lengths or ()):
                if length is not None and value.shape[axis] != length:
                    raise ShapeError(
                        user_message(
                            f"the argument {variable} has another length than was declared",
                            got=f"shape {value.shape}",
                            expected=f"{length} along axis {axis}",
                            where=user_line(variable) or None,
                        )
                    )

    @property
    def roots(self) -> list[Variable]:
        """Outputs, then new values of shared variables."""
        return self.closed.roots

    @property
    def fgraph(self) -> Graph:
        """The graph of what runs."""
        raise NotImplementedError

    def debugprint_info(self) -> DebugprintInfo:
        """What `debugprint` shows."""
        raise NotImplementedError

    def free(self) -> None:
        """Give memory back that is kept between calls."""

    def attach(self, function: Any) -> None:
        """Give `function` the variants that there are."""
        raise NotImplementedError

    def another(self, inputs: Sequence[Any], refused: Sequence[Any]) -> Any:
        """A variant for inputs that the variants `refused` do not serve."""
        raise NotImplementedError

    def prepare(self, inputs: Sequence[Any]) -> None:
        """Make the variant that these inputs need, where variants are needed at all."""

    def traffic(self, inputs: Sequence[Any]) -> Any:
        """The memory traffic of a call with these inputs, see `symc.codegen.traffic`."""
        raise ValueError(
            user_message(
                "the memory traffic of this function can't be counted",
                got="a function that runs node by node, in NumPy",
                expected="one that is compiled to native code",
            )
        )

    def explain(self, program: Any, record: Any, inputs: Any, cause: Any) -> Exception:
        """The exception for the failure of a native program."""
        raise NotImplementedError


def notice_failure(error: CompileError | CacheError) -> None:
    """Say that compiling failed, or raise the error where the user wants to see it."""
    if config.on_opt_error == "raise":
        raise error
    notice_once(f"compiling failed, functions run on NumPy, more slowly: {briefly(str(error))}")


def briefly(message: str) -> str:
    """What went wrong and what was found, in one line."""
    first, *others = message.splitlines()
    label = "  got: "
    found = [line.removeprefix(label) for line in others if line.startswith(label)]
    return ": ".join([first, *found])
