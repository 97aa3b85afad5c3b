"""Tests of ``darkroom mcp``."""
