"""Everything that can die is killed and frozen at random while clients submit; nothing is lost.

``python -m tests.chaos storm`` and ``python -m tests.chaos recovery``; docs/reliability.md has the
promise and the figures.
"""
