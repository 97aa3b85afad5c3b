"""Run all of Darkroom on one machine with one command: stores from wheels, service, workers."""
