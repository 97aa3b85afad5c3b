"""Redis: the arq queue and the rate limits."""
