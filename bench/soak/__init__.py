"""A long mixed load, valid and hostile, after which everything must be as small as before."""
