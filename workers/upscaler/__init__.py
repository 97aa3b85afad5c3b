"""Run super-resolution networks, whole or in tiles, and check their output."""
