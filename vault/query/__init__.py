"""Questions to one dataset version: pages, search, filters, sorts, labels, lengths.

:class:`RowTable` is the door. It asks DuckDB over the version's Parquet file or, once a worker has made it, the version's index
(:mod:`vault.browse_index`), and remembers which rows a filter left.
"""

from vault.query.counting import Count, Totals
from vault.query.duck import SECONDS, TooSlow, ask, ask_positions, regex_problem
from vault.query.filters import OPERATORS, BadFilter, Condition, Filter, words
from vault.query.lengths import Lengths, summarise
from vault.query.sources import Index, open_index
from vault.query.table import PAGE, Numbered, Page, RowTable

__all__ = [
    "OPERATORS",
    "PAGE",
    "SECONDS",
    "BadFilter",
    "Condition",
    "Count",
    "Filter",
    "Index",
    "Lengths",
    "Numbered",
    "Page",
    "RowTable",
    "TooSlow",
    "Totals",
    "ask",
    "ask_positions",
    "open_index",
    "regex_problem",
    "summarise",
    "words",
]
