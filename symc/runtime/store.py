"""The store on disk: content-addressed files, published atomically, without locks.

An entry is one file named ``<key>-<digest><suffix>``, where the key says what it was made from and
the digest is the SHA-256 of its content: an entry that was cut short or damaged does not fit its
name, is removed and made again. Entries are written beside their final place and renamed, never
changed afterwards, so any number of processes may read, write, clean and be killed at any time.

What can't be written (a directory that is read-only, full, missing or someone else's) goes to a
private directory of the process, which is removed when it ends.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..config import config
from ..errors import CacheError, user_message

__all__ = ["Entry", "Store", "digest_of", "store"]

_DIGEST_LENGTH = 32  # hexadecimal digits kept of a SHA-256: 128 bits
_TOUCH_AFTER = 3600.0  # seconds; the time of last use is no more precise than this
_STALE_AFTER = 6 * 3600.0  # age of unfinished files that nobody will finish
_CLEAN_EVERY = 64  # one publication in so many looks at the size of the whole store


def digest_of(*parts: str | bytes) -> str:
    """Key of an entry: hexadecimal SHA-256 over the parts and their lengths.

    Parameters
    ----------
    *parts : str or bytes

    Returns
    -------
    str
        Independent of the process, of hash randomisation and of the locale.
    """
    total = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)
    return total.hexdigest()[:_DIGEST_LENGTH]


@dataclass(frozen=True)
class Entry:
    """One file of the store.

    Attributes
    ----------
    key : str
    suffix : str
        ``".so"`` for compiled programs, ``".blob"`` for plans and probes.
    path : pathlib.Path
    bytes : int
    used : float
        Time of the last use, in seconds since the epoch, to within an hour.
    """

    key: str
    suffix: str
    path: Path
    bytes: int
    used: float


class Store:
    """Entries in the directory `root`, or in a private one where that fails.

    Parameters
    ----------
    root : pathlib.Path, optional
        By default ``config.compiledir``, looked up at every use.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._private: Path | None = None
        self._private_owner = 0
        self._lock = threading.Lock()

    @property
    def root(self) -> Path:
        """The shared directory; it need not exist."""
        return self._root or Path(config.compiledir).expanduser()

    # -- reading ----------------------------------------------------------------------------------

    def load(self, key: str, suffix: str) -> bytes | None:
        """Content of an entry, or None where there is no undamaged one."""
        found = self._find(key, suffix)
        return found[1] if found else None

    def find(self, key: str, suffix: str) -> Path | None:
        """Path of an entry whose content has been checked, or None."""
        found = self._find(key, suffix)
        return found[0] if found else None

    def _find(self, key: str, suffix: str) -> tuple[Path, bytes] | None:
        for directory in self._directories():
            for path in self._candidates(directory, key, suffix):
                content = _checked_content(path)
                if content is not None:
                    return path, content
        return None

    def _directories(self) -> Iterator[Path]:
        root = self.root
        if _trusted(root):
            yield root
        if self._private is not None:
            yield self._private

    @staticmethod
    def _candidates(directory: Path, key: str, suffix: str) -> list[Path]:
        shard = directory / key[:2]
        prefix = f"{key}-"
        if not _trusted(shard):
            return []
        try:
            with os.scandir(shard) as items:
                names = sorted(item.name for item in items if item.name.startswith(prefix))
        except OSError:
            return []
        return [shard / name for name in names if name.endswith(suffix)]

    # -- writing ----------------------------------------------------------------------------------

    def publish(self, key: str, suffix: str, content: bytes) -> Path:
        """Write an entry and return its path.

        Raises
        ------
        CacheError
            If neither the shared nor a private directory can be written.
        """
        name = f"{key}-{_digest(content)}{suffix}"
        try:
            path = self._write(self._usable_root(), name, content)
        except OSError:
            try:
                path = self._write(self.private(), name, content)
            except OSError as problem:
                raise CacheError(
                    user_message(
                        "compiled programs can't be written to disk",
                        got=str(problem),
                        expected=f"room and permission in {self.root} or {tempfile.gettempdir()}",
                        hint="name another directory by the flag base_compiledir",
                    )
                ) from problem
        if os.urandom(1)[0] % _CLEAN_EVERY == 0:  # the user's random state stays untouched
            self.clean()
        return path

    @staticmethod
    def _write(directory: Path, name: str, content: bytes) -> Path:
        shard = directory / name[:2]
        shard.mkdir(mode=0o700, exist_ok=True)
        if not _trusted(shard):
            raise PermissionError(f"{shard} belongs to another user, or others may write to it")
        path = shard / name
        handle, temporary = tempfile.mkstemp(prefix="tmp-", dir=shard)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
        return path

    def _usable_root(self) -> Path:
        root = self.root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _trusted(root):
            raise PermissionError(f"{root} belongs to another user, or others may write to it")
        return root

    def private(self) -> Path:
        """A directory of this process alone, made when first asked for and removed at the end."""
        with self._lock:
            if self._private is None or self._private_owner != os.getpid():
                self._private = Path(tempfile.mkdtemp(prefix="symc-"))
                self._private_owner = os.getpid()
                atexit.register(_remove_private, self._private, self._private_owner)
            return self._private

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """A new empty directory for the length of a block.

        Raises
        ------
        CacheError
            If no directory can be made.
        """
        path = None
        try:
            path = Path(tempfile.mkdtemp(prefix="tmp-", dir=self._usable_root()))
        except OSError:
            try:
                path = Path(tempfile.mkdtemp(prefix="tmp-", dir=self.private()))
            except OSError as problem:
                raise CacheError(
                    user_message("no directory can be made for compiling", got=str(problem))
                ) from problem
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    # -- the whole --------------------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """All entries of the shared directory, least recently used first."""
        found = []
        root = self.root
        if _trusted(root):
            for shard in _subdirectories(root):
                found += _entries_of(shard)
        return sorted(found, key=lambda entry: (entry.used, entry.path.name))

    def clear(self) -> int:
        """Remove all entries; returns how many bytes they had."""
        return sum(entry.bytes for entry in self.entries() if _unlink(entry.path))

    def clean(self) -> int:
        """Bring the store below its size limit and drop what killed processes have left.

        Returns
        -------
        int
            Bytes removed.
        """
        removed = 0
        self._drop_stale()
        limit = config.cache_size_limit * 2**20
        if not limit:
            return 0
        entries = self.entries()
        total = sum(entry.bytes for entry in entries)
        for entry in entries:
            if total - removed <= limit:
                break
            if _unlink(entry.path):
                removed += entry.bytes
        return removed

    def _drop_stale(self) -> None:
        root = self.root
        if not _trusted(root):
            return
        before = time.time() - _STALE_AFTER
        for directory in [root, *_subdirectories(root)]:
            with contextlib.suppress(OSError):
                for item in os.scandir(directory):
                    if not item.name.startswith("tmp-") or item.stat().st_mtime > before:
                        continue
                    if item.is_dir(follow_symlinks=False):
                        shutil.rmtree(item.path, ignore_errors=True)
                    else:
                        _unlink(Path(item.path))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGEST_LENGTH]


