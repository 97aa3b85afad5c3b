"""Several machines on one: hosts in network namespaces, faults between them, promises kept.

``make cluster``, or ``python -m tests.cluster``; docs/reliability.md has promises and figures.
"""
