"""MongoDB primitives: errors, server time, upserts, locks, quotas."""
