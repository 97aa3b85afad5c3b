"""Prometheus metrics: definitions, instruments of a process, snapshots, text format."""
