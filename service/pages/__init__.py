"""HTML pages: templates, static files and their rendering."""
