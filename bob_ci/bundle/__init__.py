"""A directory → values → rendered profiles → chart (FORMAT.md 1 to 4)."""
