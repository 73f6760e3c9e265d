"""Typed configuration flags: the mechanism; the flags themselves are in `symc.config`.

A `Flag` is a class attribute of a `Section`; sections nest through `Group`. A flag's value comes
from, in rising precedence: its default, the resource files, the environment, assignment, and
`change_flags`, whose values hold for the current thread (or asyncio task) only.
"""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Generic, TypeVar, cast, overload

import numpy as np

from symc.errors import ConfigError, UnknownFlagError, user_message

__all__ = ["Flag", "Group", "Section", "change_flags_of", "members", "parse_assignments"]

T = TypeVar("T")
S = TypeVar("S", bound="Section")
M = TypeVar("M")

_UNSET: Any = object()

_TRUE_WORDS = frozenset({"true", "yes", "on", "1"})
_FALSE_WORDS = frozenset({"false", "no", "off", "0"})

# Values set by `change_flags` in this thread, innermost last: (owner, {section and name: value}).
_Frame = tuple[object, dict[tuple[int, str], Any]]
_FRAMES: ContextVar[tuple[_Frame, ...]] = ContextVar("symc_config_frames", default=())


def _parse_bool(value: object) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    word = str(value).strip().lower()
    if word in _TRUE_WORDS:
        return True
    if word in _FALSE_WORDS:
        return False
    raise ValueError("True or False")


def _parse_int(value: object) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer, str)):
        raise ValueError("an integer")
    try:
        return int(value)
    except ValueError:
        raise ValueError("an integer") from None


def _parse_float(value: object) -> float:
    if isinstance(value, (bool, np.bool_)):
        raise ValueError("a number")
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError("a number") from None


def _parse_str(value: object) -> str:
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(cast(str, value))
    raise ValueError("a string")


_PARSERS: dict[type, Callable[[object], Any]] = {
    bool: _parse_bool,
    int: _parse_int,
    float: _parse_float,
    str: _parse_str,
}


def members(section: type[Section], kind: type[M]) -> dict[str, M]:
    """Return the attributes of a section class that are of one kind, in the order of writing."""
    return {
        name: member
        for base in reversed(section.__mro__)
        for name, member in vars(base).items()
        if isinstance(member, kind)
    }


class Flag(Generic[T]):
    """One configuration flag, as a descriptor on its section.

    Parameters
    ----------
    default : bool, int, float or str
        The value when nothing sets the flag; its type is the flag's type.
    doc : str
        What the flag does, in one or two sentences.
    choices : tuple of str, optional
        The only values allowed; a value is compared by its text.
    aliases : mapping, optional
        Other spellings of a choice, and the choice they stand for.
    minimum : int or float, optional
        The smallest value allowed.
    optional : bool
        Whether None (in text: ``None`` or nothing) is allowed too.
    computed : callable, optional
        Computes the default from the section when the flag is read; `default` then only fixes
        the type.
    retired : bool
        The flag is known from older programs and has no effect: any value is accepted.
    """

    name: str

    def __init__(
        self,
        default: T,
        doc: str,
        *,
        choices: tuple[str, ...] = (),
        aliases: Mapping[str, str] | None = None,
        minimum: float | None = None,
        optional: bool = False,
        computed: Callable[[Any], T] | None = None,
        kind: type | None = None,
        retired: bool = False,
    ) -> None:
        self.default = default
        self.doc = doc
        self.choices = choices
        self.aliases = dict(aliases or {})
        self.minimum = minimum
        self.optional = optional
        self.computed = computed
        self.kind = kind or type(default)
        self.retired = retired

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, section: None, owner: type) -> Flag[T]: ...
    @overload
    def __get__(self, section: Section, owner: type) -> T: ...
    def __get__(self, section: Section | None, owner: type) -> Flag[T] | T:
        if section is None:
            return self
        frames = _FRAMES.get()
        if frames:
            key = (id(section), self.name)
            for _, values in reversed(frames):
                if key in values:
                    return values[key]  # type: ignore[no-any-return]
        value = section._values[self.name]
        if value is _UNSET and self.computed is not None:
            return self.computed(section)
        return value  # type: ignore[no-any-return]

    def __set__(self, section: Section, value: object) -> None:
        parsed = section.check_flag(self, value)
        key = (id(section), self.name)
        frames = _FRAMES.get()
        for i in reversed(range(len(frames))):
            owner, values = frames[i]
            if key in values:
                changed = (owner, {**values, key: parsed})
                _FRAMES.set((*frames[:i], changed, *frames[i + 1 :]))
                return
        section._values[self.name] = parsed

    def parse(self, value: object, full_name: str) -> T:
        """Return `value` (text or a Python object) as a value of this flag.

        Raises
        ------
        ConfigError
            If the value is of another kind, or not one of the choices.
        """
        if self.retired:
            return cast(T, value)
        if self.optional and (value is None or value in ("", "None")):
            return cast(T, None)
        if self.choices:
            text = self.aliases.get(str(value), str(value))
            if text in self.choices:
                return cast(T, text)
            raise self._bad_value(value, full_name, "one of " + ", ".join(self.choices))
        try:
            parsed = _PARSERS[self.kind](value)
        except ValueError as problem:
            raise self._bad_value(value, full_name, str(problem)) from None
        if self.minimum is not None and not parsed >= self.minimum:
            raise self._bad_value(value, full_name, f"at least {self.minimum}")
        return cast(T, parsed)

    def _bad_value(self, value: object, full_name: str, expected: str) -> ConfigError:
        close = difflib.get_close_matches(str(value), self.choices, n=1, cutoff=0.5)
        return ConfigError(
            user_message(
                f"config.{full_name} does not accept this value",
                got=repr(value),
                expected=expected,
                hint=f"did you mean {close[0]!r}?" if close else None,
            )
        )


