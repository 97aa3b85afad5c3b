"""Chaos tests: processes are killed and frozen at random under load, and no task is lost.

``python -m tests.chaos storm`` and ``python -m tests.chaos recovery``; docs/reliability.md has the
promise and the figures.
"""
