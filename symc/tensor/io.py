"""``symc.tensor.io``: arrays that are read from files when a function runs."""

from __future__ import annotations

from ..lazy import late_names
from ..ops.load import LoadFromDisk, load

__all__ = ["LoadFromDisk", "load"]

_ELSEWHERE = "messages between processes are sent outside of compiled functions, by mpi4py"

__getattr__ = late_names(
    __name__,
    {},
    dict.fromkeys(
        ("MPIRecv", "MPIRecvWait", "MPISend", "MPISendWait", "irecv", "isend", "recv", "send"),
        _ELSEWHERE,
    ),
)
