"""``symc.sandbox.linalg``: hints about matrices, by the path that Theano's users know."""

# ruff: noqa: F401 - a namespace re-exports

from ..ops.linalg.hints import (
    Hint,
    hints,
    is_positive,
    is_psd,
    is_symmetric,
    psd,
    spectral_radius_bound,
)
