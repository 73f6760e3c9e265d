"""Is a graph well formed? Always on in tests; a failure is a defect of symc or of a user's op."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from symc.errors import MissingInputError, VerifyError, user_message
from symc.graph.node import Apply, Constant, SharedVariable, Variable
from symc.graph.op import BuiltinOp
from symc.graph.trace import user_line
from symc.graph.walk import toposort

__all__ = ["check_graph", "check_node"]


def check_graph(inputs: Iterable[Variable], outputs: Iterable[Variable]) -> None:
    """Check the graph that computes `outputs` from `inputs`.

    Parameters
    ----------
    inputs : iterable of Variable
        What is given.
    outputs : iterable of Variable
        What is wanted.

    Raises
    ------
    MissingInputError
        If a variable is neither an input, nor shared, nor constant, nor computed.
    VerifyError
        If a link is wrong, or a type is not what the op says.
    CycleError
        If a node depends on itself.
    """
    given, wanted = list(inputs), list(outputs)
    for variable in (*given, *wanted):
        if not isinstance(variable, Variable):
            raise VerifyError(f"graphs are made of variables, got {variable!r}")
    known = set(given)
    _check_operands(wanted, known)
    for node in toposort(wanted, given):
        check_node(node)
        for i, operand in enumerate(node.inputs):
            _check_available(operand, known, f"input {i} of {node}")
    for variable in wanted:
        _check_available(variable, known, "an output")


def _check_operands(wanted: list[Variable], known: set[Variable]) -> None:
    """Check that every input of every node is a variable, which walks take for granted."""
    pending = [v.owner for v in wanted if v not in known]
    seen: set[Apply] = set()
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        for i, operand in enumerate(node.inputs):
            if not isinstance(operand, Variable):
                raise VerifyError(f"input {i} of {node.op} is not a variable: {operand!r}")
            if operand not in known:
                pending.append(operand.owner)


def _check_available(variable: Variable, known: set[Variable], role: str) -> None:
    if variable.owner is None:
        if variable in known or isinstance(variable, (Constant, SharedVariable)):
            return
        raise MissingInputError(
            user_message(
                f"{variable} is needed but not given",
                got=f"{variable} of type {variable.type}, which is {role}",
                expected="an input, a shared variable or a constant",
                where=user_line(variable) or None,
                hint="add it to the inputs, or give it a value with givens",
            )
        )
    _check_owner(variable)


def _check_owner(variable: Variable) -> None:
    owner, index = variable.owner, variable.index
    outputs = [] if owner is None else owner.outputs
    if index is None or not 0 <= index < len(outputs) or outputs[index] is not variable:
        raise VerifyError(f"{variable!r} says it is output {index} of {owner}, which has {outputs}")


def check_node(node: Apply) -> None:
    """Check the links of one application and, where its op allows, its output types.

    Raises
    ------
    VerifyError
        If something is wrong.
    """
    if not node.outputs:
        raise VerifyError(f"{node} has no outputs")
    for i, output in enumerate(node.outputs):
        if not isinstance(output, Variable):
            raise VerifyError(f"output {i} of {node.op} is not a variable: {output!r}")
        if output.owner is not node or output.index != i:
            raise VerifyError(
                f"output {i} of {node} has owner {output.owner} and index {output.index}"
            )
    derived = _derived_types(node)
    declared = [output.type for output in node.outputs]
    if derived is not None and not _covers(declared, derived):
        raise VerifyError(
            user_message(
                f"the output types of {node.op} are not what the op derives from its inputs",
                got=[f"output {i}: {t}" for i, t in enumerate(declared)],
                expected=[f"output {i}: {t}" for i, t in enumerate(derived)],
                where=user_line(node) or None,
            )
        )


def _covers(declared: list[Any], derived: list[Any]) -> bool:
    """Whether each declared type is the derived one, or only promises less.

    Rewriting may learn more than was known when a node was made: a length that is 1, for example.
    """
    return len(declared) == len(derived) and all(
        wide == narrow or wide.convert_variable(narrow()) is not None
        for wide, narrow in zip(declared, derived, strict=True)
    )


def _derived_types(node: Apply) -> list[Any] | None:
    """Return the output types as the op derives them; only built-in ops may be asked again."""
    if not isinstance(node.op, BuiltinOp):
        return None
    try:
        again = node.op.make_node(*node.inputs)
    except (TypeError, ValueError) as error:
        raise VerifyError(
            f"{node.op} refuses the inputs of its own node {node}: {error}"
        ) from error
    if again.nin != node.nin:
        return None  # make_node folds extra arguments into operands; they can't be told apart here
    return [output.type for output in again.outputs]
