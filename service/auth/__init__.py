"""Who calls and what they may do: keys, sessions, permissions, rate limits."""
