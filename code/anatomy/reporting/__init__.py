"""What a run leaves behind: histories, checkpoints, receipts, figures, and the code itself.

Imports row 1 only, and rows 1 to 5 never import it: an algorithm does not print,
plot or save.
"""

from anatomy.reporting.history import History
from anatomy.reporting.progress import progress
from anatomy.reporting.receipts import read_result, receipt, write_result
from anatomy.reporting.source import show
from anatomy.reporting.table import table

__all__ = ["History", "progress", "read_result", "receipt", "show", "table", "write_result"]
