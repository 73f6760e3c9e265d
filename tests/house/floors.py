"""The floors of the house: which part of symc may import which."""

from __future__ import annotations

FLOOR_0 = ("errors", "flags", "config", "dtypes", "lazy", "util")
GRAPH_SIDE = (*FLOOR_0, "graph", "scalar", "loop", "array", "autodiff", "ops", "rewrite")
MACHINE_SIDE = ("lower", "codegen", "runtime")
USER_LEVEL = (
    *("compat", "configdefaults", "configparser", "misc", "raise_op", "updates", "version"),
    "gof",
    "scan_module",
    "gradient",
    "printing",
    "ifelse",
    "tensor",
    "sandbox",
    "sparse",
    "tests",
    "cache",
    "doctor",
    "demo",
    "bench",
    "cli",
)
PROGRAMS = ("demo", "bench", "cli")  # what users run; they use symc as users do
UP_TO_COMPILE = (*GRAPH_SIDE, *MACHINE_SIDE, "compile")

# What code outside of symc may use, and so the packages that are written as a user would.
PUBLIC = (
    *("", "errors", "config", "gof", "gradient", "printing", "scan_module", "ifelse", "tensor"),
    *("sparse", "sandbox"),
)

# top-level module or package -> the others it may import ("" is symc/__init__.py)
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    **{name: FLOOR_0[:i] for i, name in enumerate(FLOOR_0)},
    "graph": FLOOR_0,
    "scalar": FLOOR_0,
    "loop": (*FLOOR_0, "scalar"),
    "array": (*FLOOR_0, "graph", "scalar"),
    "autodiff": (*FLOOR_0, "graph"),
    "ops": (*FLOOR_0, "graph", "scalar", "loop", "array", "autodiff"),
    "rewrite": (*FLOOR_0, "graph", "scalar", "loop", "array", "autodiff", "ops"),
    "lower": (*FLOOR_0, "graph", "scalar", "loop"),
    "codegen": (*FLOOR_0, "scalar", "loop"),
    "runtime": (*FLOOR_0, "scalar", "loop", "codegen"),
    "compile": (*GRAPH_SIDE, *MACHINE_SIDE),
    **{name: (*UP_TO_COMPILE, *USER_LEVEL[:i]) for i, name in enumerate(USER_LEVEL)},
    "nn": PUBLIC,
    **{
        name: (*UP_TO_COMPILE, *USER_LEVEL[: USER_LEVEL.index(name)], "nn", "")
        for name in PROGRAMS
    },
    "learn": (*PUBLIC, "nn"),
    "": (*UP_TO_COMPILE, *(name for name in USER_LEVEL if name not in PROGRAMS)),
    "__main__": ("cli",),
    "symc_cuda": (*FLOOR_0, "scalar", "loop", "codegen", "runtime"),
}

# Third-party modules that a function may import when it runs, and why.
LATE_IMPORTS = {
    "scipy": "scipy.linalg and scipy.special take a quarter of a second to import",
    "matplotlib": "optional: pictures of what was learned and of histories",
    "sklearn": "only the demo loads digits",
    "rich": "optional: tables of the demo, progress bars",
    "tqdm": "optional: progress bars",
    "pydot": "optional: drawing graphs",
    "pycuda": "optional: the GPU",
}
