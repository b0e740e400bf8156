"""The HTTP APIs that the engine serves."""
