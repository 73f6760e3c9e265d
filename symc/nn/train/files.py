"""Files of values: arrays by name and a description, without pickles, written at once or not.

A file is an ``.npz`` archive that `numpy.load` reads. ``description`` is JSON text, and a group of
arrays, such as ``values``, is stored as ``values.0``, ``values.1``, ...; the description says for
each which variable it belongs to.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symc.errors import user_message
from symc.gof.utils import get_variable_trace_string

__all__ = [
    "load_values",
    "read_archive",
    "save_values",
    "value_of",
    "write_archive",
    "written_atomically",
]

VALUES = "symc values 1"


@contextlib.contextmanager
def written_atomically(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file beside its place, and move it there once it is complete.

    Whoever is interrupted leaves the old file as it was.

    Parameters
    ----------
    path : path
        Its folder is made if it is missing.

    Yields
    ------
    pathlib.Path
        What to write to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.chmod(path.stat().st_mode if path.exists() else _usual_mode())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _usual_mode() -> int:
    """What `open` would give a new file: a temporary one is for its owner alone."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def write_archive(
    path: str | os.PathLike[str],
    description: Mapping[str, Any],
    groups: Mapping[str, Sequence[np.ndarray]],
) -> None:
    """Write groups of arrays and a description that JSON can hold.

    Parameters
    ----------
    path : path
    description : dict
    groups : dict of list of numpy.ndarray
    """
    arrays = {f"{name}.{k}": a for name, group in groups.items() for k, a in enumerate(group)}
    counts = {name: len(group) for name, group in groups.items()}
    text = json.dumps({**description, "groups": counts}, default=_plain)
    with written_atomically(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, description=np.array(text), **arrays)


def _plain(value: Any) -> Any:
    """What JSON has for a number of NumPy's, such as a program puts into records."""
    if isinstance(value, (np.generic, np.ndarray)) and value.size == 1:
        return value.item()
    raise TypeError(
        user_message(
            "a file can't hold this beside the arrays",
            got=f"{type(value).__name__}: {value!r}"[:200],
            expected="numbers, texts, and lists and dicts of them, such as records are made of",
        )
    )


def read_archive(
    path: str | os.PathLike[str], format: str
) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
    """Read what `write_archive` wrote.

    Parameters
    ----------
    path : path
    format : str
        What the description must have under ``"format"``.

    Returns
    -------
    description : dict
    groups : dict of list of numpy.ndarray

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is something else.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            description = json.loads(str(archive["description"][()]))
            found = description["format"]
            if found == format:
                groups = {
                    name: [archive[f"{name}.{k}"] for k in range(count)]
                    for name, count in description["groups"].items()
                }
                return description, groups
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError, TypeError, AttributeError) as bad:
        raise ValueError(_foreign(path, format, f"{type(bad).__name__}: {bad}")) from bad
    raise ValueError(_foreign(path, format, f"{found!r}"))


def _foreign(path: Any, format: str, got: str) -> str:
    return user_message(
        f"{os.fspath(path)} is not a file of the kind that is expected",
        got=got[:300],
        expected=f"{format!r}",
    )


def value_of(variable: Any) -> np.ndarray:
    """Return a copy of the value of a shared variable, a tensor or the state of a stream.

    Parameters
    ----------
    variable : SharedVariable

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    TypeError
        If it holds something else.
    """
    value = np.array(variable.get_value(borrow=True))
    if value.dtype == object:
        raise TypeError(
            user_message(
                f"the value of shared variable {variable} can't be saved",
                got=f"{type(variable.get_value(borrow=True)).__name__}",
                expected="an array or the state of a random stream",
                where=get_variable_trace_string(variable),
            )
        )
    return value


def describe(variables: Sequence[Any]) -> list[dict[str, Any]]:
    """Return what files say of variables: name, dtype and shape.

    Parameters
    ----------
    variables : sequence of SharedVariable

    Returns
    -------
    list of dict
    """
    values = [np.asarray(v.get_value(borrow=True)) for v in variables]
    return [
        {"name": v.name, "dtype": str(a.dtype), "shape": list(a.shape)}
        for v, a in zip(variables, values, strict=True)
    ]


def check_variables(path: Any, variables: Sequence[Any], described: Sequence[Any]) -> None:
    """Compare variables with those whose values are in a file.

    Parameters
    ----------
    path : path
        For messages.
    variables : sequence of SharedVariable
    described : sequence of dict
        What `describe` said when the values were saved.

    Raises
    ------
    ValueError
        If the number of variables, a name, a dtype or a shape is another one.
    """
    own = describe(variables)
    if len(own) != len(described):
        raise ValueError(
            user_message(
                f"{os.fspath(path)} has values of {len(described)} variables, and here are "
                f"{len(own)}",
                got="here: " + ", ".join(_said(d) for d in own),
                expected="there: " + ", ".join(_said(d) for d in described),
            )
        )
    for variable, here, there in zip(variables, own, described, strict=True):
        if here != there:
            raise ValueError(
                user_message(
                    f"{os.fspath(path)} has a value for another variable than {variable}",
                    got=f"here: {_said(here)}",
                    expected=f"there: {_said(there)}",
                    where=get_variable_trace_string(variable),
                )
            )


def _said(described: Mapping[str, Any]) -> str:
    name = described["name"] or "a variable without a name"
    return f"{name} {described['dtype']}{tuple(described['shape'])}"


def save_values(path: str | os.PathLike[str], variables: Sequence[Any]) -> None:
    """Write the values of shared variables to an ``.npz`` file, without pickles.

    Parameters
    ----------
    path : path
        Taken as it is: no ending is added.
    variables : sequence of SharedVariable
        Such as ``get_all_params(network)``. Their order and names are written too.

    Raises
    ------
    TypeError
        If a variable holds neither an array nor the state of a random stream.
    """
    values = [value_of(v) for v in variables]
    description = {"format": VALUES, "variables": describe(variables)}
    write_archive(path, description, {"values": values})


def load_values(path: str | os.PathLike[str], variables: Sequence[Any]) -> None:
    """Set shared variables to what `save_values` wrote, or none of them where one does not fit.

    Parameters
    ----------
    path : path
    variables : sequence of SharedVariable
        In the same order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is of another kind, or the number of variables, a name, a dtype or a shape differs;
        the message shows the line where the variable was made.
    """
    description, groups = read_archive(path, VALUES)
    check_variables(path, variables, description["variables"])
    for variable, value in zip(variables, groups["values"], strict=True):
        variable.set_value(value)
