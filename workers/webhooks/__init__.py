"""Webhooks: signed calls to untrusted receivers when a task or group has ended."""
