"""API keys, permissions, tokens, signed links and what an owner may see."""
