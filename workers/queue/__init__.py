"""The arq worker: jobs, attempts, task groups."""