def _checked_content(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if _digest(content) != path.name.partition(".")[0].rpartition("-")[2]:
        _unlink(path)
        return None
    _touch(path)
    return content


def _touch(path: Path) -> None:
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > _TOUCH_AFTER:
            os.utime(path)


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _trusted(directory: Path) -> bool:
    """Whether the directory exists and only this user can write to it: code is loaded from it."""
    try:
        found = directory.stat()
    except (OSError, ValueError):
        return False
    if not hasattr(os, "getuid"):
        return True
    return found.st_uid in (os.getuid(), 0) and not found.st_mode & stat.S_IWOTH


def _subdirectories(root: Path) -> list[Path]:
    try:
        with os.scandir(root) as items:
            return [Path(item.path) for item in items if len(item.name) == 2 and item.is_dir()]
    except OSError:
        return []


def _entries_of(shard: Path) -> list[Entry]:
    found = []
    with contextlib.suppress(OSError), os.scandir(shard) as items:
        for item in items:
            key, separator, rest = item.name.partition("-")
            if not separator or key == "tmp":
                continue
            with contextlib.suppress(OSError):
                stat = item.stat()
                path = Path(item.path)
                suffix = rest[rest.find(".") :] if "." in rest else ""
                found.append(Entry(key, suffix, path, stat.st_size, stat.st_mtime))
    return found


def _remove_private(path: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


#: The store of this process.
store = Store()
