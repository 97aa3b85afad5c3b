"""Hides the package of this name: see ``tests/conftest.py``."""

raise ImportError("production has no rich")
