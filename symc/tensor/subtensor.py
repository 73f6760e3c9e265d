"""``symc.tensor.subtensor``: reading and writing parts, by the names that old code imports."""

# ruff: noqa: F401 - a namespace re-exports

from ..errors import AdvancedIndexingError
from ..errors import AdvancedIndexingError as AdvancedBooleanIndexingError
from ..ops.advanced import advanced_index
from ..ops.aliases import (
    AdvancedBooleanIncSubtensor,
    AdvancedBooleanSubtensor,
    advanced_boolean_inc_subtensor,
    advanced_boolean_set_subtensor,
    advanced_boolean_subtensor,
    advanced_inc_subtensor,
    advanced_inc_subtensor1,
    advanced_set_subtensor,
    advanced_set_subtensor1,
    advanced_subtensor,
    advanced_subtensor1,
)
from ..ops.canonical import (
    adv_index_broadcastable_pattern,
    check_advanced_indexing_dimensions,
    check_and_reject_bool,
    get_canonical_form_slice,
)
from ..ops.gather import AdvancedSubtensor, AdvancedSubtensor1
from ..ops.repeat import take
from ..ops.scatter import AdvancedIncSubtensor, AdvancedIncSubtensor1
from ..ops.slice import Subtensor, get_idx_list
from ..ops.write import IncSubtensor, inc_subtensor, set_subtensor

BaseAdvancedSubtensor = AdvancedSubtensor
BaseAdvancedIncSubtensor = AdvancedIncSubtensor
