"""Redis: the arq queue, the result cache and the rate limits."""
