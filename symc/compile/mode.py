"""Modes: which rewrites run, and what runs the result.

A :class:`Mode` is a *linker* (who executes) and an *optimizer* (a selection of rewrites by name).

========================================== =============================================
linker                                     executes
========================================== =============================================
``native`` (also ``cvm``, ``c``, ``c|py``) one compiled C function; NumPy without a compiler
``numpy`` (also ``py``, ``vm``)            the reference meaning of every op, node by node
========================================== =============================================

Optimizers: ``fast_run`` (``o4``, the default), ``o3`` (without ``inplace``), ``fast_compile``
(``o1``), ``o2`` (``fast_compile`` with ``fusion``), ``stabilize`` (up to the stability rules),
``unsafe`` (``fast_run`` with rules that may hide user errors), ``merge`` and ``None``.
"""

from __future__ import annotations

import importlib
from typing import Any

from ..config import config
from ..errors import ConfigError, user_message
from ..lazy import late_names
from ..rewrite.selection import PRESETS, Selection

_NATIVE = ("native", "cvm", "cvm_nogc", "c|py", "c|py_nogc", "c")
_NUMPY = ("numpy", "py", "vm", "vm_nogc")

predefined_linkers: dict[str, str] = {
    **dict.fromkeys(_NATIVE, "native"),
    **dict.fromkeys(_NUMPY, "numpy"),
}
"""Theano's linker names and symc's own, each with the executor that it stands for."""

predefined_optimizers: dict[str, Any] = {
    name: Selection(preset=name) for name in PRESETS
}
"""Selections of rewrites by name."""


_LAST_RULES = 2.0  # Theano's position of the rules that come last


