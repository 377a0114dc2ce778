"""Exchange formats of other tools."""
