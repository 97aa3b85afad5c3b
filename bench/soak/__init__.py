"""Soak test: a long mixed load, valid and hostile, after which no figure may have grown."""
