"""Periodic jobs of a worker: sweep, retention, housekeeping."""
