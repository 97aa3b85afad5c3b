"""Hides the package of this name: see ``tests/conftest.py``."""

raise ModuleNotFoundError("production has no rich")
