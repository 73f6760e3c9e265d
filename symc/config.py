"""The configuration of symc: every flag, with its default, its choices and what it does.

Flags are set, in rising precedence,

- in ``~/.symcrc`` (an INI file; the environment variable ``SYMCRC`` names other files), where the
  section ``[global]`` holds flags without a dot and ``[scan]`` holds ``scan.*``;
- in the environment variable ``SYMC_FLAGS``, as in ``SYMC_FLAGS=floatX=float32,scan.debug=True``;
- by assignment, ``symc.config.floatX = "float32"``, for all threads;
- by ``with change_flags(floatX="float32"):``, for the current thread.

A name or value that does not exist raises `symc.errors.ConfigError`, wherever it was written.
Flags marked as retired exist for older programs: any value is accepted, and nothing happens.

Importing this module reads the environment and the resource files; it writes nothing and starts
no process.
"""

from __future__ import annotations

import configparser
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from symc.errors import ConfigError, user_message
from symc.flags import Flag, Group, Section, change_flags_of, parse_assignments

__all__ = ["Config", "change_flags", "config"]

_REACTIONS = ("ignore", "warn", "raise", "pdb")
_TEST_VALUES = ("off", *_REACTIONS)
_SEVERITIES = ("ignore", "warn", "raise", "call", "print", "log")
_CUDNN_ALGORITHMS = (
    "none",
    "small",
    "large",
    "fft",
    "fft_tiling",
    "winograd",
    "winograd_non_fused",
    "deterministic",
    "guess_once",
    "guess_on_shape_change",
    "time_once",
    "time_on_shape_change",
)


def _retired(default: bool | int | float | str, doc: str) -> Flag[bool | int | float | str]:
    return Flag(default, doc, retired=True)


def _default_cache_root(_: Config) -> str:
    if sys.platform == "win32":
        parent = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        parent = "~/Library/Caches"
    else:
        parent = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    root = os.path.expanduser(parent)  # noqa: PTH111 - must not raise where there is no home
    if not root or root.startswith("~"):
        user = getattr(os, "getuid", lambda: "user")()
        return str(Path(tempfile.gettempdir()) / f"symc-{user}")
    return str(Path(root) / "symc")


def _default_compiledir(settings: Config) -> str:
    return str(Path(settings.base_compiledir).expanduser() / "compiled")


def _first_program(*names: str) -> str:
    return next((path for path in map(shutil.which, names) if path), "")


def _default_cxx(_: Config) -> str:
    return _first_program(os.environ.get("CXX") or "g++", "clang++", "c++")


def _default_cc(settings: Config) -> str:
    if settings.is_set("cxx") and not settings.cxx:
        return ""  # older programs ask for "no compiler" by an empty cxx
    return _first_program(os.environ.get("CC") or "gcc", "clang", "cc")


class NumpyFlags(Section):
    """What happens on floating-point exceptions on the NumPy path."""

    seterr_all = Flag("ignore", "Reaction to all of them.", choices=(*_SEVERITIES, "None"))
    seterr_divide = Flag("None", "Reaction to division by zero.", choices=(*_SEVERITIES, "None"))
    seterr_over = Flag("None", "Reaction to overflow.", choices=(*_SEVERITIES, "None"))
    seterr_under = Flag("None", "Reaction to underflow.", choices=(*_SEVERITIES, "None"))
    seterr_invalid = Flag("None", "Reaction to invalid operands.", choices=(*_SEVERITIES, "None"))


class TensorFlags(Section):
    """Flags of tensor operations."""

    cmp_sloppy = Flag(
        0, "Tolerance of approximate comparison: 0 tight, 1 loose, 2 looser.", minimum=0
    )
    local_elemwise_fusion = Flag(True, "Whether elementwise operations are fused into one kernel.")
    insert_inplace_optimizer_validate_nb = _retired(
        -1, "In-place sharing is proved by the memory planner, not tried and validated."
    )


