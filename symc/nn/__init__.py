"""Layers, and what goes with them: functions from expressions to expressions, each usable alone.

The names are those of Lasagne, so that ``import symc.nn as lasagne`` runs programs written for it.
"""

import symc

from . import (
    feedback,
    init,
    layers,
    nonlinearities,
    objectives,
    random,
    regularization,
    theano_extensions,
    train,
    updates,
    utils,
)

__all__ = [
    "feedback",
    "init",
    "layers",
    "nonlinearities",
    "objectives",
    "random",
    "regularization",
    "theano_extensions",
    "train",
    "updates",
    "utils",
]

__version__ = symc.__version__
