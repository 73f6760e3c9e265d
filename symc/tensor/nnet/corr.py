"""``symc.tensor.nnet.corr``: classes of correlations over two axes."""

from .conv_classes import BaseCorrMM, CorrMM, CorrMM_gradInputs, CorrMM_gradWeights

__all__ = ["BaseCorrMM", "CorrMM", "CorrMM_gradInputs", "CorrMM_gradWeights"]
