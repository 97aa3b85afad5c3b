"""E-mail: contents, templates, MIME messages, and their delivery over SMTP."""
