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
from . import abstract_conv, blocksparse, bn, conv, conv3d2d, corr, corr3d, ctc, neighbours, nnet
from .abstract_conv import (
    abstract_conv2d,
    causal_conv1d,
    conv1d,
    conv2d,
    conv2d_grad_wrt_inputs,
    conv2d_grad_wrt_weights,
    conv2d_transpose,
    conv3d,
    conv3d_grad_wrt_inputs,
    conv3d_grad_wrt_weights,
    separable_conv2d,
    separable_conv3d,
)
from .blocksparse import h_softmax, sparse_block_dot
from .bn import batch_normalization_test, batch_normalization_train
from .extra import (
    confusion_matrix,
    crossentropy_softmax_max_and_argmax_1hot_with_bias,
    logsoftmax_op,
    softmax_graph,
    softmax_op,
)
from .op_names import *  # noqa: F403
from .response import local_response_normalization
