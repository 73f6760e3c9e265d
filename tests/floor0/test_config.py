"""Flags: sources and precedence, kinds and choices, errors, thread-local changes, freezing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from symc.config import Config, change_flags, config
from symc.errors import ConfigError, UnknownFlagError
from symc.flags import Flag, Section, change_flags_of

ROOT = Path(__file__).resolve().parents[2]

# Every flag that users of Theano 1.0.5 know.
KNOWN = """
floatX warn_float64 cast_policy int_division tensor.cmp_sloppy deterministic
numpy.seterr_all numpy.seterr_divide numpy.seterr_over numpy.seterr_under numpy.seterr_invalid
device init_gpu_device force_device contexts print_active_device assert_no_cpu_op
gpuarray.sync gpuarray.preallocate gpuarray.sched gpuarray.single_stream gpuarray.cache_path
gpuelemwise.sync
cuda.root cuda.include_path
dnn.enabled dnn.base_path dnn.include_path dnn.library_path dnn.bin_path
dnn.conv.algo_fwd dnn.conv.algo_bwd_data dnn.conv.algo_bwd_filter dnn.conv.precision
dnn.conv.workmem dnn.conv.workmem_bwd dnn.conv.algo_bwd
magma.enabled magma.include_path magma.library_path ctc.root
mode linker optimizer optimizer_including optimizer_excluding optimizer_requiring
optimizer_verbose on_opt_error on_unused_input on_shape_error
optdb.position_cutoff optdb.max_use_ratio cycle_detection check_stack_trace cache_optimizations
metaopt.verbose metaopt.optimizer_including metaopt.optimizer_excluding
tensor.insert_inplace_optimizer_validate_nb tensor.local_elemwise_fusion
gpu.local_elemwise_fusion
experimental.local_alloc_elemwise experimental.local_alloc_elemwise_assert
experimental.unpickle_gpu_on_cpu conv.assert_shape
allow_gc vm.lazy scan.allow_gc scan.allow_output_prealloc scan.debug openmp
openmp_elemwise_minsize check_input
cxx gcc.cxxflags blas.ldflags blas.check_openmp lib.amdlibm
cmodule.warn_no_version cmodule.remove_gxx_opt cmodule.compilation_warning
cmodule.preload_cache cmodule.age_thresh_use cmodule.debug
base_compiledir compiledir_format compiledir compile.wait compile.timeout nocleanup
compute_test_value compute_test_value_opt print_test_value pickle_test_value
exception_verbosity traceback.limit traceback.compile_limit
NanGuardMode.nan_is_error NanGuardMode.inf_is_error NanGuardMode.big_is_error NanGuardMode.action
DebugMode.patience DebugMode.check_c DebugMode.check_py DebugMode.check_finite
DebugMode.check_strides DebugMode.warn_input_not_reused DebugMode.check_preallocated_output
DebugMode.check_preallocated_output_ndim
warn.ignore_bug_before warn.identify_1pexp_bug warn.argmax_pushdown_bug
warn.gpusum_01_011_0111_bug warn.sum_sum_bug warn.sum_div_dimshuffle_bug
warn.subtensor_merge_bug warn.gpu_set_subtensor1 warn.vm_gc_bug warn.signal_conv2d_interface
warn.reduce_join warn.inc_set_subtensor1 warn.round warn.inc_subtensor1_opt
unittests.rseed
profile profile_memory profile_optimizer
profiling.time_thunks profiling.n_apply profiling.n_ops profiling.output_line_width
profiling.min_memory_size profiling.min_peak_memory profiling.destination profiling.debugprint
profiling.ignore_first_call print_global_stats unpickle_function reoptimize_unpickled_function
""".split()

OWN = (
    "cc num_threads cache_plans cache_size_limit onednn.enabled onednn.library_path"
).split()


@pytest.fixture
def fresh() -> Config:
    return Config()


def load(tmp_path: Path, rc: str | None = None, flags: str | None = None) -> Config:
    environ = {"SYMCRC": str(tmp_path / "rc")}
    if rc is not None:
        (tmp_path / "rc").write_text(rc)
    if flags is not None:
        environ["SYMC_FLAGS"] = flags
    return Config.load(environ)


# ---------------------------------------------------------------------------------------------
# The flags
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*KNOWN, *OWN])
def test_every_flag_is_known_and_documented(fresh: Config, name: str) -> None:
    fresh.get(name)
    flag = dict(fresh.flags())[name]
    assert flag.doc.endswith((".", "..."))


def test_no_flag_is_unlisted(fresh: Config) -> None:
    assert {name for name, _ in fresh.flags()} == {*KNOWN, *OWN}


def test_printing_lists_every_flag_with_its_value(fresh: Config) -> None:
    fresh.scan.debug = True
    text = str(fresh)
    for name in [*KNOWN, *OWN]:
        assert re.search(rf"^{re.escape(name)} = ", text, re.MULTILINE), name
    assert "scan.debug = True  (bool; default False)" in text
    assert "floatX = 'float64'  (float64, float32, float16; default 'float64')" in text
    assert "retired, no effect" in text


def test_every_default_is_accepted_by_its_own_flag(fresh: Config) -> None:
    for name, flag in fresh.flags():
        fresh.set(name, fresh.get(name))
        fresh.set(name, str(fresh.get(name)))
        assert flag.retired or fresh.get(name) is not None


def test_defaults_that_old_programs_rely_on(fresh: Config) -> None:
    assert fresh.floatX == "float64"
    assert fresh.cast_policy == "weak"
    assert fresh.on_unused_input == "raise"
    assert fresh.compute_test_value == "off"
    assert fresh.optimizer == "o4"
    assert fresh.scan.allow_gc is False
    assert fresh.traceback.limit == 8
    assert fresh.optdb.position_cutoff == float("inf")


# ---------------------------------------------------------------------------------------------
# Kinds and choices
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("True", True),
        ("true", True),
        ("1", True),
        ("yes", True),
        ("on", True),
        (1, True),
        (True, True),
        ("False", False),
        ("0", False),
        ("off", False),
        ("no", False),
        (0, False),
    ],
)
def test_truth_values(fresh: Config, text: object, expected: bool) -> None:
    fresh.set("profile", not expected)
    fresh.set("profile", text)
    assert fresh.profile is expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("profile", "maybe", "True or False"),
        ("profile", 2, "True or False"),
        ("profile", None, "True or False"),
        ("traceback.limit", "many", "an integer"),
        ("traceback.limit", 1.5, "an integer"),
        ("traceback.limit", True, "an integer"),
        ("traceback.limit", -1, "at least 0"),
        ("optdb.max_use_ratio", "much", "a number"),
        ("optdb.max_use_ratio", True, "a number"),
        ("optdb.max_use_ratio", "nan", "at least 0"),
        ("floatX", "float8", "one of float64, float32, float16"),
        ("floatX", None, "one of float64, float32, float16"),
        ("on_unused_input", "warm", "one of raise, warn, ignore"),
        ("optimizer", "o5", "one of o4, o3, o2, o1"),
        ("mode", "FASTRUN", "FAST_RUN"),
        ("dnn.conv.algo_fwd", "tiny", "winograd_non_fused"),
        ("device", 3, "a string"),
        ("cc", None, "a string"),
    ],
)
def test_bad_values_name_the_flag_and_what_it_accepts(
    fresh: Config, name: str, value: object, expected: str
) -> None:
    before = fresh.get(name)
    with pytest.raises(ConfigError) as caught:
        fresh.set(name, value)
    text = str(caught.value)
    assert f"config.{name} " in text
    assert repr(value) in text
    assert expected in text
    assert isinstance(caught.value, ValueError)
    assert fresh.get(name) == before


def test_a_value_close_to_a_choice_is_suggested(fresh: Config) -> None:
    with pytest.raises(ConfigError, match="did you mean 'float32'"):
        fresh.floatX = "flaot32"


def test_choices_are_compared_by_their_text(fresh: Config) -> None:
    fresh.set("dnn.enabled", True)
    assert fresh.dnn.enabled == "True"
    fresh.set("optimizer", None)
    assert fresh.optimizer == "None"


def test_theanos_other_cast_policies_mean_the_weak_one(fresh: Config) -> None:
    fresh.cast_policy = "custom"
    fresh.cast_policy = "numpy+floatX"
    assert fresh.cast_policy == "weak"


def test_paths_are_strings(fresh: Config, tmp_path: Path) -> None:
    fresh.set("compiledir", tmp_path)
    assert fresh.compiledir == str(tmp_path)


@pytest.mark.parametrize("value", ["0.7", None, 3, object(), "anything at all"])
def test_retired_flags_accept_anything(fresh: Config, value: object) -> None:
    fresh.set("warn.ignore_bug_before", value)
    fresh.set("compile.timeout", value)
    assert "warn.ignore_bug_before" not in fresh.snapshot()


def test_optional_flags_accept_none() -> None:
    class Own(Section):
        limit = Flag(3, "A limit.", optional=True)

    own = Own()
    for value in (None, "None", ""):
        own.limit = 5
        own.set("limit", value)
        assert own.limit is None
    assert "int or None" in str(own)


def test_a_choice_can_be_added() -> None:
    class Own(Section):
        mode = Flag("a", "A mode.", choices=("a", "b"))

    own = Own()
    with pytest.raises(ConfigError):
        own.mode = "mine"
    own.add_choice("mode", "mine")
    own.add_choice("mode", "mine")
    own.mode = "mine"
    assert Own.mode.choices == ("a", "b", "mine")


# ---------------------------------------------------------------------------------------------
# Names that do not exist
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("flaotX", "floatX"),
        ("scan.alow_gc", "scan.allow_gc"),
        ("on_unused_inputs", "on_unused_input"),
        ("blas.ldflag", "blas.ldflags"),
        ("ldflags", "blas.ldflags"),
        ("dnn.algo_fwd", "dnn.conv.algo_fwd"),
        ("qqqqqqqq", r"print\(symc.config\)"),
        ("scan", "print"),
        ("floatX.x", "floatX"),
    ],
)
def test_unknown_flags_name_the_close_ones(fresh: Config, name: str, hint: str) -> None:
    for attempt in (lambda: fresh.set(name, "1"), lambda: fresh.get(name)):
        with pytest.raises(UnknownFlagError, match=hint) as caught:
            attempt()
        assert f"no configuration flag '{name}'" in str(caught.value)


def test_unknown_attributes(fresh: Config) -> None:
    with pytest.raises(UnknownFlagError, match="did you mean floatX"):
        fresh.flaotX = "float32"
    with pytest.raises(AttributeError, match="scan.allow_gc"):
        fresh.scan.alow_gc = True
    with pytest.raises(AttributeError, match="'scan.alow_gc'"):
        _ = fresh.scan.alow_gc
    assert not hasattr(fresh, "no_such_flag")
    assert not hasattr(fresh, "__array__")


def test_sections_can_be_neither_replaced_nor_deleted(fresh: Config) -> None:
    with pytest.raises(ConfigError, match=r"config.scan is a section.*\n.*\n.*scan.debug"):
        fresh.scan = True
    with pytest.raises(ConfigError, match="can't be deleted"):
        del fresh.floatX
    assert fresh.floatX == "float64"


# ---------------------------------------------------------------------------------------------
# Files and environment
# ---------------------------------------------------------------------------------------------


def test_precedence(tmp_path: Path) -> None:
    rc = "[global]\nfloatX = float32\nprofile = True\n[scan]\ndebug = True\n"
    assert load(tmp_path).floatX == "float64"
    settings = load(tmp_path, rc)
    assert (settings.floatX, settings.profile, settings.scan.debug) == ("float32", True, True)
    settings = load(tmp_path, rc, "floatX=float16,scan.debug=False")
    assert (settings.floatX, settings.profile, settings.scan.debug) == ("float16", True, False)
    settings.floatX = "float64"
    with change_flags_of(settings, {"floatX": "float32"}):
        assert settings.floatX == "float32"
    assert settings.floatX == "float64"


def test_the_last_of_several_files_and_of_several_flags_wins(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("[global]\nfloatX=float32\n[dnn.conv]\nalgo_fwd=large\n")
    (tmp_path / "b").write_text("[global]\nfloatX=float16\nblas.ldflags = -lblas # mine\n")
    files = os.pathsep.join(str(tmp_path / name) for name in ("a", "b", "missing"))
    settings = Config.load({"SYMCRC": files, "SYMC_FLAGS": "profile=0, profile=1 ,"})
    assert settings.floatX == "float16"
    assert settings.dnn.conv.algo_fwd == "large"
    assert settings.blas.ldflags == "-lblas"
    assert settings.profile is True


def test_a_value_may_hold_an_equals_sign(tmp_path: Path) -> None:
    settings = load(tmp_path, flags="gcc.cxxflags=-O3 -march=native,floatX=float32")
    assert settings.gcc.cxxflags == "-O3 -march=native"
    assert settings.floatX == "float32"


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        ("flaotX=float32", "no configuration flag 'flaotX'"),
        ("floatX=float99", "config.floatX does not accept this value"),
        ("profile", "a configuration flag has no value"),
        ("=1", "no configuration flag ''"),
    ],
)
def test_errors_in_the_environment_say_where(tmp_path: Path, flags: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, flags=flags)
    assert what in str(caught.value)
    assert "in: the environment variable SYMC_FLAGS" in str(caught.value)


@pytest.mark.parametrize(
    ("rc", "what"),
    [
        ("[global]\nflaotX = float32\n", "no configuration flag 'flaotX'"),
        ("[scann]\ndebug = True\n", "no configuration flag 'scann.debug'"),
        ("[scan]\ndebug = perhaps\n", "config.scan.debug does not accept"),
        ("floatX = float32\n", "can't be read"),
        ("[global]\nfloatX\n", "can't be read"),
    ],
)
def test_errors_in_a_file_name_the_file(tmp_path: Path, rc: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, rc)
    assert what in str(caught.value)
    assert str(tmp_path / "rc") in str(caught.value)
    assert len(str(caught.value).splitlines()) < 40


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "rc").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="can't be read"):
        load(tmp_path)


def run_python(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k not in ("SYMC_FLAGS", "SYMCRC")}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**env, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_process_environment_and_the_home_file_are_read(tmp_path: Path) -> None:
    (tmp_path / ".symcrc").write_text("[global]\nfloatX = float32\n[scan]\ndebug = 1\n")
    done = run_python(
        "from symc.config import config; print(config.floatX, config.scan.debug)",
        HOME=str(tmp_path),
        SYMC_FLAGS="floatX=float16",
    )
    assert done.stdout.split() == ["float16", "True"], done.stderr


def test_a_misspelt_flag_in_the_environment_stops_the_import() -> None:
    done = run_python("import symc", SYMC_FLAGS="flaotX=float32")
    assert done.returncode != 0
    assert "did you mean floatX" in done.stderr


# ---------------------------------------------------------------------------------------------
# change_flags
# ---------------------------------------------------------------------------------------------


def test_change_flags_nests_and_restores_after_errors() -> None:
    @change_flags({"scan.debug": False, "floatX": "float16"})
    def fail() -> None:
        assert (config.floatX, config.scan.debug) == ("float16", False)
        raise KeyError

    with change_flags(floatX="float32", scan__debug=True):
        with pytest.raises(KeyError):
            fail()
        assert (config.floatX, config.scan.debug) == ("float32", True)
    assert (config.floatX, config.scan.debug) == ("float64", False)


def test_change_flags_as_decorator_even_of_a_recursive_function() -> None:
    @change_flags(floatX="float32")
    def depth(n: int) -> list[str]:
        return [config.floatX, *(depth(n - 1) if n else [])]

    assert depth(2) == ["float32"] * 3
    assert config.floatX == "float64"


def test_change_flags_reports_mistakes_before_the_block() -> None:
    with pytest.raises(UnknownFlagError, match="floatX"):
        change_flags(flaotX="float32")
    with pytest.raises(ConfigError, match="one of float64"):
        change_flags(floatX="float1")


def test_one_object_may_be_entered_twice() -> None:
    change = change_flags(floatX="float32")
    with change:
        with change:
            assert config.floatX == "float32"
        assert config.floatX == "float32"
    assert config.floatX == "float64"


def test_assignment_inside_a_block_ends_with_the_block(fresh: Config) -> None:
    with change_flags_of(fresh, {"floatX": "float32"}):
        fresh.floatX = "float16"
        fresh.profile = True
        assert fresh.floatX == "float16"
    assert fresh.floatX == "float64"
    assert fresh.profile is True


def test_assignment_reaches_the_frame_that_holds_the_flag(fresh: Config) -> None:
    with change_flags_of(fresh, {"floatX": "float32"}):
        with change_flags_of(fresh, {"profile": True}):
            fresh.floatX = "float16"
        assert fresh.floatX == "float16"
    assert fresh.floatX == "float64"


def test_threads_do_not_see_or_undo_each_others_changes() -> None:
    seen: dict[str, list[str]] = {"float32": [], "float16": []}
    barrier = threading.Barrier(2, timeout=30)

    def work(dtype: str) -> None:
        for _ in range(50):
            barrier.wait()
            with change_flags(floatX=dtype):
                barrier.wait()
                seen[dtype].append(config.floatX)
            seen[dtype].append(config.floatX)

    threads = [threading.Thread(target=work, args=(dtype,)) for dtype in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for dtype, values in seen.items():
        assert values == [dtype, "float64"] * 50
    assert config.floatX == "float64"


def test_two_configurations_are_independent(fresh: Config) -> None:
    with change_flags(floatX="float32"):
        assert fresh.floatX == "float64"
    fresh.floatX = "float16"
    assert config.floatX == "float64"


# ---------------------------------------------------------------------------------------------
# Freezing, computed defaults
# ---------------------------------------------------------------------------------------------


def test_a_frozen_flag_can_only_be_set_to_what_it_is(fresh: Config) -> None:
    fresh.num_threads = 2
    fresh.freeze("num_threads", "the thread pool has started")
    fresh.num_threads = 2
    with pytest.raises(ConfigError, match="num_threads can't be changed any more: the thread pool"):
        fresh.num_threads = 3
    with pytest.raises(ConfigError, match="SYMC_FLAGS"):
        change_flags_of(fresh, {"num_threads": 3})
    assert fresh.num_threads == 2


def test_the_cache_directory_follows_the_environment(
    fresh: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert fresh.base_compiledir == str(tmp_path / "cache" / "symc")
    assert fresh.compiledir == str(tmp_path / "cache" / "symc" / "compiled")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert fresh.base_compiledir == str(tmp_path / ".cache" / "symc")
    fresh.base_compiledir = str(tmp_path / "own")
    assert fresh.compiledir == str(tmp_path / "own" / "compiled")
    assert not list(tmp_path.iterdir())


def test_compilers_are_looked_up_when_asked(
    fresh: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (fresh.cc, fresh.cxx) == ("", "")
    program = tmp_path / "clang"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert (fresh.cc, fresh.cxx) == (str(program), "")


def test_an_empty_cxx_turns_the_c_compiler_off(fresh: Config) -> None:
    assert not fresh.is_set("cxx")
    fresh.cxx = ""
    assert fresh.is_set("cxx")
    assert fresh.cc == ""
    fresh.cc = "my-cc"
    assert fresh.cc == "my-cc"


def test_an_empty_cxx_in_a_block(fresh: Config) -> None:
    with change_flags_of(fresh, {"cxx": ""}):
        assert fresh.cc == ""
    assert not fresh.is_set("cxx")


def test_snapshot_holds_the_values_in_force(fresh: Config) -> None:
    with change_flags_of(fresh, {"floatX": "float32"}):
        snapshot = fresh.snapshot()
    assert snapshot["floatX"] == "float32"
    assert snapshot["scan.debug"] is False
