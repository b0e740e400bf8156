"""What runs inside a session."""
