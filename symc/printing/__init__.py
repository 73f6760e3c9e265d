"""``symc.printing``: graphs as trees, formulas and drawings; values printed while computing."""

from ..graph.formula import (
    DefaultPrinter,
    FunctionPrinter,
    IgnorePrinter,
    LeafPrinter,
    OperatorPrinter,
    PatternPrinter,
    PPrinter,
    PrinterState,
    pp,
    pprint,
)
from ..graph.text import debugprint
from ..ops.control import Print
from .describe import (
    VALID_ASSOC,
    default_printer,
    hex_digest,
    leaf_printer,
    min_informative_str,
    position_independent_str,
    use_ascii,
    var_descriptor,
)
from .dot import default_colorCodes, dot_source, pydot_imported, pydot_imported_msg, pydotprint
