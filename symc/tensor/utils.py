"""``symc.tensor.utils``: hashes of arrays, and the shapes in a graph for given inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..compile.function import function
from ..compile.mode import Mode
from ..errors import user_message
from ..graph.graph import Graph
from ..ops.sizes import shape

__all__ = ["hash_from_ndarray", "shape_of_variables"]


def hash_from_ndarray(data: Any) -> str:
    """Return a hash of the elements, dtype, shape and strides of an array.

    Arrays that differ in the layout only have different hashes.
    """
    array = np.asarray(data)
    head = f"{array.dtype.str}{array.shape}{array.strides}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


def shape_of_variables(
    fgraph: Graph, input_shapes: Mapping[Any, Sequence[int]]
) -> dict[Any, tuple[int, ...]]:
    """Return the shapes of all tensors of a graph for given shapes of its inputs.

    Parameters
    ----------
    fgraph : Graph
    input_shapes : mapping
        The shape of every input. Where lengths depend on values, those are taken as 0.

    Returns
    -------
    dict
        From variable to its shape.

    Raises
    ------
    ValueError
        If the shape of an input is missing.
    """
    missing = [v for v in fgraph.inputs if v not in input_shapes]
    if missing:
        raise ValueError(
            user_message(
                "the shapes of all inputs are needed",
                got=f"none for {', '.join(map(str, missing))}",
            )
        )
    tensors = list(fgraph.inputs)
    tensors += [o for node in fgraph.toposort() for o in node.outputs]
    tensors = [v for v in tensors if hasattr(v.type, "broadcastable")]
    # Rewriting leaves nothing to compute but lengths.
    mode = Mode("py", "fast_run")
    f = function(fgraph.inputs, list(map(shape, tensors)), mode=mode, on_unused_input="ignore")
    zeros = [np.zeros(tuple(input_shapes[v]), v.type.dtype) for v in fgraph.inputs]
    return {v: tuple(int(n) for n in s) for v, s in zip(tensors, f(*zeros), strict=True)}
