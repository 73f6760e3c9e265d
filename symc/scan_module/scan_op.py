"""The loop op, under Theano's module name."""

from __future__ import annotations

from ..ops.scan.op import Scan

__all__ = ["Scan"]
