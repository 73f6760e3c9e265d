"""scikit-learn estimators whose models are expressions or networks of `symc.nn`.

Needs scikit-learn, which nothing else in symc does: ``pip install symc[learn]``.
"""

try:
    from sklearn.utils.validation import validate_data as _validate_data
except ImportError as problem:
    raise ImportError(
        "symc.learn makes scikit-learn estimators and needs scikit-learn 1.6 or newer, which "
        f"could not be imported ({problem}). Install it: pip install 'symc[learn]', or "
        "pip install 'scikit-learn>=1.6'"
    ) from None

from .classifier import ExpressionClassifier
from .regressor import ExpressionRegressor
from .transformer import ExpressionTransformer

__all__ = ["ExpressionClassifier", "ExpressionRegressor", "ExpressionTransformer"]
