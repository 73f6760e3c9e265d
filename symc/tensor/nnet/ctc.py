"""``symc.tensor.nnet.ctc``: connectionist temporal classification, in Theano's names."""

from ...ops.ctc import ConnectionistTemporalClassification, ctc

__all__ = ["ConnectionistTemporalClassification", "ctc", "ctc_available", "ctc_present"]


def ctc_present() -> bool:
    """Whether the cost can be computed; it needs nothing else."""
    return True


def ctc_available() -> bool:
    """Whether the cost can be computed; it needs nothing else."""
    return True
