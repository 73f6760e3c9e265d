"""``symc.tensor.nnet.nnet``: the names of `symc.tensor.nnet`, where old code imports them from."""

# ruff: noqa: F401 - a namespace re-exports

from ...lazy import late_names
from ...ops.math import sigmoid, softplus
from ...ops.softmax import (
    LogSoftmax,
    Softmax,
    binary_crossentropy,
    categorical_crossentropy,
    crossentropy_categorical_1hot,
    crossentropy_softmax_1hot,
    crossentropy_softmax_1hot_with_bias,
    crossentropy_softmax_argmax_1hot_with_bias,
    crossentropy_softmax_max_and_argmax_1hot,
    elu,
    hard_sigmoid,
    relu,
    selu,
    sigmoid_binary_crossentropy,
    softmax_with_bias,
    softsign,
    ultra_fast_sigmoid,
)
from ...ops.softmax import nnet_logsoftmax as logsoftmax
from ...ops.softmax import nnet_softmax as softmax
from .extra import (
    confusion_matrix,
    crossentropy_softmax_max_and_argmax_1hot_with_bias,
    logsoftmax_op,
    softmax_graph,
    softmax_op,
)
from .op_names import *  # noqa: F403

_FOUND = (
    "every compilation finds softmax and cross-entropy, and takes the stable form of both; "
    "explain(f) tells which rules did"
)

ABSENT: dict[str, str] = dict.fromkeys(
    (
        "crossentropy_to_crossentropy_with_softmax",
        "crossentropy_to_crossentropy_with_softmax_with_bias",
        "graph_merge_softmax_with_crossentropy_softmax",
        "softmax_simplifier",
    ),
    _FOUND,
)

__getattr__ = late_names(__name__, {}, ABSENT)
