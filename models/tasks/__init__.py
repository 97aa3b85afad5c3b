"""Tasks and groups: documents, file names, JSON, queue position, archives."""
