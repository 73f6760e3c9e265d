"""``symc.tensor.fft``: Fourier transforms of real arrays."""

# ruff: noqa: F401 - a namespace re-exports

from ..ops.fourier import IRFFTOp, RFFTOp, irfft, irfft_op, rfft, rfft_op