class ScanFlags(Section):
    """Flags of loops."""

    allow_gc = Flag(False, "Whether memory is given back between the steps of a loop.")
    allow_output_prealloc = Flag(True, "Whether a step writes straight into the loop's outputs.")
    debug = Flag(False, "Whether loops explain what they are made of.")


class GccFlags(Section):
    """The C compiler."""

    cxxflags = Flag("", "Further options for the C compiler, separated by spaces.")


class BlasFlags(Section):
    """The BLAS library."""

    ldflags = Flag(
        "",
        "The shared library whose BLAS is used, as a path; when empty, SciPy's own.",
    )
    check_openmp = _retired(True, "symc does not link OpenMP.")


class OnednnFlags(Section):
    """oneDNN, an optional library with convolutions."""

    enabled = Flag(
        "auto",
        "Whether oneDNN computes convolutions of float32: auto where it is quicker by a rule, "
        "measure where it was quicker when both were tried (once for a shape, kept in the cache), "
        "on wherever it can, off nowhere. Read when a compiled program is loaded.",
        choices=("auto", "measure", "on", "off"),
        aliases={"True": "on", "False": "off"},
    )
    library_path = Flag(
        "",
        "The library's file; when empty, the one of the package onednn-cpu-gomp or the system's.",
    )


class ProfilingFlags(Section):
    """What a profile prints."""

    time_thunks = Flag(True, "Whether the single steps are timed.")
    n_apply = Flag(20, "How many steps are listed.", minimum=0)
    n_ops = Flag(20, "How many operations are listed.", minimum=0)
    output_line_width = Flag(512, "Where long lines are cut.", minimum=20)
    min_memory_size = Flag(1024, "Smaller values, in bytes, are not listed.", minimum=0)
    min_peak_memory = Flag(False, "Whether the smallest possible peak of memory is computed.")
    destination = Flag("stderr", "Where profiles go: stderr, stdout or a file name.")
    debugprint = Flag(False, "Whether the profile is followed by the printed graph.")
    ignore_first_call = Flag(False, "Whether the first call is left out.")


class TracebackFlags(Section):
    """Where the user built a variable."""

    limit = Flag(8, "How many calls are kept for each variable; 0 keeps none.", minimum=0)
    compile_limit = Flag(0, "How many calls are kept for variables made by rewriting.", minimum=0)


class NanGuardModeFlags(Section):
    """What NanGuardMode looks for, and what it does."""

    nan_is_error = Flag(True, "Whether NaN is an error.")
    inf_is_error = Flag(True, "Whether infinity is an error.")
    big_is_error = Flag(True, "Whether values above 1e10 are errors.")
    action = Flag("raise", "What happens then.", choices=("raise", "warn", "pdb"))


class DebugModeFlags(Section):
    """What DebugMode checks."""

    patience = Flag(10, "How often a graph is optimised again, to find instability.", minimum=1)
    check_c = Flag(True, "Whether native code runs and is compared.")
    check_py = Flag(True, "Whether `perform` runs and is compared.")
    check_finite = Flag(True, "Whether NaN and infinity are errors.")
    check_strides = Flag(0, "Whether strides are compared: 0 no, 1 warn, 2 raise.", minimum=0)
    warn_input_not_reused = Flag(True, "Whether an in-place operation must reuse its input.")
    check_preallocated_output = Flag(
        "", "Which kinds of output memory are tried, separated by colons."
    )
    check_preallocated_output_ndim = Flag(4, "Up to which rank strides are varied.", minimum=0)


class OptdbFlags(Section):
    """The register of rewrites."""

    position_cutoff = Flag(float("inf"), "Phases at and after this position are left out.")
    max_use_ratio = Flag(8.0, "How often one rule may apply, per node of the graph.", minimum=0)