class Group(Generic[S]):
    """A section within a section, as a descriptor: ``config.scan.allow_gc``."""

    name: str

    def __init__(self, section: type[S]) -> None:
        self.section = section

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, section: None, owner: type) -> Group[S]: ...
    @overload
    def __get__(self, section: Section, owner: type) -> S: ...
    def __get__(self, section: Section | None, owner: type) -> Group[S] | S:
        if section is None:
            return self
        return cast(S, section._groups[self.name])

    def __set__(self, section: Section, value: object) -> None:
        raise ConfigError(
            user_message(
                f"config.{section._prefix}{self.name} is a section, not a flag",
                got=repr(value),
                expected="an assignment to one of its flags: "
                + ", ".join(full for full, _ in section._groups[self.name].flags()),
            )
        )


class Section:
    """A named collection of flags and of further sections."""

    def __init__(self, prefix: str = "", root: Section | None = None) -> None:
        fill = super().__setattr__
        fill("_prefix", prefix)
        fill("_root", root or self)
        fill("_frozen", {})
        flags = members(type(self), Flag)
        groups = members(type(self), Group)
        fill("_values", {n: _UNSET if f.computed else f.default for n, f in flags.items()})
        fill("_groups", {n: g.section(f"{prefix}{n}.", self._root) for n, g in groups.items()})

    _prefix: str
    _root: Section
    _frozen: dict[str, str]
    _values: dict[str, Any]
    _groups: dict[str, Section]

    def __setattr__(self, name: str, value: object) -> None:
        if name not in self._values and name not in self._groups:
            raise self._unknown(name)
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise self._unknown(name)

    def __delattr__(self, name: str) -> None:
        raise ConfigError(f"config.{self._prefix}{name} can't be deleted; assign a value to it")

    def _unknown(self, name: str) -> UnknownFlagError:
        known = [full for full, _ in self._root.flags()]
        full_name = self._prefix + name
        close = difflib.get_close_matches(full_name, known, n=4, cutoff=0.6)
        last = full_name.rpartition(".")[2]
        close += [k for k in known if k.rpartition(".")[2] == last and k not in close]
        return UnknownFlagError(
            user_message(
                f"there is no configuration flag {full_name!r}",
                hint=f"did you mean {' or '.join(close[:4])}?"
                if close
                else "print(symc.config) lists every flag",
            )
        )

    def flags(self) -> Iterator[tuple[str, Flag[Any]]]:
        """Iterate over the full names and the descriptors of all flags, sections last."""
        for name, flag in members(type(self), Flag).items():
            yield self._prefix + name, flag
        for group in self._groups.values():
            yield from group.flags()

    def changed(self) -> list[tuple[str, Any]]:
        """Return names and values of the flags that something has given another value."""
        found = []
        for full_name, flag in self.flags():
            section, name = self.find(full_name)
            if flag.computed is not None and not section.is_set(name):
                continue
            value = getattr(section, name)
            if flag.computed is not None or value != flag.default:
                found.append((full_name, value))
        return found

    def find(self, full_name: str) -> tuple[Section, str]:
        """Return the section and the short name of the flag called `full_name`.

        Raises
        ------
        UnknownFlagError
            If there is no such flag; the message names the closest ones.
        """
        section: Section = self
        *groups, name = full_name.split(".")
        for group in groups:
            if group not in section._groups:
                raise self._unknown(full_name)
            section = section._groups[group]
        if name not in section._values:
            raise self._unknown(full_name)
        return section, name

    def get(self, full_name: str) -> Any:
        """Return the present value of a flag given by its full dotted name."""
        section, name = self.find(full_name)
        return getattr(section, name)

    def set(self, full_name: str, value: object) -> None:
        """Set a flag given by its full dotted name; the same as assigning to the attribute."""
        section, name = self.find(full_name)
        setattr(section, name, value)

    def is_set(self, name: str) -> bool:
        """Return whether anything has set the computed flag `name` of this section."""
        key = (id(self), name)
        return self._values[name] is not _UNSET or any(key in values for _, values in _FRAMES.get())

    def check_flag(self, flag: Flag[T], value: object) -> T:
        """Return `value` parsed for `flag`, or raise ConfigError if it can't be set (any more)."""
        full_name = self._prefix + flag.name
        parsed = flag.parse(value, full_name)
        reason = self._frozen.get(flag.name)
        if reason is not None and parsed != flag.__get__(self, type(self)):
            raise ConfigError(
                user_message(
                    f"config.{full_name} can't be changed any more: {reason}",
                    got=repr(value),
                    expected=repr(flag.__get__(self, type(self))),
                    hint="set it at the start of the program, or in SYMC_FLAGS or ~/.symcrc",
                )
            )
        return parsed

    def freeze(self, full_name: str, reason: str) -> None:
        """Forbid further changes of a flag, because something irrevocable now depends on it.

        Parameters
        ----------
        full_name : str
            The flag's dotted name.
        reason : str
            What has happened, for the error message: "the thread pool has started".
        """
        section, name = self.find(full_name)
        section._frozen[name] = reason

    def add_choice(self, full_name: str, choice: str) -> None:
        """Allow one more value for a flag that has choices, such as a user's own mode."""
        section, name = self.find(full_name)
        flag = members(type(section), Flag)[name]
        if choice not in flag.choices:
            flag.choices = (*flag.choices, choice)

    def snapshot(self) -> dict[str, Any]:
        """Return the present values of all flags that have an effect, by full name."""
        return {name: self.get(name) for name, flag in self._root.flags() if not flag.retired}

    def __str__(self) -> str:
        return "\n".join(self._description(name, flag) for name, flag in self.flags())

    def _description(self, full_name: str, flag: Flag[Any]) -> str:
        allowed = ", ".join(flag.choices) or flag.kind.__name__
        if flag.optional:
            allowed += " or None"
        default = "computed" if flag.computed else repr(flag.default)
        kind = "retired, no effect" if flag.retired else f"{allowed}; default {default}"
        value = self._root.get(full_name)
        return f"{full_name} = {value!r}  ({kind})\n    {flag.doc}"


