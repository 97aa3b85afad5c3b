"""MongoDB itself: errors, server time, upserts, locks, replica set, quotas."""
