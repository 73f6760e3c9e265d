"""``symc.tensor.nnet``: activations, softmax and cross-entropies, in Theano's names."""



from ...ops.math import sigmoid, softplus
from ...ops.softmax import (
    CrossentropySoftmax1Hot,
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
from . import nnet
from .extra import (
    confusion_matrix,
    crossentropy_softmax_max_and_argmax_1hot_with_bias,
    logsoftmax_op,
    softmax_graph,
    softmax_op,
)
