"""Outbox collections: e-mails, webhooks, e-mail quota, subscribers, newsletters."""