class MetaoptFlags(Section):
    """Choosing between rewrites by timing them."""

    verbose = _retired(0, "Alternatives are not timed while rewriting.")
    optimizer_including = _retired("", "Alternatives are not timed while rewriting.")
    optimizer_excluding = _retired("", "Alternatives are not timed while rewriting.")


class ExperimentalFlags(Section):
    """Experiments of older versions."""

    local_alloc_elemwise = _retired(False, "Broadcasting makes it superfluous.")
    local_alloc_elemwise_assert = _retired(True, "Broadcasting makes it superfluous.")
    unpickle_gpu_on_cpu = _retired(False, "Pickles hold host arrays.")


class ConvFlags(Section):
    """Convolution."""

    assert_shape = Flag(False, "Whether declared shapes are checked when a function runs.")


class CompileFlags(Section):
    """The lock of the compilation cache."""

    wait = _retired(5, "The cache has no lock.")
    timeout = _retired(24, "The cache has no lock.")


class CmoduleFlags(Section):
    """Modules of compiled code."""

    warn_no_version = _retired(False, "Cache keys come from the source text, not from versions.")
    remove_gxx_opt = _retired(False, "Each option of the compiler is probed.")
    compilation_warning = Flag(False, "Whether warnings of the C compiler are shown.")
    preload_cache = _retired(False, "Cache entries are found by name.")
    age_thresh_use = _retired(24 * 3600 * 24, "The cache is bounded by size: cache_size_limit.")
    debug = Flag(False, "Whether generated code is compiled with debug information.")


class VmFlags(Section):
    """The virtual machine of older versions."""

    lazy = _retired("None", "Branches are lazy by construction.")


class LibFlags(Section):
    """Optional libraries."""

    amdlibm = _retired(False, "symc has its own vector math.")


class GpuFlags(Section):
    """Rewrites for the GPU."""

    local_elemwise_fusion = Flag(True, "Whether elementwise operations are fused on the GPU.")


class GpuarrayFlags(Section):
    """The GPU array library of older versions."""

    sync = _retired(False, "Calls return host values, or device values when asked.")
    preallocate = Flag(
        0.0, "Device memory taken at the start: a part (up to 1) or megabytes.", minimum=-1
    )
    sched = _retired("default", "The library is not used.")
    single_stream = _retired(True, "The library is not used.")
    cache_path = _retired("", "One cache holds everything: base_compiledir.")


class GpuelemwiseFlags(Section):
    """Elementwise operations on the GPU."""

    sync = _retired(True, "Calls return host values, or device values when asked.")


class CudaFlags(Section):
    """Where CUDA is."""

    root = Flag("", "The directory of the CUDA toolkit; when empty, the usual places.")
    include_path = Flag("", "The directory of CUDA's headers.")


class DnnConvFlags(Section):
    """cuDNN's convolutions."""

    algo_fwd = Flag("small", "Algorithm of the forward pass.", choices=_CUDNN_ALGORITHMS)
    algo_bwd_data = Flag(
        "none", "Algorithm of the gradient for the input.", choices=_CUDNN_ALGORITHMS
    )
    algo_bwd_filter = Flag(
        "none", "Algorithm of the gradient for the filters.", choices=_CUDNN_ALGORITHMS
    )
    precision = Flag(
        "as_input_f32",
        "Precision of the computation.",
        choices=("as_input_f32", "as_input", "float16", "float32", "float64"),
    )
    workmem = _retired("", "Replaced by dnn.conv.algo_fwd.")
    workmem_bwd = _retired("", "Replaced by dnn.conv.algo_bwd_data and algo_bwd_filter.")
    algo_bwd = _retired("", "Replaced by dnn.conv.algo_bwd_data and algo_bwd_filter.")


class DnnFlags(Section):
    """cuDNN."""

    enabled = Flag("auto", "Whether cuDNN is used.", choices=("auto", "True", "False", "no_check"))
    base_path = Flag("", "The directory of cuDNN.")
    include_path = Flag("", "The directory of cuDNN's headers.")
    library_path = Flag("", "The directory of cuDNN's library.")
    bin_path = Flag("", "The directory of cuDNN's programs.")
    conv = Group(DnnConvFlags)


