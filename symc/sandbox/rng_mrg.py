"""`MRG_RandomStreams`: the same counter-based streams, with Theano's default seed."""

from __future__ import annotations

from ..compile.streams import RandomStreams

__all__ = ["MRG_RandomStreams"]


class MRG_RandomStreams(RandomStreams):  # noqa: N801 - the name that users know
    """Random streams of seed 12345 by default."""

    def __init__(self, seed: int | None = 12345) -> None:
        super().__init__(seed)
