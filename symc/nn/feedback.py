"""Feedback alignment: gradients whose way back goes through fixed random matrices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import symc
import symc.tensor as T
from symc.gof.graph import Constant, io_toposort
from symc.gof.graph import inputs as graph_inputs
from symc.nn import init, utils
from symc.scan_module.scan_op import Scan
from symc.tensor.nnet.abstract_conv import AbstractConv

__all__ = ["feedback_gradients"]


class _Backward:
    """The gradient of a product, with the random matrices in the place of the weights.

    Parameters
    ----------
    op : Op
        The product.
    weights : set of int
        Which of its operands are weights; their random counterparts follow all operands.
    """

    def __init__(self, op: Any, weights: Sequence[int]) -> None:
        self.op = op
        self.weights = weights

    def __call__(self, inputs: Sequence[Any], outputs: Any, gradients: Any) -> list[Any]:
        """Return the gradients with respect to `inputs`."""
        count = len(inputs) - len(self.weights)
        operands, random = list(inputs[:count]), inputs[count:]
        fed = list(operands)
        for k, matrix in zip(self.weights, random, strict=True):
            fed[k] = matrix
        (gradient,) = gradients
        results = []
        for k in range(count):
            through = operands if k in self.weights else fed
            product = self.op(*through)
            results += symc.grad(
                None, [through[k]], known_grads={product: gradient}, disconnected_inputs="ignore"
            )
        return [*results, *(symc.gradient.DisconnectedType()() for _ in random)]


def _is_product(op: Any) -> bool:
    return op == T.mul or isinstance(op, (T.Dot, T.BatchedDot, AbstractConv))


def _only_of(variables: Iterable[Any], params: set[Any]) -> dict[Any, bool]:
    """For each variable whether it is computed of parameters and constants only, and of any."""
    variables = list(variables)
    of_params: dict[Any, bool] = {}
    of_others: dict[Any, bool] = {}
    for v in graph_inputs(variables):
        of_params[v] = v in params
        of_others[v] = v not in params and not isinstance(v, Constant)
    for node in io_toposort([], variables):
        for out in node.outputs:
            of_params[out] = any(of_params[x] for x in node.inputs)
            of_others[out] = any(of_others[x] for x in node.inputs)
    return {v: of_params[v] and not others for v, others in of_others.items()}


def feedback_gradients(
    loss: Any, params: Sequence[Any], feedback: Any = init.GlorotUniform()  # noqa: B008
) -> list[Any]:
    """Return the gradients of feedback alignment.

    Lillicrap, Cownden, Tweed and Akerman 2016, "Random synaptic feedback weights support error
    backpropagation for deep learning". The loss is computed with the weights; on the way back from
    a product of data with weights to the data, a fixed random array stands for the weights. That
    of the weights themselves is as always.

    Parameters
    ----------
    loss : scalar tensor
    params : list of SharedVariable
        Those with two or more axes get a random counterpart of their shape, a shared variable
        that nothing changes; so do expressions of them. Products are dots, convolutions and
        elementwise products, those inside of loops (of recurrent layers) too; where a loop takes
        weights as a sequence, one element per step, products have the usual gradient.
    feedback : callable
        Makes the random arrays of shapes.

    Returns
    -------
    list of TensorVariable
        For any rule of `symc.nn.updates`.

    Raises
    ------
    TypeError
        If `loss` is not a scalar expression.
    """
    if not isinstance(loss, T.TensorVariable) or loss.ndim:
        raise TypeError(
            f"feedback alignment changes the way from a loss to its gradients: it takes a scalar "
            f"expression, got {loss!r:.80}"
        )
    weights = {p for p in params if p.ndim >= 2}
    random = {
        p: utils.create_param(feedback, p.get_value(borrow=True).shape, f"{p.name or 'W'}_feedback")
        for p in params
        if p in weights
    }
    (replaced,) = _with_random([loss], random)
    return list(symc.grad(replaced, list(params), disconnected_inputs="ignore"))


def _with_random(outputs: Sequence[Any], random: Mapping[Any, Any]) -> list[Any]:
    """The outputs with other products, made of operands that are replaced themselves.

    `random` says what stands for weights on the way back. It calls itself as deep as loops are in
    loops.
    """
    only = _only_of(outputs, set(random))
    done: dict[Any, Any] = {}
    for node in io_toposort([], list(outputs)):
        inputs = [done.get(x, x) for x in node.inputs]
        fixed = [k for k, x in enumerate(node.inputs) if only[x] and x.ndim >= 2]
        if _is_product(node.op) and 0 < len(fixed) < len(inputs):
            made = [_product(node, inputs, fixed, random)]
        elif isinstance(node.op, Scan) and fixed:
            made = _loop(node, inputs, only, random)
        elif any(x in done for x in node.inputs):
            made = node.clone_with_new_inputs(inputs).outputs
        else:
            continue
        done.update(zip(node.outputs, made, strict=True))
    return [done.get(v, v) for v in outputs]


def _product(
    node: Any, inputs: list[Any], fixed: Sequence[int], random: Mapping[Any, Any]
) -> Any:
    """A product of other operands that has another way back to those which are not `fixed`."""
    backward = [symc.clone(node.inputs[k], replace=random) for k in fixed]
    operands = [x.type() for x in (*node.inputs, *backward)]
    product = symc.OpFromGraph(
        operands, [node.op(*operands[: len(node.inputs)])],
        lop_overrides=_Backward(node.op, fixed), name="feedback_alignment",
    )
    return product(*inputs, *backward)


def _loop(
    node: Any, inputs: list[Any], only: Mapping[Any, bool], random: Mapping[Any, Any]
) -> list[Any]:
    """The results of a loop with such products inside; random arrays are constants of it."""
    op = node.op
    inner, outer = op.split_inner_inputs()[-1], op.split_operands(node.inputs)[-1]
    weights = {i: o for i, o in zip(inner, outer, strict=True) if only[o] and o.ndim >= 2}
    counterparts = {i: i.type() for i in weights}
    outputs = _with_random(op.outputs, counterparts)
    used = set(graph_inputs(outputs))
    more = [i for i in weights if counterparts[i] in used]
    loop = Scan([*op.inputs, *(counterparts[i] for i in more)], outputs, op.info).private()
    back = [symc.clone(weights[i], replace=random) for i in more]
    results: list[Any] = loop(*inputs, *back, return_list=True)
    return results
