"""The HTTP dialects that the engine speaks."""
