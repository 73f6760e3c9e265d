"""Graphs, ops, types and rewriting under Theano's names. Names are imported when they are used.

What has no counterpart in symc says what to use instead; ``docs/from_theano.md`` has the list.
"""

from __future__ import annotations

from ..lazy import late_names

_MODULES = {
    "fg": ("CachedConstantError", "FunctionGraph", "ReplacementDidntRemovedError"),
    "graph": (
        *("Apply", "Constant", "Variable", "ancestors", "as_string", "clone", "clone_get_equiv"),
        *("equal_computations", "general_toposort", "inputs", "io_connection_pattern"),
        *("io_toposort", "is_in_ancestors", "is_same_graph", "list_of_nodes", "op_as_string"),
        "nodes_constructed",
        *("ops", "orphans", "stack_search", "variables", "variables_and_orphans", "view_roots"),
    ),
    "local": (
        *("FromFunctionLocalOptimizer", "LocalOptGroup", "LocalOptimizer", "OpRemove", "OpSub"),
        *("PatternSub", "copy_stack_trace", "local_optimizer"),
    ),
    "null_type": ("NullType", "null_type"),
    "op": (
        *("COp", "Op", "OpenMPOp", "PureOp", "debug_assert", "debug_error_message"),
        *("get_debug_values", "get_test_value", "missing_test_message"),
        "ops_with_inner_function",
    ),
    "opt": (
        *("AddFeatureOptimizer", "EquilibriumOptimizer", "FromFunctionOptimizer"),
        *("MergeOptimizer", "NavigatorOptimizer", "OpKeyOptimizer", "Optimizer"),
        *("PrintCurrentFunctionGraph", "SeqOptimizer", "TopoOptimizer", "check_chain"),
        *("check_stack_trace", "in2out", "inplace_optimizer", "is_same_graph_with_merge"),
        *("optimizer", "out2in", "pre_constant_merge", "pre_greedy_local_optimizer"),
    ),
    "optdb": (
        *("DB", "EquilibriumDB", "LocalGroupDB", "ProxyDB", "Query", "SequenceDB", "TopoDB"),
    ),
    "params_type": ("Params", "ParamsType"),
    "toolbox": (
        *("AlreadyThere", "Bookkeeper", "Feature", "History", "NoOutputFromInplace"),
        *("NodeFinder", "PreserveNames", "PreserveVariableAttributes", "PrintListener"),
        *("ReplaceValidate", "Validator"),
    ),
    "type": (
        *("CDataType", "CEnumType", "EnumList", "EnumType", "Generic", "PureType"),
        *("SingletonType", "Type", "generic"),
    ),
    "unify": (
        *("BoundVariable", "FreeVariable", "NotVariable", "OrVariable", "Unification"),
        *("unify_merge", "unify_walk"),
    ),
    "utils": (
        *("MetaObject", "add_tag_trace", "comm_guard", "deprecated", "flatten"),
        *("get_variable_trace_string", "hashtype", "hist", "memoize", "object2", "scratchpad"),
        *("simple_extract_stack", "toposort", "type_guard", "uniq"),
    ),
}

_NAMES = {name: f"symc.gof.{m}:{name}" for m, names in _MODULES.items() for name in names}
_NAMES |= {m: f"symc.gof.{m}" for m in _MODULES}
_NAMES |= {
    "Container": "symc.compile.storage:Storage",
    "InconsistencyError": "symc.errors:InconsistencyError",
    "MethodNotDefined": "symc.errors:MethodNotDefined",
    "MissingInputError": "symc.errors:MissingInputError",
    "TestValueError": "symc.errors:TestValueError",
    "inherit_stack_trace": "symc.gof.local:copy_stack_trace",
    "raise_with_op": "symc.compile.explain:node_error",
}

_LINKER = (
    "a function is one native program and no linker runs thunks; use Mode('native') or "
    "Mode('numpy'), and MonitorMode or DebugMode to look at every node"
)
_CACHE = "programs are compiled and cached by `symc.runtime`; see `symc cache --help`"
_LOCK = "the cache needs no lock: its files are named by their content and appear whole"
_MEMORY = (
    "graphs are functional and the memory plan decides what is overwritten; declare destroy_map "
    "on your op, or give In(mutable=True)"
)
_ORDER = "the order of steps follows from memory; give FunctionGraph features with `orderings`"

ABSENT: dict[str, str] = {
    **dict.fromkeys(
        (
            *("CLinker", "DualLinker", "Linker", "LocalLinker", "OpWiseCLinker"),
            *("PerformLinker", "VM_Linker", "WrapLinker", "WrapLinkerMany", "gc_helper"),
            *("add_clear_storage", "map_storage", "streamline", "link", "vm", "cc"),
            *("Loop", "LoopGC", "Stack", "CVM", "lazylinker_c"),
        ),
        _LINKER,
    ),
    **dict.fromkeys(
        (
            *("ModuleCache", "GCC_compiler", "DynamicModule", "get_module_cache", "KeyData"),
            *("CallCache", "callcache", "cmodule", "compiledir", "cutils"),
            *("print_compiledir_content", "compiledir_purge", "HideC"),
            *("basecompiledir_ls", "basecompiledir_purge"),
        ),
        _CACHE,
    ),
    **dict.fromkeys(
        (
            *("compilelock", "get_lock", "release_lock", "lock_ctx", "force_unlock"),
            *("set_lock_status",),
        ),
        _LOCK,
    ),
    **dict.fromkeys(("DestroyHandler", "destroyhandler", "AddDestroyHandler"), _MEMORY),
    **dict.fromkeys(
        (
            *("sched", "sort_apply_nodes", "sort_schedule_fn", "key_to_cmp", "posort"),
            *("make_dependence_cmp",),
        ),
        _ORDER,
    ),
    "MergeFeature": "equal nodes are made one by MergeOptimizer, and by every compilation",
    "ShapeFeature": "x.shape[i] of a compiled graph is computed without x; rules have ctx.length",
    "HintsFeature": "declare what is known of a variable by its type, `shape=` or Assert",
    "ChangeTracker": "attach a Feature with on_change_input",
    "CheckStrackTraceFeature": "use check_stack_trace(f)",
    "CheckStackTraceOptimization": "use check_stack_trace(f)",
    "LocalMetaOptimizer": "schedules are chosen by a cost model; write a rule for each alternative",
    "GraphToGPULocalOptGroup": "graphs are not rewritten for a device; see symc_cuda",
    "CheckStackTraceFeature": "use check_stack_trace(f)",
}
"""Names of Theano's that have no counterpart, and what to use."""

__getattr__ = late_names(__name__, _NAMES, ABSENT)
