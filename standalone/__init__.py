"""Darkroom on one machine by one command: real stores from their wheels, service, workers."""
