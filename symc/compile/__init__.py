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
    "function_module": (
        *("alias_root", "convert_function_input", "infer_reuse_pattern", "view_tree_set"),
    ),
    "inputs": ("In", "Out", "SymbolicInput", "SymbolicOutput"),
    "io": (),
    "callable": ("Function",),
    "maker": ("FunctionMaker",),
    "mode": (
        *("Mode", "get_default_mode", "get_mode", "predefined_linkers", "predefined_modes"),
        *("predefined_optimizers", "register_linker", "register_mode", "register_optimizer"),
        *("AddFeatureOptimizer", "PrintCurrentFunctionGraph", "OPT_FAST_COMPILE"),
        *("OPT_FAST_RUN", "OPT_FAST_RUN_STABLE", "OPT_MERGE", "OPT_NONE", "OPT_O2", "OPT_O3"),
        *("OPT_STABILIZE", "OPT_UNSAFE", "instantiated_default_mode"),
    ),
    "monitormode": ("MonitorMode",),
    "nanguardmode": ("NanGuardMode",),
    "ops": (
        *("DeepCopyOp", "FromFunctionOp", "OutputGuard", "Rebroadcast", "Shape", "Shape_i"),
        *("SpecifyShape", "ViewOp", "as_op", "deep_copy_op", "shape", "shape_i"),
        *("specify_shape", "view_op"),
    ),
    "param": ("Param", "pfunc"),
    "profiling": (
        *("ProfileStats", "ScanProfileStats", "print_global_stats", "register_profiler_printer"),
    ),
    "sharedvalue": (),
    "shared": ("generic_constructor", "is_shared", "shared_constructor"),
    "updates": ("OrderedUpdates",),
}

_NAMES = {name: f"symc.compile.{m}:{name}" for m, names in _MODULES.items() for name in names}
_NAMES |= {m: f"symc.compile.{m}" for m in _MODULES}
_NAMES |= {
    "SharedVariable": "symc.graph.node:SharedVariable",
    "UnusedInputError": "symc.errors:UnusedInputError",
    "MissingInputError": "symc.errors:MissingInputError",
    "AliasedMemoryError": "symc.errors:AliasedMemoryError",
    "scalar_constructor": "symc.array.shared:scalar_constructor",
    "optdb": "symc.gof.optdb:optdb",
    "tensor_constructor": "symc.array.shared:tensor_constructor",
}

_MAKING = (
    "a FunctionMaker closes the graph, rewrites it and makes its executor in one; call "
    "symc.function, and read f.maker"
)
_C_OF_TYPES = (
    "identities, shapes and promises about shapes cost nothing here and work for every Type"
)
_MEMORY = (
    "graphs are functional and the memory plan decides what is overwritten and what is copied; "
    "debugprint(f) shows it"
)

ABSENT: dict[str, str] = {
    **dict.fromkeys(
        ("orig_function", "rebuild_collect_shared", "std_fgraph", "fgraph_updated_vars"), _MAKING
    ),
    **dict.fromkeys(
        (
            *("register_deep_copy_op_c_code", "register_rebroadcast_c_code"),
            *("register_shape_c_code", "register_shape_i_c_code"),
            *("register_specify_shape_c_code", "register_view_op_c_code"),
        ),
        _C_OF_TYPES,
    ),
    **dict.fromkeys(("AddDestroyHandler", "Supervisor", "insert_deepcopy"), _MEMORY),
    **dict.fromkeys(
        ("check_equal", "register_checker"),
        "values are compared by type.values_eq and type.values_eq_approx; DebugMode does so",
    ),
    "DUPLICATE": "a function is copied by f.copy(), a value by type.copy_value",
    "NODEFAULT": "an input without a default is In(variable)",
    "get_info_on_inputs": "f.maker.inputs are the inputs, with names and defaults",
    "local_useless": "the rules tagged 'useless': Mode().including('useless')",
}
"""Names of Theano's that have no counterpart, and what to use."""

__getattr__ = late_names(__name__, _NAMES, ABSENT)
