"""Super-resolution networks: reading them, running them, running them in tiles."""
