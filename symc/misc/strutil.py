"""``symc.misc.strutil``: texts of C code from templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["render_string"]


def render_string(string: str, sub: Mapping[str, Any]) -> str:
    """Return ``string % sub``; an error names the line in which a key is missing.

    Parameters
    ----------
    string : str
        With ``%(key)s`` where values go.
    sub : mapping

    Raises
    ------
    KeyError
        If a key is missing.
    """
    try:
        return string % sub
    except KeyError as error:
        key = error.args[0]
        lines = string.split("\n")
        number = next((i for i, line in enumerate(lines, 1) if f"%({key})" in line), 0)
        near = "\n".join(lines[max(number - 3, 0) : number + 2])
        raise KeyError(f"the template has no value for {key!r}, line {number}:\n{near}") from error
