"""HTTP itself: connections, headers, queries, errors, CORS, CSRF, streaming."""
