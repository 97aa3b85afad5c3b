"""The dashboard: workers, queue and tasks from the ledger, for operators.

``auth`` decides who may see it; ``routes`` lists its routes.
"""
