"""MongoDB primitives: errors, server time, indexes, upserts, leases."""
