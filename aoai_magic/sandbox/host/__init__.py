"""The host's side of a session."""
