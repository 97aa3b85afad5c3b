"""Calls of the older services that need code of their own."""