class Mode:
    """How a graph is turned into a function.

    Parameters
    ----------
    linker : str, optional
        One of `predefined_linkers`; ``None`` takes ``config.linker``.
    optimizer : str or Selection or None, optional
        One of `predefined_optimizers`; ``"default"`` takes ``config.optimizer``. An optimizer of
        `symc.gof` is used in the place of the compiler's own rules.

    Raises
    ------
    ConfigError
        For an unknown linker or optimizer; the message lists the known ones.

    Examples
    --------
    >>> Mode("numpy").excluding("fusion").linker
    'numpy'
    """

    def __init__(self, linker: str | None = None, optimizer: Any = "default") -> None:
        linker = config.linker if linker is None else linker
        if linker not in predefined_linkers:
            raise ConfigError(
                user_message(
                    f"unknown linker {linker!r}",
                    expected=f"one of {', '.join(sorted(predefined_linkers))}",
                )
            )
        self.linker = linker
        self.provided_optimizer = optimizer
        if isinstance(optimizer, str):
            name = config.optimizer if optimizer == "default" else optimizer
            optimizer = predefined_optimizers.get(name, name)
        self.selection = _selection(optimizer)
        self.before: tuple[Any, ...] = (optimizer,) if _is_own(optimizer) else ()
        self.after: tuple[Any, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the compiler's own phases, and nothing else, make the program."""
        return type(self) is Mode and not self.before and not self.after

    @property
    def executor(self) -> str:
        """``"native"`` or ``"numpy"``."""
        return predefined_linkers[self.linker]

    @property
    def optimizer(self) -> Selection:
        """The selection of rewrites."""
        return self.selection

    def _with(self, selection: Selection) -> Mode:
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.selection = selection
        return other

    def register(self, *optimizations: Any) -> Mode:
        """The same mode with optimizers of whole graphs besides the rules.

        Parameters
        ----------
        *optimizations : (Optimizer, float)
            Optimizers of `symc.gof` and their positions, as in Theano: those up to 2 change the
            graph before the rules do, others afterwards.
        """
        other = self._with(self.selection)
        ordered = [opt for opt, _ in sorted(optimizations, key=lambda pair: float(pair[1]))]
        early = {id(opt) for opt, position in optimizations if position <= _LAST_RULES}
        other.before = (*self.before, *(o for o in ordered if id(o) in early))
        other.after = (*self.after, *(o for o in ordered if id(o) not in early))
        return other

    def including(self, *names: str) -> Mode:
        """The same mode with more rules or phases."""
        return self._with(self.selection.including(*names))

    def excluding(self, *names: str) -> Mode:
        """The same mode without some rules or phases."""
        return self._with(self.selection.excluding(*names))

    def requiring(self, *names: str) -> Mode:
        """The same mode with only those rules that carry one of `names`."""
        return self._with(self.selection.requiring(*names))

    def clone(self, linker: str | None = None, optimizer: Any = None) -> Mode:
        """A copy, with another linker or optimizer where given."""
        other = self._with(self.selection if optimizer is None else _selection(optimizer))
        if optimizer is not None:
            other.before, other.after = ((optimizer,) if _is_own(optimizer) else ()), ()
        if linker is not None:
            other.linker = Mode(linker).linker
        return other

    def __eq__(self, other: object) -> bool:
        return (
            type(self) is type(other)
            and self.linker == other.linker  # type: ignore[attr-defined]
            and self.selection == other.selection  # type: ignore[attr-defined]
            and self.before == other.before  # type: ignore[attr-defined]
            and self.after == other.after  # type: ignore[attr-defined]
        )

    def __hash__(self) -> int:
        return hash((type(self), self.linker, self.selection))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(linker={self.linker!r}, optimizer={self.selection})"


def _selection(optimizer: Any) -> Selection:
    if isinstance(optimizer, Selection):
        return optimizer
    chosen = getattr(optimizer, "selection", None)
    if isinstance(chosen, Selection):
        return chosen
    if _is_own(optimizer):
        return predefined_optimizers["None"]
    name = "None" if optimizer is None else optimizer
    if not isinstance(name, str) or name not in predefined_optimizers:
        raise ConfigError(
            user_message(
                f"unknown optimizer {name!r}",
                expected=f"one of {', '.join(sorted(predefined_optimizers))}",
            )
        )
    return predefined_optimizers[name]


def _is_own(optimizer: Any) -> bool:
    """Whether it is an optimizer of graphs that is no choice among the compiler's rules."""
    return hasattr(optimizer, "rewritten") and not hasattr(optimizer, "selection")


OPT_NONE, OPT_MERGE, OPT_FAST_RUN, OPT_FAST_RUN_STABLE, OPT_FAST_COMPILE, OPT_STABILIZE = (
    predefined_optimizers[name]
    for name in ("None", "merge", "fast_run", "fast_run_stable", "fast_compile", "stabilize")
)
OPT_O2, OPT_O3, OPT_UNSAFE = (predefined_optimizers[name] for name in ("o2", "o3", "unsafe"))


def _fast_run() -> Mode:
    return Mode(optimizer="fast_run")


def _fast_compile() -> Mode:
    return Mode("numpy", "fast_compile")


def _made(module: str, name: str) -> Mode:
    """A mode of a module that is imported only where it is used."""
    made: Mode = getattr(importlib.import_module(f"symc.compile.{module}"), name)()
    return made


class _Modes(dict[str, Any]):
    """Modes by name, kept as functions that make them: flags may change in the meantime."""

    def __getitem__(self, name: str) -> Mode:
        made = super().__getitem__(name)
        return made if isinstance(made, Mode) else made()

    def get(self, name: str, default: Any = None) -> Any:
        """Return the mode of a name, or `default`."""
        if name not in self:
            return default
        return self[name]


predefined_modes: dict[str, Any] = _Modes({
    "Mode": Mode,
    "FAST_RUN": _fast_run,
    "FAST_COMPILE": _fast_compile,
    "NUMPY": lambda: Mode("numpy", "fast_run"),
    "DebugMode": lambda: _made("debugmode", "DebugMode"),
    "DEBUG_MODE": lambda: _made("debugmode", "DebugMode"),
    "NanGuardMode": lambda: _made("nanguardmode", "NanGuardMode"),
    "MonitorMode": lambda: _made("monitormode", "MonitorMode"),
})
"""Mode names that `config.mode` and ``function(mode=...)`` accept, and the modes."""


def register_mode(name: str, mode: Mode) -> None:
    """Make `mode` known by `name`.

    Raises
    ------
    ValueError
        If the name is taken.
    """
    if name in predefined_modes:
        raise ValueError(f"the mode name {name!r} is taken")
    predefined_modes[name] = mode


def register_optimizer(name: str, optimizer: Any) -> None:
    """Make a selection of rewrites, or an optimizer of `symc.gof`, known by `name`."""
    if name in predefined_optimizers:
        raise ValueError(f"the optimizer name {name!r} is taken")
    predefined_optimizers[name] = optimizer


def register_linker(name: str, linker: Any) -> None:
    """Refuse: linkers of one's own have no place between a graph and one native function.

    Raises
    ------
    NotImplementedError
        Always; the message says what does the same.
    """
    raise NotImplementedError(
        user_message(
            f"the linker {name!r} can't be registered: a function is one native program, not a "
            "list of thunks that a linker runs",
            got=repr(linker),
            hint="to look at the values of every node use MonitorMode or DebugMode; to run "
            "everything in Python use Mode('numpy'); to name a mode use register_mode",
        )
    )


def get_mode(mode: Mode | str | None = None) -> Mode:
    """`mode` itself, the one with that name, or the configured default.

    The flags ``optimizer_including``, ``optimizer_excluding`` and ``optimizer_requiring`` apply to
    modes given by name or by default.
    """
    if isinstance(mode, Mode):
        return mode
    name = config.mode if mode is None else mode
    if name not in predefined_modes:
        raise ConfigError(
            user_message(
                f"unknown mode {name!r}",
                expected=f"a Mode, or one of {', '.join(sorted(predefined_modes))}",
            )
        )
    made: Mode = predefined_modes[name]
    for flag, apply in (
        (config.optimizer_including, Mode.including),
        (config.optimizer_excluding, Mode.excluding),
        (config.optimizer_requiring, Mode.requiring),
    ):
        names = [n for n in flag.split(":") if n]
        if names:
            made = apply(made, *names)
    return made


__getattr__ = late_names(
    __name__,
    {
        "AddFeatureOptimizer": "symc.gof.opt:AddFeatureOptimizer",
        "PrintCurrentFunctionGraph": "symc.gof.opt:PrintCurrentFunctionGraph",
        "DebugMode": "symc.compile.debugmode:DebugMode",
        "MonitorMode": "symc.compile.monitormode:MonitorMode",
        "NanGuardMode": "symc.compile.nanguardmode:NanGuardMode",
        "optdb": "symc.gof.optdb:optdb",
    },
)


def get_default_mode() -> Mode:
    """The mode that ``function`` uses when none is given."""
    return get_mode(None)


def instantiated_default_mode() -> Mode:
    """As `get_default_mode`; modes are values, so there is nothing to be kept."""
    return get_mode(None)