class MagmaFlags(Section):
    """The MAGMA library."""

    enabled = _retired(False, "cuSOLVER serves instead.")
    include_path = _retired("", "cuSOLVER serves instead.")
    library_path = _retired("", "cuSOLVER serves instead.")


class CtcFlags(Section):
    """The library of the connectionist temporal classification."""

    root = _retired("", "symc has its own implementation.")


class WarnFlags(Section):
    """Warnings about defects of older versions."""

    ignore_bug_before = _retired("0.9", "symc has none of these defects.")
    identify_1pexp_bug = _retired(False, "symc has none of these defects.")
    argmax_pushdown_bug = _retired(False, "symc has none of these defects.")
    gpusum_01_011_0111_bug = _retired(False, "symc has none of these defects.")
    sum_sum_bug = _retired(False, "symc has none of these defects.")
    sum_div_dimshuffle_bug = _retired(False, "symc has none of these defects.")
    subtensor_merge_bug = _retired(False, "symc has none of these defects.")
    gpu_set_subtensor1 = _retired(False, "symc has none of these defects.")
    vm_gc_bug = _retired(False, "symc has none of these defects.")
    signal_conv2d_interface = _retired(True, "symc has none of these defects.")
    reduce_join = _retired(True, "symc has none of these defects.")
    inc_set_subtensor1 = _retired(True, "symc has none of these defects.")
    round = _retired(True, "symc has none of these defects.")
    inc_subtensor1_opt = _retired(True, "symc has none of these defects.")


class UnittestsFlags(Section):
    """Tests."""

    rseed = Flag("666", "Seed of the tests: an integer, or random.")


