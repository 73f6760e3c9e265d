"""``symc.misc.pkl_utils``: pickles whose arrays are files of their own.

A dump is a zip archive with a member ``pkl``, the pickle, and one ``.npy`` member for every array,
which `numpy.load` of the archive reads without symc. Shared variables with names give their arrays
these names.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from ..graph.node import SharedVariable

__all__ = [
    "PersistentNdarrayID",
    "PersistentNdarrayLoad",
    "PersistentSharedVariableID",
    "StripPickler",
    "dump",
    "load",
]

PersistentID = Callable[[Any], "str | None"]


class StripPickler(pickle.Pickler):
    """A pickler that leaves out what the user attached to variables and applications.

    Parameters
    ----------
    file : binary file
    protocol : int
    extra_tag_to_remove : str, optional
        Another attribute of tags that is left out, besides traces and test values.
    """

    def __init__(
        self, file: BinaryIO, protocol: int = 4, extra_tag_to_remove: str | None = None
    ) -> None:
        super().__init__(file, protocol)
        self.tags = ["trace", "test_value", *([extra_tag_to_remove] if extra_tag_to_remove else [])]

    def reducer_override(self, obj: Any) -> Any:
        """Reduce tags to what is kept of them."""
        if type(obj).__name__ != "scratchpad":
            return NotImplemented
        kept = {key: value for key, value in vars(obj).items() if key not in self.tags}
        return _restored_tag, (type(obj), kept)


def _restored_tag(cls: type, attributes: dict[str, Any]) -> Any:
    tag = cls()
    tag.__dict__.update(attributes)
    return tag


class PersistentNdarrayID:
    """Puts arrays into an archive, and gives them names: ``array_0``, ``array_1``, ...

    Parameters
    ----------
    zip_file : zipfile.ZipFile
    """

    def __init__(self, zip_file: zipfile.ZipFile) -> None:
        self.zip_file = zip_file
        self.count = 0
        self.seen: dict[int, tuple[str, Any]] = {}

    def __call__(self, obj: Any) -> str | None:
        """Return the name of the member for an array, None for other objects."""
        if type(obj) is not np.ndarray or obj.dtype.hasobject:
            return None
        known = self.seen.get(id(obj))
        if known is None:
            known = self.seen[id(obj)] = (self._stored(obj), obj)  # kept alive: ids are reused
        return f"ndarray.{known[0]}"

    def _stored(self, array: Any) -> str:
        name = self.resolve_name(array)
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, allow_pickle=False)
        self.zip_file.writestr(f"{name}.npy", buffer.getvalue())
        return name

    def resolve_name(self, obj: Any) -> str:
        """Return a new name."""
        self.count += 1
        return f"array_{self.count - 1}"


class PersistentSharedVariableID(PersistentNdarrayID):
    """Like `PersistentNdarrayID`; the arrays of shared variables get the names of the variables.

    Parameters
    ----------
    zip_file : zipfile.ZipFile
    allow_unnamed : bool
        Whether shared variables may have no name.
    allow_duplicates : bool
        Whether several may have the same name; a number is added then.
    """

    def __init__(
        self, zip_file: zipfile.ZipFile, allow_unnamed: bool = True, allow_duplicates: bool = True
    ) -> None:
        super().__init__(zip_file)
        self.allow_unnamed = allow_unnamed
        self.allow_duplicates = allow_duplicates
        self.names: dict[int, tuple[str, Any]] = {}  # with the array, so that its id stays its own
        self.used: dict[str, int] = {}

    def __call__(self, obj: Any) -> str | None:
        """Note the names of shared variables, which are met before their arrays."""
        if isinstance(obj, SharedVariable):
            self._note(obj)
        return super().__call__(obj)

    def _note(self, variable: Any) -> None:
        value = variable.get_value(borrow=True, return_internal_type=True)
        if not isinstance(value, np.ndarray) or id(value) in self.names:
            return
        if not variable.name:
            if not self.allow_unnamed:
                raise ValueError(f"the shared variable {variable!r} has no name")
            return
        if variable.name == "pkl":
            raise ValueError("a shared variable can't be named 'pkl' in a dump")
        count = self.used.get(variable.name, 0)
        if count and not self.allow_duplicates:
            raise ValueError(f"several shared variables are named {variable.name!r}")
        self.used[variable.name] = count + 1
        name = f"{variable.name}_{count + 1}" if count else variable.name
        self.names[id(value)] = name, value

    def resolve_name(self, obj: Any) -> str:
        """Return the name of the shared variable, or a new one."""
        known = self.names.get(id(obj))
        return super().resolve_name(obj) if known is None else known[0]


class PersistentNdarrayLoad:
    """Takes arrays out of an archive.

    Parameters
    ----------
    zip_file : zipfile.ZipFile
    """

    def __init__(self, zip_file: zipfile.ZipFile) -> None:
        self.zip_file = zip_file
        self.cache: dict[str, Any] = {}

    def __call__(self, persistent_id: str) -> Any:
        """Return the array of a name."""
        kind, _, name = persistent_id.partition(".")
        if kind != "ndarray":
            raise pickle.UnpicklingError(f"the dump refers to an unknown object: {persistent_id}")
        if name not in self.cache:
            with self.zip_file.open(f"{name}.npy") as member:
                data = io.BytesIO(member.read())
            self.cache[name] = np.lib.format.read_array(data, allow_pickle=False)
        return self.cache[name]


class _Pickler(pickle.Pickler):
    """A pickler with that rule for what is stored elsewhere."""

    def __init__(self, file: BinaryIO, protocol: int, named: Callable[[Any], str | None]) -> None:
        super().__init__(file, protocol)
        self.named = named

    def persistent_id(self, obj: Any) -> str | None:
        return self.named(obj)


class _Unpickler(pickle.Unpickler):
    """An unpickler with that rule for what is stored elsewhere."""

    def __init__(self, file: BinaryIO, stored: Callable[[str], Any]) -> None:
        super().__init__(file)
        self.stored = stored

    def persistent_load(self, pid: str) -> Any:
        return self.stored(pid)


def dump(
    obj: Any,
    file_handler: BinaryIO,
    protocol: int = 4,
    persistent_id: type[PersistentNdarrayID] = PersistentSharedVariableID,
) -> None:
    """Write an object as a zip archive: a pickle, and its arrays as ``.npy`` members.

    Parameters
    ----------
    obj : object
    file_handler : binary file
    protocol : int
        Of the pickle.
    persistent_id : type
        What stores arrays and names them.
    """
    with zipfile.ZipFile(file_handler, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        text = io.BytesIO()
        _Pickler(text, protocol, persistent_id(archive)).dump(obj)
        archive.writestr("pkl", text.getvalue())


def load(f: BinaryIO, persistent_load: type[PersistentNdarrayLoad] = PersistentNdarrayLoad) -> Any:
    """Read what `dump` has written. A pickle may run any code: load only what you trust.

    Parameters
    ----------
    f : binary file
    persistent_load : type
        What reads arrays.
    """
    with zipfile.ZipFile(f) as archive, archive.open("pkl") as member:
        return _Unpickler(io.BytesIO(member.read()), persistent_load(archive)).load()
