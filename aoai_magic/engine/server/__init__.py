"""The engine's process, its HTTP application and authentication."""
