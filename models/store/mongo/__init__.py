"""MongoDB primitives: errors, server time, upserts, indexes, locks."""
