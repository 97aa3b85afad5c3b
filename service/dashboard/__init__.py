"""The dashboard: workers, queue and tasks as the ledger has them, for whoever may see them.

``gate`` says who that is; ``routes`` is the table of contents.
"""
