"""The logger that messages go to, and silence for a while."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["disable_log_handler", "theano_logger"]

theano_logger = logging.getLogger("symc")


@contextmanager
def disable_log_handler(
    logger: logging.Logger = theano_logger, handler: logging.Handler | None = None
) -> Iterator[None]:
    """Take a handler off a logger for the time of a ``with`` block.

    Parameters
    ----------
    logger : logging.Logger
    handler : logging.Handler, optional
        By default all handlers of the logger.
    """
    present = [h for h in logger.handlers if handler is None or h is handler]
    for h in present:
        logger.removeHandler(h)
    try:
        yield
    finally:
        for h in present:
            logger.addHandler(h)