class Config(Section):
    """All flags of symc; `symc.config` is the one instance that symc reads."""

    # numbers
    floatX = Flag(  # noqa: N815 - the name that users know
        "float64",
        "The default floating-point dtype.",
        choices=("float64", "float32", "float16"),
    )
    cast_policy = Flag(
        "weak",
        "How dtypes are promoted. weak: Python numbers never widen, and integers widen floats no "
        "further than floatX; custom: Theano's rules (see symc.dtypes).",
        choices=("weak", "custom"),
        aliases={"numpy+floatX": "weak", "numpy": "weak"},
    )
    warn_float64 = Flag("ignore", "Reaction to a new float64 variable.", choices=_REACTIONS)
    int_division = _retired("int", "`/` divides truly and `//` divides integers.")
    deterministic = Flag(
        "default",
        "Whether faster algorithms that vary in the last digits may be used; more: never.",
        choices=("default", "more"),
    )
    numpy = Group(NumpyFlags)
    tensor = Group(TensorFlags)

    # devices
    device = Flag("cpu", "Where functions run: cpu, cuda, cuda0, cuda1, ...")
    init_gpu_device = Flag("", "The GPU to initialise although functions run on the CPU.")
    force_device = Flag(False, "Whether a missing device is an error rather than a warning.")
    contexts = Flag("", "Names for devices: name->device, separated by semicolons.")
    print_active_device = Flag(True, "Whether the GPU in use is printed.")
    assert_no_cpu_op = Flag(
        "ignore", "Reaction to a CPU step in a GPU program.", choices=_REACTIONS
    )
    gpuarray = Group(GpuarrayFlags)
    gpuelemwise = Group(GpuelemwiseFlags)
    cuda = Group(CudaFlags)
    dnn = Group(DnnFlags)
    magma = Group(MagmaFlags)
    ctc = Group(CtcFlags)
    gpu = Group(GpuFlags)

    # from expression to program
    mode = Flag(
        "Mode",
        "The mode of functions that name none; Mode takes it from linker and optimizer.",
        choices=(
            "Mode",
            "FAST_RUN",
            "FAST_COMPILE",
            "NUMPY",
            "DebugMode",
            "DEBUG_MODE",
            "NanGuardMode",
        ),
    )
    linker = Flag(
        "cvm",
        "How functions run. py: NumPy only; the others: native code.",
        choices=("cvm", "c|py", "py", "c", "c|py_nogc", "vm", "vm_nogc", "cvm_nogc"),
    )
    optimizer = Flag(
        "o4",
        "How far graphs are rewritten. None: not at all; merge: duplicates only; fast_compile and "
        "o1 to o4 (fast_run): more and more; unsafe: also what drops checks.",
        choices=("o4", "o3", "o2", "o1", "unsafe", "fast_run", "fast_compile", "merge", "None"),
    )
    optimizer_including = Flag("", "Names of rewrites to add, separated by colons.")
    optimizer_excluding = Flag("", "Names of rewrites to leave out, separated by colons.")
    optimizer_requiring = Flag("", "Names that a rewrite must have, separated by colons.")
    optimizer_verbose = Flag(False, "Whether each rewrite that applies is printed.")
    on_opt_error = Flag(
        "warn",
        "Reaction to a rewrite that fails.",
        choices=("warn", "raise", "pdb", "ignore"),
    )
    on_unused_input = Flag(
        "raise",
        "Reaction to an input that no output uses.",
        choices=("raise", "warn", "ignore"),
    )
    on_shape_error = Flag("warn", "Reaction to a shape rule that fails.", choices=("warn", "raise"))
    check_stack_trace = Flag(
        "off",
        "Reaction to a rewrite that loses the user's line.",
        choices=("off", "log", "warn", "raise"),
    )
    cycle_detection = _retired("regular", "Rewriting can't make a cycle.")
    cache_optimizations = _retired(False, "Compiled plans are cached as a whole.")
    optdb = Group(OptdbFlags)
    metaopt = Group(MetaoptFlags)
    experimental = Group(ExperimentalFlags)
    conv = Group(ConvFlags)

    # running
    num_threads = Flag(0, "How many threads one call may use; 0: one per core.", minimum=0)
    allow_gc = Flag(True, "Whether memory goes back to the pool between calls.")
    check_input = Flag(True, "Whether arguments are checked.")
    openmp = _retired(False, "symc has its own threads: num_threads.")
    openmp_elemwise_minsize = _retired(200000, "The work decides how many threads are used.")
    vm = Group(VmFlags)
    scan = Group(ScanFlags)

    # compiling
    cc = Flag(
        "",
        "The C compiler; empty: none, functions run on the NumPy path. Default: what CC names, or "
        "gcc, clang or cc, whichever is found first.",
        computed=_default_cc,
    )
    cxx = Flag(
        "",
        "The C++ compiler, for user code in C++; set to nothing, it also turns the C compiler off.",
        computed=_default_cxx,
    )
    base_compiledir = Flag(
        "",
        "The directory of everything symc keeps on disk. Default: symc in the user's directory "
        "for caches. It is made when first needed.",
        computed=_default_cache_root,
    )
    compiledir = Flag(
        "",
        "The directory of compiled programs. Default: compiled in base_compiledir.",
        computed=_default_compiledir,
    )
    compiledir_format = _retired("", "Cache entries are named by their content.")
    cache_plans = Flag(
        True,
        "Whether a graph's program is looked up by the graph itself, so that a graph which was "
        "compiled before is neither optimized nor turned into C again.",
    )
    cache_size_limit = Flag(
        2048, "Megabytes of compiled programs that are kept; 0: no limit.", minimum=0
    )
    nocleanup = Flag(False, "Whether the source text of compiled programs is kept.")
    gcc = Group(GccFlags)
    blas = Group(BlasFlags)
    onednn = Group(OnednnFlags)
    lib = Group(LibFlags)
    cmodule = Group(CmoduleFlags)
    compile = Group(CompileFlags)

    # looking into it
    compute_test_value = Flag(
        "off",
        "Whether test values are computed while the graph is built, and what happens where one "
        "is missing.",
        choices=_TEST_VALUES,
    )
    compute_test_value_opt = Flag("off", "The same while rewriting.", choices=_TEST_VALUES)
    print_test_value = Flag(False, "Whether a variable is printed with its test value.")
    pickle_test_value = Flag(True, "Whether test values are pickled.")
    exception_verbosity = Flag(
        "low", "How much an error of a running function tells.", choices=("low", "high")
    )
    traceback = Group(TracebackFlags)
    NanGuardMode = Group(NanGuardModeFlags)
    DebugMode = Group(DebugModeFlags)
    warn = Group(WarnFlags)
    unittests = Group(UnittestsFlags)

    # profiling and pickling
    profile = Flag(False, "Whether functions are profiled.")
    profile_memory = Flag(False, "Whether profiles include memory.")
    profile_optimizer = Flag(False, "Whether rewriting is profiled.")
    profiling = Group(ProfilingFlags)
    print_global_stats = Flag(False, "Whether totals are printed when the process ends.")
    unpickle_function = Flag(True, "Whether unpickling a function compiles it.")
    reoptimize_unpickled_function = Flag(False, "Whether it is rewritten again then.")

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Config:
        """Return a configuration read from resource files and from the environment.

        Parameters
        ----------
        environ : mapping
            ``SYMCRC`` names the resource files, ``SYMC_FLAGS`` holds flags.

        Raises
        ------
        ConfigError
            If a file can't be read, or a name or value does not exist.
        """
        settings = cls()
        for path in _resource_files(environ):
            settings._set_all(_read_resource_file(path), str(path))
        flags = parse_assignments(environ.get("SYMC_FLAGS", ""))
        settings._set_all(flags, "the environment variable SYMC_FLAGS")
        return settings

    def _set_all(self, assignments: Iterable[tuple[str, str]], source: str) -> None:
        try:
            for name, value in assignments:
                self.set(name, value)
        except ConfigError as problem:
            raise type(problem)(f"{problem}\n  in: {source}") from None


