"""The sandbox for other assistants: an MCP server over standard streams or HTTP."""
