"""Webhooks: how the end of a task is told to a stranger's server, which may be anybody's."""
