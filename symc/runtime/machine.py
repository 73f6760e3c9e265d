"""Memory kept for reuse, and threads: what the call path holds of the machine."""

from __future__ import annotations

from . import native

__all__ = ["memory_info", "set_memory_limit", "set_num_threads", "thread_info", "trim_memory"]


def memory_info() -> dict[str, int]:
    """Bytes ``cached`` for reuse, bytes ``live`` in arrays and calls, ``limit`` of the first.

    All are 0 without the extension.
    """
    if native.callpath is None:
        return {"cached": 0, "live": 0, "limit": 0}
    return dict(native.callpath.pool_info())


def set_memory_limit(limit: int) -> None:
    """Keep at most `limit` bytes of unused memory for reuse; 0 keeps none.

    The default is an eighth of the machine's memory, at most one gigabyte.

    Raises
    ------
    ValueError
        If `limit` is negative.
    """
    if native.callpath is not None:
        native.callpath.set_pool_limit(limit)


def trim_memory() -> None:
    """Give all unused memory back to the system."""
    if native.callpath is not None:
        native.callpath.trim_pool()


def set_num_threads(threads: int) -> None:
    """Let a call use at most so many threads.

    Parameters
    ----------
    threads : int
        0 stands for ``OMP_NUM_THREADS`` where it is set, else for what processor affinity and
        cgroup quota allow.

    Raises
    ------
    ValueError
        If `threads` is negative.
    """
    if native.callpath is not None:
        native.callpath.set_threads(threads)


def thread_info() -> tuple[int, int]:
    """Threads that a call may use, and workers that have been started; (1, 0) without extension."""
    return (1, 0) if native.callpath is None else native.callpath.threads()