def _resource_files(environ: Mapping[str, str]) -> list[Path]:
    names = environ.get("SYMCRC", "~/.symcrc").split(os.pathsep)
    # os.path leaves "~" alone where there is no home directory; Path would raise
    paths = [Path(os.path.expanduser(name)) for name in names if name]  # noqa: PTH111
    return [path for path in paths if path.is_file()]


def _read_resource_file(path: Path) -> list[tuple[str, str]]:
    parser = configparser.RawConfigParser(inline_comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    except (OSError, UnicodeDecodeError, configparser.Error) as problem:
        raise ConfigError(
            user_message(
                f"the resource file {path} can't be read",
                got=str(problem),
                expected="an INI file: a section such as [global], then lines of flag = value",
            )
        ) from problem
    return [
        (name if section == "global" else f"{section}.{name}", value)
        for section in parser.sections()
        for name, value in parser.items(section)
    ]


config = Config.load(os.environ)


def change_flags(flags: Mapping[str, object] | None = None, /, **named: object) -> change_flags_of:
    """Set flags for a block or a function; the old values come back whatever happens.

    The values hold for the current thread only, so that two threads can't undo each other's.

    Parameters
    ----------
    flags : mapping, optional
        Values by full name, as in ``{"scan.debug": True}``.
    **named
        The same by keyword, with ``__`` for the dot: ``scan__debug=True``.

    Raises
    ------
    ConfigError
        At once, if a name or value does not exist.

    Examples
    --------
    >>> with change_flags(floatX="float32"):
    ...     config.floatX
    'float32'
    >>> config.floatX
    'float64'
    """
    return change_flags_of(config, {**(flags or {}), **named})
