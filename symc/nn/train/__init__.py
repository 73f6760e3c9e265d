"""Training loops: iterators of records, over data that lie anywhere.

`train` compiles and trains; `Training` is the loop alone, for functions of one's own. Everything
else here is used by them and works without them: `minibatches`, the places where data lie,
`measures`, early stopping, files of values, and the history as a table, a file and a picture.
"""

from .api import measures, train
from .data import Arrays, Chunks, Data, InShared, Stream, as_data, minibatches
from .files import load_values, save_values
from .history import format_history, load_history, plot_history, save_history
from .loop import Means, Training
from .stopping import NoImprovement, Patience, Stopping, is_improvement

__all__ = [
    "Arrays",
    "Chunks",
    "Data",
    "InShared",
    "Means",
    "NoImprovement",
    "Patience",
    "Stopping",
    "Stream",
    "Training",
    "as_data",
    "format_history",
    "is_improvement",
    "load_history",
    "load_values",
    "measures",
    "minibatches",
    "plot_history",
    "save_history",
    "save_values",
    "train",
]
