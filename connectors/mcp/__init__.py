"""Tools of MCP servers that nobody here wrote, behind the same gate as our own."""
