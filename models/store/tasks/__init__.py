"""The task ledger: leases, queue, search, groups, change stream, workers."""
