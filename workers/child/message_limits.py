"""Lengths of texts in messages of a child, which truncates longer ones.

Apart from the models of ``protocol``: a child would take a seventh of its start to build them.
"""

from __future__ import annotations

MAX_DETAIL_CHARACTERS = 2000  # of an error's text
MAX_TRACEBACK_CHARACTERS = 20_000  # of a defect
MAX_FACT_CHARACTERS = 1000  # of one value in the log, and of the name of a log event
