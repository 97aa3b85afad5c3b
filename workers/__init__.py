"""Worker processes: run tasks in child processes, send e-mails and webhooks, clean up."""
