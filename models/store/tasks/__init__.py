"""The task ledger: tasks, leases, fair queue, search, groups, change stream, worker registry."""
