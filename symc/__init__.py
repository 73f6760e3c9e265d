"""symc: a symbolic expression compiler with Theano's vocabulary.

Expressions are written with `symc.tensor`, differentiated with `grad`, and compiled with
`function`.
"""

from symc import compile as compile  # the package; its functions are set below
from symc import errors, gradient, ifelse, scalar, tensor, version
from symc.compile.batch import batch
from symc.compile.function import Function, explain, function, function_dump
from symc.compile.inputs import In, Out, SymbolicInput, SymbolicOutput
from symc.compile.mode import Mode, get_default_mode, get_mode, predefined_modes, register_mode
from symc.compile.shared import shared, shared_constructor
from symc.compile.updates import OrderedUpdates
from symc.config import change_flags, config
from symc.errors import (
    ConfigError,
    DisconnectedInputError,
    GradientError,
    MissingInputError,
    NullTypeGradError,
    ShapeError,
    SymcError,
    UnusedInputError,
)
from symc.gradient import Lop, Rop, grad, hessian_vector_product, subgraph_grad, verify_grad
from symc.graph.formula import pp, pprint
from symc.graph.graph import Graph
from symc.graph.graph import clone_replace as clone
from symc.graph.node import Apply, Constant, SharedVariable, Type, Variable
from symc.graph.op import Op
from symc.graph.special import Generic, generic
from symc.graph.text import debugprint
from symc.lazy import late_names
from symc.ops.dot import dot
from symc.ops.logsumexp import logsumexp
from symc.ops.softmax import log_softmax, softmax
from symc.rewrite.rule import rule
from symc.scan_module import foldl, foldr, map, reduce, scan, scan_checkpoints, while_loop

__version__ = version.version
__api_version__ = 1

# These functions hide the modules of their names, which can still be imported from.
compile.__dict__.update(function=function, shared=shared)

__getattr__ = late_names(
    __name__,
    {
        "FunctionGraph": "symc.gof.fg:FunctionGraph",
        "OpFromGraph": "symc.ops.from_graph:OpFromGraph",
        "as_op": "symc.ops.from_function:as_op",
        "_asarray": "symc.misc.safe_asarray:_asarray",
        "disable_log_handler": "symc.misc.logs:disable_log_handler",
        "sparse_grad": "symc.ops.canonical:sparse_grad",
        "theano_logger": "symc.misc.logs:theano_logger",
        "Container": "symc.compile.storage:Storage",
        "FunctionMaker": "symc.compile.maker:FunctionMaker",
        "InconsistencyError": "symc.errors:InconsistencyError",
        "OpenMPOp": "symc.graph.cop:OpenMPOp",
        "Param": "symc.compile.param:Param",
        "ProfileStats": "symc.compile.profiling:ProfileStats",
        "get_scalar_constant_value": "symc.tensor:get_scalar_constant_value",
        "object2": "symc.gof.utils:object2",
        "predefined_linkers": "symc.compile.mode:predefined_linkers",
        "predefined_optimizers": "symc.compile.mode:predefined_optimizers",
        **{name: f"symc.gof.{name}" for name in ("opt", "toolbox", "utils")},
        **{
            name: f"symc.{name}"
            for name in (
                *("compat", "configdefaults", "configparser", "gof", "misc", "printing"),
                *("raise_op", "sandbox", "tests", "updates"),
            )
        },
    },
    dict.fromkeys(
        ("CLinker", "DualLinker", "Linker", "LocalLinker", "OpWiseCLinker", "PerformLinker"),
        "a function is one native program and no linker runs thunks; use Mode('native') or "
        "Mode('numpy'), and MonitorMode or DebugMode to look at every node",
    ),
)