class change_flags_of(contextlib.ContextDecorator):  # noqa: N801 - used as a function
    """Set flags of one configuration for a block or a function, in the current thread only.

    Parameters
    ----------
    root : Section
        The configuration.
    flags : mapping
        Values by full name; in a name, ``__`` may stand for the dot.
    """

    def __init__(self, root: Section, flags: Mapping[str, object]) -> None:
        self._root = root
        self._flags = {name.replace("__", "."): value for name, value in flags.items()}
        self._checked()

    def _checked(self) -> dict[tuple[int, str], Any]:
        values = {}
        for full_name, value in self._flags.items():
            section, name = self._root.find(full_name)
            flag = members(type(section), Flag)[name]
            values[id(section), name] = section.check_flag(flag, value)
        return values

    def _recreate_cm(self) -> change_flags_of:
        return change_flags_of(self._root, self._flags)

    def __enter__(self) -> None:
        _FRAMES.set((*_FRAMES.get(), (self, self._checked())))

    def __exit__(self, *exc_info: object) -> None:
        frames = _FRAMES.get()
        last = max(i for i, (owner, _) in enumerate(frames) if owner is self)
        _FRAMES.set((*frames[:last], *frames[last + 1 :]))


def parse_assignments(text: str) -> Iterable[tuple[str, str]]:
    """Split ``a=b,c.d=e`` into pairs; raise ConfigError for an item without ``=``."""
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = item.partition("=")
        if not equals:
            raise ConfigError(
                user_message(
                    "a configuration flag has no value",
                    got=repr(item),
                    expected="flag=value, several separated by commas",
                )
            )
        yield name.strip(), value.strip()
