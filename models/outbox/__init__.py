"""Documents of the outbox: e-mails, webhooks, subscribers and their addresses."""
