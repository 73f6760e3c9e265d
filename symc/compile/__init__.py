"""Compiling: functions, shared variables, modes. Names are imported when they are used."""

from __future__ import annotations

from ..lazy import late_names

_MODULES = {
    "builders": ("OpFromGraph",),
    "debugmode": (
        *("BadDestroyMap", "BadOptimization", "BadThunkOutput", "BadViewMap", "DebugMode"),
        *("DebugModeError", "InvalidValueError", "StochasticOrder"),
    ),
    "function": ("function_dump",),
    "inputs": ("In", "Out", "SymbolicInput", "SymbolicOutput"),
    "callable": ("Function",),
    "maker": ("FunctionMaker",),
    "mode": (
        *("Mode", "get_default_mode", "get_mode", "predefined_linkers", "predefined_modes"),
        *("predefined_optimizers", "register_linker", "register_mode", "register_optimizer"),
    ),
    "monitormode": ("MonitorMode",),
    "nanguardmode": ("NanGuardMode",),
    "ops": (
        *("DeepCopyOp", "FromFunctionOp", "OutputGuard", "Rebroadcast", "Shape", "Shape_i"),
        *("SpecifyShape", "ViewOp", "as_op", "deep_copy_op", "shape", "shape_i"),
        *("specify_shape", "view_op"),
    ),
    "profiling": (
        *("ProfileStats", "ScanProfileStats", "print_global_stats", "register_profiler_printer"),
    ),
    "shared": ("generic_constructor", "is_shared", "shared_constructor"),
    "updates": ("OrderedUpdates",),
}

_NAMES = {name: f"symc.compile.{m}:{name}" for m, names in _MODULES.items() for name in names}
_NAMES |= {m: f"symc.compile.{m}" for m in _MODULES}
_NAMES |= {
    "Param": "symc.compile.inputs:In",
    "SharedVariable": "symc.graph.node:SharedVariable",
    "UnusedInputError": "symc.errors:UnusedInputError",
    "MissingInputError": "symc.errors:MissingInputError",
    "AliasedMemoryError": "symc.errors:AliasedMemoryError",
    "scalar_constructor": "symc.array.shared:scalar_constructor",
    "optdb": "symc.gof.optdb:optdb",
    "tensor_constructor": "symc.array.shared:tensor_constructor",
}

__getattr__ = late_names(__name__, _NAMES)
