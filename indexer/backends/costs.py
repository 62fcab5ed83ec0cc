"""What parts of a search cost one core, in nanoseconds (measured at 512 dimensions)."""

LIST_NS = 1_000.0
"""An inverted list before its first code."""
RERANK_NS = 160.0
"""An exact score of a candidate."""
GATHERED_NS = 200.0
"""An exact score of a row that a filter left, read from wherever it lies."""
PACKED_CODE_NS = 3.5
"""A code that is scanned in registers, whether its row passes a filter or not."""
CODE_NS = 25.0
"""Any other code, if its row passes."""
