"""The outbox collections: e-mails, webhooks, subscribers, newsletters."""
