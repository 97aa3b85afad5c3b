"""Decoding, colour, alpha, depth and encoding of pictures."""
