"""The arq worker and its job: claim, execute and publish tasks."""
