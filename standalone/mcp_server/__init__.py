"""``darkroom mcp``: the operations as tools of assistants, by the Model Context Protocol."""
