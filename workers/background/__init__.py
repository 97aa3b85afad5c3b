"""Background loops of a worker: sweep, housekeeping, heartbeat."""
